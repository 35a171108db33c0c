"""The streams of one response: what they ask for, what comes, and the rows that must come of it."""

import json
from typing import Any

import requests_mock

from unit_tests.mock_server.config import config
from unit_tests.mock_server.response_builder import Answer

DAYS = {"start_date": 20220101, "end_date": 20220110}  # one window of every stream
BLOCK = {"id": 1, "updatedAt": "2024-02-01T06:29:48.965Z"}
TODAY = "2022-03-01"  # campaigns have no date of their own: freeze the clock where their rows are compared
REQ_ID = 2**53 + 1  # a float could not hold it

# For each stream what one answer holds, and the rows that must come of it.
WHOLE: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "event_schema": (
        {"events": [{"name": "A", "x y": {"z": 1}}]},
        [{"name": "A", "details": {"x y": {"z": 1}}}],
    ),
    "user_properties": ({"userProperties": [{"name": "P"}]}, [{"name": "P"}]),
    "message_reports": (
        {
            "status": "success",
            "total_results": 1,
            "messages": [{"message id": 7, "start_date": "05 Jan, 2022 10:30:00", "sent": 82}],
        },
        [
            {
                "message_id": "7",
                "start_date": "05 Jan, 2022 10:30:00",
                "date": "2022-01-05",
                "start_time": "2022-01-05T10:30:00Z",
                "sent": 82,
            }
        ],
    ),
    "campaigns": (
        {"status": "success", "targets": [{"id": 2**40, "status": "completed"}]},
        [{"id": str(2**40), "status": "completed", "synced_on": TODAY}],
    ),
    "content_blocks": ({"contentBlocks": [BLOCK], "total": 1}, [BLOCK]),
    "category_groups": ({"status": "success", "list": [{"key": 1}]}, [{"key": 1}]),
    "daily_event_counts": (
        {"status": "success", "daily": {"20220102": 5, "20220101": 0}},
        [
            {"event_name": "App Launched", "date": "2022-01-01", "count": 0},
            {"event_name": "App Launched", "date": "2022-01-02", "count": 5},
        ],
    ),
}
PAGED: dict[str, dict[str, Any]] = {
    "content_blocks": {"contentBlocks": []},
}  # the page after the last
REQUESTS = {
    "event_schema": ("GET", "/getSchema?type=events", None),
    "user_properties": ("GET", "/getSchema?type=userProperties", None),
    "message_reports": ("POST", "/1/message/report.json", {"from": 20220101, "to": 20220110}),
    "campaigns": ("POST", "/1/targets/list.json", {"from": 20220101, "to": 20220110}),
    "content_blocks": (
        "GET",
        "/v1/contentBlock/list?pageNumber=1&pageSize=100",
        None,
    ),
    "category_groups": ("GET", "/category-groups", None),
    "daily_event_counts": (
        "POST",
        "/1/counts/trends.json",
        {
            "event_name": "App Launched",
            "from": 20220101,
            "to": 20220110,
            "groups": {"daily": {"trend_type": "daily"}},
        },
    ),
}
STREAMS = tuple(WHOLE)


def settings(**changes: Any) -> dict[str, Any]:
    return config(**{**DAYS, "timezone": "UTC", **changes})


def partial(req_id: int = REQ_ID) -> Answer:
    return {"json": {"status": "partial", "req_id": req_id}}


def targets(*ids: int) -> Answer:
    """The list of campaigns."""
    return {"json": {"status": "success", "targets": [{"id": number} for number in ids]}}


def answers_of(stream: str) -> list[Answer]:
    return [{"json": WHOLE[stream][0]}, *([{"json": PAGED[stream]}] if stream in PAGED else [])]


def paths(clevertap: requests_mock.Mocker) -> list[str]:
    return [request.url.partition(".clevertap.com")[2] for request in clevertap.request_history]


def bodies(clevertap: requests_mock.Mocker) -> list[Any]:
    sent = [json.loads(request.text) for request in clevertap.request_history if request.text]
    return sorted(sent, key=lambda body: (str(body.get("event_name")), body["from"]))


def reports(*answers: Answer) -> list[Answer]:
    """A list of as many campaigns as there are answers, and the answers to their reports."""

    def of_campaign(request: Any, context: Any) -> str:
        answer = answers[request.json()["id"] - 10]
        context.status_code = answer.get("status_code", 200)
        return json.dumps(answer["json"]) if "json" in answer else ""

    return [targets(*range(10, 10 + len(answers))), {"text": of_campaign}]


def report(**result: Any) -> Answer:
    return {"json": {"status": "success", "result": result}}
