"""The streams daily_event_counts and daily_event_users: a POST, and a GET until the count is done."""

from typing import Any

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import HOST
from unit_tests.mock_server.response_builder import Response, empty, schema
from unit_tests.mock_server.streams import REQ_ID, RESPONSES, partial, responses_of, settings

pytestmark = pytest.mark.cdk

STREAM = "daily_event_counts"
DONE, RECORDS = responses_of(STREAM)[0], RESPONSES[STREAM][1]
NOTHING: Response = {"json": {"status": "success", "daily": {}}}


@pytest.mark.parametrize("req_id", [REQ_ID, "a1b2-c3", "384649162721759", "1e5"])
def test_given_a_partial_count_when_read_then_it_is_asked_for_until_it_is_done(
    clevertap: CleverTap, req_id: Any
) -> None:
    output = clevertap.read_in_turn(STREAM, [*[partial(req_id)] * 7, DONE], settings())

    assert output.records == RECORDS
    assert [request.method for request in clevertap.request_history] == ["POST", *["GET"] * 7]
    gets = clevertap.request_history[1:]
    assert {get.url.partition("?")[2] for get in gets} == {f"req_id={req_id}"}
    assert not any(get.body for get in gets)
    assert clevertap.waits == [5] * 6


def test_given_years_when_days_are_counted_then_a_window_has_one_and_the_next_sync_the_lookback(
    clevertap: CleverTap,
) -> None:
    first = clevertap.read_in_turn(STREAM, [NOTHING], settings(end_date=20230105))

    assert clevertap.windows() == [(20220101, 20221231), (20230101, 20230105)]
    clevertap.reset_mock()
    clevertap.read_in_turn(STREAM, [NOTHING], settings(end_date=20230115), state=first.states[-1])
    assert clevertap.windows() == [(20230103, 20230115)]


@pytest.mark.parametrize("stream", ["daily_event_counts", "daily_event_users"])
@pytest.mark.parametrize("all_events", [False, True])
def test_given_events_to_count_when_counted_then_those_that_exports_refuse_are_in_and_their_state_is_kept(
    clevertap: CleverTap, stream: str, all_events: bool
) -> None:
    names = {} if all_events else {"additional_event_names": ["it's {{ 7 }}"], "counted_event_names": ["Viewed"]}
    known = schema("App Launched", "Viewed", "it's {{ 7 }}")
    clevertap.post(f"{HOST}/1/counts/trends.json", [DONE])

    output = clevertap.read(stream, settings(all_events=all_events, **names), [empty()], schema=[known])

    assert {record["event_name"] for record in output.records} == {"App Launched", "Viewed", "it's {{ 7 }}"}
    clevertap.reset_mock()
    again = settings(all_events=all_events, end_date=20220112, **names)
    clevertap.read(stream, again, [empty()], schema=[known], state=output.states[-1])
    assert {(body["from"], body["to"]) for body in clevertap.bodies} == {(20220108, 20220112)}
