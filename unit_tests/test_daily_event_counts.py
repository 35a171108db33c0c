"""The stream daily_event_counts: a POST, and a GET until the count is done."""

import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows, states
from unit_tests.mock_server.response_builder import fail
from unit_tests.mock_server.tables import (
    REQ_ID,
    WHOLE,
    answers_of,
    bodies,
    partial,
    settings,
)

pytestmark = pytest.mark.cdk


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_a_partial_count_when_read_then_it_is_asked_for_until_it_is_done(
    read_table: Read, clevertap: requests_mock.Mocker, waits: list[float], stream: str
) -> None:
    output = read_table(stream, [partial()] * 7 + answers_of(stream), settings())

    assert rows(output) == WHOLE[stream][1]
    requests = clevertap.request_history
    assert [request.method for request in requests] == ["POST", *["GET"] * 7]
    assert {request.url.partition("?")[2] for request in requests[1:]} == {f"req_id={REQ_ID}"}
    assert {request.text for request in requests[1:]} == {None}
    assert waits == [5] * 6


def test_given_a_count_that_always_ends_when_read_then_it_fails(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    ended = fail("Invalid request id", 400, 400)
    day = settings(start_date=20220110)

    output = read_table("daily_event_counts", [partial(), ended], day)

    assert first_error(output)[0] == "transient_error"
    asked = "Stream daily_event_counts, event 'App Launched', 2022-01-10 to 2022-01-10: "
    assert first_error(output)[1].startswith(asked + "The cursor expired")
    assert len(clevertap.request_history) == 2


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_a_count_that_is_never_done_when_read_then_it_gives_up(read_table: Read, stream: str) -> None:
    output = read_table(stream, [partial()], settings(max_wait_minutes=1))

    assert first_error(output)[0] == "transient_error"
    assert "still preparing" in first_error(output)[1]


def test_given_years_when_days_are_counted_then_a_request_asks_for_one_at_most(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "daily": {}}}

    read_table("daily_event_counts", [nothing], settings(end_date=20230105))

    sent = [(body["from"], body["to"]) for body in bodies(clevertap)]
    assert sent == [(20220101, 20221231), (20230101, 20230105)]


def test_given_days_without_any_when_counted_again_then_only_the_lookback_is(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "daily": {}}}
    first = read_table("daily_event_counts", [nothing], settings())
    clevertap.reset_mock()

    read_table("daily_event_counts", [nothing], settings(end_date=20220115), state=states(first)[-1])

    assert [(b["from"], b["to"]) for b in bodies(clevertap)] == [(20220108, 20220115)]


@pytest.mark.parametrize("stream", ["daily_event_counts"])
def test_given_an_event_that_is_unknown_when_counted_then_it_is_a_config_error(read_table: Read, stream: str) -> None:
    output = read_table(stream, [fail('["Invalid event : App Launched"]', 400)], settings())

    assert first_error(output)[0] == "config_error"
    assert f"Stream {stream}, event 'App Launched'" in first_error(output)[1]


def test_given_several_events_when_they_are_counted_then_each_has_a_row(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    names = settings(additional_event_names=["Charged", "it's {{ 7 }}"])

    output = read_table("daily_event_counts", [{"json": {"status": "success", "daily": {"20220101": 3}}}], names)

    expected = ["App Launched", "Charged", "it's {{ 7 }}"]
    assert sorted(row["event_name"] for row in rows(output)) == expected
    assert sorted(body["event_name"] for body in bodies(clevertap)) == expected
