"""Which days are asked for: windows of the project's days, from the settings and the last state."""

import json
import re
from datetime import date, datetime, timedelta, timezone
from typing import Any

import freezegun
import pytest
import requests_mock

from source_clevertap.run import definition_file
from unit_tests.conftest import Read, bodies, first_error, rows, run_read, states
from unit_tests.mock_server.config import ACCOUNT_ID, config
from unit_tests.mock_server.response_builder import empty, event, fail, opened, page, profile, schema

pytestmark = pytest.mark.cdk

Json = dict[str, Any]
NAME = "App Launched"
PARTITION = {"account_id": ACCOUNT_ID, "event_name": NAME, "start_date": 20220101}


def windows(clevertap: requests_mock.Mocker, name: str = NAME) -> list[tuple[int, int]]:
    return [(b["from"], b["to"]) for b in bodies(clevertap) if b["event_name"] == name]


def state(*events: tuple[str, str], start: int = 20220101, field: str = "date") -> Json:
    """A state as the connector leaves it: events and the day up to which each was read."""
    return {
        "use_global_cursor": False,
        "states": [
            {"partition": {**PARTITION, "event_name": name, "start_date": start}, "cursor": {field: day}}
            for name, day in events
        ],
        "state": {field: "2026-02-12"},
        "lookback_window": 3600,
        "parent_state": {"complete": dict(events)},
    }


@pytest.mark.parametrize(
    ("start", "end", "slice_days", "expected"),
    [
        (20220101, 20220101, 30, [(20220101, 20220101)]),
        (20220101, 20220103, 2, [(20220101, 20220103)]),  # lookback_days and two
        (20220101, 20220104, 3, [(20220101, 20220103), (20220104, 20220104)]),
        (20220101, 20220106, 3, [(20220101, 20220103), (20220104, 20220106)]),
        (20220101, 20220130, 30, [(20220101, 20220130)]),
        (20220101, 20220131, 30, [(20220101, 20220130), (20220131, 20220131)]),
        (20240226, 20240303, 3, [(20240226, 20240228), (20240229, 20240302), (20240303, 20240303)]),
        (20231230, 20240102, 3, [(20231230, 20240101), (20240102, 20240102)]),
        (20220101, 20260212, 36500, [(20220101, 20260212)]),
    ],
)
def test_given_a_range_when_events_are_read_then_windows_share_no_day_and_miss_none(
    read_events: Read,
    clevertap: requests_mock.Mocker,
    start: int,
    end: int,
    slice_days: int,
    expected: list[tuple[int, int]],
) -> None:
    output = read_events(config(start_date=start, end_date=end, slice_days=slice_days, lookback_days=1), [empty()])

    assert not output.errors
    assert windows(clevertap) == expected


@pytest.mark.parametrize("slice_days", [3, 7, 30, 31, 365])
def test_given_three_years_when_events_are_read_then_every_day_is_asked_for_once(
    read_events: Read, clevertap: requests_mock.Mocker, slice_days: int
) -> None:
    first, last = date(2023, 1, 1), date(2025, 12, 31) if slice_days > 3 else date(2023, 4, 1)
    settings = config(
        start_date=int(f"{first:%Y%m%d}"), end_date=int(f"{last:%Y%m%d}"), slice_days=slice_days, lookback_days=1
    )
    read_events(settings, [empty()])

    asked = []
    for start, end in windows(clevertap):
        low, high = (datetime.strptime(str(day), "%Y%m%d").date() for day in (start, end))
        assert (high - low).days < slice_days
        asked += [low + timedelta(n) for n in range((high - low).days + 1)]
    assert asked == [first + timedelta(n) for n in range((last - first).days + 1)]


def test_given_no_slice_days_when_events_are_read_then_a_window_has_thirty(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    read_events(config(end_date=20220131), [empty()])

    assert windows(clevertap) == [(20220101, 20220130), (20220131, 20220131)]


def test_given_years_when_profiles_are_read_then_it_is_one_window_for_each_event(
    read_profiles: Read, clevertap: requests_mock.Mocker
) -> None:
    read_profiles(config(profile_event_names=[NAME, "Charged"], all_events=True), [empty()])

    assert windows(clevertap) == windows(clevertap, "Charged") == [(20220101, 20260212)]
    assert clevertap.call_count == 4


@pytest.mark.parametrize("stream", ["events", "profiles"])
@pytest.mark.parametrize(
    ("through", "lookback_days", "expected"),
    [
        ("2026-02-10", None, (20260208, 20260212)),
        ("2026-02-10", 1, (20260209, 20260212)),
        ("2026-02-12", 1, (20260211, 20260212)),
        ("2026-02-12", 2, (20260210, 20260212)),
        ("2026-03-01", 1, None),  # end_date is before it: nothing is new
        ("2022-01-02", 7, (20220101, 20220130)),  # never before start_date
    ],
)
def test_given_a_state_when_read_then_its_last_day_and_the_lookback_are_read_again(
    read_stream: Read,
    clevertap: requests_mock.Mocker,
    stream: str,
    through: str,
    lookback_days: Any,
    expected: tuple[int, int] | None,
) -> None:
    field = "date" if stream == "events" else "active_through"
    settings = config(lookback_days=lookback_days)
    output = read_stream(stream, settings, [empty()], state=state((NAME, through), field=field))

    assert not output.errors
    asked = windows(clevertap)
    if expected and stream == "profiles":
        expected = (expected[0], 20260212)
    assert asked[:1] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("now", "zone", "today"),
    [
        ("2026-02-10T23:30:00", "Asia/Kolkata", 20260211),
        ("2026-02-10T02:30:00", "America/New_York", 20260209),
        ("2026-03-08T04:30:00", "America/New_York", 20260307),  # the night of summer time
        ("2026-02-10T10:30:00", "Pacific/Kiritimati", 20260211),
        ("2026-02-10T23:30:00", "UTC", 20260210),
    ],
)
def test_given_clocks_that_run_ahead_when_read_then_the_state_is_not_after_the_projects_today(
    read_events: Read, clevertap: requests_mock.Mocker, now: str, zone: str, today: int
) -> None:
    settings = config(timezone=zone, end_date=None, start_date=20260201)
    with freezegun.freeze_time(datetime.fromisoformat(now).replace(tzinfo=timezone.utc), tick=True):
        output = read_events(settings, [page(event(1, ts=20991231235959))])
        again = read_events(settings, [empty()], state=states(output)[-1])

    assert not output.errors
    assert not again.errors
    assert max(to for _, to in windows(clevertap)) == today
    through = f"{datetime.strptime(str(today), '%Y%m%d'):%Y-%m-%d}"
    for days in (re.findall("20[0-9]{2}-[0-9]{2}-[0-9]{2}", json.dumps(s)) for s in (*states(output), *states(again))):
        assert max(days) <= through
    assert through in json.dumps(states(output)[-1])


def test_given_a_state_after_today_when_read_then_today_is_read_again(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    ahead = state((NAME, "2026-02-12"))  # of a time zone that was wrong
    with freezegun.freeze_time("2026-02-11T12:00:00", tick=True):
        read_events(config(end_date=None, lookback_days=1), [empty()], state=ahead)

    assert windows(clevertap) == [(20260210, 20260211)]


def test_given_events_that_nobody_raised_when_read_again_then_only_the_lookback_is(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    first = read_events(config(), [empty()])
    clevertap.reset_mock()
    read_events(config(), [empty()], state=states(first)[-1])

    assert windows(clevertap) == [(20260210, 20260212)]


def test_given_a_window_that_fails_when_read_again_then_it_and_what_follows_are_read(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    def answer(request: Any, _: Any) -> Json:
        failing = request.json()["from"] == 20220131
        content = fail("Shard 7 unavailable", 77) if failing else opened(str(request.json()["from"]))
        return dict(content["json"])

    settings = config(end_date=20220401)
    output = read_events(settings, [page(event())], opens=[{"json": answer}])
    assert output.errors
    clevertap.reset_mock()
    again = read_events(settings, [page(event())], state=states(output)[-1])

    assert not again.errors
    assert windows(clevertap)[0][0] == 20220130 - 2
    assert windows(clevertap)[-1][1] == 20220401


def test_given_an_event_added_when_read_then_it_starts_at_start_date(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    first = read_events(config(), [page(event())])
    clevertap.reset_mock()
    settings = config(additional_event_names=["Charged"])
    second = read_events(settings, [page(event())], state=states(first)[-1])

    assert windows(clevertap)[0][0] == 20260210
    assert windows(clevertap, "Charged")[0] == (20220101, 20220130)
    assert windows(clevertap, "Charged")[-1][1] == 20260212
    clevertap.reset_mock()
    read_events(settings, [empty()], state=states(second)[-1])
    assert windows(clevertap, "Charged") == windows(clevertap) == [(20260210, 20260212)]


def test_given_an_event_removed_when_read_then_it_is_forgotten(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_events(config(), [empty()], state=state((NAME, "2026-02-11"), ("Gone", "2026-02-11")))

    assert not output.errors
    assert {body["event_name"] for body in bodies(clevertap)} == {NAME}
    assert "Gone" not in json.dumps(states(output)[-1])


@pytest.mark.parametrize(
    ("start_date", "expected"),
    [
        (20211231, (20211231, 20220129)),  # moved back: all is read from there
        (20220101, (20260209, 20260212)),
        (20240101, (20260209, 20260212)),  # moved on: nothing is to be read for that
    ],
)
def test_given_start_date_moved_when_read_then_older_days_come(
    read_events: Read, clevertap: requests_mock.Mocker, start_date: int, expected: tuple[int, int]
) -> None:
    settings = config(start_date=start_date)
    read_events(settings, [empty()], state=state((NAME, "2026-02-11")))

    assert windows(clevertap)[0] == expected


def test_given_start_date_moved_on_and_back_when_read_then_the_days_between_come(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    later = read_events(config(start_date=20240101), [empty()], state=state((NAME, "2026-02-11")))
    clevertap.reset_mock()
    read_events(config(start_date=20220101), [empty()], state=states(later)[-1])

    assert windows(clevertap)[0] == (20220101, 20220130)


@pytest.mark.parametrize(
    "odd",
    [
        {"states": []},
        {"state": {"date": "2026-02-11"}, "states": []},
    ],
)
def test_given_a_state_that_tells_nothing_when_read_then_all_is_read(
    read_events: Read, clevertap: requests_mock.Mocker, odd: Json
) -> None:
    output = read_events(config(), [empty()], state=odd)

    assert not output.errors
    assert windows(clevertap)[0] == (20220101, 20220130)


@pytest.mark.parametrize("stream", ["events", "profiles"])
@pytest.mark.parametrize(
    ("name", "lookback_days", "expected"),
    [("sample", 2, 20260210), ("sample", 1, 20260211)],
)
def test_given_the_states_in_the_files_when_read_then_they_are_understood(
    read_stream: Read,
    clevertap: requests_mock.Mocker,
    stream: str,
    name: str,
    lookback_days: int,
    expected: int,
) -> None:
    folder = definition_file("manifest.yaml").parent / "integration_tests"
    states_of = {
        s["stream"]["stream_descriptor"]["name"]: s["stream"]["stream_state"]
        for s in json.loads((folder / f"{name}_state.json").read_text())
    }
    with freezegun.freeze_time("2026-02-12T12:00:00", tick=True):
        output = read_stream(
            stream,
            config(end_date=None, lookback_days=lookback_days),
            [empty()],
            state=states_of[stream],
        )

    assert not output.errors
    assert windows(clevertap) == [(expected, 20260212)]


@pytest.mark.parametrize("stream", ["events", "profiles"])
def test_given_any_read_when_it_ends_then_no_cursor_of_the_api_is_in_the_state(read_stream: Read, stream: str) -> None:
    record = event() if stream == "events" else profile(1)
    pages = [page(record, next_cursor="next%2Fcursor"), page(record)]
    output = read_stream(stream, config(end_date=20220102), pages)

    assert len(rows(output)) == 2
    assert "%2F" not in json.dumps(states(output))


def days_of(windows_asked: list[tuple[int, int]]) -> set[date]:
    asked = set()
    for low, high in windows_asked:
        first, last = (datetime.strptime(str(day), "%Y%m%d").date() for day in (low, high))
        asked |= {first + timedelta(n) for n in range((last - first).days + 1)}
    return asked


@pytest.mark.parametrize("lookback_days", [1, 2])
@pytest.mark.parametrize("slice_days", [2, 3])
@pytest.mark.parametrize("failing", range(4))
def test_given_any_window_that_fails_when_synced_again_then_no_day_stays_unread(
    read_events: Read,
    clevertap: requests_mock.Mocker,
    lookback_days: int,
    slice_days: int,
    failing: int,
) -> None:
    """Of a first sync and of an incremental one: all other windows end well, in any order."""
    settings = config(lookback_days=lookback_days, slice_days=slice_days, start_date=20220105)
    read: set[date] = set()

    def answer(request: Any, _: Any) -> Json:
        body = request.json()
        window = (body["from"], body["to"])
        if fails and window[0] <= bad <= window[1]:
            return dict(fail("Shard 7 unavailable", 77)["json"])
        read.update(days_of([window]))
        return dict(opened(str(window))["json"])

    last_state = None
    for end, first_day in ((20220110, 5), (20220114, 10 - lookback_days)):
        settings["end_date"] = end
        needed = {date(2022, 1, n) for n in range(first_day, end - 20220100 + 1)}
        bad, fails = 20220100 + first_day + failing, True
        read.clear()
        for _ in range(2):  # the sync that fails, and the next
            output = read_events(settings, [page(event())], opens=[{"json": answer}], state=last_state)
            last_state = states(output)[-1]
            fails = False

        assert not output.errors
        assert read >= needed


def test_given_more_events_when_profiles_are_read_then_only_those_meant_for_profiles_find_users(
    read_profiles: Read, clevertap: requests_mock.Mocker
) -> None:
    read_profiles(config(additional_event_names=["Charged"]), [empty()])
    read_profiles(config(profile_event_names=["Charged", "Uninstalled"]), [empty()])

    assert [body["event_name"] for body in bodies(clevertap)] == [NAME, "Charged", "Uninstalled"]


def odd(**changes: Any) -> Json:
    """A state as the connector leaves it, but for something."""
    return {**state((NAME, "2026-02-11")), **changes}


def entry(partition: Any, cursor: Any) -> Json:
    return odd(states=[{"partition": partition, "cursor": cursor}])


@pytest.mark.parametrize("stream", ["events", "profiles", "daily_event_counts"])
@pytest.mark.parametrize(
    "state_",
    [
        {"date": "2026-02-11"},
        odd(states="2026-02-11"),
        odd(states=[7]),
        odd(states=[{"cursor": {"date": "2026-02-11"}}]),
        entry({}, {"date": "2026-02-11"}),
        entry({"event_name": NAME, "start_date": 20220101}, {"date": "2026-02-11"}),
        entry({**PARTITION, "start_date": "x"}, {"date": "2026-02-11"}),
        entry(PARTITION, {}),
        entry(PARTITION, {"date": "garbage"}),
        entry(PARTITION, {"date": "2026"}),
        entry(PARTITION, {"date": "2026-02-30"}),
        entry(PARTITION, {"date": 20260211}),
        entry(PARTITION, {"date": "2099-01-01"}),
        entry(PARTITION, {"state_type": "date-range", "slices": []}),
        odd(parent_state={"complete": {NAME: "garbage"}}),
        odd(parent_state={"complete": {NAME: "20260120"}}),
        odd(parent_state={"complete": {NAME: "2099-01-01"}}),
        odd(parent_state={"complete": [NAME]}),
        odd(parent_state=[]) | {"parent_state": "complete"},
    ],
)
def test_given_a_state_that_this_connector_cannot_have_written_when_read_then_it_says_to_clear_it(
    read_events: Read, clevertap: requests_mock.Mocker, stream: str, state_: Json
) -> None:
    output = run_read(stream, config(), state_, debug=False)

    assert first_error(output)[0] == "config_error"
    assert first_error(output)[1].startswith(f"Stream {stream}: the saved state was not written by")
    assert "Clear the stream's data" in first_error(output)[1]
    assert clevertap.request_history == []


def test_given_an_event_excluded_and_taken_back_when_synced_then_no_day_of_it_is_lost(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    names = schema(NAME, "Charged")
    settings = config(all_events=True, end_date=20260201)
    first = read_events(settings, [page(event())], schema=[names])
    settings |= {"excluded_event_names": ["Charged"], "end_date": 20260208}
    second = read_events(settings, [page(event())], schema=[names], state=states(first)[-1])
    clevertap.reset_mock()
    settings |= {"excluded_event_names": [], "end_date": 20260212}
    read_events(settings, [page(event())], schema=[names], state=states(second)[-1])

    assert windows(clevertap, "Charged") == [(20260130, 20260212)]
    assert windows(clevertap) == [(20260206, 20260212)]


# ------------------------------------------------------------------ another account, another start


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        ("events", {"records": [event()]}),
        ("profiles", {"records": [profile(1)]}),
        ("daily_event_counts", {"daily": {"20220105": 3}}),
        ("message_reports", {"messages": [{"message id": 1}]}),
        ("campaigns", {"targets": [{"id": 1}]}),
    ],
)
def test_given_another_account_when_synced_then_its_history_is_read_and_so_is_that_of_the_first_again(
    clevertap: requests_mock.Mocker, waits: list[float], stream: str, content: Json
) -> None:
    cursor = {"cursor": "c"} if "records" in content else {}
    clevertap.register_uri("POST", requests_mock.ANY, json={"status": "success", **content, **cursor})
    clevertap.register_uri("GET", requests_mock.ANY, json={"status": "success", **content})
    last_state = None
    for account in ("A-1", "A-2", "A-1"):
        clevertap.reset_mock()
        output = run_read(stream, config(account_id=account, end_date=20220220), last_state, debug=False)
        last_state = states(output)[-1]

        assert not output.errors
        assert bodies_of(clevertap)[0]["from"] == 20220101
        assert rows(output)


def bodies_of(clevertap: requests_mock.Mocker) -> list[Json]:
    sent = [json.loads(request.text) for request in clevertap.request_history if request.text]
    return sorted(sent, key=lambda body: int(body["from"]))


def test_given_start_date_moved_back_when_the_sync_fails_half_way_then_the_next_reads_all_from_there(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    def answer(request: Any, _: Any) -> Json:
        failing = fails and request.json()["from"] > 20211201
        return dict((fail("Shard 7 unavailable", 77) if failing else opened(request.text))["json"])

    first = read_events(config(), [empty()])
    settings, fails = config(start_date=20211101), True
    second = read_events(settings, [empty()], opens=[{"json": answer}], state=states(first)[-1])
    assert second.errors
    fails = False
    clevertap.reset_mock()
    read_events(settings, [empty()], opens=[{"json": answer}], state=states(second)[-1])

    asked = days_of(windows(clevertap))
    assert min(asked) == date(2021, 11, 1)
    assert len(asked) == (date(2026, 2, 12) - date(2021, 11, 1)).days + 1
