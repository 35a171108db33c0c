"""Events over HTTP, through the command line: every occurrence, once, in the project's own time."""

import json
import time
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from random import Random
from typing import Any

import pytest
import pytz

from integration_tests.helpers.connector import (
    Json,
    Output,
    by_key,
    deliveries,
    occurrences,
    run,
    true_deliveries,
    true_occurrences,
)
from integration_tests.helpers.in_process import Clock, sync
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import EVENTS, NOT_EXPORTABLE, UNKNOWN, Flags

ZONES = ("Asia/Kolkata", "America/New_York", "Pacific/Kiritimati", "UTC")
NAMES = ("App Launched", "Charged")


def read(sandbox: Sandbox, state: list[Json] | None = None, **changes: Any) -> Output:
    config = sandbox.config(additional_event_names=[NAMES[1]], **changes)
    return sync(Clock(sandbox), config, ("events",), state)


def noon(sandbox: Sandbox, day: date) -> datetime:
    """Sets the sandbox's clock to noon of a day there. Returns the instant."""
    zone = pytz.timezone(sandbox.account.timezone)
    local = zone.localize(datetime(day.year, day.month, day.day, 12))
    sandbox.clock_offset = local.timestamp() - time.time()
    return local.astimezone(timezone.utc)


@pytest.mark.parametrize("zone", ZONES)
def test_a_full_read_is_the_truth_across_both_changes_of_the_clock(zone: str) -> None:
    account = Account(profiles=300, events=9000, timezone=zone, first_day=date(2023, 10, 25), days=150)
    dates: Json = {"start_date": 20231025, "end_date": 20240322, "slice_days": 7}
    with Sandbox(account) as sandbox:
        output = read(sandbox, **dates)

    assert output.exit_code == 0, output.error
    assert occurrences(output.records) == true_occurrences(account, NAMES)
    assert len(output.records) == 12_000
    assert len({record["event_id"] for record in output.records}) == 12_000
    duplicates = Counter(record["event_id"].partition("-")[0] for record in output.records)
    assert Counter(duplicates.values())[3] > 100  # three that are the same


@pytest.mark.parametrize("zone", ZONES)
def test_ten_daily_syncs_with_late_rows_end_as_one_full_read(zone: str) -> None:
    account = Account(profiles=300, events=6000, timezone=zone, first_day=date(2024, 3, 1), days=20)
    kept: dict[str, Json] = {}
    state, late = None, 0
    with Sandbox(account) as sandbox:
        for day in (date(2024, 3, 6) + timedelta(n) for n in range(10)):
            now, before = noon(sandbox, day), len(sandbox.requests)
            last = int(f"{day:%Y%m%d}")
            output = read(sandbox, state, start_date=20240301, end_date=last, slice_days=2)
            assert output.exit_code == 0, output.error
            windows = {r["body"] for r in sandbox.requests[before:] if r["method"] == "POST"}
            assert state is None or len(windows) == 2  # four days, two events
            closed = f"{day - timedelta(1)}"
            late += sum(state is not None and r["date"] < closed and r["event_id"] not in kept for r in output.records)
            kept |= {record["event_id"]: record for record in output.records}
            state = output.state
            assert occurrences(kept.values()) == true_occurrences(account, NAMES, 20240301, last, now)
        full = read(sandbox, start_date=20240301, end_date=20240315)

    assert {r["event_id"] for r in full.records} == set(kept)
    assert late > 50


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("no_code", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_sync_killed_again_and_again_and_resumed_loses_nothing(kills: int, no_code: bool) -> None:
    account = Account(profiles=300, events=9000, first_day=date(2024, 3, 1), days=30)
    truth = (true_deliveries if no_code else true_occurrences)(account, NAMES)
    random, kept, state = Random(kills), list[Json](), list[Json]()  # noqa: S311
    killed = 0
    with Sandbox(account) as sandbox:
        config = sandbox.config(additional_event_names=[NAMES[1]], start_date=20240301, end_date=20240330, slice_days=2)
        while True:
            moment = random.choice((("STATE", random.randint(1, 9)), ("RECORD", random.randint(1, 9000))))
            output = run(
                "read", config, streams=("events",), state=state, no_code=no_code, every_state=True,
                kill_at=moment if killed < kills else None,
            )  # fmt: skip
            # A destination is sure of the records before the last state only.
            kept += output.records[: output.committed]
            state = output.state or state
            if output.exit_code:
                assert output.exit_code == -9, output.error
                killed += 1
                continue
            if no_code:  # equal events have one key there: rows that come again cannot be told
                assert deliveries(kept) >= truth
                assert deliveries(kept).keys() == truth.keys()
            else:
                assert occurrences(kept) == truth
            if killed == kills:
                break
            kept, state = [], []


def test_windows_whose_cursors_expire_are_halved_until_they_do_not() -> None:
    account = Account(profiles=300, events=9000, first_day=date(2024, 3, 1), days=28)
    dates: Json = {"start_date": 20240301, "end_date": 20240328, "slice_days": 7}
    with Sandbox(account, faults=(Fault("dead_long", None),)) as sandbox:
        output = read(sandbox, **dates)

    assert output.exit_code == 0, output.error
    assert occurrences(output.records) == true_occurrences(account, NAMES)


def test_an_event_that_is_added_is_back_filled_and_one_removed_is_no_error() -> None:
    account = Account(profiles=300, events=3000, first_day=date(2024, 3, 1), days=30)
    dates: Json = {"start_date": 20240301, "end_date": 20240320}
    with Sandbox(account) as sandbox:
        first = run("read", sandbox.config(**dates), streams=("events",))
        dates["end_date"] = 20240330
        second = read(sandbox, first.state, **dates)
        config = sandbox.config(event_name="Charged", **dates)
        third = run("read", config, streams=("events",), state=second.state)

    assert [output.exit_code for output in (first, second, third)] == [0, 0, 0]
    assert occurrences(first.records + second.records) == true_occurrences(account, NAMES)
    assert {r["event_name"] for r in third.records} == {"Charged"}
    assert min(r["date"] for r in second.records if r["event_name"] == "Charged") < "2024-03-31"
    days = [str(r.get("ts"))[:8] for r in second.records if r["event_name"] == "App Launched"]
    assert min(day for day in days if day.startswith("2024")) == "20240318"


def test_a_bad_state_matters_only_where_its_stream_is_read() -> None:
    account = Account(profiles=30, events=30, first_day=date(2024, 3, 1), days=30)
    bad = {
        "type": "STREAM",
        "stream": {
            "stream_descriptor": {"name": "events"},
            "stream_state": {"date": "2024-03-01"},
        },
    }
    with Sandbox(account) as sandbox:
        config = sandbox.config(start_date=20240301, end_date=20240320)
        profiles, events = (run("read", config, streams=(name,), state=[bad]) for name in ("profiles", "events"))

    assert profiles.exit_code == 0, profiles.error
    assert events.error[0] == "config_error"
    assert events.error[1].startswith("Stream events: the saved state")


def test_start_date_moved_back_brings_the_older_days() -> None:
    account = Account(profiles=300, events=3000, first_day=date(2024, 3, 1), days=30)
    with Sandbox(account) as sandbox:
        later = read(sandbox, start_date=20240320, end_date=20240330)
        whole = read(sandbox, later.state, start_date=20240301, end_date=20240330)

    assert occurrences(later.records) != true_occurrences(account, NAMES)
    assert occurrences(whole.records) == true_occurrences(account, NAMES)


def test_all_events_are_read_but_those_that_cannot_be() -> None:
    account = Account(profiles=300, events=3000, rare=20)
    with Sandbox(account) as sandbox:
        config = sandbox.config(all_events=True, excluded_event_names=["Charged"], slice_days=365)
        output = run("read", config, streams=("events",))

    assert output.exit_code == 0, output.error
    names = [*(name for name in EVENTS if name != "Charged"), "Rare 0", "Rare 10"]
    assert occurrences(output.records) == true_occurrences(account, names)
    (warning,) = (log["message"] for log in output.logs if "skipped" in log["message"])
    assert all(name in warning for name in (*NOT_EXPORTABLE, UNKNOWN))
    assert "Rare" not in warning


@pytest.mark.parametrize("name", [*NOT_EXPORTABLE[:1], UNKNOWN, "app launched"])
def test_a_name_that_was_typed_and_cannot_be_read_is_an_error(name: str) -> None:
    with Sandbox(Account(profiles=10, events=100)) as sandbox:
        config = sandbox.config(additional_event_names=[name], slice_days=3650)
        output = run("read", config, streams=("events",))

    assert output.exit_code
    assert output.error[0] == "config_error"
    assert f"event '{name}'" in output.error[1]


def test_the_settings_choose_what_the_profile_in_an_event_brings() -> None:
    account = Account(profiles=50, events=300)
    with Sandbox(account) as sandbox:
        output = read(sandbox, slice_days=3650, include_app_fields=False, include_profile_properties=False)

    flags = Flags(app=False, events=False, profile=False)
    assert occurrences(output.records) == true_occurrences(account, NAMES, flags=flags)


def test_never_more_than_three_requests_are_in_flight() -> None:
    account = Account(profiles=300, events=3000)
    with Sandbox(account, latency=0.05) as sandbox:
        config = sandbox.config(additional_event_names=[NAMES[1]], slice_days=90)
        output = run("read", config, streams=("profiles", "events"))

        assert output.exit_code == 0, output.error
        assert sandbox.max_in_flight == 3


def test_profiles_come_by_increments_and_an_added_event_is_back_filled() -> None:
    account = Account(profiles=2000, first_day=date(2024, 3, 1), days=40)
    event, added = "App Launched", "Charged"
    dates: Json = {"start_date": 20240301, "end_date": 20240320}
    with Sandbox(account) as sandbox:
        first = run("read", sandbox.config(**dates))
        dates["end_date"] = 20240409
        second = run("read", sandbox.config(**dates), state=first.state)
        third = run("read", sandbox.config(profile_event_names=[event, added], **dates), state=second.state)

    def truth(name: str, low: int) -> Json:
        return {row["key"]: row["record"] for row in account.truth(name, low, dates["end_date"])}

    assert by_key(second.records) == truth(event, 20240318)
    assert by_key(first.records + second.records) == truth(event, 20240301)
    assert {r["active_through"] for r in first.records} == {"2024-03-20"}
    assert {r["active_through"] for r in second.records} == {"2024-04-09"}
    by_event: dict[str, list[Json]] = {event: [], added: []}
    for record in third.records:
        by_event[record["event_name"]].append(record)
    assert by_key(by_event[event]) == truth(event, 20240407)
    assert by_key(by_event[added]) == truth(added, 20240301)
    assert len(by_event[added]) == len(truth(added, 20240301))


@pytest.mark.cdk
@pytest.mark.parametrize("manifest_only", [False, True])
def test_given_all_events_refused_when_profiles_are_read_beside_then_they_are_whole(manifest_only: bool) -> None:
    account = Account(profiles=30_000)
    with Sandbox(account) as sandbox:
        names = [name for name in account.schema() if account.knows(name)]
        config = sandbox.config(all_events=True, excluded_event_names=names)
        output = run("read", config, streams=("profiles", "events"), manifest_only=manifest_only)

    assert output.exit_code == 1
    assert output.error[0] == "config_error"
    assert "Stream events, event '" in output.error[1]
    assert "CleverTap refuses 3 of 3 events: Discarded Long Ago, Notification Clicked, " in output.error[1]
    truth = {row["key"]: row["record"] for row in account.truth("App Launched", 20220101, 20260212)}
    assert by_key(output.profiles) == truth
    assert [state["stream"]["stream_descriptor"]["name"] for state in output.states][-1:]
    assert '"2026-02-12"' in json.dumps([s for s in output.state if "profiles" in json.dumps(s["stream"])])
