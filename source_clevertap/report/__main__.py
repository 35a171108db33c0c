"""`make report`: runs the dbt models on the DuckDB file of `make sync`, and writes a page that needs no network."""

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import vl_convert
from dbt.cli.main import dbtRunner

ROOT = Path(__file__).resolve().parents[2]
STREAMS = ("events", "profiles", "message_reports", "campaigns", "daily_event_counts")
QUIET_SECONDS = 10
Rows = list[dict[str, Any]]

CHARTS = {  # name: its stream, and its rows
    "daily": ("events", "SELECT day, users, users_7_days, users_28_days FROM clevertap__daily_activity ORDER BY day"),
    "calendar": (
        "daily_event_counts",
        """
        WITH ranked AS (
            SELECT *, max(day) OVER () AS last_day,
                dense_rank() OVER (ORDER BY off DESC, volume DESC, event_name) AS place
            FROM (
                SELECT *, sum(counted) OVER (PARTITION BY event_name) AS volume,
                    max(missing <> 0) OVER (PARTITION BY event_name) AS off
                FROM clevertap__completeness
            )
        )
        SELECT event_name AS event, day, counted, delivered, volume,
            CASE WHEN missing = 0 THEN 'as counted' WHEN delivered = 0 THEN 'no rows'
                WHEN percent_off <= 5 THEN 'up to 5 % off' ELSE 'more than 5 % off' END AS verdict
        FROM ranked
        WHERE place <= 30 AND day > last_day - 180
        ORDER BY day, volume
        """,
    ),
    "funnel": ("events", "SELECT step, event_name AS event, users, percent_of_first FROM clevertap__funnel ORDER BY 1"),
    "retention": (
        "events",
        """
        SELECT cohort_week, week_number AS week, cohort_users, users, percent_of_cohort AS percent
        FROM clevertap__retention
        WHERE is_whole_week AND week_number <= 12
            AND cohort_week > (SELECT max(cohort_week) FROM clevertap__retention) - 7 * 13
        ORDER BY 1, 2
        """,
    ),
    "messages": (
        "message_reports",
        """
        SELECT message_id AS id, coalesce(message_name, message_id) AS name, channel, start_day AS day,
            sent, viewed, clicked, 100.0 * viewed / nullif(sent, 0) AS viewed_percent,
            100.0 * clicked / nullif(sent, 0) AS clicked_percent, attributed_events, conversions, revenue
        FROM clevertap__message_performance
        WHERE sent > 0
        ORDER BY start_time DESC NULLS LAST
        LIMIT 12
        """,
    ),
}
TILES = """
    SELECT count(*) AS events, count(DISTINCT profile_id) AS users, coalesce(sum(revenue), 0) AS revenue,
        min(event_day) AS first_day, max(event_day) AS last_day,
        (SELECT count(*) FROM clevertap__sessions) AS sessions
    FROM clevertap__events
"""
NEWEST = """
    SELECT events.event_name AS event, strftime(strptime(ts, '%Y%m%d%H%M%S'), '%d %b %H:%M:%S') AS time,
        coalesce(events.identity, 'anonymous') AS identity, platform, CAST(events.event_props AS VARCHAR) AS properties
    FROM main.events
    JOIN clevertap__events USING (event_id)
    WHERE events.event_time IS NOT NULL
    ORDER BY events.event_time DESC, event_id
    LIMIT 10
"""
COMPARED = "SELECT count(*) AS days, count(CASE WHEN missing <> 0 THEN 1 END) AS off FROM clevertap__completeness"
OFFSETS = """
    SELECT date_diff('minute', event_time AT TIME ZONE 'UTC', strptime(ts, '%Y%m%d%H%M%S')) AS minutes
    FROM main.events WHERE event_time IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC LIMIT 2
"""


def build(database: Path, tables: set[str], funnel: list[str]) -> None:
    """Runs the models. Their incremental runs would keep rows that a full refresh of the sync has deleted."""
    variables: dict[str, Any] = {"clevertap_tables": {name: name for name in STREAMS if name in tables}}
    if funnel:
        variables["funnel_events"] = funnel
    os.environ |= {"CLEVERTAP_DUCKDB": str(database), "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryDirectory() as folder, shown() as show:
        where = ["--project-dir", str(ROOT / "dbt"), "--profiles-dir", str(ROOT / "dbt"), "--target-path", folder]
        done = dbtRunner(callbacks=[lambda event: show(model_of(event))]).invoke(
            ["--quiet", "--log-path", folder, "run", "--full-refresh", "--vars", json.dumps(variables), *where]
        )
    if not done.success:
        failed = [f"{row.node.name}: {row.message}" for row in done.result or () if str(row.status) == "error"]
        sys.exit("The models could not be built. " + ("\n".join(failed) or str(done.exception)))


def model_of(event: Any) -> str:
    """What an event of dbt says about a model that is built; else nothing."""
    if event.info.name != "LogModelResult":
        return ""
    return f"  {event.data.node_info.node_name}: {event.data.execution_time:.1f} s"


@contextmanager
def shown() -> Iterator[Any]:
    """Gives a function that prints a line, and prints one itself when that was long ago."""
    printed, ended = threading.Event(), threading.Event()

    def show(line: str) -> None:
        if line:
            printed.set()
            sys.stdout.write(f"{line}\n")  # at once: two threads build models
            sys.stdout.flush()

    def wait() -> None:
        while not ended.wait(QUIET_SECONDS):
            if not printed.is_set():
                print("  still running", flush=True)
            printed.clear()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield show
    finally:
        ended.set()
        waiting.join()


def content(database: Path, tables: set[str], made: datetime) -> dict[str, Any]:
    """Everything that the page shows. A chart whose stream has no rows is null."""
    with duckdb.connect(str(database)) as connection:  # as dbt, which keeps its own open in this process

        def rows(sql: str) -> Rows:
            answer = connection.execute(sql)
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

        connection.execute("SET TimeZone = 'UTC'; SET search_path = 'clevertap,main'")
        currencies = rows("SELECT DISTINCT currency FROM clevertap__events WHERE revenue IS NOT NULL")
        charts = {name: rows(sql) if stream in tables else None for name, (stream, sql) in CHARTS.items()}
        calendar = charts["calendar"]
        compared = rows(COMPARED)[0] if calendar is not None else None
        return {
            "account": account_of(rows("SELECT state FROM main._state")),
            "file": database.name,
            "zone": " and ".join(offset(row["minutes"]) for row in rows(OFFSETS)),
            "made": f"{made:%d %B %Y, %H:%M} UTC",
            "currency": currencies[0]["currency"] if len(currencies) == 1 else None,
            "compared": compared,
            **rows(TILES)[0],
            **charts,
            "newest": rows(NEWEST),
        }  # fmt: skip


def account_of(states: Rows) -> str:
    """The account in the states that `make sync` keeps in the file."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        for key, value in node.items() if isinstance(node, dict) else ((None, value) for value in node):
            if key == "account_id":
                found.add(value)
            elif isinstance(value, (dict, list)):
                walk(value)

    for row in states:
        walk(json.loads(row["state"]))
    return ", ".join(sorted(found)) or "unknown"


def offset(minutes: int) -> str:
    """Such as UTC+05:30."""
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def page_of(shown: dict[str, Any]) -> str:
    """The page, with its scripts and its data in it."""
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    data = json.dumps(shown, default=str, ensure_ascii=False).replace("<", "\\u003c")
    scripts = vl_convert.javascript_bundle().replace("</script", "<\\/script")
    return page.replace("/* scripts */", scripts).replace("/* data */ null", data)


def main() -> None:
    """Entry point of `make report`."""
    parser = argparse.ArgumentParser(prog="make report", description=__doc__)
    parser.add_argument("--database", type=Path, metavar="FILE", help="clevertap.duckdb, else sandbox.duckdb")
    parser.add_argument("--output", type=Path, metavar="FILE", default=ROOT / "report.html", help="report.html")
    parser.add_argument("--funnel", nargs="+", default=[], metavar="EVENT", help="its steps, in their order")
    args = parser.parse_args()
    files = [args.database] if args.database else [ROOT / "clevertap.duckdb", ROOT / "sandbox.duckdb"]
    database = next((path.resolve() for path in files if path.exists()), None)
    if not database:
        sys.exit(f"There is no {files[-1]}. Type make sync first.")
    try:
        with duckdb.connect(str(database)) as connection:
            named = connection.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
    except duckdb.Error as error:
        sys.exit(f"{database} cannot be opened: {str(error).splitlines()[0]}")
    tables = {name for (name,) in named}
    if "events" not in tables:
        sys.exit(f"{database} has no events. Type make sync first.")
    print(f"Building the dbt models in {database}", flush=True)
    build(database, tables, args.funnel)
    args.output.write_text(page_of(content(database, tables, datetime.now(timezone.utc))), encoding="utf-8")
    print(f"Report: {args.output.resolve()}")


if __name__ == "__main__":
    main()
