"""The faults of the sandbox, by name."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from source_clevertap.sandbox.account import Account

Content = dict[str, Any]
_NUMBERS = itertools.count()


class Api(Protocol):
    """What the endpoints need from the server."""

    account: Account
    features_off: tuple[str, ...]
    not_ready: int
    page_rows: int

    def now(self) -> float: ...

    def today(self) -> int: ...

    def fault(self, opening: bool, page: int) -> "FaultAnswer | None": ...


class OpenedExport(Protocol):
    """What a fault needs from an export."""

    days: tuple[int, int]
    dead: bool


class Cursors(Protocol):
    """What a fault needs from the exports."""

    def export(self, request: web.Request) -> OpenedExport: ...

    def position(self, request: web.Request) -> tuple[int, int]: ...

    def cursor(self, export: int, page: int, salt: str = "") -> str: ...


@dataclass
class Fault:
    """A fault of an export.

    name: one of FAULTS. times: how often it occurs, None for always. page: the page on which it occurs
    (from 0), None for any. opening: whether it occurs on the POST that creates an export.
    """

    name: str
    times: int | None = 1
    page: int | None = None
    opening: bool = False

    def __post_init__(self) -> None:
        if self.name not in FAULTS:
            raise ValueError(f"no fault '{self.name}'; there are {', '.join(FAULTS)}")

    def take(self, opening: bool, page: int) -> bool:
        """Whether it occurs now; counts down."""
        if opening != self.opening or self.times == 0 or self.page not in (None, page):
            return False
        if self.times is not None:
            self.times -= 1
        return True

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """name[:times[:page]], times `always` or a number; `open-` before the name means the POST."""
        name, times, page = (text + "::").split(":")[:3]
        return cls(
            name.removeprefix("open-"),
            None if times == "always" else int(times or 1),
            int(page) if page else None,
            name.startswith("open-"),
        )


def as_json(content: Content, http: int = 200) -> web.Response:
    """A response in CleverTap's form."""
    return web.Response(status=http, body=orjson.dumps(content), content_type="application/json", charset="utf-8")


def fail(error: str, code: int | str, http: int = 200) -> web.Response:
    """A failure in CleverTap's form."""
    return as_json({"status": "fail", "error": error, "code": code}, http)


def refused_dates(first: Any, last: Any, today: int = 99991231) -> web.Response | None:
    """A refusal if these are not two days YYYYMMDD in order, up to today."""
    for day in (first, last):
        try:
            datetime.strptime(f"{day:08d}", "%Y%m%d")
        except (ValueError, TypeError):  # a text, too
            return fail("Invalid date", 4002, http=400)
    if first > last or last > today:
        return fail("Invalid date range", 4004, http=400)
    return None


def not_ready() -> web.Response:
    """The page is not ready yet."""
    return fail("Request still in progress, please retry later", 2)


# Each gets the exports, the request and the correct response.
FaultAnswer = Callable[[Cursors, web.Request, Content], Coroutine[Any, Any, web.StreamResponse]]


def _answer(response: Callable[[dict[str, Any]], web.Response]) -> FaultAnswer:
    async def answer(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
        return response(content)

    return answer


async def _half(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
    """The connection breaks in the middle of the body."""
    body = orjson.dumps(content)
    response = web.StreamResponse(headers={"Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(0.05)
    if request.transport:
        request.transport.abort()
    return response


async def _hang(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


async def _dead(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
    if "req_id" in request.query:
        return fail("Invalid request id", 400, http=400)
    exports.export(request).dead = True
    return fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)


async def _dead_long(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
    """The cursor of an export of more than three days expires, as that of a large one does."""
    first, last = exports.export(request).days
    return await _dead(exports, request, content) if last - first > 2 else as_json(content)


async def _dead_second(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
    """The cursor of every second export expires."""
    export, _ = exports.position(request)
    return await _dead(exports, request, content) if export % 2 else as_json(content)


def _with_cursor(salt: str | None, page: Callable[[int], int], records: bool) -> FaultAnswer:
    """A page whose next cursor leads to `page(this one)`; with a salt, the cursor is a new one."""

    async def answer(exports: Cursors, request: web.Request, content: Content) -> web.StreamResponse:
        export, number = exports.position(request)
        unseen = f"{salt}-{next(_NUMBERS)}" if salt else ""
        content["next_cursor"] = exports.cursor(export, max(page(number), 0), unseen)
        if not records:
            content["records"] = []
        return as_json(content)

    return answer


def _as_partial(content: dict[str, Any]) -> web.Response:
    """What one client saw: status partial until the last page, the next cursor in cursor."""
    if "next_cursor" in content:
        content = {**content, "status": "partial", "cursor": content["next_cursor"]}
        del content["next_cursor"]
    return as_json(content)


def _withheld(content: dict[str, Any]) -> web.Response:
    """Omits three records, a loss that only the counts show."""
    page = orjson.loads(orjson.dumps(content))
    return as_json({**page, "records": page.get("records", [])[3:]})


def _without(*keys: str) -> FaultAnswer:
    return _answer(lambda content: as_json({k: v for k, v in content.items() if k not in keys}))


_HTML = "<html><body>Sign in to the hotel's network</body></html>"

FAULTS: dict[str, FaultAnswer] = {
    "not_ready": _answer(lambda _: not_ready()),
    "accepted": _answer(lambda _: web.Response(status=202)),
    "throttled": _answer(lambda _: fail("Please wait", 1, http=200)),
    "too_many": _answer(lambda _: fail("Too many concurrent requests", 429, http=429)),
    "error_500": _answer(lambda _: fail("An unknown error occurred", 500, http=500)),
    "error_503": _answer(lambda _: web.Response(status=503, text=_HTML, content_type="text/html")),
    "reset": _half,
    "hang": _hang,
    "truncated": _answer(lambda c: web.Response(body=orjson.dumps(c)[:-9], content_type="application/json")),
    "html": _answer(lambda _: web.Response(text=_HTML, content_type="text/html")),
    "empty_body": _answer(lambda _: web.Response()),
    "empty_object": _answer(lambda _: as_json({})),
    "no_status": _without("status"),
    "success_with_error": _answer(lambda _: as_json({"status": "success", "error": "This has not been completed"})),
    "lost_cursor": _answer(lambda _: as_json({"status": "success"})),
    "empty_page": _with_cursor("again", lambda page: page, records=False),
    "partial": _answer(_as_partial),
    "partial_without_cursor": _answer(lambda c: as_json({"status": "partial", "records": c.get("records", [])})),
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
