"""`make sync` over HTTP into DuckDB: each key once, through kills and full disks, and plain errors."""

import json
import os
import re
import signal
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.helpers import connector, tables
from integration_tests.helpers.connector import Json, came, held
from source_clevertap.landing import Stream, landing
from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.demo import DemoAccount

ACCOUNT = Account(profiles=300, events=3000, first_day=date(2024, 3, 1), days=30)
DAYS = (20240301, 20240330)
DATES: Json = {"start_date": DAYS[0], "end_date": DAYS[1], "slice_days": 5}
NAMES = ("App Launched", "Charged")


def started(folder: Path, config: Json | None, *options: str, **variables: str) -> AbstractContextManager[Any]:
    """A process of it, with a database in `folder`."""
    options = ("--database", str(folder / "it.duckdb"), *options)
    variables = {"FAST_TIME": "1e6", "FAST_MONOTONIC": "1", **variables}
    return connector.started("", config, *options, module="source_clevertap.sync", variables=variables)


def sync(folder: Path, config: Json | None, *options: str, **variables: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a whole run."""
    with started(folder, config, *options, **variables) as process:
        out, errors = process.communicate(timeout=240)
        return process.returncode, out, errors


def refused(words: str, folder: Path, config: Json | None, *options: str, **variables: str) -> None:
    """A sync that fails, with one line that has these words."""
    code, _, errors = sync(folder, config, *options, **variables)
    assert (code, len(errors.splitlines())) == (1, 1), errors
    assert words in errors


def rows(folder: Path, table: str) -> list[Json]:
    """What a table holds, as the connector printed it."""
    with duckdb.connect(str(folder / "it.duckdb"), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        told = f'SELECT * EXCLUDE (_synced_at, _unfit) FROM "{table}"'  # noqa: S608
        connection.execute(f"COPY ({told}) TO '{folder}/{table}.json' (TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')")
    found = map(json.loads, (folder / f"{table}.json").read_bytes().splitlines())
    return [{name: value for name, value in row.items() if value is not None} for row in found]


def assert_whole(folder: Path, sandbox: Sandbox) -> None:
    """Every event of the account is there once, as CleverTap sent it, and every profile by its key."""
    for stream, key in ("events", "event_id"), ("profiles", "profile_id"):
        found = rows(folder, stream)
        assert came(stream, found) == held(stream, sandbox.account, NAMES, *DAYS)
        assert len(found) == len({row[key] for row in found})


def config(sandbox: Sandbox, **changes: Any) -> Json:
    names = {"additional_event_names": [NAMES[1]], "profile_event_names": [*NAMES]}
    return sandbox.config(**{**names, **DATES, **changes})


def test_given_a_file_when_synced_twice_then_each_key_is_there_once_and_no_day_differs(tmp_path: Path) -> None:
    with Sandbox(ACCOUNT, faults=(Fault("dead_cursor", 1, 1),), page_rows=230) as sandbox:
        first = sync(tmp_path, config(sandbox, end_date=20240320))
        requests = len(sandbox.requests)
        second = sync(tmp_path, config(sandbox))
        assert_whole(tmp_path, sandbox)

    for code, out, errors in (first, second):
        assert (code, errors) == (0, "")
        assert out.count("each key once") > 8
        assert "no day differs" in out
        assert "The three newest rows of events" in out
        assert "_unfit" not in out
    assert len(sandbox.requests) - requests < requests
    file = (tmp_path / "it.duckdb").read_bytes()
    assert int.from_bytes(file[12:20], "little") == 64  # the format that DuckDB 1.0 opens
    with duckdb.connect(str(tmp_path / "it.duckdb"), read_only=True) as connection:
        there = connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()
    assert len(there) == len(set(there)) == 12  # eleven streams and their states
    for stream in ("campaigns", "content_blocks", "daily_event_counts"):
        truth = tables.truth(stream, ACCOUNT, NAMES, *DAYS)
        assert tables.keyed(stream, rows(tmp_path, stream)).keys() == truth.keys(), stream


def test_given_records_that_clevertap_withholds_when_synced_then_their_days_are_told(tmp_path: Path) -> None:
    account = replace(ACCOUNT, timezone="America/New_York")
    with Sandbox(account, faults=(Fault("withheld", 1, page=1),), page_rows=23) as sandbox:
        settings = config(sandbox, additional_event_names=[])
        code, out, errors = sync(tmp_path, settings, "--streams", "events", "daily_event_counts")

    assert (code, errors) == (0, "")  # no client can see it in the responses
    assert len(rows(tmp_path, "events")) == 3000 - 3
    counts = re.findall("App Launched 202403[0-9]{2}: ([0-9]+) of ([0-9]+)", out)
    assert f"{len(counts)} differ from CleverTap's own count" in out
    assert sum(int(counted) - int(delivered) for delivered, counted in counts) in (2, 3)  # one may have no valid time


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_given_a_sync_that_is_stopped_when_synced_meanwhile_and_again_then_it_is_refused_and_then_completed(
    tmp_path: Path, by: signal.Signals
) -> None:
    with Sandbox(ACCOUNT, page_rows=230, latency=0.05) as sandbox:
        settings, streams = config(sandbox), ("--streams", "events", "profiles")
        with started(tmp_path, settings, *streams, "--commit-rows", "500") as process:
            for _ in range(3):
                while "committed" not in process.stdout.readline():
                    pass
            os.killpg(process.pid, signal.SIGSTOP)
            words = "is running. Let it end, or choose another file."
            refused(f"A sync into {tmp_path / 'it.duckdb'} {words}", tmp_path, settings, *streams)
            for each in (by, signal.SIGCONT):  # as a terminal does
                os.killpg(process.pid, each)
            _, errors = process.communicate(timeout=60)
        assert process.returncode != 0
        assert by is signal.SIGKILL or re.fullmatch("\nInterrupted. What was committed is kept.*\n", errors)
        kept, sandbox.latency = len(rows(tmp_path, "events")), 0
        assert sync(tmp_path, settings, *streams)[0] == 0
        assert_whole(tmp_path, sandbox)

    assert kept >= 500


def test_given_an_odd_value_and_a_stream_that_cannot_be_stored_when_synced_then_all_others_are_there(
    tmp_path: Path,
) -> None:
    def odd(request: Json, page: Any) -> Any:
        if not page.get("messages"):
            return None
        first, *others = page["messages"]
        return {**page, "messages": [{**first, "sent": "1,234"}, *others]}

    with duckdb.connect(str(tmp_path / "it.duckdb")) as connection:
        connection.execute("CREATE VIEW content_blocks AS SELECT 1 AS id")
    with Sandbox(ACCOUNT, change=odd) as sandbox:
        code, out, errors = sync(tmp_path, config(sandbox))
        assert_whole(tmp_path, sandbox)

    assert code == 1
    assert errors == (
        "The sync did not complete. content_blocks does not fit its table (KeyError). Choose another "
        "file with --database.\n"
    )
    (told,) = (line for line in out.splitlines() if "_unfit" in line)
    assert told.endswith("(the column _unfit has them): message_reports 1.")
    assert len(rows(tmp_path, "category_groups")) == 7


COLUMNS = {
    "id": "VARCHAR", "count": "BIGINT", "share": "DOUBLE", "on": "BOOLEAN", "at": "TIMESTAMP WITH TIME ZONE",
    "day": "DATE", "text": "VARCHAR", "list": "JSON",
}  # fmt: skip


def stored(folder: Path, *commits: list[Json]) -> tuple[Stream, list[Json]]:
    """A stream and its table after commits, each of another sync."""
    for records in commits:
        stream = Stream("things", ["id"], dict(COLUMNS), incremental=True)
        with landing(folder / "it.duckdb") as file:
            file.commit(stream, records, None)
            assert stream.error == ""
            table = file.connection.sql("SELECT * EXCLUDE _synced_at FROM things ORDER BY ALL")
            found = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    return stream, [{name: value for name, value in row.items() if value is not None} for row in found]


@pytest.mark.parametrize(
    ("name", "value", "column", "unfit"),
    [
        ("count", "1,234", None, '"1,234"'),
        ("count", 2**63, None, "9223372036854775808"),
        ("count", True, None, "true"),
        ("count", 3.0, 3, None),
        ("share", 2**53 + 1, None, "9007199254740993"),
        ("at", "25 Dec, 2017", None, '"25 Dec, 2017"'),
        ("day", "2022-02-30", None, '"2022-02-30"'),
        ("text", {"a": [1]}, '{"a": [1]}', None),
        ("list", {"a": 1}, '{"a": 1}', None),
        ("LIST", [1], None, "[1]"),
        ("", 1, None, "1"),
        ("_unfit", 1, None, None),
    ],
)
def test_given_a_value_that_does_not_fit_its_column_when_stored_then_it_is_null_and_unfit_has_it(
    tmp_path: Path, name: str, value: Any, column: Any, unfit: str | None
) -> None:
    good = {"id": "b", "count": 2**63 - 1, "share": 0.5, "on": False, "text": "x"}

    stream, (first, second) = stored(tmp_path, [{"id": "a", name: value}, good])

    told = {"_unfit": f'{{"{name}": {unfit or value}}}'} if column is None else {name: column}
    assert first == {"id": "a", **told}
    assert second == good
    assert stream.unfit == (column is None)


def test_given_rows_without_a_key_and_names_that_differ_by_case_when_stored_again_then_nothing_is_lost_or_doubled(
    tmp_path: Path,
) -> None:
    keyless: list[Json] = [{"id": None, "count": 1}, {"count": 1}, {"count": 2}]

    stream, found = stored(tmp_path, [*keyless, {"id": "a", "Plan": 1}], [*keyless, {"id": "a", "plan": 2}])

    assert found == [{"id": "a", "_unfit": '{"plan": 2}'}, {"count": 1}, {"count": 2}]
    assert (stream.keyless, stream.unfit) == (2, 1)


@pytest.mark.slow
def test_given_a_full_refresh_when_it_ends_well_and_only_then_what_is_gone_is_dropped(tmp_path: Path) -> None:
    streams = ("--streams", "profiles", "--full-refresh")
    with Sandbox(ACCOUNT, page_rows=230) as sandbox:
        assert sync(tmp_path, config(sandbox), *streams)[0] == 0
        whole = len(rows(tmp_path, "profiles"))
        sandbox.faults = [Fault("fail_with_records", 1, 0)]
        refused("Shard 7 unavailable", tmp_path, config(sandbox, end_date=20240310), *streams)
        assert len(rows(tmp_path, "profiles")) == whole
        sandbox.faults = []
        assert sync(tmp_path, config(sandbox, end_date=20240310), *streams)[0] == 0
        fewer = {row["profile_id"] for row in rows(tmp_path, "profiles")}

        sandbox.account = Account(profiles=0, events=0, first_day=date(2024, 3, 1), days=30)
        assert sync(tmp_path, config(sandbox, end_date=20240310), *streams)[0] == 0
        assert rows(tmp_path, "profiles") == []

    assert fewer == held("profiles", ACCOUNT, NAMES, 20240301, 20240310).keys()
    assert len(fewer) < whole


def test_given_the_option_sandbox_when_synced_then_the_demo_account_lands(tmp_path: Path) -> None:
    days = (20260701, 20260720)
    options = ("--sandbox", "--start-date", str(days[0]), "--end-date", str(days[1]))
    code, out, errors = sync(tmp_path, None, *options, FAST_CLOCK="1", FAST_TIME="1")

    assert code == 0, errors
    assert "no day differs" in out
    account = DemoAccount()
    charged = [event for event in rows(tmp_path, "events") if event["event_name"] == "Charged"]
    assert came("events", charged) == held("events", account, ["Charged"], *days)
    assert came("profiles", rows(tmp_path, "profiles")) == held("profiles", account, ["App Launched"], *days)


def test_given_a_file_of_another_account_when_synced_then_it_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    with Sandbox(ACCOUNT) as sandbox:
        assert sync(tmp_path, config(sandbox), "--streams", "profiles", "message_reports")[0] == 0
        before = rows(tmp_path, "profiles")
        sandbox.account = replace(ACCOUNT, account_id="SBX-765-4321")
        words = f"holds the rows of account {ACCOUNT.account_id}. Choose another file with --database."
        refused(words, tmp_path, config(sandbox), "--streams", "profiles")

    assert rows(tmp_path, "profiles") == before


@pytest.mark.slow
def test_given_what_keeps_it_from_its_work_when_synced_then_one_line_says_so_and_the_next_sync_completes_it(
    tmp_path: Path,
) -> None:
    file, missing = tmp_path / "it.duckdb", tmp_path / "no.json"
    refused("There is no file", tmp_path, None, "--config", str(missing))
    for text, words in ("{", "is not JSON"), ("[1]", "is not a JSON object"):
        (tmp_path / "odd.json").write_text(text)
        refused(words, tmp_path, None, "--config", str(tmp_path / "odd.json"))
    assert not file.exists()
    with Sandbox(ACCOUNT) as sandbox:
        settings = config(sandbox)
        refused("credentials or region", tmp_path, {**settings, "passcode": "wrong"})
        refused("no stream eventz. The streams are profiles, e", tmp_path, settings, "--streams", "eventz")
        refused("File too large", tmp_path, settings, FILE_BYTES="2000000")  # as on a full disk
        assert sync(tmp_path, settings, "--streams", "events", "profiles")[0] == 0
        assert_whole(tmp_path, sandbox)
    refused("could not be reached", tmp_path, settings)  # the sandbox has gone
    with duckdb.connect(str(file)):
        refused("is open in another program", tmp_path, settings)
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE _dlt_version (version BIGINT)")
    refused("is of an earlier version", tmp_path, settings)
    file.write_text("no database")
    refused("is not a DuckDB file", tmp_path, settings)
    refused("No such file or directory", tmp_path, settings, "--database", str(tmp_path / "nowhere" / "it.duckdb"))
