"""What the streams of one response a slice have in common: requests, complete responses, failures, columns."""

import json
from typing import Any

import freezegun
import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import ACCOUNT_ID, PASSCODE, Json
from unit_tests.mock_server.response_builder import Response, fail
from unit_tests.mock_server.streams import (
    REQUESTS,
    RESPONSES,
    STREAMS,
    TODAY,
    blocks,
    responses_of,
    settings,
)

pytestmark = pytest.mark.cdk


@freezegun.freeze_time(TODAY, tick=True)
@pytest.mark.parametrize("stream", STREAMS)
def test_given_passing_faults_when_read_then_its_records_come_once(clevertap: CleverTap, stream: str) -> None:
    passing = [fail("Too many concurrent requests", 429, 429), {"status_code": 500}, {"text": "{"}]

    output = clevertap.read_in_turn(stream, [*passing, *responses_of(stream)], settings())

    assert not output.errors
    assert output.records == RESPONSES[stream][1]
    assert len(clevertap.waits) == len(passing)
    assert len(clevertap.request_history) == len(passing) + len(responses_of(stream))
    method, path, body = REQUESTS[stream]
    for request in clevertap.request_history[:4]:
        assert (request.method, request.url.partition(".clevertap.com")[2]) == (method, path)
        assert (json.loads(request.text) if request.text else None) == body
        assert request.headers["X-CleverTap-Account-Id"] == ACCOUNT_ID
        assert request.headers["X-CleverTap-Passcode"] == PASSCODE
        assert (request.headers.get("Content-Type") is None) == (method == "GET")


INCOMPLETE: list[Response] = [
    *({"text": text} for text in ("", "<html>Sign in</html>", "[]", "{}")),
    {"json": {"status": "partial"}},
    {"json": {"status": "success", "error": "This has not been completed"}},
    {"status_code": 202},
    {"json": {"records": []}},
]


@pytest.mark.parametrize(
    ("stream", "response"),
    [
        *((stream, response) for stream in (*STREAMS, "campaign_reports") for response in INCOMPLETE),
        ("event_schema", {"json": {"events": {"name": "A"}}}),
        ("event_schema", {"json": {"status": "success"}}),
        ("campaigns", {"json": {"status": "success", "targets": {}}}),
        ("message_reports", {"json": {"status": "success", "reports": [{"message id": 1}]}}),
        ("daily_event_counts", {"json": {"status": "success"}}),
        ("daily_event_counts", {"json": {"daily": {"20220101": 1}}}),
        ("daily_event_counts", {"json": {"status": "success", "daily": [1]}}),
        ("daily_event_counts", {"json": {"status": "partial", "req_id": None}}),
        ("content_blocks", {"json": {"status": "success", "total": 0}}),
    ],
)
def test_given_what_is_no_complete_response_when_read_then_it_fails_as_transient(
    clevertap: CleverTap, stream: str, response: Response
) -> None:
    output = clevertap.read_in_turn(stream, [response], settings(max_wait_minutes=1))

    kind, message = output.error
    assert kind == "transient_error", message
    assert message.startswith("Stream campaigns" if "campaign" in stream else f"Stream {stream}")
    assert output.records == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_given_an_encoding_that_the_stock_decoder_cannot_read_when_read_then_the_records_come(
    clevertap: CleverTap, encoding: str
) -> None:
    content, records = RESPONSES["event_schema"]

    output = clevertap.read_in_turn("event_schema", [{"content": json.dumps(content).encode(encoding)}], settings())

    assert output.records == records


@pytest.mark.parametrize("stream", ["message_reports", "campaigns"])
def test_given_a_window_with_nothing_in_it_when_read_then_it_is_empty(clevertap: CleverTap, stream: str) -> None:
    output = clevertap.read_in_turn(stream, [{"json": {"status": "success"}}], settings())

    assert not output.errors
    assert output.records == []


@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
def test_given_a_bad_setting_when_any_stream_is_read_then_no_request_is_sent(clevertap: CleverTap, stream: str) -> None:
    output = clevertap.read_in_turn(stream, [{"json": {}}], settings(start_date=20220230))

    assert output.error[0] == "config_error"
    assert "start_date and end_date must be dates" in output.error[1]
    assert clevertap.request_history == []


# ------------------------------------------------------------------ columns


@pytest.mark.parametrize("stream", ["event_schema", "user_properties", "content_blocks", "category_groups"])
def test_given_keys_that_nobody_documents_when_read_then_they_are_details(clevertap: CleverTap, stream: str) -> None:
    content = json.loads(json.dumps(RESPONSES[stream][0]))
    (record,) = next(value for value in content.values() if isinstance(value, list))
    record.pop("x y", None)
    record["new one"] = {"a": [1]}

    output = clevertap.read_in_turn(stream, [{"json": content}, *responses_of(stream)[1:]], settings())

    assert output.records[0]["details"] == {"new one": {"a": [1]}}
    assert "new one" not in output.records[0]


MESSAGE: Json = {"message id": 7, "labels": "x", "device": ["ios"]}


@pytest.mark.parametrize(
    ("stream", "responses", "expected"),
    [
        (
            "message_reports",
            [{"json": {"status": "success", "messages": [MESSAGE, {**MESSAGE, "message id": "7"}]}}],
            {"message_id": "7", "labels": ["x"], "device": ["ios"]},
        ),
        (
            "content_blocks",
            [blocks({"id": 1, "createdAt": 1706768988965}, {"id": 2, "createdAt": "1706768988965"}), blocks()],
            {"createdAt": "1706768988965"},
        ),
    ],
)
def test_given_values_of_two_types_when_read_then_a_column_has_one(
    clevertap: CleverTap, stream: str, responses: list[Response], expected: dict[str, Any]
) -> None:
    records = clevertap.read_in_turn(stream, responses, settings()).records

    assert [{name: record[name] for name in expected} for record in records] == [expected] * 2
