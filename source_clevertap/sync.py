"""`make sync`: reads an account into a local DuckDB file through PyAirbyte, and says what came.

With secrets/config.json it is your account, into clevertap.duckdb; without one the sandbox, started
for the occasion, into sandbox.duckdb, so that no made-up row comes among yours. A second sync brings
what is new, and what the lookback reads again.
"""

import argparse
import contextlib
import json
import os
import sys
import time
import warnings
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, Sandbox

ROOT = definition_file("manifest.yaml").parent
COMPLETENESS = Path(__file__).with_name("completeness.sql")
EXAMPLE_FIELDS = ("event_name", "event_time", "object_id", "identity", "name", "email", "phone")
EXAMPLES_OF = ("profiles", "events")
SANDBOX = Account(profiles=20_000, events=40_000, days=3650)  # it grows by the day


def sync(config: dict[str, Any], database: Path, streams: list[str] | None = None) -> None:
    """Lands the streams, or all, in `database` (tables named as they are) and prints a summary."""
    os.environ.setdefault("AIRBYTE_OFFLINE_MODE", "1")  # the connector is here: no registry is asked
    os.environ.setdefault("DO_NOT_TRACK", "1")
    warnings.filterwarnings("ignore", category=FutureWarning)  # of libraries that are not used here
    try:
        import airbyte  # heavy, and installed by `make sync` alone
    except ModuleNotFoundError:
        sys.exit("PyAirbyte is not installed, or does not run on this Python: it needs one below 3.13.")

    source = airbyte.get_source(
        "source-clevertap",
        config=config,
        local_executable=Path(sys.executable).with_name("source-clevertap"),
        install_if_missing=False,
    )
    cache = airbyte.caches.DuckDBCache(db_path=database, schema_name="main")
    began, started = datetime.now(timezone.utc), time.monotonic()
    try:
        source.check()
        source.select_streams(streams or "*")
        result = source.read(cache=cache)
    except airbyte.exceptions.PyAirbyteError as error:
        sys.exit(f"The sync did not complete. {error}")
    seconds = time.monotonic() - started

    print(f"\n{'stream':20} {'rows now':>12} {'in the table':>13}   ({seconds:.0f} s)")
    for stream in result.streams:
        (count,) = cache.run_sql_query(
            "SELECT count(*) FILTER (_airbyte_extracted_at >= "  # noqa: S608
            f"'{began:%Y-%m-%d %H:%M:%S+00}') AS now, count(*) AS rows FROM \"{stream}\""
        )
        print(f"{stream:20} {count['now']:12,} {count['rows']:13,}")
        if stream in EXAMPLES_OF:
            for row in cache.run_sql_query(f'SELECT * FROM "{stream}" LIMIT 3'):  # noqa: S608
                print("   ", {name: row[name] for name in EXAMPLE_FIELDS if row.get(name)})
    if {"events", "daily_event_counts"} <= set(result.streams):
        print(f"\nCompleteness: {completeness(cache, config)}")
    print(f"In {database}, one table a stream.")


def completeness(cache: Any, config: dict[str, Any]) -> str:
    """What the comparison of the events with CleverTap's own counts says."""
    if config.get("event_filters"):
        return "not compared, for event_filters leave events out that CleverTap counts."
    (compared,) = cache.run_sql_query(
        'SELECT count(*) AS days, count(DISTINCT event_name) AS events, sum("count") AS times '
        "FROM daily_event_counts WHERE date < (SELECT max(date) FROM daily_event_counts)"
    )
    differing = cache.run_sql_query(COMPLETENESS.read_text(encoding="utf-8"))
    told = (
        f"events against daily_event_counts, {compared['days'] or 0:,} days of "
        f"{compared['events'] or 0:,} events, raised {compared['times'] or 0:,.0f} times: "
    )
    if not differing:
        return told + "no day differs."
    days = [f"{d['event_name']} {d['day']}: {d['delivered']} of {d['counted']}" for d in differing[:10]]
    return f"{told}{len(differing)} of them differ: {'; '.join(days)}"


def main() -> None:
    """Entry point of `make sync`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=ROOT / "secrets" / "config.json")
    parser.add_argument("--database", type=Path, help="instead of the two above")
    parser.add_argument("--streams", nargs="+", metavar="STREAM", help="these only")
    for name in ("start_date", "end_date"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, metavar="YYYYMMDD", help="instead of the setting")
    args = parser.parse_args()
    with contextlib.ExitStack() as stack:
        if args.config.exists():
            print(f"Reading the account in {args.config}")
            config, database = json.loads(args.config.read_text()), ROOT / "clevertap.duckdb"
        else:
            print(f"No {args.config}: reading the sandbox, a fake account")
            sandbox = stack.enter_context(Sandbox(SANDBOX, not_ready=1))
            config, database = sandbox.config(end_date=None), ROOT / "sandbox.duckdb"
            config |= {"additional_event_names": ["Charged"], "slice_days": 365}
            config |= {"project_token": SANDBOX.token}
        dates = {name: getattr(args, name) for name in ("start_date", "end_date")}
        config |= {name: day for name, day in dates.items() if day}
        sync(config, args.database or database, args.streams)


if __name__ == "__main__":
    main()
