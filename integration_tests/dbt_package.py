"""`make dbt-test`: the dbt package on DuckDB and Postgres against known answers; others are compiled."""
# ruff: noqa: S608

import csv
import getpass
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.helpers.connector import ROOT, Json, held
from integration_tests.helpers.tables import SCHEMAS
from source_clevertap.landing import Stream, landing
from source_clevertap.sandbox.demo import DemoAccount

PYTHON = str(ROOT / ".venv-dbt/bin/python")
FIRST, MIDDLE, LAST = 20260701, 20260812, 20260902  # the newest day is left out of the completeness
ACCOUNT = DemoAccount()
Rows = list[list[str]]


def sync(database: Path, last_day: int) -> None:
    """Runs `make sync`'s command on the demo account."""
    print(f"\nsync to {database.name}", flush=True)
    command = [sys.executable, "-m", "source_clevertap.sync", "--database", str(database)]
    command += ["--sandbox", "--end-date", str(last_day)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@dataclass
class Warehouse:
    """A target of dbt, and how to query it: the DuckDB file, as `make sync` writes it."""

    folder: Path
    target: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    output: str = ""

    @property
    def file(self) -> Path:
        """Where `make sync` writes."""
        return self.folder / "it.duckdb"

    def dbt(self, *arguments: str, succeeds: bool = True, **variables: Any) -> str:
        """What a command of dbt printed."""
        print(f"\ndbt {arguments[0]} in {self.target['type']}", flush=True)
        profile = {"clevertap": {"target": "it", "outputs": {"it": {**self.target, "schema": "models", "threads": 2}}}}
        (self.folder / "profiles.yml").write_text(json.dumps(profile))
        done = subprocess.run(
            [str(Path(PYTHON).with_name("dbt")), "--no-use-colors", *arguments, "--profiles-dir", str(self.folder),
             "--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs"),
             "--vars", json.dumps({**self.variables, **variables})],
            cwd=ROOT / "dbt", env={**os.environ, "DO_NOT_TRACK": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode == 0) == succeeds, done.stdout[-3000:] + done.stderr[-1000:]
        return done.stdout

    def query(self, sql: str) -> Rows:
        """Rows of text."""
        with duckdb.connect(str(self.file)) as connection:
            connection.execute(
                "CREATE SCHEMA IF NOT EXISTS models; SET TimeZone = 'UTC'; SET search_path = 'models,main'"
            )
            return [["" if v is None else str(v) for v in row] for row in connection.execute(sql).fetchall()]

    def take(self) -> None:
        """Takes the rows of the file: nothing to do."""


class Postgres(Warehouse):
    """Tables as Airbyte appends them: names with capitals, JSONB, columns of its own, several copies of a key."""

    def query(self, sql: str) -> Rows:
        script = f"SET TimeZone = 'UTC'; SET search_path = models, raw;\n{sql}"
        command = f"psql -h {self.target['host']} -U postgres -d {self.target['dbname']} -q --csv -t -v ON_ERROR_STOP=1"
        done = subprocess.run(command.split(), input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(csv.reader(io.StringIO(done.stdout)))

    def take(self) -> None:
        with duckdb.connect(str(self.file), read_only=True) as connection:
            tables = connection.execute(
                "SELECT table_name, list(column_name), list(data_type) FROM duckdb_columns() "
                "WHERE NOT internal AND table_name <> '_state' AND NOT starts_with(column_name, '_') GROUP BY 1"
            )
            for stream, names, types in tables.fetchall():
                quoted, path = ", ".join(f'"{name}"' for name in names), self.folder / f"{stream}.csv"
                typed = ", ".join(f'"{name}" {kind}' for name, kind in zip(names, types, strict=True))
                connection.execute(f"COPY (SELECT {quoted}, _synced_at FROM main.{stream}) TO '{path}' (HEADER)")
                self.query(
                    f"CREATE TABLE IF NOT EXISTS raw.{stream} ({typed.replace('JSON', 'JSONB')}, "
                    f"_airbyte_extracted_at TIMESTAMPTZ, _airbyte_meta JSONB);\n"
                    f"\\copy raw.{stream} ({quoted}, _airbyte_extracted_at) from '{path}' csv header"
                )


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """A Postgres that listens on a socket in this folder."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("needs Postgres: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp())  # pytest's folders are for root alone, and Postgres does not run as root
    as_user = [] if getpass.getuser() != "root" else ["runuser", "-u", "postgres", "--"]
    if as_user:
        shutil.chown(folder, "postgres")
    data, settings = folder / "data", f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    initdb = [*as_user, str(programs[-1] / "initdb"), "-U", "postgres", "-A", "trust", "-D", str(data)]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/")
    control = [*as_user, str(programs[-1] / "pg_ctl"), "-D", str(data), "-w"]
    subprocess.run([*control, "-o", settings, "-l", str(folder / "log"), "start"], check=True, cwd="/")
    yield folder
    subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/", capture_output=True)
    shutil.rmtree(folder)


def made(kind: str, request: pytest.FixtureRequest, folder: Path) -> Warehouse:
    """An empty warehouse of a kind."""
    if kind == "duckdb":
        return Warehouse(folder, {"type": "duckdb", "path": str(folder / "it.duckdb"), "settings": {"TimeZone": "UTC"}})
    host = str(request.getfixturevalue("server"))
    target = {"type": "postgres", "host": host, "port": 5432, "user": "postgres", "password": "-"}
    Postgres(folder, {**target, "dbname": "postgres"}).query(f"CREATE DATABASE {folder.name}")
    warehouse = Postgres(folder, {**target, "dbname": folder.name}, {"clevertap_schema": "raw"})
    warehouse.query("CREATE SCHEMA raw")
    return warehouse


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The models after two syncs of the demo account, with a build after each: the second one is incremental."""
    warehouse = made(request.param, request, tmp_path_factory.mktemp("built"))
    for day in (MIDDLE, LAST):
        sync(warehouse.file, day)
        warehouse.take()
        warehouse.output = warehouse.dbt("build")
    return warehouse


def test_given_two_syncs_when_built_incrementally_then_all_tests_pass_and_a_full_build_is_the_same(
    built: Warehouse,
) -> None:
    models = ("events", "users", "sessions", "daily_activity", "retention", "message_performance", "completeness")
    everything = [f"SELECT * FROM clevertap__{model} ORDER BY 1, 2" for model in (*models, "funnel")]
    before = [built.query(sql) for sql in everything]
    copies, stale = built.query(
        "SELECT count(*), count(CASE WHEN r.loaded_at > e.loaded_at THEN 1 END) "
        "FROM clevertap__events AS e JOIN stg_clevertap__events AS r ON r.event_id = e.event_id"
    )[0]
    built.dbt("build", "--full-refresh")

    assert "WARN=0 ERROR=0 SKIP=0" in built.output  # among its tests: no day differs from CleverTap's count
    assert [built.query(sql) for sql in everything] == before
    assert min(map(len, before)) >= 3  # steps of the funnel
    assert len(before[0]) == sum(len(list(ACCOUNT.event_truth(name, FIRST, LAST))) for name in ACCOUNT.event_shares)
    assert len(before[6]) == (date(2026, 9, 2) - date(2026, 7, 1)).days * len(ACCOUNT.event_shares)
    assert (int(copies) > len(before[0])) == isinstance(built, Postgres)
    assert stale == "0"


def test_given_profiles_when_built_then_users_have_their_names(built: Warehouse) -> None:
    profiles = held("profiles", ACCOUNT, first=FIRST, last=LAST)
    named = {(key, profile["name"], profile["email"]) for key, profile in profiles.items() if "name" in profile}

    assert {*map(tuple, built.query("SELECT profile_id, name, email FROM clevertap__users WHERE name <> ''"))} == named
    assert len(named) > 100


def test_given_lost_rows_when_built_then_up_to_5_percent_are_a_warning_and_more_an_error(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    warehouse = made("duckdb", request, tmp_path)
    sync(warehouse.file, MIDDLE)
    for lost, verdict in ((2, "WARN 4"), (60, "FAIL 100")):
        day = "SELECT event_id FROM main.events WHERE event_name = 'App Launched' AND date = '2026-07-20' ORDER BY 1"
        warehouse.query(f"DELETE FROM main.events WHERE event_id IN ({day} LIMIT {lost})")
        printed = warehouse.dbt("build", "--full-refresh", succeeds=verdict.startswith("WARN"))

        assert f"{verdict} complete_clevertap__completeness_" in printed
        assert warehouse.query("SELECT day, counted, missing FROM clevertap__completeness WHERE missing <> 0") == [
            ["2026-07-20", "60", str(lost)]
        ]


def raised(minute: float, name: str = "Viewed", device: str = "x", identity: str | None = None, **props: Any) -> Json:
    """A row of events, at a minute after a new year."""
    at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minute)
    return {
        "event_id": f"{name}/{device}/{minute}",
        "event_name": name,
        "event_time": at.isoformat(),
        "object_id": device,
        "identity": identity,
        "profile_id": identity or device,
        "ts": f"{at:%Y%m%d%H%M%S}",
        "event_props": props,
        "profile": {"platform": "iOS"},
    }


def write(file: Path, stream: str, key: str, rows: list[Json]) -> None:
    """Stores rows as `make sync` does."""
    written = Stream.of({"name": stream, "json_schema": SCHEMAS[stream], "source_defined_primary_key": [[key]]})
    with landing(file) as landed:
        landed.commit(written, rows, None)
    assert not written.error


SESSION, DAY = {"CT Session Id": "1767225600"}, 24 * 60
AMOUNTS: list[dict[str, Any]] = [{"A b": value} for value in (59.5, "100", True, "a neighbour's", None, {"deep": 1})]
SMALL = [
    *(raised(minute, "Pause", "d") for minute in (0, 20, 50, 80.5)),
    raised(1, "Pause", "e"),
    raised(0, "Login", "d", **SESSION),
    raised(300, "Login", "d", identity="U1", **SESSION),
    *(
        raised(n, "Paid", "w", wzrk_id=of, Amount=10)
        for n, of in enumerate(["7", "7_20260101", "7_20260102", "8", "9_1"])
    ),
    raised(9, "Clicked", "w", wzrk_id="7"),
    *(raised(day * DAY, "Clicked", "w") for day in (3, 4)),  # a Sunday, and a Monday
    raised(28 * DAY, "Paid", "late", Amount=10),
    raised(0, "View", "slow, then fast"),
    raised(8 * DAY, "View", "slow, then fast"),
    raised(9 * DAY, "Cart", "slow, then fast"),
    raised(15 * DAY, "Buy", "slow, then fast"),  # to the second, seven days after
    *(raised(minute, name, "slow") for minute, name in enumerate(("View", "Buy", "Cart"))),
    raised(7 * DAY + 1, "Buy", "slow"),
    *(raised(minute, name, "other way round") for minute, name in enumerate(("Cart", "View", "Buy"))),
    raised(0, "Phone", Note="call 9876543210"),
    raised(0, "Mail", Note={"mail": "a@example.com"}),
    raised(0, "Ids", **SESSION, wzrk_c2="1795711728", Price=0.30000000000000004),
    *(raised(n, "it's", **properties) for n, properties in enumerate(AMOUNTS)),
    raised(0, "Other", **AMOUNTS[0]),
    {**raised(0, "No Time", "z"), "event_time": None, "ts": "20220230000000"},
]
MESSAGE = {"conversion_event": "Paid", "viewed": 50, "clicked": 5}


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The models of a few rows, without a stream of profiles, campaigns and counts."""
    warehouse = made(request.param, request, tmp_path_factory.mktemp("small"))
    write(warehouse.file, "events", "event_id", SMALL)
    for sent in (100, 200):  # of two syncs
        messages = [{**MESSAGE, "message_id": message, "sent": sent} for message in ("7", "7_20260101", "9")]
        write(warehouse.file, "message_reports", "message_id", messages)
        warehouse.take()
    warehouse.output = warehouse.dbt(
        "build",
        clevertap_tables={name: name for name in ("events", "message_reports")},
        event_properties={"it's": [{"A b": "number"}], "Other": ["Missing"]},
        revenue_event="Paid",
        funnel_events=["View", "Cart", "Buy"],
    )
    return warehouse


ANSWERS: dict[str, tuple[str, Rows]] = {
    "a session ends with its id or after 30 minutes": (
        "SELECT object_id, ct_session_id, events, seconds, profile_id FROM clevertap__sessions "
        "WHERE object_id IN ('d', 'e') ORDER BY 1, started_at, 3",
        [
            ["d", "1767225600", "2", "18000", "U1"],
            ["d", "", "3", "3000", "d"],
            ["d", "", "1", "0", "d"],
            ["e", "", "1", "0", "e"],
        ],
    ),
    "users have sums": (
        "SELECT profile_id, user_identity, events, sessions, active_days, devices, cast(revenue AS int), first_day, "
        "last_day, last_platform FROM clevertap__users WHERE profile_id IN ('U1', 'd', 'w', 'z') ORDER BY 3, 4 DESC",
        [
            ["U1", "U1", "1", "1", "1", "1", "0", "2026-01-01", "2026-01-01", "iOS"],
            ["z", "", "1", "0", "0", "1", "0", "", "", ""],
            ["d", "", "5", "2", "1", "1", "0", "2026-01-01", "2026-01-01", "iOS"],
            ["w", "", "8", "3", "3", "1", "50", "2026-01-01", "2026-01-05", "iOS"],
        ],
    ),
    "a day counts its users and those of 7 and 28 days": (
        "SELECT day, users, new_users, returning_users, events, users_7_days, users_28_days, cast(revenue AS int) "
        "FROM clevertap__daily_activity WHERE day NOT BETWEEN '2026-01-02' AND '2026-01-06' "
        "AND day NOT BETWEEN '2026-01-09' AND '2026-01-27' ORDER BY day",
        [
            ["2026-01-01", "8", "8", "0", "30", "8", "8", "50"],
            ["2026-01-07", "0", "0", "0", "0", "8", "8", "0"],
            ["2026-01-08", "1", "0", "1", "1", "2", "8", "0"],
            ["2026-01-28", "0", "0", "0", "0", "0", "8", "0"],
            ["2026-01-29", "1", "1", "0", "1", "1", "4", "10"],
        ],
    ),
    "a week starts on Monday and counts who came back": (
        "SELECT cohort_week, week_number, cohort_users, users, cast(2 * percent_of_cohort AS int), "
        "cast(is_whole_week AS int) FROM clevertap__retention ORDER BY 1, 2",
        [
            ["2025-12-29", "0", "8", "8", "200", "1"],
            ["2025-12-29", "1", "8", "3", "75", "1"],
            ["2025-12-29", "2", "8", "1", "25", "1"],
            ["2025-12-29", "3", "8", "0", "0", "1"],
            ["2025-12-29", "4", "8", "0", "0", "0"],
            ["2026-01-26", "0", "1", "1", "200", "0"],
        ],
    ),
    "of ids with and without a day, the message with just that id comes first": (
        "SELECT message_id, attributed_events, attributed_users, conversions, cast(revenue AS int), "
        "cast(viewed_percent AS int), cast(clicked_percent AS int) FROM clevertap__message_performance ORDER BY 1",
        [
            ["7", "3", "1", "2", "20", "25", "10"],
            ["7_20260101", "1", "1", "1", "10", "25", "10"],
            ["9", "1", "1", "1", "10", "25", "10"],
        ],
    ),
    "a user who is too slow may try the funnel again": (
        "SELECT event_name, users, cast(round(percent_of_first) AS int), cast(round(percent_of_previous) AS int) "
        "FROM clevertap__funnel ORDER BY step",
        [["View", "3", "100", ""], ["Cart", "2", "67", "67"], ["Buy", "1", "33", "50"]],
    ),
    "properties become columns, and what is no number is null": (
        "SELECT event_name, cast(10 * a_b AS int), missing FROM clevertap__events "
        "WHERE event_name IN ('it''s', 'Other') ORDER BY 1 DESC, event_time",
        [["it's", number, ""] for number in ("595", "1000", "", "", "", "")] + [["Other", "", ""]],
    ),
    "an event without a valid time has no day": (
        "SELECT event_name FROM clevertap__events WHERE event_day IS NULL",
        [["No Time"]],
    ),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_given_a_few_rows_when_the_models_are_asked_then_they_answer(answer: str, small: Warehouse) -> None:
    sql, rows = ANSWERS[answer]

    assert small.query(sql) == rows


def test_given_personal_data_in_properties_when_built_then_a_warning_counts_the_events(small: Warehouse) -> None:
    assert "WARN 2 no_personal_data_clevertap__events_event_props" in small.output  # Phone and Mail, not Ids


PROFILES: dict[str, dict[str, Any]] = {
    "bigquery": {"method": "oauth-secrets", "token": "-", "project": "p", "dataset": "models"},
    "snowflake": {"account": "a", "user": "u", "password": "-", "database": "D", "warehouse": "w", "schema": "models"},
    "redshift": {"host": "localhost", "user": "u", "password": "-", "port": 1, "dbname": "d", "schema": "models"},
}
COMPILE = """if True:
    import sys
    from pathlib import Path
    import sqlglot
    from dbt.adapters.base.impl import BaseAdapter
    from dbt.adapters.bigquery.impl import BigQueryAdapter
    from dbt.cli.main import dbtRunner

    def get_relation(self, database, schema, identifier):  # there is no warehouse to ask
        return self.Relation.create(database=database, schema=schema, identifier=identifier, type="table")

    BaseAdapter.get_relation = BigQueryAdapter.get_relation = get_relation
    dialect, folder = sys.argv[1:]
    done = dbtRunner().invoke([
        "--quiet", "--log-path", folder, "compile", "--no-introspect", "--no-populate-cache", "--profiles-dir", folder,
        "--target-path", folder])
    assert done.success, done.exception
    for file in Path(folder).glob("compiled/**/*.sql"):
        sqlglot.parse_one(file.read_text(), dialect=dialect)
"""


@pytest.mark.parametrize("name", PROFILES)
def test_the_models_of_warehouses_that_are_not_here_compile_and_parse(name: str, tmp_path: Path) -> None:
    profile = {"clevertap": {"target": name, "outputs": {name: {"type": name, "threads": 1, **PROFILES[name]}}}}
    (tmp_path / "profiles.yml").write_text(json.dumps(profile))
    done = subprocess.run(
        [PYTHON, "-c", COMPILE, name, str(tmp_path)], cwd=ROOT / "dbt", capture_output=True, text=True,
        env={**os.environ, "DO_NOT_TRACK": "1"},
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    own = {"bigquery": "json_value(", "snowflake": "get(event_props", "redshift": "json_extract_path_text("}
    events = (tmp_path / "compiled/clevertap/models/staging/stg_clevertap__events.sql").read_text()
    assert [dialect for dialect, function in own.items() if function in events] == [name]
