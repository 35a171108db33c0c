"""The sandbox's API: what the fact sheet says of CleverTap's exports, quirks and faults included.

Use `Sandbox` as a context manager in a test (`source-clevertap-sandbox` serves one: cli.py). Besides
CleverTap's own paths it answers under /_sandbox: `stats`, `truth/profiles`, `truth/events`, `faults`,
`clock`.
"""

import asyncio
import base64
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, quote, unquote

import orjson
import pytz
from aiohttp import web

from source_clevertap.sandbox.account import ALL_FLAGS, NOT_EXPORTABLE, Account, Flags
from source_clevertap.sandbox.endpoints import Tables, as_json, fail, refused_dates

SHARDS = 23
LARGEST_BATCH = 4991  # 217 x 23
MAX_IN_FLIGHT = 3
CURSOR_SECONDS = {"profiles": 4 * 24 * 3600, "events": 4 * 3600}
CURSOR_IDLE_SECONDS = {"profiles": 4 * 24 * 3600, "events": 3600}
RECORD_FLAGS = ("app", "events", "profile")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Fault:
    """Something that goes wrong in an export.

    name: one of FAULTS. times: how often, None for ever. page: the page it hits (0 is the first),
    None for any; opening: whether it hits the POST that opens an export instead of a page.
    """

    name: str
    times: int | None = 1
    page: int | None = None
    opening: bool = False

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"no fault '{self.name}'; there are {', '.join(FAULTS)}")

    def take(self, opening: bool, page: int) -> bool:
        """Whether it strikes now; counts down."""
        if opening != self.opening or self.times == 0 or self.page not in (None, page):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """name[:times[:page]], times `always` or a number; `open-` before the name hits the POST."""
        name, times, page = (text + "::").split(":")[:3]
        return cls(
            name.removeprefix("open-"),
            None if times == "always" else int(times or 1),
            int(page) if page else None,
            name.startswith("open-"),
        )


@dataclass
class Export:
    """An opened export: the numbers of its records by shard, and when it was made and last used."""

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


class Sandbox:
    """A fake CleverTap on loopback, served from a thread of its own."""

    def __init__(
        self,
        account: Account | None = None,
        port: int = 0,
        not_ready: int = 0,
        latency: float = 0.0,
        faults: tuple[Fault, ...] = (),
        page_rows: int = LARGEST_BATCH,
        features_off: tuple[str, ...] = (),
    ) -> None:
        """not_ready: how often each page is "still in progress", or a count partial, before it comes.

        latency: seconds that each answer takes. port: 0 picks a free one. page_rows: the most that a
        page holds, for short pages. features_off: ("content_blocks",) where the account has none.
        """
        self.features_off = features_off
        self.account = account or Account()
        self.not_ready, self.latency, self.faults = not_ready, latency, list(faults)
        self.port, self.page_rows = port, page_rows
        self.clock_offset = 0.0
        self.requests: list[dict[str, Any]] = []
        self._in_flight = self.max_in_flight = 0
        self._exports: list[Export] = []
        self._cursors: dict[str, tuple[int, int]] = {}
        self._encoded: dict[tuple[str, str, Flags], dict[int, bytes]] = {}
        self._started = threading.Event()

    # ---------------------------------------------------------------- running

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> dict[str, Any]:
        """A connector configuration for this account, over the whole range of its data.

        A change to None leaves a setting out.
        """
        config = {
            "account_id": self.account.account_id,
            "passcode": self.account.passcode,
            "base_url": self.url,
            "event_name": "App Launched",
            "start_date": 20220101,
            "end_date": 20260212,
            "timezone": self.account.timezone,
        }
        return {name: value for name, value in {**config, **changes}.items() if value is not None}

    def __enter__(self) -> "Sandbox":
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)
        self._thread.start()
        if not self._started.wait(30):
            raise RuntimeError("the sandbox did not start")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._encoded.clear()  # aiohttp remembers the last thousand servers

    async def serve(self) -> None:
        """Serves until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        for stream in CURSOR_SECONDS:
            app.router.add_post(f"/1/{stream}.json", self._open)
            app.router.add_get(f"/1/{stream}.json", self._page)
        Tables(self).register(app.router)
        app.router.add_get("/_sandbox/stats", self._stats)
        app.router.add_get("/_sandbox/truth/{stream}", self._truth)
        app.router.add_post("/_sandbox/faults", self._set_faults)
        app.router.add_post("/_sandbox/clock", self._set_clock)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def queries(self) -> list[Any]:
        """The queries of the exports that were opened by GET."""
        texts = (parse_qs(request["query"]).get("query") for request in self.requests)
        return [orjson.loads(text[0]) for text in texts if text]

    def prebuild(self, flags: Flags = ALL_FLAGS) -> None:
        """Encodes every profile now, so that a benchmark does not wait for the sandbox."""
        for number in range(self.account.profiles):
            self._record("profiles", "", flags, number)

    def prebuild_events(self, event: str, flags: Flags) -> None:
        """Encodes every occurrence of an event now, for the same reason."""
        for number in self.account.raised(event, 19700101, 99991231):
            self._record("events", event, flags, number)

    # ---------------------------------------------------------------- every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Records the request, checks the credentials and the limit of three in flight."""
        if request.path.startswith("/_sandbox"):
            return await handler(request)
        self.requests.append(
            {
                "method": request.method,
                "path": request.path,
                "query": request.rel_url.raw_query_string,
                "content_type": request.headers.get("Content-Type"),
                "body": (await request.read()).decode(),
            }
        )
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            if self._in_flight > MAX_IN_FLIGHT:
                return fail("Too many concurrent requests", 429, http=429)
            names, secret = ("X-CleverTap-Account-Id", "X-CleverTap-Passcode"), self.account.passcode
            given = tuple(request.headers.get(name, "") for name in names)
            if not given[0]:
                return web.Response(status=503)
            if given != (self.account.account_id, secret):
                return fail("Invalid Credentials", 401, http=401)
            if self.latency:
                await asyncio.sleep(self.latency)
            return await handler(request)
        finally:
            self._in_flight -= 1

    # ---------------------------------------------------------------- the two steps of an export

    async def _open(self, request: web.Request) -> web.StreamResponse:
        if "cursor" in request.query:  # some clients page by POST too, and CleverTap lets them
            return await self._page(request)
        fault = self.fault(opening=True, page=-1)
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
        per_shard = min(batch, self.page_rows) // SHARDS or 10**9
        stream = "events" if "events.json" in request.path else "profiles"
        if stream == "events":
            at = datetime.fromtimestamp(self.now(), timezone.utc)
            numbers = iter(self.account.raised(event, first, last, at))
        else:
            numbers = self.account.active(event, first, last)
        shards: list[list[int]] = [[] for _ in range(SHARDS)]
        for place, number in enumerate(numbers):
            shards[place * 7 % SHARDS].append(number)
        flags = Flags(*(request.query.get(name, "true") == "true" for name in RECORD_FLAGS))
        now = self.now()
        self._exports.append(Export(stream, event, (first, last), shards, per_shard, flags, now, now))
        cursor = self.cursor(len(self._exports) - 1, 0)
        return web.json_response({"status": "success", "cursor": cursor})

    def _refusal(self, event: Any, first: Any, last: Any) -> web.Response | None:
        if event in NOT_EXPORTABLE:
            return fail("Export not allowed for this event", 400, http=400)
        if not self.account.knows(event):
            return fail(f'["Invalid event : {event}"]', 400, http=200)
        return refused_dates(first, last, self.today())

    def today(self) -> int:
        """The day in the project's time zone, YYYYMMDD."""
        zone = pytz.timezone(self.account.timezone)
        return int(datetime.fromtimestamp(self.now(), zone).strftime("%Y%m%d"))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if (
            "query" in request.query
        ):  # the older way to open an export, which CleverTap's own clients use
            return await self._open(request)
        raw = request.rel_url.raw_query_string.partition("cursor=")[2]
        if raw not in self._cursors:
            if unquote(raw) in self._cursors:  # encoded a second time
                return fail("Incorrect Usage", 3, http=200)
            return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
        number, page = self._cursors[raw]
        export = self._exports[number]
        if not export.lives(self.now()):
            return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
        export.used = self.now()
        content: dict[str, Any] = {"status": "success"}
        if page + 1 < export.pages:
            content["next_cursor"] = self.cursor(number, page + 1)
        if page:
            content["previous_cursor"] = self.cursor(number, page - 1)
        kind = export.stream, export.event if export.stream == "events" else "", export.flags
        records = [self._record(*kind, number) for number in export.numbers(page)]
        if records:
            content["records"] = orjson.Fragment(b"[" + b",".join(records) + b"]")
        if export.not_ready.setdefault(page, self.not_ready) > 0:
            export.not_ready[page] -= 1
            return _not_ready()
        fault = self.fault(opening=False, page=page)
        if fault:
            return await fault(self, request, content)
        return as_json(content)

    def cursor(self, export: int, page: int, salt: str = "") -> str:
        """The cursor of a page, about 2 KB and percent-encoded, as CleverTap hands it out."""
        label = f"{self.account.seed}/{export}/{page}/{salt}".encode()
        noise = b"".join(hashlib.sha512(label + bytes([i])).digest() for i in range(24))
        encoded = quote(base64.b64encode(noise + b"=").decode(), safe="")
        self._cursors[encoded] = (export, page)
        return encoded

    def position(self, request: web.Request) -> tuple[int, int]:
        """Export and page that the request's cursor stands for."""
        return self._cursors[request.rel_url.raw_query_string.partition("cursor=")[2]]

    def export(self, request: web.Request) -> Export:
        """The export that the request's cursor belongs to."""
        return self._exports[self.position(request)[0]]

    def _record(self, stream: str, event: str, flags: Flags, number: int) -> bytes:
        encoded = self._encoded.setdefault((stream, event, flags), {})
        if number not in encoded:
            account = self.account
            events = stream == "events"
            record = account.event(event, number, flags) if events else account.profile(number, flags)
            encoded[number] = orjson.dumps(record)
        return encoded[number]

    def fault(self, opening: bool, page: int) -> "FaultAnswer | None":
        """The fault that strikes an answer, if any."""
        for fault in self.faults:
            if fault.take(opening, page):
                return FAULTS[fault.name]
        return None

    def now(self) -> float:
        """The time in the sandbox, in epoch seconds."""
        return time.time() + self.clock_offset

    # ---------------------------------------------------------------- /_sandbox

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "requests": len(self.requests),
                "pages": sum("cursor=" in request["query"] for request in self.requests),
                "max_in_flight": self.max_in_flight,
                "exports": len(self._exports),
                "faults": [asdict(fault) for fault in self.faults],
            }
        )

    async def _truth(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        flags = Flags(*(query.get(name, "true") == "true" for name in RECORD_FLAGS))
        account, events = self.account, request.match_info["stream"] == "events"
        truth = account.event_truth if events else account.truth
        rows = truth(query["event"], int(query["from"]), int(query["to"]), flags)
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        for row in rows:
            await response.write(orjson.dumps(row) + b"\n")
        return response

    async def _set_faults(self, request: web.Request) -> web.Response:
        self.faults = [Fault(**fault) for fault in await request.json()]
        return web.json_response({"faults": len(self.faults)})

    async def _set_clock(self, request: web.Request) -> web.Response:
        self.clock_offset += float((await request.json())["advance_seconds"])
        return web.json_response({"offset_seconds": self.clock_offset})


# -------------------------------------------------------------------- answers


def _not_ready() -> web.Response:
    return fail("Request still in progress, please retry later", 2, http=200)


# -------------------------------------------------------------------- faults
# Each takes the sandbox, the request and the answer that would have been right.

FaultAnswer = Callable[[Sandbox, web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]


def _answer(response: Callable[[dict[str, Any]], web.Response]) -> FaultAnswer:
    async def answer(
        sandbox: Sandbox, request: web.Request, content: dict[str, Any]
    ) -> web.StreamResponse:
        return response(content)

    return answer


async def _half(sandbox: Sandbox, request: web.Request, content: dict[str, Any]) -> web.StreamResponse:
    """The connection breaks in the middle of the body."""
    body = orjson.dumps(content)
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.05)
    if request.transport:
        request.transport.abort()
    return response


async def _hang(sandbox: Sandbox, request: web.Request, content: dict[str, Any]) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def _dead(sandbox: Sandbox, request: web.Request, content: dict[str, Any]) -> web.StreamResponse:
    if "req_id" in request.query:
        return fail("Invalid request id", 400, http=400)
    sandbox.export(request).dead = True
    return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)


async def _dead_long(
    sandbox: Sandbox, request: web.Request, content: dict[str, Any]
) -> web.StreamResponse:
    """An export of more than three days dies, as a dense one does that outlives its cursors."""
    first, last = sandbox.export(request).days
    return await _dead(sandbox, request, content) if last - first > 2 else as_json(content)


async def _dead_second(
    sandbox: Sandbox, request: web.Request, content: dict[str, Any]
) -> web.StreamResponse:
    """Every second export dies."""
    export, _ = sandbox.position(request)
    return await _dead(sandbox, request, content) if export % 2 else as_json(content)


def _with_cursor(salt: str | None, page: Callable[[int], int], records: bool) -> FaultAnswer:
    """A page whose next cursor leads to `page(this one)`; with a salt it is a cursor never seen."""

    async def answer(
        sandbox: Sandbox, request: web.Request, content: dict[str, Any]
    ) -> web.StreamResponse:
        export, number = sandbox.position(request)
        unseen = f"{salt}-{len(sandbox.requests)}" if salt else ""
        content["next_cursor"] = sandbox.cursor(export, max(page(number), 0), unseen)
        if not records:
            content["records"] = []
        return as_json(content)

    return answer


def _as_partial(content: dict[str, Any]) -> web.Response:
    """The shape that one client saw: status partial until the last page, the next cursor in cursor."""
    if "next_cursor" in content:
        content = {**content, "status": "partial", "cursor": content["next_cursor"]}
        del content["next_cursor"]
    return as_json(content)


def _withheld(content: dict[str, Any]) -> web.Response:
    """Three records fewer: a loss that the counts alone can tell."""
    page = orjson.loads(orjson.dumps(content))
    return as_json({**page, "records": page.get("records", [])[3:]})


def _without(*keys: str) -> FaultAnswer:
    return _answer(lambda content: as_json({k: v for k, v in content.items() if k not in keys}))


_HTML = "<html><body>Sign in to the hotel's network</body></html>"

FAULTS: dict[str, FaultAnswer] = {
    "not_ready": _answer(lambda _: _not_ready()),
    "accepted": _answer(lambda _: web.Response(status=202)),
    "throttled": _answer(lambda _: fail("Please wait", 1, http=200)),
    "too_many": _answer(lambda _: fail("Too many concurrent requests", 429, http=429)),
    "error_500": _answer(lambda _: fail("An unknown error occurred", 500, http=500)),
    "error_503": _answer(lambda _: web.Response(status=503, text=_HTML, content_type="text/html")),
    "reset": _half,
    "hang": _hang,
    "truncated": _answer(
        lambda c: web.Response(body=orjson.dumps(c)[:-9], content_type="application/json")
    ),
    "html": _answer(lambda _: web.Response(text=_HTML, content_type="text/html")),
    "empty_body": _answer(lambda _: web.Response()),
    "empty_object": _answer(lambda _: as_json({})),
    "no_status": _without("status"),
    "success_with_error": _answer(
        lambda _: as_json({"status": "success", "error": "This has not been completed"})
    ),
    "lost_cursor": _answer(lambda _: as_json({"status": "success"})),
    "empty_page": _with_cursor("again", lambda page: page, records=False),
    "partial": _answer(_as_partial),
    "partial_without_cursor": _answer(
        lambda c: as_json({"status": "partial", "records": c.get("records", [])})
    ),
    "dead_cursor": _dead,
    "dead_long": _dead_long,
    "dead_second": _dead_second,
    "repeated_cursor": _with_cursor(None, lambda page: page, records=True),
    "cycle": _with_cursor(None, lambda page: page - 1, records=True),
    "incorrect_usage": _answer(lambda _: fail("Incorrect Usage", 3, http=200)),
    "page_as_500": _answer(lambda c: as_json(c, http=500)),
    "page_as_400": _answer(lambda c: as_json(c, http=400)),
    "not_exportable": _answer(lambda _: fail("Export not allowed for this event", 400, http=400)),
    "fail_with_records": _answer(
        lambda c: as_json({**c, "status": "fail", "error": "Shard 7 unavailable", "code": 77})
    ),
    "withheld": _answer(_withheld),
    "unauthorized": _answer(lambda _: fail("Invalid Credentials", 401, http=401)),
}
