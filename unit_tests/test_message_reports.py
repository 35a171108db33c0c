"""The stream message_reports: windows, state, and the fields it adds."""

from datetime import datetime
from typing import Any

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import Json
from unit_tests.mock_server.response_builder import by_request, fail
from unit_tests.mock_server.streams import settings

pytestmark = pytest.mark.cdk


def test_given_a_range_when_reports_are_read_then_windows_hold_the_lookback_and_two_days(clevertap: CleverTap) -> None:
    output = clevertap.read_in_turn("message_reports", [{"json": {"status": "success"}}], settings(end_date=20220228))

    assert not output.errors
    assert clevertap.windows() == [(20220101, 20220201), (20220202, 20220228)]


@pytest.mark.parametrize("failing", range(4))
def test_given_a_window_of_reports_that_fails_when_read_again_then_its_messages_come(
    clevertap: CleverTap, failing: int
) -> None:
    days = [20220103, 20220207, 20220314, 20220418]  # a message in each window

    def response(body: Json) -> Json:
        asked = [day for day in days if body["from"] <= day <= body["to"]]
        if broken and days[failing] in asked:
            return fail("Shard 7 unavailable", 77)
        starts = {day: f"{datetime.strptime(str(day), '%Y%m%d'):%d %b, %Y} 10:00:00" for day in asked}
        messages = [{"message id": day, "start_date": start} for day, start in starts.items()]
        return {"json": {"status": "success", "messages": messages}}

    state, came = None, set[str]()
    for broken in (True, False):
        output = clevertap.read_in_turn(
            "message_reports", by_request(response), settings(end_date=20220420), state=state
        )
        state = output.states[-1] if output.states else None
        came |= {record["message_id"] for record in output.records}
        assert output.error[0] == ("system_error" if broken else "")

    assert came == set(map(str, days))


def test_given_a_start_as_text_when_read_then_it_is_kept_and_converted_to_utc(clevertap: CleverTap) -> None:
    starts: dict[Any, str | None] = {
        "25 Dec, 2017 00:30:00": "2017-12-24T19:00:00Z",
        **dict.fromkeys(("2017-12-25", None, 20171225)),
    }
    response = {"json": {"status": "success", "messages": [{"message id": 1, "start_date": s} for s in starts]}}

    records = clevertap.read_in_turn("message_reports", [response], settings(timezone="Asia/Kolkata")).records

    assert [record.get("start_time") for record in records] == list(starts.values())
    assert [record.get("start_date") for record in records] == [start and str(start) for start in starts]
    assert [record["message_id"] for record in records] == ["1"] * 4
