"""What each of CleverTap's answers leads to: a wait, a new export, or an error of the right type."""

import types
from typing import Any

import pytest
import requests
import requests_mock
from airbyte_cdk.sources.declarative.requesters.error_handlers import HttpResponseFilter
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ResponseAction

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import config
from unit_tests.mock_server.response_builder import fail, moved, opened, page, profile

pytestmark = pytest.mark.cdk

NOT_READY = fail("Request still in progress, please retry later", 2)
CUT_OFF = {"exc": requests.exceptions.ChunkedEncodingError("cut off")}
NO_PAGES: dict[str, dict[str, Any]] = {
    "HTML": {"text": "<html>Sign in</html>"},
    "nothing": {"text": ""},
    "half a page": {"text": '{"status": "success", "records": [{"objectId": "a"}'},
    "a list": {"json": []},
    "null": {"text": "null"},
    "an empty object": {"json": {}},
    "no status": {"json": {"records": [profile(1)]}},
    "an unknown status": {"json": {"status": "done", "records": [profile(1)]}},
    "success with an error": {"json": {"status": "success", "error": "hasn't been completed"}},
    "partial without a cursor": {"json": {"status": "partial", "records": [profile(1)]}},
    "records that are no list": {"json": {"status": "success", "records": {"a": 1}}},
    "a cursor that is an empty object": {"json": {"status": "success", "next_cursor": {}}},
    "a cursor that is 0": {"json": {"status": "success", "next_cursor": 0}},
    "a cursor that is false": {"json": {"status": "success", "cursor": False}},
    "nesting without end": {"text": '{"status": "success", "records": ' + "[" * 200_000},
    "records under another name": {"json": {"status": "success", "next_cursor": "x", "rows": [{}]}},
    "a cursor under another name": {"json": {"status": "success", "nextCursor": "x" * 2000}},
    "no content": {"status_code": 204},
    "success as HTTP 201": {"status_code": 201, "json": {"status": "success"}},
}
RETRIED: dict[str, dict[str, Any]] = {
    "not ready": NOT_READY,
    "not ready, as text": fail("Request still in progress", "2"),
    "not ready, HTTP 202": {"status_code": 202},
    "not ready, though a success": {"json": {"status": "success", "code": 2}},
    "throttled, code 1": fail("", 1),
    "throttled, in words": fail("Too many concurrent requests", 9),
    "throttled, HTTP 429": fail("Too many concurrent requests", 429, 429),
    "throttled, code 429": fail("", 429),
    "HTTP 200 with code 500": fail("An unknown error occurred", 500),
    "HTTP 500 with any words": fail("the date of the invalid event", 500, 500),
    "HTTP 500": fail("An unknown error occurred", 500, 500),
    "HTTP 502": {"status_code": 502, "text": "<html>"},
    "HTTP 503": {"status_code": 503},
    "HTTP 504": {"status_code": 504},
    "connection refused": {"exc": requests.exceptions.ConnectionError},
    "cut off": CUT_OFF,
    "timed out": {"exc": requests.exceptions.ReadTimeout},
    **NO_PAGES,
}


@pytest.mark.parametrize("name", RETRIED)
def test_given_an_answer_that_passes_when_paging_then_the_same_cursor_is_retried(
    read_profiles: Read, clevertap: requests_mock.Mocker, waits: list[float], name: str
) -> None:
    output = read_profiles(config(), [RETRIED[name], RETRIED[name], page(profile(1))])

    assert [row["profile_id"] for row in rows(output)] == ["id-1"]
    assert not output.errors
    assert [r.method for r in clevertap.request_history] == ["POST", "GET", "GET", "GET"]
    assert len({r.url for r in clevertap.request_history[1:]}) == 1
    assert waits == [5, 5]


@pytest.mark.parametrize("name", [*RETRIED, "success without a cursor"])
def test_given_an_answer_that_passes_when_opening_then_the_post_is_sent_again(
    read_profiles: Read, clevertap: requests_mock.Mocker, name: str
) -> None:
    answer = RETRIED.get(name, {"json": {"status": "success"}})

    output = read_profiles(config(), [page(profile(1))], [answer, answer, opened()])

    assert [row["profile_id"] for row in rows(output)] == ["id-1"]
    assert [r.method for r in clevertap.request_history] == ["POST", "POST", "POST", "GET"]


@pytest.mark.parametrize("name", RETRIED)
def test_given_an_answer_that_stays_when_paging_then_the_read_fails_as_transient(
    read_profiles: Read, waits: list[float], name: str
) -> None:
    output = read_profiles(config(), [page(profile(1), next_cursor="b"), RETRIED[name]])

    assert first_error(output)[0] == "transient_error"
    assert "Stream profiles, event 'App Launched', 2022-01-01 to 2026-02-12: " in first_error(output)[1]
    assert "Gave up after 20 minutes" in first_error(output)[1]
    assert 15 * 60 <= sum(waits) <= 25 * 60


def test_given_max_wait_minutes_when_not_ready_then_it_bounds_the_wait(read_profiles: Read, waits: list[float]) -> None:
    output = read_profiles(config(max_wait_minutes=1), [NOT_READY])

    assert "Gave up after 1 minutes" in first_error(output)[1]
    assert 60 <= sum(waits) <= 90


def test_given_not_ready_when_waiting_then_the_log_says_so(read_profiles: Read) -> None:
    output = read_profiles(config(), [NOT_READY, page()])

    logs = [message.log.message for message in output.logs if message.log]
    assert any(log.startswith("profiles: CleverTap is still preparing this response") for log in logs)


FINAL = [
    (fail("Invalid Credentials", 401, 401), "config_error", "credentials or region"),
    (fail("Account ID is not valid", 401, 401), "config_error", "credentials or region"),
    (fail("Invalid Credentials", 401), "config_error", "credentials or region"),
    (fail("Passcode expired", 401, 401), "config_error", "credentials or region"),
    ({"status_code": 403}, "config_error", "credentials or region"),
    (fail('["Invalid event : App launched"]', 400), "config_error", "case-sensitive"),
    (fail('["Invalid event : App launched"]', 400, 400), "config_error", "case-sensitive"),
    (fail("Export not allowed for this event", 400, 400), "config_error", "S3, GCP"),
    (fail("Invalid date range", 400, 400), "config_error", "timezone"),
    (fail("bad", 4002, 400), "config_error", "timezone"),
    (fail("Incorrect Usage", 3), "system_error", "Incorrect Usage (code 3)"),
    (fail("Incorrect Usage", 3, 400), "system_error", "Incorrect Usage (code 3)"),
    (fail("Please update", 99), "system_error", "Please update (code 99)"),
    (fail("The moon is full", 99), "system_error", "The moon is full (code 99)"),
    (fail("The moon is full", 99, 400), "system_error", "The moon is full (code 99)"),
]


@pytest.mark.parametrize(("answer", "failure_type", "words"), FINAL)
@pytest.mark.parametrize("opening", [True, False])
def test_given_an_answer_that_is_final_when_read_then_it_fails_at_once(
    read_profiles: Read,
    clevertap: requests_mock.Mocker,
    answer: dict[str, Any],
    failure_type: str,
    words: str,
    opening: bool,
) -> None:
    output = read_profiles(config(), [answer], [answer] if opening else [opened()])

    assert first_error(output)[0] == failure_type
    assert words in first_error(output)[1]
    assert "Stream profiles, event 'App Launched', 2022-01-01 to 2026-02-12: " in first_error(output)[1]
    assert clevertap.call_count == (1 if opening else 2)


@pytest.mark.parametrize(
    "answer",
    [
        fail("Invalid cursor", "CURSOR_INVALIDATED", 400),
        fail("invalid cursor", 400, 400),
        fail("", "CURSOR_INVALIDATED"),
        fail("Cursor expired", 400, 400),
    ],
)
def test_given_an_expired_cursor_in_any_words_when_the_window_is_a_day_then_it_fails_with_advice(
    read_profiles: Read, clevertap: requests_mock.Mocker, answer: dict[str, Any]
) -> None:
    output = read_profiles(config(end_date=20220101), [answer, page(profile(1))])

    assert [r.method for r in clevertap.request_history] == ["POST", "GET"]
    assert first_error(output)[0] == "transient_error"
    assert "2022-01-01 to 2022-01-01: The cursor expired" in first_error(output)[1]


def test_given_an_expired_export_when_opening_then_it_fails(read_profiles: Read) -> None:
    output = read_profiles(config(), [page()], [fail("Cursor expired", 400, 400)])

    assert first_error(output)[0] == "system_error"
    assert "refused the request: Cursor expired" in first_error(output)[1]


@pytest.mark.parametrize("opening", [True, False])
@pytest.mark.parametrize("status_code", [301, 302, 303, 307, 308])
def test_given_a_redirect_when_read_then_its_target_is_neither_asked_nor_treated_as_an_empty_export(
    read_profiles: Read, clevertap: requests_mock.Mocker, status_code: int, opening: bool
) -> None:
    clevertap.register_uri(requests_mock.ANY, "https://portal.example/", json={"status": "success"})
    answer = moved(status_code)

    output = read_profiles(config(), [answer], [answer] if opening else [opened()])

    assert {request.hostname for request in clevertap.request_history} == {"in1.api.clevertap.com"}
    assert first_error(output)[0] == "transient_error"
    assert "redirected" in first_error(output)[1]
    assert "portal.example" not in first_error(output)[1]


def test_given_a_page_with_what_looks_renamed_but_is_not_when_read_then_it_is_a_page(
    read_profiles: Read, waits: list[float]
) -> None:
    twice = '{"objectId": "a", "profileData": {"records": 1, "next_cursor": "x"}, "records": []}'
    text = '{"status": "success", "previous_cursor": "%s", "request": "7f", "records": [%s], "took": 3}'

    output = read_profiles(config(), [{"text": text % ("x" * 2000, twice)}])

    assert [row["profile_id"] for row in rows(output)] == ["a"]
    assert waits == []


def test_given_a_record_nested_too_deep_for_python_when_read_then_the_read_fails(
    read_events: Read,
) -> None:
    depth = 1000
    text = '{"status": "success", "records": [{"profile": {}, "ts": 1, "event_props": {"a": %s}}]}'

    output = read_events(config(slice_days=3650), [{"text": text % ("[" * depth + "]" * depth)}])

    assert first_error(output)[0] == "system_error"
    assert rows(output) == []


@pytest.mark.parametrize("between", [200, 409, None])
def test_given_a_failure_long_after_another_when_nothing_came_between_then_patience_is_over(
    components: types.ModuleType, monkeypatch: pytest.MonkeyPatch, between: int | None
) -> None:
    """Two windows: a minute after a failure of the first, the second has its own first failure."""
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    settings = config(max_wait_minutes=1)
    filters = [
        HttpResponseFilter(settings, {}, action=ResponseAction.IGNORE, predicate="{{ response.http_status == 409 }}"),
        HttpResponseFilter(settings, {}, action=ResponseAction.RETRY, predicate="{{ True }}"),
    ]
    shared = components.CleverTapErrorHandler(
        config=settings, parameters={}, response_filters=filters, max_wait_minutes="1", page_parameter="cursor"
    )
    get = requests.Request("GET", "https://in1.api.clevertap.com/")
    first, second = (requests.exceptions.ConnectionError(request=get.prepare()) for _ in range(2))
    assert shared.interpret_response(first).response_action is ResponseAction.RETRY
    if between:
        answer = {"status_code": between, "json": {"status": "success"}}
        shared.interpret_response(requests_mock.create_response(get.prepare(), **answer))
    now[0] += 61

    action = ResponseAction.RETRY if between else ResponseAction.FAIL
    assert shared.interpret_response(second).response_action is action
    resolution = shared.interpret_response(first)
    assert resolution.response_action is ResponseAction.FAIL
    assert "Gave up after 1 minutes" in resolution.error_message
