"""The sandbox's two exports: POST creates one, GET returns its pages, quirks included."""

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote, unquote

import orjson
from aiohttp import web

from source_clevertap.sandbox.account import NOT_EXPORTABLE, Flags
from source_clevertap.sandbox.faults import Api, as_json, fail, not_ready, refused_dates

SHARDS = 23
LARGEST_BATCH = 4991  # 217 x 23
CURSOR_SECONDS = {"profiles": 4 * 24 * 3600, "events": 4 * 3600}
CURSOR_IDLE_SECONDS = {"profiles": 4 * 24 * 3600, "events": 3600}
RECORD_FLAGS = ("app", "events", "profile")


@dataclass
class Export:
    """An export: the numbers of its records by shard, and when it was created and last used."""

    stream: str
    event: str
    days: tuple[int, int]
    shards: list[list[int]]
    per_shard: int
    flags: Flags
    created: float
    used: float
    dead: bool = False
    not_ready: dict[int, int] = field(default_factory=dict)

    def lives(self, now: float) -> bool:
        return (
            not self.dead
            and now - self.created <= CURSOR_SECONDS[self.stream]
            and now - self.used <= CURSOR_IDLE_SECONDS[self.stream]
        )

    @property
    def pages(self) -> int:
        return max((-(-len(shard) // self.per_shard) for shard in self.shards), default=0) or 1

    def numbers(self, page: int) -> list[int]:
        start = page * self.per_shard
        return [n for shard in self.shards for n in shard[start : start + self.per_shard]]


class Exports:
    """The exports and their cursors."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.opened: list[Export] = []
        self.cursors: dict[str, tuple[int, int]] = {}
        self.encoded: dict[tuple[str, str, Flags], dict[int, bytes]] = {}

    def register(self, router: web.UrlDispatcher) -> None:
        """Adds the routes."""
        for stream in CURSOR_SECONDS:
            router.add_post(f"/1/{stream}.json", self.open)
            router.add_get(f"/1/{stream}.json", self.page)

    async def open(self, request: web.Request) -> web.StreamResponse:
        if "cursor" in request.query:  # some clients page by POST, too, and CleverTap accepts it
            return await self.page(request)
        fault = self.api.fault(opening=True, page=-1)
        if fault:
            return await fault(self, request, {"status": "success", "cursor": "x"})
        try:
            body = orjson.loads(request.query.get("query") or await request.read())
            event, first, last = body["event_name"], body["from"], body["to"]
        except (ValueError, KeyError, TypeError):
            return fail("Incorrect Usage", 3, http=400)
        refusal = self._refusal(event, first, last)
        if refusal:
            return refusal
        batch = int(request.query.get("batch_size", LARGEST_BATCH))
        per_shard = min(batch, self.api.page_rows) // SHARDS or 10**9
        stream = "events" if "events.json" in request.path else "profiles"
        if stream == "events":
            at = datetime.fromtimestamp(self.api.now(), timezone.utc)
            numbers = iter(self.api.account.raised(event, first, last, at))
        else:
            numbers = self.api.account.active(event, first, last)
        shards: list[list[int]] = [[] for _ in range(SHARDS)]
        for place, number in enumerate(numbers):
            shards[place * 7 % SHARDS].append(number)
        flags = Flags(*(request.query.get(name, "true") == "true" for name in RECORD_FLAGS))
        now = self.api.now()
        self.opened.append(Export(stream, event, (first, last), shards, per_shard, flags, now, now))
        cursor = self.cursor(len(self.opened) - 1, 0)
        return web.json_response({"status": "success", "cursor": cursor})

    def _refusal(self, event: Any, first: Any, last: Any) -> web.Response | None:
        if event in NOT_EXPORTABLE:
            return fail("Export not allowed for this event", 400, http=400)
        if not self.api.account.knows(event):
            return fail(f'["Invalid event : {event}"]', 400, http=200)
        return refused_dates(first, last, self.api.today())

    async def page(self, request: web.Request) -> web.StreamResponse:
        if "query" in request.query:  # the older way to create an export, which CleverTap's own clients use
            return await self.open(request)
        raw = request.rel_url.raw_query_string.partition("cursor=")[2]
        if raw not in self.cursors:
            if unquote(raw) in self.cursors:  # encoded a second time
                return fail("Incorrect Usage", 3, http=200)
            return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
        number, page = self.cursors[raw]
        export = self.opened[number]
        if not export.lives(self.api.now()):
            return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
        export.used = self.api.now()
        content: dict[str, Any] = {"status": "success"}
        if page + 1 < export.pages:
            content["next_cursor"] = self.cursor(number, page + 1)
        if page:
            content["previous_cursor"] = self.cursor(number, page - 1)
        kind = export.stream, export.event if export.stream == "events" else "", export.flags
        records = [self.record(*kind, number) for number in export.numbers(page)]
        if records:
            content["records"] = orjson.Fragment(b"[" + b",".join(records) + b"]")
        if export.not_ready.setdefault(page, self.api.not_ready) > 0:
            export.not_ready[page] -= 1
            return not_ready()
        fault = self.api.fault(opening=False, page=page)
        if fault:
            return await fault(self, request, content)
        return as_json(content)

    def cursor(self, export: int, page: int, salt: str = "") -> str:
        """The cursor of a page, about 2 KB and percent-encoded, as CleverTap returns it."""
        label = f"{self.api.account.seed}/{export}/{page}/{salt}".encode()
        noise = b"".join(hashlib.sha512(label + bytes([i])).digest() for i in range(24))
        encoded = quote(base64.b64encode(noise + b"=").decode(), safe="")
        self.cursors[encoded] = (export, page)
        return encoded

    def position(self, request: web.Request) -> tuple[int, int]:
        """The export and page of the request's cursor."""
        return self.cursors[request.rel_url.raw_query_string.partition("cursor=")[2]]

    def export(self, request: web.Request) -> Export:
        """The export of the request's cursor."""
        return self.opened[self.position(request)[0]]

    def record(self, stream: str, event: str, flags: Flags, number: int) -> bytes:
        encoded = self.encoded.setdefault((stream, event, flags), {})
        if number not in encoded:
            account = self.api.account
            events = stream == "events"
            record = account.event(event, number, flags) if events else account.profile(number, flags)
            encoded[number] = orjson.dumps(record)
        return encoded[number]
