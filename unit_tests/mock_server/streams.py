"""The streams of one response a slice: their responses, and the records that must come of them."""

from typing import Any

from unit_tests.mock_server.config import Json, config
from unit_tests.mock_server.response_builder import Response, by_request

BLOCK = {"id": 1, "updatedAt": "2024-02-01T06:29:48.965Z"}
TODAY = "2022-03-01"  # campaigns have no date of their own: freeze the clock where their records are compared
REQ_ID = 2**53 + 1  # a float could not hold it
START = "05 Jan, 2022 10:30:00"

# For each stream what one response holds, and the records that must come of it.
RESPONSES: dict[str, tuple[Json, list[Json]]] = {
    "event_schema": ({"events": [{"name": "A", "x y": {"z": 1}}]}, [{"name": "A", "details": {"x y": {"z": 1}}}]),
    "user_properties": ({"userProperties": [{"name": "P", "new": [1]}]}, [{"name": "P", "details": {"new": [1]}}]),
    "message_reports": (
        {"status": "success", "messages": [{"message id": 7, "start_date": START, "labels": "x", "device": ["ios"]}]},
        [
            {"message_id": "7", "start_date": START, "labels": ["x"], "device": ["ios"]}
            | {"date": "2022-01-05", "start_time": "2022-01-05T10:30:00Z"}
        ],
    ),
    "campaigns": (
        {"status": "success", "targets": [{"id": 2**40, "status": "completed"}]},
        [{"id": str(2**40), "status": "completed", "synced_on": TODAY}],
    ),
    "content_blocks": (
        {"contentBlocks": [{**BLOCK, "createdAt": 1706768988965, "new": [1]}], "total": 1},
        [{**BLOCK, "createdAt": "1706768988965", "details": {"new": [1]}}],
    ),
    "category_groups": ({"status": "success", "list": [{"key": 1, "x": {}}]}, [{"key": 1, "details": {"x": {}}}]),
    "daily_event_counts": (
        {"status": "success", "daily": {"20220102": 5, "20220101": 0}},
        [
            {"event_name": "App Launched", "date": "2022-01-01", "count": 0},
            {"event_name": "App Launched", "date": "2022-01-02", "count": 5},
        ],
    ),
}
STREAMS = tuple(RESPONSES)


def settings(**changes: Any) -> Json:
    """One window of every stream."""
    return config(**{"start_date": 20220101, "end_date": 20220110, "timezone": "UTC", **changes})


def partial(req_id: Any = REQ_ID) -> Response:
    return {"json": {"status": "partial", "req_id": req_id}}


def campaigns(*ids: Any) -> Response:
    return {"json": {"status": "success", "targets": [{"id": number} for number in ids]}}


def blocks(*records: Json) -> Response:
    return {"json": {"contentBlocks": [*records]}}


def responses_of(stream: str) -> list[Response]:
    """All that it takes: content blocks end with an empty page."""
    return [{"json": RESPONSES[stream][0]}, *([blocks()] if stream == "content_blocks" else [])]


def reports(*responses: Response) -> list[Response]:
    """A list of as many campaigns as there are responses, and these, to the requests for their reports."""
    ids = range(10, 10 + len(responses))
    return [campaigns(*ids), *by_request(lambda body: {"json": None, **responses[body["id"] - 10]})]


def report(**result: Any) -> Response:
    return {"json": {"status": "success", "result": result}}
