"""What the streams of one response have in common: requests, complete responses, and failures."""

import json
from typing import Any

import freezegun
import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import ACCOUNT_ID, PASSCODE
from unit_tests.mock_server.response_builder import Answer, fail, moved
from unit_tests.mock_server.tables import (
    REQUESTS,
    STREAMS,
    TODAY,
    WHOLE,
    answers_of,
    partial,
    paths,
    settings,
    targets,
)

pytestmark = pytest.mark.cdk


@freezegun.freeze_time(TODAY, tick=True)
@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_whole_answer_when_read_then_its_rows_come(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    output = read_table(stream, answers_of(stream), settings())

    assert first_error(output) == ("", "")
    assert rows(output) == WHOLE[stream][1]
    method, path, body = REQUESTS[stream]
    first = clevertap.request_history[0]
    assert (first.method, paths(clevertap)[0]) == (method, path)
    assert (json.loads(first.text) if first.text else None) == body
    assert len(paths(clevertap)) == len(answers_of(stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_given_any_stream_when_read_then_the_credentials_are_sent(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    read_table(stream, answers_of(stream), settings())

    for request in clevertap.request_history:
        sent = {n.lower(): v for n, v in request.headers.items() if n.startswith("X-")}
        assert sent == {"x-clevertap-account-id": ACCOUNT_ID, "x-clevertap-passcode": PASSCODE}
        assert (request.headers.get("Content-Type") is None) == (request.method == "GET")


NEVER_AN_ANSWER: list[Answer] = [
    {"text": ""},
    {"text": "<html>Sign in</html>"},
    {"text": "[]"},
    {"json": {}},
    {"json": {"status": "partial"}},
    {"json": {"status": "success", "error": "This has not been completed"}},
    {"status_code": 202},
    {"json": {"records": []}},
]


@pytest.mark.parametrize("answer", NEVER_AN_ANSWER)
@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
def test_given_what_is_no_answer_when_read_then_it_fails_as_transient(
    read_table: Read, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings(max_wait_minutes=1))

    kind, message = first_error(output)
    assert kind == "transient_error", message
    assert message.startswith("Stream campaigns" if "campaign" in stream else f"Stream {stream}")
    assert rows(output) == []


@pytest.mark.parametrize(
    ("stream", "before"),
    [
        *((stream, []) for stream in (*STREAMS, "campaign_reports")),
        ("campaign_reports", [targets(10)]),
        ("daily_event_counts", [partial()]),
        ("content_blocks", answers_of("content_blocks")[:1]),
    ],
)
def test_given_a_redirect_when_a_table_is_read_then_its_target_is_not_asked(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str, before: list[Answer]
) -> None:
    output = read_table(stream, [*before, moved()], settings(max_wait_minutes=1))

    assert {request.hostname for request in clevertap.request_history} == {"in1.api.clevertap.com"}
    assert first_error(output)[0] == "transient_error"
    assert "redirected" in first_error(output)[1]


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        ("event_schema", {"events": {"name": "A"}}),
        ("event_schema", {"status": "success"}),
        ("campaigns", {"status": "success", "targets": {}}),
        ("message_reports", {"status": "success", "reports": [{"message id": 1}]}),
        ("daily_event_counts", {"status": "success"}),
        ("daily_event_counts", {"daily": {"20220101": 1}}),
        ("daily_event_counts", {"status": "success", "daily": [1]}),
        ("daily_event_counts", {"status": "partial", "req_id": None}),
        ("content_blocks", {"status": "success", "total": 0}),
    ],
)
def test_given_half_an_answer_when_read_then_it_fails_as_transient(
    read_table: Read, stream: str, content: dict[str, Any]
) -> None:
    output = read_table(stream, [{"json": content}], settings(max_wait_minutes=1))

    assert first_error(output)[0] == "transient_error"
    assert rows(output) == []


@freezegun.freeze_time(TODAY, tick=True)
@pytest.mark.parametrize("stream", STREAMS)
def test_given_passing_faults_when_read_then_its_rows_come_once(
    read_table: Read, waits: list[float], stream: str
) -> None:
    passing = [fail("Too many concurrent requests", 429, 429), {"status_code": 500}, {"text": "{"}]

    output = read_table(stream, [*passing, *answers_of(stream)], settings())

    assert rows(output) == WHOLE[stream][1]
    assert len(waits) == len(passing)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_given_an_encoding_that_the_stock_decoder_cannot_read_when_read_then_the_rows_come(
    read_table: Read, encoding: str
) -> None:
    body = json.dumps(WHOLE["event_schema"][0]).encode(encoding)

    output = read_table("event_schema", [{"content": body}], settings())

    assert rows(output) == WHOLE["event_schema"][1]


@pytest.mark.parametrize("stream", ["message_reports", "campaigns"])
def test_given_a_window_with_nothing_in_it_when_read_then_it_is_empty(read_table: Read, stream: str) -> None:
    output = read_table(stream, [{"json": {"status": "success"}}], settings())

    assert first_error(output) == ("", "")
    assert rows(output) == []


@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
def test_given_a_bad_setting_when_any_stream_is_read_then_no_request_is_sent(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str
) -> None:
    output = read_table(stream, [{"json": {}}], settings(start_date=20220230))

    assert first_error(output)[0] == "config_error"
    assert "start_date and end_date must be dates" in first_error(output)[1]
    assert clevertap.request_history == []
