"""Which days are asked for: windows of the project's days, from the settings and the last state."""

import json
from datetime import date, datetime, timedelta
from typing import Any

import freezegun
import pytest

from source_clevertap.run import definition_file
from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import ACCOUNT_ID, Json, config
from unit_tests.mock_server.response_builder import by_request, created, empty, event, fail, page
from unit_tests.mock_server.streams import responses_of

pytestmark = pytest.mark.cdk

NAME = "App Launched"
PARTITION = {"account_id": ACCOUNT_ID, "event_name": NAME, "start_date": 20220101}
DOWN = fail("Shard 7 unavailable", 77)


def state(*events: tuple[str, str], field: str = "date") -> Json:
    """A state as the connector leaves it: events and the day up to which each was read."""
    entries = [{"partition": {**PARTITION, "event_name": name}, "cursor": {field: day}} for name, day in events]
    complete = {"parent_state": {"complete": dict(events)}, "lookback_window": 3600, "state": {field: "2026-02-12"}}
    return {"use_global_cursor": False, "states": entries, **complete}


def days_of(windows: list[tuple[int, int]]) -> list[date]:
    spans = [[datetime.strptime(str(day), "%Y%m%d").date() for day in window] for window in windows]
    return [first + timedelta(n) for first, last in spans for n in range((last - first).days + 1)]


@pytest.mark.parametrize(
    ("start", "end", "slice_days", "expected"),
    [
        (20220101, 20220103, 2, [(20220101, 20220103)]),  # lookback_days and two
        (20220101, 20220131, None, [(20220101, 20220130), (20220131, 20220131)]),
        (20231230, 20240102, 3, [(20231230, 20240101), (20240102, 20240102)]),
        (20220101, 20260212, 3650, [(20220101, 20260212)]),
    ],
)
def test_given_a_range_when_events_are_read_then_windows_share_no_day_and_miss_none(
    clevertap: CleverTap, start: int, end: int, slice_days: int | None, expected: list[tuple[int, int]]
) -> None:
    settings = config(start_date=start, end_date=end, slice_days=slice_days, lookback_days=1)

    assert not clevertap.read_events(settings, [empty()]).errors
    assert clevertap.windows() == expected


@pytest.mark.parametrize("stream", ["events", "profiles"])
@pytest.mark.parametrize(
    ("through", "lookback_days", "expected"),
    [
        ("2026-02-10", None, (20260208, 20260212)),
        ("2026-02-10", 1, (20260209, 20260212)),
        ("2026-02-12", 2, (20260210, 20260212)),
        ("2026-03-01", 1, None),  # end_date is before it: nothing is new
        ("2022-01-02", 7, (20220101, 20220130)),  # never before start_date
    ],
)
def test_given_a_state_when_read_then_its_last_day_and_the_lookback_are_read_again(
    clevertap: CleverTap, stream: str, through: str, lookback_days: Any, expected: tuple[int, int] | None
) -> None:
    saved = state((NAME, through), field="date" if stream == "events" else "active_through")

    output = clevertap.read(stream, config(lookback_days=lookback_days), [empty()], state=saved)

    assert not output.errors
    if expected and stream == "profiles":
        expected = (expected[0], 20260212)
    assert clevertap.windows()[:1] == ([expected] if expected else [])


@freezegun.freeze_time("2026-02-11T12:00:00", tick=True)
def test_given_a_state_after_today_when_read_then_today_is_read_again(clevertap: CleverTap) -> None:
    ahead = state((NAME, "2026-02-12"))  # of a time zone that was wrong

    clevertap.read_events(config(end_date=None, lookback_days=1), [empty()], state=ahead)

    assert clevertap.windows() == [(20260210, 20260211)]


# ------------------------------------------------------------------ from sync to sync


@pytest.mark.parametrize("lookback_days", [1, 2])
@pytest.mark.parametrize("failing", range(4))
def test_given_any_window_that_fails_when_synced_again_then_no_day_stays_unread(
    clevertap: CleverTap, lookback_days: int, failing: int
) -> None:
    """Of a first sync and of an incremental one: all other windows end well, in any order."""
    read: set[date] = set()

    def response(body: Json) -> Json:
        if fails and body["from"] <= bad <= body["to"]:
            return DOWN
        read.update(days_of([(body["from"], body["to"])]))
        return created(str(body))

    saved = None
    for end, first_day in ((20220110, 5), (20220114, 10 - lookback_days)):
        settings = config(lookback_days=lookback_days, slice_days=2, start_date=20220105, end_date=end)
        bad, fails = 20220100 + first_day + failing, True
        read.clear()
        for _ in range(2):  # the sync that fails, and the next
            output = clevertap.read_events(settings, [page(event())], posts=by_request(response), state=saved)
            saved, fails = output.states[-1], False

        assert not output.errors
        assert read >= {date(2022, 1, n) for n in range(first_day, end - 20220100 + 1)}


def test_given_an_event_added_when_read_then_it_starts_at_start_date(clevertap: CleverTap) -> None:
    first = clevertap.read_events(config(), [page(event())])
    settings = config(additional_event_names=["Charged"])
    clevertap.reset_mock()
    second = clevertap.read_events(settings, [empty()], state=first.states[-1])

    assert clevertap.windows()[0][0] == 20260210
    assert days_of(clevertap.windows("Charged")) == [date(2022, 1, 1) + timedelta(n) for n in range(1504)]
    clevertap.reset_mock()
    clevertap.read_events(settings, [empty()], state=second.states[-1])  # nobody raised it: only the lookback
    assert clevertap.windows("Charged") == clevertap.windows() == [(20260210, 20260212)]


def test_given_an_event_removed_when_read_then_it_is_forgotten(clevertap: CleverTap) -> None:
    saved = state((NAME, "2026-02-11"), ("Gone", "2026-02-11"))

    output = clevertap.read_events(config(), [empty()], state=saved)

    assert {body["event_name"] for body in clevertap.bodies} == {NAME}
    assert "Gone" not in json.dumps(output.states[-1])


@pytest.mark.parametrize(
    ("start_dates", "expected"),
    [
        ([20211231], (20211231, 20220129)),  # moved back: all is read from there
        ([20220101], (20260209, 20260212)),
        ([20240101], (20260209, 20260212)),  # moved on: nothing is to be read for that
        ([20240101, 20220101], (20220101, 20220130)),  # moved on and back: the days between
    ],
)
def test_given_start_date_moved_when_read_then_older_days_come(
    clevertap: CleverTap, start_dates: list[int], expected: tuple[int, int]
) -> None:
    saved = state((NAME, "2026-02-11"))
    for start_date in start_dates:
        clevertap.reset_mock()
        saved = clevertap.read_events(config(start_date=start_date), [empty()], state=saved).states[-1]

    assert clevertap.windows()[0] == expected


@pytest.mark.parametrize("stream", ["daily_event_counts", "message_reports", "campaigns"])
def test_given_another_account_when_synced_then_its_history_is_read_and_so_is_that_of_the_first_again(
    clevertap: CleverTap, stream: str
) -> None:
    saved = None
    for account in ("A-1", "A-2", "A-1"):
        clevertap.reset_mock()
        settings = config(account_id=account, end_date=20220220)
        output = clevertap.read_in_turn(stream, responses_of(stream), settings, state=saved)
        saved = output.states[-1]

        assert not output.errors
        assert clevertap.windows()[0][0] == 20220101
        assert output.records


# ------------------------------------------------------------------ what a state may be


@pytest.mark.parametrize(
    ("stream", "expected"),
    [("events", 20260210), ("profiles", 20260210), ("message_reports", 20260111), ("daily_event_counts", 20260210)],
)
def test_given_the_states_in_the_file_when_read_then_they_are_understood(
    clevertap: CleverTap, stream: str, expected: int
) -> None:
    file = definition_file("manifest.yaml").parent / "integration_tests" / "sample_state.json"
    entries = [entry["stream"] for entry in json.loads(file.read_text())]
    saved = {entry["stream_descriptor"]["name"]: entry["stream_state"] for entry in entries}
    cursor = {"cursor": "c"} if stream in ("events", "profiles") else {}
    nothing = {"json": {"status": "success", "messages": [], "daily": {}, **cursor}}

    output = clevertap.read_in_turn(stream, [nothing, empty()], config(), state=saved[stream])

    assert not output.errors
    assert (clevertap.windows()[0][0], clevertap.windows()[-1][1]) == (expected, 20260212)


@pytest.mark.parametrize("nothing", [{"states": []}, {"state": {"date": "2026-02-11"}, "states": []}])
def test_given_a_state_without_entries_when_read_then_all_is_read(clevertap: CleverTap, nothing: Json) -> None:
    output = clevertap.read_events(config(), [page(event(), next_cursor="next%2Fcursor"), page()], state=nothing)

    assert not output.errors
    assert clevertap.windows()[0] == (20220101, 20220130)
    assert "%2F" not in json.dumps(output.states)  # no cursor of the API


def odd(**changes: Any) -> Json:
    """A state as the connector leaves it, but for something."""
    return {**state((NAME, "2026-02-11")), **changes}


def entry(partition: Any, cursor: Any) -> Json:
    return odd(states=[{"partition": partition, "cursor": cursor}])


@pytest.mark.parametrize("stream", ["events", "daily_event_counts"])
@pytest.mark.parametrize(
    "saved",
    [
        {"date": "2026-02-11"},
        entry({"event_name": NAME, "start_date": 20220101}, {"date": "2026-02-11"}),
        entry({**PARTITION, "start_date": "x"}, {"date": "2026-02-11"}),
        entry(PARTITION, {}),
        *(entry(PARTITION, {"date": day}) for day in ("2026-02-30", 20260211, "9999-12-31")),
        *(odd(parent_state={"complete": {NAME: day}}) for day in ("20260120", "2099-01-01")),
        odd(parent_state={"complete": [NAME]}),
    ],
)
def test_given_a_state_that_this_connector_cannot_have_written_when_read_then_it_says_to_clear_it(
    clevertap: CleverTap, stream: str, saved: Json
) -> None:
    output = clevertap.run(stream, config(), saved)

    assert output.error[0] == "config_error"
    assert output.error[1].startswith(f"Stream {stream}: the saved state was not written by")
    assert "Clear the stream's data" in output.error[1]
    assert clevertap.request_history == []
