"""The sandbox's server: the app, the credentials, and an interface for tests.

Use `Sandbox` as a context manager in a test, or the command `source-clevertap-sandbox` (cli.py). Besides
CleverTap's paths it has /_sandbox with `stats`, `truth/profiles`, `truth/events`, `faults`, `clock`.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytz
from aiohttp import web

from source_clevertap.sandbox.account import ALL_FLAGS, Account, Flags
from source_clevertap.sandbox.endpoints import Tables
from source_clevertap.sandbox.exports import LARGEST_BATCH, RECORD_FLAGS, Exports
from source_clevertap.sandbox.faults import FAULTS, Fault, FaultAnswer, as_json, fail

MAX_IN_FLIGHT = 3

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Sandbox:
    """A fake CleverTap on loopback, served from its own thread."""

    def __init__(
        self,
        account: Account | None = None,
        port: int = 0,
        not_ready: int = 0,
        latency: float = 0.0,
        faults: tuple[Fault, ...] = (),
        page_rows: int = LARGEST_BATCH,
        features_off: tuple[str, ...] = (),
        change: Callable[[dict[str, Any], Any], Any] | None = None,
    ) -> None:
        """not_ready: how often each page is "still in progress", or a count partial, before it is ready.

        latency: seconds per response. port: 0 chooses a free one. page_rows: the maximum of a page.
        features_off: ("content_blocks",) if it is disabled. change: a function of a request (as in
        `requests`) and the JSON of its response, which returns another response, or None.
        """
        self.features_off, self.change = features_off, change
        self.account = account or Account()
        self.not_ready, self.latency, self.faults = not_ready, latency, list(faults)
        self.port, self.page_rows = port, page_rows
        self.clock_offset = 0.0
        self.requests: list[dict[str, Any]] = []
        self._in_flight = self.max_in_flight = 0
        self.exports = Exports(self)
        self._started = threading.Event()

    # ---------------------------------------------------------------- running

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> dict[str, Any]:
        """The connector's configuration for this account, with the whole range of its data.

        A change to None removes a setting.
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
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(self._started.set)), daemon=True)
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
        self.exports.encoded.clear()  # aiohttp remembers the last thousand servers

    async def serve(self, started: Callable[[], Any]) -> None:
        """Calls `started` once it serves, and serves until stopped."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._guard])
        self.exports.register(app.router)
        Tables(self, self.exports).register(app.router)
        app.router.add_get("/_sandbox/stats", self._stats)
        app.router.add_get("/_sandbox/truth/{stream}", self._truth)
        app.router.add_post("/_sandbox/faults", self._set_faults)
        app.router.add_post("/_sandbox/clock", self._set_clock)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.port = runner.addresses[0][1]
        started()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def queries(self) -> list[Any]:
        """The queries of the exports that were created by GET."""
        texts = (parse_qs(request["query"]).get("query") for request in self.requests)
        return [orjson.loads(text[0]) for text in texts if text]

    def prebuild(self, flags: Flags = ALL_FLAGS) -> None:
        """Encodes all profiles in advance, so that a benchmark does not wait for the sandbox."""
        for number in range(self.account.profiles):
            self.exports.record("profiles", "", flags, number)

    def prebuild_events(self, event: str, flags: Flags) -> None:
        """Encodes all occurrences of an event in advance."""
        for number in self.account.raised(event, 19700101, 99991231):
            self.exports.record("events", event, flags, number)

    # ---------------------------------------------------------------- every request

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Records the request, and checks the credentials and the limit of three concurrent requests."""
        if request.path.startswith("/_sandbox"):
            return await handler(request)
        recorded = {
            "method": request.method,
            "path": request.path,
            "query": request.rel_url.raw_query_string,
            "content_type": request.headers.get("Content-Type"),
            "body": (await request.read()).decode(),
        }
        self.requests.append(recorded)
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
            ready = self._loop.time() + self.latency
            try:
                answer = await handler(request)
            except web.HTTPMethodNotAllowed:
                answer = fail("Method Not Allowed", 405, http=405)
            except web.HTTPNotFound:
                answer = web.Response()  # an unknown path: HTTP 200 and nothing
            except ValueError:  # a parameter that should be a number
                answer = fail("Incorrect Usage", 3, http=400)
            await asyncio.sleep(ready - self._loop.time())  # what is left: a full page takes time to make
            if self.change and isinstance(answer, web.Response) and answer.body:
                changed = self.change(recorded, orjson.loads(bytes(answer.body)))  # type: ignore[arg-type]
                if changed is not None:
                    return changed if isinstance(changed, web.Response) else as_json(changed)
            return answer
        finally:
            self._in_flight -= 1

    # ---------------------------------------------------------------- what endpoints ask

    def today(self) -> int:
        """Today in the project's time zone, YYYYMMDD."""
        zone = pytz.timezone(self.account.timezone)
        return int(datetime.fromtimestamp(self.now(), zone).strftime("%Y%m%d"))

    def fault(self, opening: bool, page: int) -> FaultAnswer | None:
        """The fault of a response, if any."""
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
                "exports": len(self.exports.opened),
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
