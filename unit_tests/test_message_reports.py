"""The stream message_reports: windows, state, and the fields it adds."""

from typing import Any

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.streams import settings

pytestmark = pytest.mark.cdk


def test_given_a_range_when_reports_are_read_then_windows_hold_the_lookback_and_two_days(clevertap: CleverTap) -> None:
    output = clevertap.read_in_turn("message_reports", [{"json": {"status": "success"}}], settings(end_date=20220228))

    assert not output.errors
    assert clevertap.windows() == [(20220101, 20220201), (20220202, 20220228)]


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
