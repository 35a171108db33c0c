"""The stream message_reports: windows, state, and the fields it adds."""

import json
from datetime import datetime
from typing import Any

import freezegun
import pytest
import requests_mock

from source_clevertap.run import definition_file
from unit_tests.conftest import Read, first_error, rows, states
from unit_tests.mock_server.config import ACCOUNT_ID
from unit_tests.mock_server.response_builder import fail
from unit_tests.mock_server.tables import (
    bodies,
    settings,
)

pytestmark = pytest.mark.cdk


def state_of(day: Any, account: str = ACCOUNT_ID, start: int = 20220101) -> dict[str, Any]:
    """A state as the connector leaves it."""
    partition = {"account_id": account, "start_date": start}
    return {"use_global_cursor": False, "states": [{"partition": partition, "cursor": {"date": day}}]}


def test_given_a_range_when_reports_are_read_then_a_window_has_the_lookback_and_two_days(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "messages": []}}

    read_table("message_reports", [nothing], settings(end_date=20220228))

    assert bodies(clevertap) == [{"from": 20220101, "to": 20220201}, {"from": 20220202, "to": 20220228}]


def test_given_a_state_when_reports_are_read_then_the_lookback_is_read_again(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    nothing = {"json": {"status": "success", "messages": []}}

    read_table(
        "message_reports",
        [nothing],
        settings(end_date=20220220),
        state=state_of("2022-02-12"),
    )

    assert bodies(clevertap)[0]["from"] == 20220113
    assert bodies(clevertap)[-1]["to"] == 20220220


@pytest.mark.parametrize("day", ["9999-12-31", "garbage", 20220212])
def test_given_a_state_of_reports_that_is_not_ours_when_read_then_it_says_to_clear_it(
    read_table: Read, clevertap: requests_mock.Mocker, day: Any
) -> None:
    output = read_table("message_reports", [], settings(), state=state_of(day))

    assert first_error(output)[0] == "config_error"
    assert first_error(output)[1].startswith("Stream message_reports: the saved state")
    assert clevertap.request_history == []


@pytest.mark.parametrize(
    ("name", "stream", "expected"),
    [
        ("sample", "message_reports", 20260111),
        ("sample", "daily_event_counts", 20260210),
    ],
)
def test_given_the_states_in_the_files_when_read_then_what_moves_is_read_again(
    read_table: Read, clevertap: requests_mock.Mocker, name: str, stream: str, expected: int
) -> None:
    folder = definition_file("manifest.yaml").parent / "integration_tests"
    (state,) = (
        entry["stream"]["stream_state"]
        for entry in json.loads((folder / f"{name}_state.json").read_text())
        if entry["stream"]["stream_descriptor"]["name"] == stream
    )
    nothing = {"json": {"status": "success", "messages": [], "daily": {}}}

    with freezegun.freeze_time("2026-02-12T12:00:00", tick=True):
        output = read_table(stream, [nothing], settings(end_date=None), state=state)

    assert first_error(output) == ("", "")
    assert bodies(clevertap)[0]["from"] == expected
    assert bodies(clevertap)[-1]["to"] == 20260212


@pytest.mark.parametrize("failing", range(4))
def test_given_a_window_of_reports_that_fails_when_read_again_then_its_messages_come(
    read_table: Read, clevertap: requests_mock.Mocker, failing: int
) -> None:
    days = [20220103, 20220207, 20220314, 20220418]  # a message in each window

    def answer(request: Any, _: Any) -> dict[str, Any]:
        first, last = request.json()["from"], request.json()["to"]
        if broken and first <= days[failing] <= last:
            return dict(fail("Shard 7 unavailable", 77)["json"])
        sent = [
            {
                "message id": day,
                "start_date": f"{datetime.strptime(str(day), '%Y%m%d'):%d %b, %Y} 10:00:00",
            }
            for day in days
            if first <= day <= last
        ]
        return {"status": "success", "messages": sent}

    broken = True
    first = read_table("message_reports", [{"json": answer}], settings(end_date=20220420))
    state = states(first)[-1] if states(first) else None
    broken = False
    one_day = settings(end_date=20220420)
    second = read_table("message_reports", [{"json": answer}], one_day, state=state)

    assert first_error(first)[0] == "system_error"
    assert first_error(second) == ("", "")
    assert {row["message_id"] for row in [*rows(first), *rows(second)]} == set(map(str, days))


@pytest.mark.parametrize(
    ("start_date", "zone", "start_time"),
    [
        ("25 Dec, 2017 00:30:00", "Asia/Kolkata", "2017-12-24T19:00:00Z"),
        ("25 Dec, 2017 23:30:00", "America/New_York", "2017-12-26T04:30:00Z"),
        ("2017-12-25", "UTC", None),
        (None, "UTC", None),
        (20171225, "UTC", None),
    ],
)
def test_given_a_start_as_text_when_read_then_it_is_kept_and_converted_to_utc(
    read_table: Read, start_date: Any, zone: str, start_time: str | None
) -> None:
    message = {"message id": 1, "start_date": start_date}
    answer = {"json": {"status": "success", "messages": [message]}}

    (row,) = rows(read_table("message_reports", [answer], settings(timezone=zone)))

    assert row.get("start_time") == start_time
    assert row.get("start_date") == (start_date and str(start_date))
    assert row["message_id"] == "1"
    assert "message id" not in row
