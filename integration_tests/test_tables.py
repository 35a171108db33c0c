"""Every stream beside the exports, over HTTP, by key and content, against the sandbox."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from integration_tests.helpers.connector import Json, Output, run
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.helpers.tables import KEYS, SCHEMAS, STREAMS, keyed, truth
from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import EVENTS, NOT_EXPORTABLE, UNKNOWN

ACCOUNT = Account(profiles=60, events=400)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(ACCOUNT, not_ready=1) as running:
        yield running


def config(sandbox: Sandbox, **changes: Any) -> dict[str, Any]:
    return sandbox.config(**changes)


def told(output: Output, level: str = "WARN") -> list[str]:
    return [log["message"] for log in output.logs if log["level"] == level]


def read(sandbox: Sandbox, settings: Json, streams: tuple[str, ...], state: list[Json] | None = None) -> Output:
    """In this process: the command itself is started where a test looks at the log."""
    return sync(Clock(sandbox), settings, streams, state)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_row_comes_as_the_account_has_it(sandbox: Sandbox, stream: str) -> None:
    output = read(sandbox, config(sandbox), (stream,))

    assert output.exit_code == 0, output.error
    assert keyed(stream, output.records) == truth(stream, ACCOUNT)
    keys = [tuple(row[name] for name in KEYS[stream]) for row in output.records]
    assert len(keys) == len(set(keys)) > 0


def test_all_streams_come_in_one_sync_three_requests_at_a_time() -> None:
    with Sandbox(ACCOUNT, latency=0.02) as sandbox:
        output = run("read", config(sandbox), streams=("profiles", "events", *STREAMS))

    assert output.exit_code == 0, output.error
    assert not told(output)
    for stream in STREAMS:
        assert keyed(stream, output.by_stream[stream]) == truth(stream, ACCOUNT), stream
    assert len(output.profiles) == 60
    assert len(output.events) == 400
    assert 2 <= sandbox.max_in_flight <= 3
    counted: Counter[str] = Counter()  # what the platform compares with the rows that arrived
    for state in output.states:
        name = state["stream"]["stream_descriptor"]["name"]
        counted[name] += int(state["sourceStats"]["recordCount"])
    assert counted == {name: len(found) for name, found in output.by_stream.items()}


def test_discover_tells_keys_cursors_and_modes(sandbox: Sandbox) -> None:
    offered = {s["name"]: s for s in run("discover", config(sandbox)).catalog["streams"]}

    cursors = {n: s["default_cursor_field"] for n, s in offered.items() if s.get("default_cursor_field")}
    assert list(offered) == ["profiles", "events", *STREAMS]
    assert cursors == {
        "profiles": ["active_through"],
        "events": ["date"],
        "message_reports": ["date"],
        "campaigns": ["synced_on"],
        "daily_event_counts": ["date"],
        "daily_event_users": ["date"],
    }
    for name, stream in offered.items():
        assert ("incremental" in stream["supported_sync_modes"]) == (name in cursors), name
        if name in KEYS:
            assert stream["source_defined_primary_key"] == [[field] for field in KEYS[name]]


def test_a_feature_that_is_off_fails_its_stream_and_the_others_are_read() -> None:
    with Sandbox(ACCOUNT, features_off=("content_blocks",)) as sandbox:
        output = run("read", config(sandbox), streams=("content_blocks", "category_groups"))

    assert output.exit_code == 1
    assert output.error[0] == "config_error"
    assert "Stream content_blocks: The feature is not enabled" in output.error[1]
    assert len(output.by_stream["category_groups"]) == 7


@pytest.mark.parametrize("stream", STREAMS)
def test_wrong_credentials_are_no_feature_that_is_off(stream: str) -> None:
    with Sandbox(ACCOUNT, features_off=("content_blocks",)) as sandbox:
        output = read(sandbox, config(sandbox, passcode="wrong"), (stream,))

    assert output.exit_code
    assert output.error[0] == "config_error"
    asked = "campaigns" if stream == "campaign_reports" else stream  # its parent comes first
    assert f"Stream {asked}" in output.error[1]
    assert "credentials or region" in output.error[1]


def test_check_asks_for_no_stream_but_the_exports(sandbox: Sandbox) -> None:
    sandbox.requests.clear()

    output = run("check", config(sandbox))

    assert output.status["status"] == "SUCCEEDED"
    paths = {(request["method"], request["path"]) for request in sandbox.requests}
    assert paths >= {("POST", "/1/profiles.json"), ("POST", "/1/events.json")}
    assert all(path in ("/1/profiles.json", "/1/events.json") for _, path in paths)


# -------------------------------------------------------------------- increments


def test_reports_whose_counts_move_come_again_until_they_rest() -> None:
    with Sandbox(ACCOUNT) as sandbox:
        start = (datetime.now(timezone.utc) - timedelta(120)).strftime("%Y%m%d")
        settings = config(sandbox, start_date=int(start), end_date=None)
        first = run("read", settings, streams=("message_reports",))
        again = run("read", settings, streams=("message_reports",), state=first.state)
        later = datetime.now(timezone.utc) + timedelta(15)
        sandbox.clock_offset = 15 * 86400
        second = run("read", settings, streams=("message_reports",), state=first.state)
        full = truth("message_reports", ACCOUNT, first=int(start), last=99991231, now=later)

    kept = keyed("message_reports", [*first.records, *second.records])
    today = {row["message_id"] for row in first.records}
    assert {k: v for k, v in full.items() if k[0] in today} == kept
    assert 0 < len(again.records) < len(first.records)
    assert any(row not in first.records for row in second.records)
    # The connector's own clock has not moved: what started since is not yet asked for.
    assert all(row["message_id"] in today for row in second.records)


def test_counts_go_on_from_the_last_day_and_its_lookback() -> None:
    names = ["App Launched", "Charged"]
    with Sandbox(Account(profiles=20, events=6000)) as sandbox:
        settings = config(sandbox, additional_event_names=["Charged"], end_date=20250101)
        first = read(sandbox, settings, ("daily_event_counts",))
        settings["end_date"] = 20250110
        second = read(sandbox, settings, ("daily_event_counts",), first.state)
        whole = truth("daily_event_counts", sandbox.account, names, last=20250110)

    assert keyed("daily_event_counts", [*first.records, *second.records]) == whole
    assert {row["date"] for row in second.records} <= {f"2025-01-{n:02d}" for n in range(1, 11)} | {
        "2024-12-30",
        "2024-12-31",
    }
    assert len(second.records) < len(first.records) / 20


def test_all_events_are_counted_and_what_is_no_event_is_named_once(sandbox: Sandbox) -> None:
    settings = config(sandbox, all_events=True)

    output = run("read", settings, streams=("daily_event_counts",))

    assert output.exit_code == 0, output.error
    expected = truth("daily_event_counts", ACCOUNT, (*EVENTS, *NOT_EXPORTABLE))
    assert keyed("daily_event_counts", output.records) == expected
    (warning,) = [text for text in told(output) if "skipped" in text]
    assert warning.count(UNKNOWN) == 1


def test_campaigns_are_listed_twelve_months_ahead(sandbox: Sandbox) -> None:
    settings = config(sandbox, start_date=20260101, end_date=None)

    output = read(sandbox, settings, ("campaigns",))

    ahead = f"{datetime.now(timezone.utc) + timedelta(365):%Y%m%d}"
    expected = truth("campaigns", ACCOUNT, first=20260101, last=int(ahead))
    assert keyed("campaigns", output.records) == expected
    # As far as this, give or take the day that it may be elsewhere.
    assert max(str(row["scheduled_on"]) for row in output.records) > f"{int(ahead) - 10000}"


def test_reports_are_asked_for_once_each(sandbox: Sandbox) -> None:
    sandbox.requests.clear()

    read(sandbox, config(sandbox), ("campaign_reports",))

    bodies = [json.loads(r["body"]) for r in sandbox.requests if r["path"] == "/1/targets/result.json"]
    assert len(bodies) == len({body["id"] for body in bodies}) == len(truth("campaigns", ACCOUNT))


# -------------------------------------------------------------------- completeness


def differing_days(output: Output, folder: Path) -> list[tuple[Any, ...]]:
    """What the documented query says of an output that was loaded into a warehouse."""
    warehouse = sqlite3.connect(folder / "warehouse.db")
    warehouse.execute("CREATE TABLE events (event_id, event_name, event_time, ts)")
    warehouse.execute("CREATE TABLE daily_event_counts (event_name, date, count)")
    for row in output.events:
        values = [row.get(name) for name in ("event_id", "event_name", "event_time", "ts")]
        warehouse.execute("INSERT INTO events VALUES (?, ?, ?, ?)", values)
    for row in output.by_stream["daily_event_counts"]:
        values = [row[name] for name in ("event_name", "date", "count")]
        warehouse.execute("INSERT INTO daily_event_counts VALUES (?, ?, ?)", values)
    query = definition_file("manifest.yaml").with_name("source_clevertap") / "completeness.sql"
    return warehouse.execute(query.read_text()).fetchall()


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
def test_the_completeness_query_finds_no_difference_where_there_is_none(zone: str, tmp_path: Path) -> None:
    with Sandbox(Account(profiles=30, events=3000, timezone=zone)) as sandbox:
        settings = config(sandbox, additional_event_names=["Charged"])
        output = read(sandbox, settings, ("events", "daily_event_counts"))

    assert output.exit_code == 0, output.error
    assert len(output.events) == 4000
    assert differing_days(output, tmp_path) == []


def test_the_completeness_query_names_the_days_that_differ(tmp_path: Path) -> None:
    account = Account(profiles=30, events=3000)
    with Sandbox(account, faults=(Fault("withheld", 1, page=1),), page_rows=23) as sandbox:
        output = read(sandbox, config(sandbox), ("events", "daily_event_counts"))

    days = differing_days(output, tmp_path)

    assert output.exit_code == 0, output.error  # no client can see it in the answers
    assert len(output.events) == 2997
    assert 1 <= len(days) <= 3
    assert sum(counted - delivered for _, _, delivered, counted in days) in (2, 3)
    assert all(event == "App Launched" for event, *_ in days)


def types(definition: Json) -> set[str]:
    """The types of a column but null."""
    kinds = definition["type"]
    return {kinds} if isinstance(kinds, str) else {*kinds} - {"null"}


PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "object": (dict,), "array": (list,), "number": (int, float),
}  # fmt: skip


@pytest.mark.cdk
def test_every_column_of_every_stream_is_declared_and_has_one_type() -> None:
    with Sandbox(Account(profiles=100, events=400)) as sandbox:
        output = sync(Clock(sandbox), sandbox.config(slice_days=3650), ("profiles", "events", *STREAMS))

    assert output.exit_code == 0, output.error
    for stream in ("profiles", "events", *STREAMS):
        declared = SCHEMAS[stream]["properties"]
        assert output.by_stream[stream], stream
        for name, definition in declared.items():
            assert len(types(definition)) == 1, (stream, name)
        for record in output.by_stream[stream]:
            for name, value in record.items():
                assert name in declared, (stream, name)
                (kind,) = types(declared[name])
                fits: Any = value is None or isinstance(value, PYTHON[kind])
                assert fits, (stream, name, json.dumps(value))
