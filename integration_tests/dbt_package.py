"""`make dbt-test`: the dbt package on DuckDB and Postgres against the sandbox's truth; others are compiled."""
# ruff: noqa: S608

import csv
import getpass
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.helpers import tables
from integration_tests.helpers.connector import ROOT
from source_clevertap.sandbox.demo import DemoAccount

PYTHON = str(ROOT / ".venv-dbt/bin/python")
STREAMS = ("events", "profiles", "message_reports", "campaigns", "daily_event_counts")
FIRST, MIDDLE, LAST = 20260701, 20260812, 20260902  # the newest day is left out of the completeness
FUNNEL = ("Product Viewed", "Added To Cart", "Charged")
ACCOUNT = DemoAccount()
NUMBERS = itertools.count()  # of the databases in Postgres
Rows = list[list[str]]


def sync(database: Path, *options: str) -> None:
    """Runs `make sync`'s command."""
    print(f"\nsync to {database.name}", flush=True)
    command = [sys.executable, "-m", "source_clevertap.sync", "--database", str(database), *options]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


@dataclass
class Warehouse:
    """A target of dbt, and how to query it: a DuckDB file, as `make sync` writes it."""

    folder: Path
    target: dict[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    output: str = ""

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
        with duckdb.connect(self.target["path"]) as connection:
            connection.execute(
                "CREATE SCHEMA IF NOT EXISTS models; SET TimeZone = 'UTC'; SET search_path = 'models,main'"
            )
            return [["" if v is None else str(v) for v in row] for row in connection.execute(sql).fetchall()]

    def take(self, source: Path) -> None:
        """Copies the rows of a synced file."""
        shutil.copy(source, self.target["path"])


class Postgres(Warehouse):
    """Tables as Airbyte appends them: names with capitals, JSONB, columns of its own, several copies of a key."""

    def query(self, sql: str) -> Rows:
        script = f"SET TimeZone = 'UTC'; SET search_path = models, raw;\n{sql}"
        command = f"psql -h {self.target['host']} -U postgres -d {self.target['dbname']} -q --csv -t -v ON_ERROR_STOP=1"
        done = subprocess.run(command.split(), input=script, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(csv.reader(io.StringIO(done.stdout)))

    def take(self, source: Path) -> None:
        with duckdb.connect(str(source), read_only=True) as connection:
            for stream in STREAMS:
                columns = connection.execute(
                    "SELECT column_name, data_type FROM duckdb_columns() WHERE schema_name = 'main' AND table_name = ?",
                    [stream],
                ).fetchall()
                if not columns:
                    continue
                names = [name for name, _ in columns if not name.startswith("_")]
                types = [f'"{name}" {kind.replace("JSON", "JSONB")}' for name, kind in columns if name in names]
                self.query(
                    f'CREATE TABLE IF NOT EXISTS raw."{stream}" ({", ".join(types)}, _airbyte_raw_id TEXT, '
                    "_airbyte_extracted_at TIMESTAMPTZ, _airbyte_meta JSONB, _airbyte_generation_id BIGINT)"
                )
                (newest,) = self.query(
                    f"SELECT coalesce(max(_airbyte_extracted_at), '2000-01-01') FROM raw.\"{stream}\""
                )
                path, quoted = self.folder / f"{stream}.csv", ", ".join(f'"{name}"' for name in names)
                connection.execute(
                    f"COPY (SELECT {quoted}, _synced_at AS written FROM main.{stream} "
                    f"WHERE written > TIMESTAMPTZ '{newest[0]}') TO '{path}' (HEADER)"
                )
                self.query(f"\\copy raw.\"{stream}\" ({quoted}, _airbyte_extracted_at) from '{path}' csv header")


def in_duckdb(folder: Path) -> Warehouse:
    return Warehouse(folder, {"type": "duckdb", "path": str(folder / "it.duckdb"), "settings": {"TimeZone": "UTC"}})


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


def in_postgres(folder: Path, server: Path) -> Warehouse:
    target = {"type": "postgres", "host": str(server), "port": 5432, "user": "postgres", "password": "-"}
    name = f"it{next(NUMBERS)}"
    Postgres(folder, {**target, "dbname": "postgres"}).query(f"CREATE DATABASE {name}")
    warehouse = Postgres(folder, {**target, "dbname": name}, {"clevertap_schema": "raw"})
    warehouse.query("CREATE SCHEMA raw")
    return warehouse


def made(kind: str, request: pytest.FixtureRequest, folder: Path) -> Warehouse:
    """An empty warehouse of a kind."""
    return in_duckdb(folder) if kind == "duckdb" else in_postgres(folder, request.getfixturevalue("server"))


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return made(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demo account after a sync, and after a second one."""
    folder = tmp_path_factory.mktemp("synced")
    first, second = folder / "first.duckdb", folder / "second.duckdb"
    sync(first, "--sandbox", "--end-date", str(MIDDLE))
    shutil.copy(first, second)
    sync(second, "--sandbox", "--end-date", str(LAST))
    return [first, second]


@pytest.fixture(scope="module")
def built(warehouse: Warehouse, synced: list[Path]) -> Warehouse:
    """The models after two syncs, with a build after each: the second one is incremental."""
    for file in synced:
        if warehouse.target["type"] == "duckdb" and file != synced[0]:
            with duckdb.connect(warehouse.target["path"]) as connection:
                connection.execute(f"ATTACH '{file}' AS newer (READ_ONLY)")
                for stream in STREAMS:
                    connection.execute(f"CREATE OR REPLACE TABLE main.{stream} AS SELECT * FROM newer.main.{stream}")
        else:
            warehouse.take(file)
        warehouse.output = warehouse.dbt("build")
    return warehouse


@dataclass(frozen=True)
class Raised:
    """An event as the account has it."""

    name: str
    person: str
    time: datetime
    day: date
    properties: dict[str, Any]
    device: str

    @property
    def revenue(self) -> float:
        return float(self.properties["Amount"]) if self.name == "Charged" else 0.0


@pytest.fixture(scope="module")
def truth() -> list[Raised]:
    """Every event of the days that were read, from the generator."""
    found = []
    for name in ACCOUNT.event_shares:
        for row in ACCOUNT.event_truth(name, FIRST, LAST):
            record = row["record"]
            profile, ts = record["profile"], record["ts"]
            time = datetime.strptime(row["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
            person = profile.get("identity", profile["objectId"])
            day = date(int(ts[:4]), int(ts[4:6]), int(ts[6:8]))
            found.append(Raised(name, person, time, day, record["event_props"], profile["objectId"]))
    assert len(found) > 5000
    return found


def test_given_two_syncs_when_built_incrementally_then_all_tests_pass_and_a_full_build_is_the_same(
    built: Warehouse, truth: list[Raised]
) -> None:
    models = ("events", "users", "sessions", "daily_activity", "retention", "message_performance", "completeness")
    everything = [f"SELECT * FROM clevertap__{model} ORDER BY 1, 2" for model in (*models, "funnel")]
    before = [built.query(sql) for sql in everything]
    copies = built.query("SELECT count(*) FROM stg_clevertap__events")
    stale = built.query(
        "SELECT count(*) FROM clevertap__events AS e JOIN stg_clevertap__events AS r ON r.event_id = e.event_id "
        "WHERE r.loaded_at > e.loaded_at"
    )
    built.dbt("build", "--full-refresh")

    assert "WARN=0 ERROR=0 SKIP=0" in built.output
    assert [built.query(sql) for sql in everything] == before
    assert min(map(len, before)) >= len(FUNNEL)
    assert len(before[0]) == len(truth)
    assert (int(copies[0][0]) > len(truth)) == isinstance(built, Postgres)
    assert stale == [["0"]]


def test_daily_activity_is_that_of_the_account(built: Warehouse, truth: list[Raised]) -> None:
    people, revenue, events = defaultdict(set), Counter[date](), Counter(each.day for each in truth)
    for each in truth:
        people[each.day].add(each.person)
        revenue[each.day] += each.revenue  # type: ignore[assignment]
    first = {person: min(day for day in people if person in people[day]) for person in set().union(*people.values())}

    def within(day: date, days: int) -> int:
        return len(set().union(*(people[day - timedelta(n)] for n in range(days) if day - timedelta(n) in people)))

    expected = [
        [str(day), len(people[day]), sum(first[p] == day for p in people[day]), events[day], within(day, 7),
         within(day, 28), round(2 * revenue[day])]
        for day in sorted(people)
    ]  # fmt: skip
    got = built.query(
        "SELECT day, users, new_users, events, users_7_days, users_28_days, cast(2 * revenue AS bigint) "
        "FROM clevertap__daily_activity WHERE users = new_users + returning_users ORDER BY day"
    )
    assert got == [[str(value) for value in row] for row in expected]


def test_the_funnel_is_that_of_the_account(built: Warehouse, truth: list[Raised]) -> None:
    times: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for each in truth:
        times[each.person, each.name].append(each.time)
    reached = Counter[str]()
    for person in {each.person for each in truth}:
        furthest = 0
        for entered in times[person, FUNNEL[0]]:
            at, depth = entered, 1
            for name in FUNNEL[1:]:
                later = [t for t in times[person, name] if at < t <= entered + timedelta(7)]
                if not later:
                    break
                at, depth = min(later), depth + 1
            furthest = max(furthest, depth)
        reached.update(FUNNEL[:furthest])

    assert built.query("SELECT event_name, users FROM clevertap__funnel ORDER BY step") == [
        [name, str(reached[name])] for name in FUNNEL
    ]
    assert reached[FUNNEL[0]] > reached[FUNNEL[1]] > reached[FUNNEL[2]] > 20


def test_users_and_sessions_are_those_of_the_account(built: Warehouse, truth: list[Raised]) -> None:
    records = [row["record"] for row in ACCOUNT.truth("App Launched", FIRST, LAST)]
    profiles = {record.get("identity", record["objectId"]) for record in records}
    events, revenue = Counter(each.person for each in truth), Counter[str]()
    for each in truth:
        revenue[each.person] += each.revenue  # type: ignore[assignment]
    sessions = Counter((each.device, each.properties["CT Session Id"]) for each in truth)
    users = built.query("SELECT profile_id, events, cast(2 * revenue AS bigint) FROM clevertap__users")
    names = built.query("SELECT count(*) FROM clevertap__users WHERE name IS NOT NULL AND email LIKE '%@%'")

    assert {user: (int(count), int(money)) for user, count, money in users} == {
        person: (events[person], round(2 * revenue[person])) for person in profiles | events.keys()
    }
    assert int(names[0][0]) > 100
    assert sorted(built.query("SELECT object_id, ct_session_id, events FROM clevertap__sessions")) == sorted(
        [device, session, str(count)] for (device, session), count in sessions.items()
    )


def test_retention_is_that_of_the_account(built: Warehouse, truth: list[Raised]) -> None:
    weeks: dict[str, set[date]] = defaultdict(set)
    for each in truth:
        weeks[each.person].add(each.day - timedelta(each.day.weekday()))
    expected = Counter((min(w), (week - min(w)).days // 7) for w in weeks.values() for week in w)
    got = built.query("SELECT cohort_week, week_number, users FROM clevertap__retention WHERE users > 0")

    assert {(week, int(number)): int(users) for week, number, users in got} == {
        (str(week), number): users for (week, number), users in expected.items()
    }


def test_messages_are_those_of_the_account_with_the_events_that_carry_their_ids(
    built: Warehouse, truth: list[Raised]
) -> None:
    reports = tables.truth("message_reports", ACCOUNT, first=FIRST, last=LAST)
    attributed, conversions = Counter[str](), Counter[str]()
    for each in truth:
        message = str(each.properties.get("wzrk_id", "")).partition("_")[0]
        attributed[message] += 1
        conversions[message] += each.name == "Charged"
    got = built.query("SELECT message_id, attributed_events, conversions FROM clevertap__message_performance")
    ids = {str(report["message_id"]) for report in reports.values()}

    assert {i: (int(n), int(c)) for i, n, c in got} == {i: (attributed[i], conversions[i]) for i in ids}
    assert len(ids) > 5


def test_given_whole_days_when_compared_with_the_counts_then_none_is_off(built: Warehouse) -> None:
    days = (date(2026, 9, 2) - date(2026, 7, 1)).days
    sums = built.query("SELECT count(*), sum(abs(missing)), max(percent_off) FROM clevertap__completeness")

    assert [float(value) for value in sums[0]] == [days * len(ACCOUNT.event_shares), 0, 0]


@pytest.mark.parametrize(("lost", "verdict"), [(2, "WARN 4"), (60, "FAIL 100")])
def test_given_lost_rows_when_built_then_up_to_5_percent_are_a_warning_and_more_an_error(
    lost: int, verdict: str, synced: list[Path], tmp_path: Path
) -> None:
    warehouse = in_duckdb(tmp_path)
    warehouse.take(synced[0])
    some = f"SELECT event_id FROM main.events WHERE event_name = 'App Launched' AND date = '2026-07-20' LIMIT {lost}"
    warehouse.query(f"DELETE FROM main.events WHERE event_id IN ({some})")
    printed = warehouse.dbt("build", succeeds=verdict.startswith("WARN"))

    assert f"{verdict} complete_clevertap__completeness_" in printed
    assert warehouse.query("SELECT day, counted, missing FROM clevertap__completeness WHERE missing <> 0") == [
        ["2026-07-20", "60", str(lost)]
    ]


def raised(minute: float, name: str = "Viewed", device: str = "x", identity: str | None = None, **props: Any) -> Any:
    """A row of events, at a minute of a day."""
    at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(minutes=minute)
    key = f"{name}/{device}/{minute}"
    person = identity or device
    return (key, name, at, device, identity, person, at.date(), f"{at:%Y%m%d%H%M%S}", json.dumps(props), None, "{}")


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
    raised(0, "View", "slow, then fast"),
    raised(8 * DAY, "View", "slow, then fast"),
    raised(15 * DAY, "Buy", "slow, then fast"),  # to the second, seven days after
    raised(0, "View", "slow"),
    raised(7 * DAY + 1, "Buy", "slow"),
    raised(0, "Buy", "other way round"),
    raised(1, "View", "other way round"),
    raised(0, "Phone", Note="call 9876543210"),
    raised(0, "Mail", Note={"mail": "a@example.com"}),
    raised(0, "Ids", **SESSION, wzrk_c2="1795711728", Price=0.30000000000000004),
    *(raised(n, "it's", **properties) for n, properties in enumerate(AMOUNTS)),
    raised(0, "Other", **AMOUNTS[0]),
    ("no time", "No Time", None, "z", None, "z", None, "20220230000000", "{}", None, "{}"),
]
MESSAGES = ("7", "7_20260101", "9")


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The models of a few rows, without a stream of profiles, campaigns and counts."""
    folder = tmp_path_factory.mktemp("small")
    warehouse = made(request.param, request, folder)
    warehouse.take(file_of(folder, SMALL, MESSAGES))
    warehouse.output = warehouse.dbt(
        "build",
        clevertap_tables={name: name for name in ("events", "message_reports")},
        event_properties={"it's": [{"A b": "number"}], "Other": ["Missing"]},
        revenue_event="Paid",
        funnel_events=["View", "Buy"],
    )
    return warehouse


def file_of(folder: Path, events: list[Any], messages: tuple[str, ...] = ()) -> Path:
    """A file as `make sync` writes it, with these rows."""
    with duckdb.connect(str(folder / "small.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE events (event_id VARCHAR, event_name VARCHAR, event_time TIMESTAMPTZ, object_id VARCHAR, "
            "identity VARCHAR, profile_id VARCHAR, date DATE, ts VARCHAR, event_props JSON, session_props JSON, "
            "profile JSON, _synced_at TIMESTAMPTZ)"
        )
        connection.executemany(f"INSERT INTO events VALUES ({'?, ' * 11} '2026-02-01 00:00:00Z')", events)
        if messages:
            connection.execute(
                "CREATE TABLE message_reports (message_id VARCHAR, message_name VARCHAR, channel VARCHAR, "
                "delivery VARCHAR, status VARCHAR, date DATE, start_time TIMESTAMPTZ, conversion_event VARCHAR, "
                "sent BIGINT, viewed BIGINT, clicked BIGINT, _synced_at TIMESTAMPTZ)"
            )
        for message in messages:
            connection.execute(
                "INSERT INTO message_reports (message_id, conversion_event, sent, viewed, clicked, _synced_at) "
                "VALUES (?, 'Paid', 200, 50, 5, '2026-02-01 00:00:00Z')",
                [message],
            )
    return folder / "small.duckdb"


def test_given_events_without_a_session_id_when_pauses_exceed_30_minutes_then_a_session_ends(small: Warehouse) -> None:
    got = small.query(
        "SELECT object_id, ct_session_id, events, seconds, profile_id FROM clevertap__sessions "
        "WHERE object_id IN ('d', 'e') ORDER BY 1, started_at, 3"
    )

    assert got == [
        ["d", "1767225600", "2", "18000", "U1"],
        ["d", "", "3", "3000", "d"],
        ["d", "", "1", "0", "d"],
        ["e", "", "1", "0", "e"],
    ]


def test_given_ids_with_and_without_a_day_when_attributed_then_the_message_with_just_that_id_comes_first(
    small: Warehouse,
) -> None:
    got = small.query(
        "SELECT message_id, attributed_events, conversions, cast(revenue AS bigint), cast(viewed_percent AS bigint) "
        "FROM clevertap__message_performance ORDER BY 1"
    )

    assert got == [["7", "3", "2", "20", "25"], ["7_20260101", "1", "1", "10", "25"], ["9", "1", "1", "10", "25"]]


def test_given_a_user_who_tries_again_when_the_first_try_was_too_slow_then_the_funnel_takes_the_second(
    small: Warehouse,
) -> None:
    got = small.query(
        "SELECT event_name, users, cast(round(percent_of_first) AS int), cast(round(percent_of_previous) AS int) "
        "FROM clevertap__funnel ORDER BY step"
    )

    assert got == [["View", "3", "100", ""], ["Buy", "1", "33", "33"]]


def test_given_personal_data_in_properties_when_built_then_a_warning_counts_the_events(small: Warehouse) -> None:
    assert "WARN 2 no_personal_data_clevertap__events_event_props" in small.output  # Phone and Mail, not Ids


def test_given_event_properties_when_named_then_they_are_columns_and_what_is_no_number_is_null(
    small: Warehouse,
) -> None:
    got = small.query("SELECT a_b, missing FROM clevertap__events WHERE event_name = 'it''s' ORDER BY event_time")

    assert [(float(number) if number else None, text) for number, text in got] == [
        (value, "") for value in (59.5, 100, None, None, None, None)
    ]
    assert small.query("SELECT event_name, a_b FROM clevertap__events WHERE event_name = 'Other'") == [["Other", ""]]
    assert small.query("SELECT event_name FROM clevertap__events WHERE event_day IS NULL") == [["No Time"]]
    total = small.query("SELECT cast(sum(events) AS bigint) FROM clevertap__daily_activity")
    assert total == [[str(len(SMALL) - 1)]]


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
    models = {path.name for path in (ROOT / "dbt/models").rglob("*.sql")}
    assert models == {path.name for path in (tmp_path / "compiled/clevertap/models").rglob("*.sql")} & models
    own = {"bigquery": "json_value(", "snowflake": "get(event_props", "redshift": "json_extract_path_text("}
    events = (tmp_path / "compiled/clevertap/models/staging/stg_clevertap__events.sql").read_text()
    assert [dialect for dialect, function in own.items() if function in events] == [name]
