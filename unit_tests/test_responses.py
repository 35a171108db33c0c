"""What each of CleverTap's responses leads to: a wait, a new export, or an error of the right type."""

from typing import Any

import pytest
import requests

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import Json, config
from unit_tests.mock_server.response_builder import Response, created, empty, event, fail, page, profile
from unit_tests.mock_server.streams import BLOCK, STREAMS, blocks, campaigns, settings

pytestmark = pytest.mark.cdk

NOT_READY = fail("Request still in progress, please retry later", 2)
EXPORT = "Stream profiles, event 'App Launched', 2022-01-01 to 2026-02-12: "
# Beside those that the sandbox has as faults (integration_tests/test_faults.py).
RETRIED: dict[str, Response] = {
    "not ready, as text": fail("Request still in progress", "2"),
    "not ready, HTTP 202": {"status_code": 202},
    "not ready, though a success": {"json": {"status": "success", "code": 2}},
    "throttled, in words": fail("Too many concurrent requests", 9),
    "throttled, code 429": fail("", 429),
    "HTTP 200 with code 500": fail("An unknown error occurred", 500),
    "HTTP 500 with any words": fail("the date of the invalid event", 500, 500),
    "a certificate that breaks off": {"exc": requests.exceptions.SSLError("EOF occurred")},
    "a proxy that is away": {"exc": requests.exceptions.ProxyError("refused at 0x407")},
    "a list": {"json": []},
    "an unknown status": {"json": {"status": "done", "records": [profile(1)]}},
    "records that are no list": {"json": {"status": "success", "records": {"a": 1}}},
    "a cursor that is an empty object": {"json": {"status": "success", "next_cursor": {}}},
    "a cursor that is 0": {"json": {"status": "success", "next_cursor": 0}},
    "nesting without end": {"text": '{"status": "success", "records": ' + "[" * 200_000},
    "records under another name": {"json": {"status": "success", "next_cursor": "x", "rows": [{}]}},
    "a cursor under another name": {"json": {"status": "success", "nextCursor": "x" * 2000}},
    "no content": {"status_code": 204},
    "success as HTTP 201": {"status_code": 201, "json": {"status": "success"}},
}


@pytest.mark.parametrize("name", [*RETRIED, "success without a cursor"])
def test_given_a_response_that_passes_when_creating_and_paging_then_the_request_is_sent_again(
    clevertap: CleverTap, name: str
) -> None:
    response = RETRIED.get(name)
    of_post, of_get = [response or empty()] * 2, [response] * 2 if response else []

    # all_events, because CDK 7.23.8 takes a predicate that yields None for true, and would ignore the response.
    output = clevertap.read_profiles(config(all_events=True), [*of_get, page(profile(1))], posts=[*of_post, created()])

    assert [record["profile_id"] for record in output.records] == ["id-1"]
    assert not output.errors
    gets = [request.url for request in clevertap.request_history if request.method == "GET"]
    assert [request.method for request in clevertap.request_history] == ["POST"] * 3 + ["GET"] * len(gets)
    assert len(gets) == 1 + len(of_get)
    assert len(set(gets)) == 1
    assert clevertap.waits == [5] * len([*of_post, *of_get])


@pytest.mark.parametrize("name", ["not ready, as text", "throttled, in words", "a list", "a proxy that is away"])
def test_given_a_response_that_stays_when_paging_then_the_read_fails_as_transient(
    clevertap: CleverTap, name: str
) -> None:
    output = clevertap.read_profiles(config(), [page(profile(1), next_cursor="b"), RETRIED[name]])

    assert output.error[0] == "transient_error"
    assert output.error[1].startswith(EXPORT)
    assert "Gave up after 20 minutes" in output.error[1]
    assert 15 * 60 <= sum(clevertap.waits) <= 25 * 60
    assert any(log.startswith("profiles: CleverTap ") for log in output.logs)


@pytest.mark.parametrize(
    ("response", "failure_type", "words"),
    [
        (fail("Invalid Credentials", 401, 401), "config_error", "credentials or region"),
        (fail("Invalid Credentials", 401), "config_error", "credentials or region"),
        ({"status_code": 403}, "config_error", "credentials or region"),
        (fail("Invalid date range", 400, 400), "config_error", "timezone"),
        (fail("bad", 4002, 400), "config_error", "timezone"),
        (fail("The moon is full", 99, 400), "system_error", "The moon is full (code 99)"),
    ],
)
@pytest.mark.parametrize("creating", [True, False])
def test_given_a_response_that_is_final_when_read_then_it_fails_at_once(
    clevertap: CleverTap, response: Response, failure_type: str, words: str, creating: bool
) -> None:
    output = clevertap.read_profiles(config(), [response], posts=[response if creating else created()])

    assert output.error[0] == failure_type
    assert output.error[1].startswith(EXPORT)
    assert words in output.error[1]
    assert clevertap.call_count == (1 if creating else 2)


def test_given_an_expired_export_when_creating_then_it_fails(clevertap: CleverTap) -> None:
    output = clevertap.read_profiles(config(), posts=[fail("Cursor expired", 400, 400)])

    assert output.error[0] == "system_error"
    assert "refused the request: Cursor expired" in output.error[1]


@pytest.mark.parametrize(
    ("stream", "before"),
    [
        *((stream, []) for stream in (*STREAMS, "profiles", "events", "campaign_reports")),
        ("profiles", [created()]),
        ("campaign_reports", [campaigns(10)]),
    ],
)
@pytest.mark.parametrize("status_code", [301, 307])
def test_given_a_redirect_when_read_then_its_target_is_neither_asked_nor_treated_as_an_empty_export(
    clevertap: CleverTap, stream: str, before: list[Response], status_code: int
) -> None:
    away = {"status_code": status_code, "headers": {"Location": "https://portal.example/"}}  # of a sign-in page

    output = clevertap.read_in_turn(stream, [*before, away], settings(max_wait_minutes=1))

    assert {request.hostname for request in clevertap.request_history} == {"in1.api.clevertap.com"}
    assert output.error[0] == "transient_error"
    assert "redirected" in output.error[1]
    assert "portal.example" not in output.error[1]


@pytest.mark.parametrize(
    ("exception", "words"),
    [
        (requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] failed"), "REQUESTS_CA_BUNDLE"),
        (requests.exceptions.ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"), "HTTPS_PROXY"),
        (requests.exceptions.InvalidProxyURL("Please check proxy URL."), "HTTPS_PROXY"),
        (requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."), "scheme"),
    ],
)
@pytest.mark.parametrize("stream", ["profiles", "event_schema"])
def test_given_a_network_fault_that_lasts_when_read_then_it_is_a_config_error_at_once(
    clevertap: CleverTap, stream: str, exception: Exception, words: str
) -> None:
    output = clevertap.read_in_turn(stream, [{"exc": exception}], settings())

    assert output.error[0] == "config_error"
    assert words in output.error[1]
    assert clevertap.waits == []


def test_given_a_page_with_what_looks_renamed_but_is_not_when_read_then_it_is_a_page(clevertap: CleverTap) -> None:
    twice = '{"objectId": "a", "profileData": {"records": 1, "next_cursor": "x"}, "records": []}'
    text = '{"status": "success", "previous_cursor": "%s", "request": "7f", "records": [%s], "took": 3}'

    output = clevertap.read_profiles(config(), [{"text": text % ("x" * 2000, twice)}])

    assert [record["profile_id"] for record in output.records] == ["a"]
    assert clevertap.waits == []


def test_given_a_record_nested_too_deep_for_python_when_read_then_the_read_fails(clevertap: CleverTap) -> None:
    nested = "[" * 1000 + "]" * 1000
    text = '{"status": "success", "records": [{"profile": {}, "ts": 1, "event_props": {"a": %s}}]}'

    output = clevertap.read_events(config(slice_days=3650), [{"text": text % nested}])

    assert output.error[0] == "system_error"
    assert output.records == []


@pytest.mark.parametrize("record", [None, "text", 7, True, [{}]])
@pytest.mark.parametrize("stream", ["profiles", "events", "campaigns"])
def test_given_a_record_that_is_no_object_when_read_then_the_error_names_its_position(
    clevertap: CleverTap, stream: str, record: Any
) -> None:
    content: Json = {"status": "success", "targets": [{"id": 1}, record], "records": [event(), record]}

    output = clevertap.read_in_turn(stream, [*[created()] * (stream != "campaigns"), {"json": content}], settings())

    kind, message = output.error
    assert kind == "system_error"
    where = "from 20220101, to " if stream == "campaigns" else "event 'App Launched', 2022-01-01 to "
    assert message.startswith(f"Stream {stream}, {where}")
    assert "Record 1 of a response is not an object" in message
    assert "text" not in message


def test_given_failures_before_each_response_when_read_then_each_has_patience_of_its_own(clevertap: CleverTap) -> None:
    failing: list[Response] = [{"status_code": 503}] * 10

    responses = [*failing, blocks(BLOCK), *failing, blocks()]
    output = clevertap.read_in_turn("content_blocks", responses, settings(max_wait_minutes=1))

    assert not output.errors
    assert sum(clevertap.waits) == 100


def test_given_a_test_read_of_the_builder_when_a_page_is_not_ready_then_it_is_asked_for_again_for_a_minute(
    clevertap: CleverTap,
) -> None:
    ready = [NOT_READY, {"status_code": 202}, page(profile(1))]

    output = clevertap.read_profiles(config(), ready, posts=[NOT_READY, created()], is_test_read=True)
    never = clevertap.read_profiles(config(), [NOT_READY], is_test_read=True)

    assert len(output.records) == 1
    assert "still preparing this response" in never.error[1]
    assert "Gave up after 1 minutes" in never.error[1]
    assert {*clevertap.waits} == {2}
