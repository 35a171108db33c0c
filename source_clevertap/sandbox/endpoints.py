"""The sandbox's other endpoints, as in the fact sheet, quirks included."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from zlib import crc32

import orjson
from aiohttp import web

from source_clevertap.sandbox import tables
from source_clevertap.sandbox.account import Account
from source_clevertap.sandbox.exports import Exports
from source_clevertap.sandbox.faults import Api, as_json, fail, refused_dates

FIRST_REQ_ID = 2**53 + 1  # not exact as a float
TRENDS = ("daily", "weekly", "monthly")
NO_REPORT: tuple[Callable[[], web.Response], ...] = (
    lambda: web.Response(status=409),
    lambda: fail("This target has no result as of yet", 500, http=500),
    lambda: as_json({"status": "success", "error": "This target hasn't been completed", "code": 200}),
    lambda: as_json({"status": "fail", "error": "This target hasn't been completed"}),
)

Answer = dict[str, Any] | web.Response


class Tables:
    """Handlers for everything except the exports of events and profiles."""

    def __init__(self, sandbox: Api, exports: Exports) -> None:
        self.sandbox, self.exports = sandbox, exports
        self._counts: dict[int, tuple[str, dict[str, Any], int]] = {}

    @property
    def account(self) -> Account:
        return self.sandbox.account

    def register(self, router: web.UrlDispatcher) -> None:
        """Adds the routes."""
        router.add_get("/getSchema", self._answers(self._schema))
        router.add_post("/1/targets/list.json", self._answers(self._campaigns))
        router.add_post("/1/targets/result.json", self._answers(self._report))
        router.add_post("/1/message/report.json", self._answers(self._messages))
        router.add_get("/v1/contentBlock/list", self._answers(self._blocks))
        router.add_get("/category-groups", self._answers(self._groups))
        for name in ("trends", "profiles"):
            router.add_post(f"/1/counts/{name}.json", self._answers(self._count, opening=True))
            router.add_get(f"/1/counts/{name}.json", self._answers(self._poll))

    def _answers(
        self, answer: Callable[[web.Request, dict[str, Any]], Answer], opening: bool = False
    ) -> Callable[[web.Request], Any]:
        """A handler that decodes the body, and applies a fault."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = orjson.loads(await request.read() or b"{}")
            except orjson.JSONDecodeError:
                return fail("Incorrect Usage", 3, http=400)
            right = answer(request, body)
            if isinstance(right, web.Response):
                return right
            fault = self.sandbox.fault(opening, page=-1 if opening else _page(request))
            return await fault(self.exports, request, right) if fault else as_json(right)

        return handle

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.sandbox.now(), timezone.utc)

    def _schema(self, request: web.Request, body: dict[str, Any]) -> Answer:
        if request.query.get("type") == "events":
            return {"status": "success", "events": tables.event_schema(self.account)}
        if request.query.get("type") == "userProperties":
            return {"userProperties": tables.user_properties(self.account)}
        return fail("Incorrect Usage", 3, http=400)

    def _campaigns(self, request: web.Request, body: dict[str, Any]) -> Answer:
        first, last = body.get("from"), body.get("to")
        refused = refused_dates(first, last)
        if refused or first is None or last is None:
            return refused or fail("Invalid date", 4002, http=400)
        rows = tables.campaigns(self.account, first, last)
        if not rows and first % 2 == 0:
            return {"status": "success"}
        return {"status": "success", "targets": rows}

    def _report(self, request: web.Request, body: dict[str, Any]) -> Answer:
        numbers = {tables.campaign_id(number): number for number in range(1000)}
        if type(body.get("id")) is not int or body["id"] not in numbers:
            return fail("Invalid campaign id", 400, http=400)
        report = tables.campaign_report(self.account, numbers[body["id"]])
        if isinstance(report, int):
            return NO_REPORT[report]()
        return {"status": "success", "result": report}

    def _messages(self, request: web.Request, body: dict[str, Any]) -> Answer:
        first, last = (int(day) if isinstance(day, str) else day for day in (body.get("from"), body.get("to")))
        refused = refused_dates(first, last, self.sandbox.today())
        if refused or first is None or last is None:
            return refused or fail("Invalid date", 4002, http=400)
        rows = tables.messages(self.account, first, last, self._now())
        return {"status": "success", "total_results": len(rows), "messages": rows}

    def _blocks(self, request: web.Request, body: dict[str, Any]) -> Answer:
        if "content_blocks" in self.sandbox.features_off:
            return fail("Content blocks are not enabled on this account", 403, http=403)
        query = request.query
        since = query.get("updatedFrom", "")
        if since and not (len(since) == 24 and since[19] == "." and since.endswith("Z")):
            return fail("Enter date in ISO format", 400, http=400)
        page, size = int(query.get("pageNumber", 1)), min(int(query.get("pageSize", 20)), 100)
        rows = [row for row in tables.content_blocks(self.account) if row["updatedAt"] >= since]
        return {
            "contentBlocks": rows[(page - 1) * size : page * size],
            "total": len(rows),
            "pageNumber": page,
            "pageSize": size,
        }

    def _groups(self, request: web.Request, body: dict[str, Any]) -> Answer:
        return {"status": "success", "list": tables.category_groups(self.account)}

    # ---------------------------------------------------------------- counts

    def _count(self, request: web.Request, body: dict[str, Any]) -> Answer:
        event, first, last = (body.get(name) for name in ("event_name", "from", "to"))
        if not tables.countable(self.account, event):
            return fail(f'["Invalid event : {event}"]', 400, http=200)
        refused = refused_dates(first, last, self.sandbox.today())
        if refused or first is None or last is None:
            return refused or fail("Invalid date", 4002, http=400)
        if request.path.endswith("profiles.json"):
            done: dict[str, Any] = {"count": tables.profile_count(self.account, str(event), first, last)}
        else:
            groups = body.get("groups")
            if not isinstance(groups, dict) or _day(last) - _day(first) >= timedelta(366):
                return fail("Invalid group", 400, http=400)
            if not all(isinstance(group, dict) and group.get("trend_type") in TRENDS for group in groups.values()):
                return fail("Invalid group", 400, http=400)
            count = tables.daily_users if body.get("unique") is True else tables.daily_counts
            counts = count(self.account, str(event), first, last, self._now())
            if first % 2:  # days without events may be missing, and days have no order
                counts = {**{f"{_day(last):%Y%m%d}": 0}, **dict(reversed(counts.items()))}
            done = dict.fromkeys(groups, counts)
        if crc32(f"{event} {first}".encode()) % 4 == 0:  # ready at once, as if it were cached
            return {"status": "success", **done}
        req_id = FIRST_REQ_ID + 2 * len(self._counts)
        self._counts[req_id] = (request.path, done, self.sandbox.not_ready)
        return {"status": "partial", "req_id": req_id}

    def _poll(self, request: web.Request, body: dict[str, Any]) -> Answer:
        text = request.query.get("req_id", "")
        path, done, polls = self._counts.get(int(text) if text.isdecimal() else 0, ("", {}, 0))
        if path != request.path:
            return fail("Invalid request id", 400, http=400)
        if polls:
            self._counts[int(text)] = (path, done, polls - 1)
            return {"status": "partial", "req_id": int(text)}
        return {"status": "success", **done}


def _day(number: int) -> datetime:
    return datetime.strptime(str(number), "%Y%m%d")


def _page(request: web.Request) -> int:
    query = request.query
    return int(query["pageNumber"]) - 1 if "pageNumber" in query else int(query.get("page", 0))
