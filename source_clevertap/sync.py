"""`make sync`: reads a CleverTap account into a local DuckDB file, a table per stream, each key once.

With secrets/config.json it reads that account into clevertap.duckdb. Otherwise it starts the sandbox (a
fake account) and reads that into sandbox.duckdb. The next sync reads only what is new.
"""

import argparse
import contextlib
import errno
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import duckdb

from source_clevertap.landing import Json, Landing, Stream
from source_clevertap.run import definition_file

ROOT = definition_file("manifest.yaml").parent
COMPLETENESS = Path(__file__).with_name("completeness.sql")
SHOWN = {  # of three new rows
    "events": ("event_name", "event_time", "identity", "object_id", "event_props"),
    "profiles": ("name", "identity", "profile_id", "active_through", "profileData"),
}
COMMIT_SECONDS, COMMIT_ROWS, COMMIT_BYTES = 30, 50_000, 64 * 1024 * 1024
PROGRESS_SECONDS = 5


class SyncError(Exception):
    """The error and what to do about it, in one line."""


class Connector:
    """Runs the connector's command as Airbyte does, with its input in files."""

    def __init__(self, folder: Path, config: Json) -> None:
        self._folder = folder
        self._write("config", config)

    def ask(self, command: str) -> Iterator[Json]:
        """Yields the messages of check or discover."""
        with self._started(command) as process:
            yield from map(json.loads, process.stdout or ())

    @contextlib.contextmanager
    def read(self, catalog: Json, states: list[Json]) -> Iterator[Iterator[tuple[Json, int]]]:
        """Yields the messages of a read and their sizes in bytes. Raises SyncError if it fails."""
        self._write("catalog", catalog)
        self._write("state", states)
        with self._started("read", "catalog", "state") as process:
            yield ((json.loads(line), len(line)) for line in process.stdout or ())
            if process.wait():
                raise SyncError(f"the connector ended with exit code {process.returncode}")

    def _write(self, name: str, content: Any) -> None:
        (self._folder / f"{name}.json").write_text(json.dumps(content))

    @contextlib.contextmanager
    def _started(self, command: str, *files: str) -> Iterator[subprocess.Popen[bytes]]:
        arguments = [sys.executable, "-m", "source_clevertap", command]
        for name in ("config", *files):
            arguments += [f"--{name}", str(self._folder / f"{name}.json")]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE)  # noqa: S603
        try:
            yield process
        finally:
            process.kill()
            process.wait()


class Progress:
    """Shows the progress: a line that is updated on a terminal, elsewhere a line every few seconds."""

    def __init__(self, out: IO[str]) -> None:
        self._out, self._changes = out, out.isatty()
        self._started = self._shown = time.monotonic()
        self.rows = 0

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def add(self, stream: Stream) -> None:
        """Counts a row."""
        stream.rows += 1
        self.rows += 1
        if self.rows % 500 == 0 and time.monotonic() - self._shown > (0.5 if self._changes else PROGRESS_SECONDS):
            self._shown = time.monotonic()
            self.show(f"  {stream.name}: {stream.rows:,} rows ({self.rows / self.seconds:,.0f} rows/s)")

    def show(self, text: str) -> None:
        """Shows a line."""
        print(
            f"\r{text:70}" if self._changes else text,
            end="" if self._changes else "\n",
            file=self._out,
            flush=True,
        )

    def end(self) -> None:
        """Leaves the line."""
        if self._changes:
            print(file=self._out)


def sync(config: Json, database: Path, names: list[str], full_refresh: bool, commit_rows: int = COMMIT_ROWS) -> None:
    """Reads the named streams, or all of them, into `database`, and prints a report."""
    with contextlib.ExitStack() as stack:
        landing = opened(database)
        refuse_another_account(landing, config)
        connector = Connector(Path(stack.enter_context(tempfile.TemporaryDirectory())), config)
        print("Checking the connection", flush=True)
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(selected, connector, names)
            check(connector)
            streams = found.result()
        progress = Progress(sys.stdout)
        try:
            land(connector, landing, streams, progress, full_refresh, commit_rows)
        finally:
            progress.end()
        report(landing, streams, progress, config)


def refuse_another_account(landing: Landing, config: Json) -> None:
    """Raises SyncError if the file has rows of another account: both have the keys of the same users."""
    for state in landing.states().values():
        for entry in state["stream"]["stream_state"].get("states", ()):
            account = entry["partition"].get("account_id", config.get("account_id"))
            if account != config.get("account_id"):
                raise SyncError(
                    f"{landing.database} holds the rows of account {account}. Choose another file with --database."
                )


def opened(database: Path) -> Landing:
    """Opens the DuckDB file. Raises SyncError if it cannot be used."""
    try:
        return Landing(database)
    except duckdb.Error as error:
        raise database_error(database, error) from error


def database_error(database: Path, error: BaseException) -> SyncError:
    """Translates an error of DuckDB or dlt."""
    causes = [error]  # dlt wraps the errors of DuckDB
    while (cause := causes[-1].__cause__ or causes[-1].__context__) and len(causes) < 10:
        causes.append(cause)
    text = " ".join(str(cause) for cause in causes)
    full = any(isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EFBIG) for cause in causes)
    if full or "No space left" in text or "File too large" in text:
        return SyncError(f"The disk is full. Free some space for {database}, then sync again.")
    if "lock" in text.lower():
        return SyncError(f"{database} is open in another program. Close it there, then sync again.")
    if "not a valid DuckDB" in text:
        return SyncError(f"{database} is not a DuckDB file. Choose another one with --database.")
    return SyncError(f"{database} cannot be written: {str(error).splitlines()[0]}")


def check(connector: Connector) -> None:
    """Raises SyncError unless the connector's check succeeds."""
    for message in connector.ask("check"):
        if message["type"] == "CONNECTION_STATUS":
            if message["connectionStatus"]["status"] == "SUCCEEDED":
                return
            raise SyncError(str(message["connectionStatus"]["message"]))
        raise_error(message)
    raise SyncError("The connector did not answer.")


def raise_error(message: Json) -> None:
    """Raises SyncError if a message is an error trace."""
    if message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
        raise SyncError(message["trace"]["error"]["message"])


def selected(connector: Connector, names: list[str]) -> dict[str, Stream]:
    """Returns the streams to read from the connector's catalog."""
    offered: dict[str, Stream] = {}
    for message in connector.ask("discover"):
        raise_error(message)
        if message["type"] == "CATALOG":
            offered = {s["name"]: Stream.of(s) for s in message["catalog"]["streams"]}
    missing = sorted(set(names) - offered.keys())
    if missing:
        raise SyncError(f"There is no stream {', '.join(missing)}. The streams are {', '.join(offered)}.")
    return {name: stream for name, stream in offered.items() if not names or name in names}


def land(
    connector: Connector,
    landing: Landing,
    streams: Mapping[str, Stream],
    progress: Progress,
    full_refresh: bool,
    commit_rows: int,
) -> None:
    """Reads the streams, and commits their rows and states about every half minute."""
    rows: dict[str, list[Json]] = defaultdict(list)
    states: Json = {}
    size, committed, rows_committed, error = 0, time.monotonic(), 0, ""

    def commit() -> None:
        nonlocal size, committed, rows_committed
        if not (rows or states):
            return
        try:
            # On the main thread dlt handles signals itself and may lose a Ctrl-C.
            with ThreadPoolExecutor(1) as loader:
                loader.submit(landing.commit, rows, streams, states).result()
        except Exception as failed:
            raise database_error(landing.database, failed) from failed
        rows.clear()
        states.clear()
        size, committed, rows_committed = 0, time.monotonic(), progress.rows
        progress.show(f"  {progress.rows:,} rows committed ({progress.rows / progress.seconds:,.0f} rows/s)")

    kept = [] if full_refresh else [landing.states().get(name) for name in streams]
    with connector.read(catalog_of(streams, full_refresh), [state for state in kept if state]) as messages:
        for message, length in messages:
            size += length
            if message["type"] == "RECORD":
                name = message["record"]["stream"]
                rows[name].append(message["record"]["data"])
                progress.add(streams[name])
                full = progress.rows - rows_committed >= commit_rows or size >= COMMIT_BYTES
                if full or time.monotonic() - committed >= COMMIT_SECONDS:
                    commit()
            elif message["type"] == "STATE":
                states[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]
            elif message["type"] == "TRACE":
                trace = message["trace"]
                if trace["type"] == "ERROR":
                    error = error or trace["error"]["message"]
                elif trace["type"] == "STREAM_STATUS":
                    status = trace["stream_status"]
                    stream = streams[status["stream_descriptor"]["name"]]
                    stream.complete = status["status"] == "COMPLETE"
        commit()
        for stream in streams.values():
            if stream.complete and (full_refresh or not stream.incremental):
                landing.drop_others(stream.name)
        if error:
            raise SyncError(error)


def catalog_of(streams: Mapping[str, Stream], full_refresh: bool) -> Json:
    """Returns a configured catalog."""
    return {
        "streams": [
            {
                "stream": {
                    "name": s.name,
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": "incremental" if s.incremental and not full_refresh else "full_refresh",
                "destination_sync_mode": "append_dedup",
            }
            for s in streams.values()
        ]
    }


def report(landing: Landing, streams: Mapping[str, Stream], progress: Progress, config: Json) -> None:
    """Prints the rows of each stream and table. Raises SyncError if a table has a key twice."""
    there = landing.tables()
    print(f"\n{'stream':20} {'rows read':>12} {'in the table':>13}   ({progress.seconds:.0f} s)")
    doubled = []
    for name, stream in streams.items():
        if name not in there:
            print(f"{name:20} {stream.rows:12,} {0:13,}")
            continue
        key = ", ".join(f'"{part}"' for part in stream.key)
        ((count, keys),) = landing.query(
            f'SELECT count(*), count(DISTINCT ({key})) FROM "{name}"'  # noqa: S608
        )
        verdict = "each key once" if count == keys else "DUPLICATE KEYS"
        print(f"{name:20} {stream.rows:12,} {count:13,}   {verdict}")
        doubled += [name] if count != keys else []
    for name in SHOWN.keys() & streams.keys() & there:
        if streams[name].rows:
            print(f"\nThree new rows of {name}:")
            for row in landing.newest(name, SHOWN[name]):
                print("  ", ", ".join(f"{value}" for value in row if value is not None))
    if {"events", "daily_event_counts"} <= streams.keys() & there:
        print(f"\nCompleteness: {completeness(landing, config)}")
    print(f"Database: {landing.database}, a table per stream.")
    if doubled:
        raise SyncError(f"{', '.join(doubled)} contains a primary key twice. Please report it to the maintainers.")


def completeness(landing: Landing, config: Json) -> str:
    """Compares the events with CleverTap's own counts."""
    if config.get("event_filters"):
        return "not compared, because CleverTap's counts ignore event_filters."
    ((days, events, times),) = landing.query(
        'SELECT count(*), count(DISTINCT event_name), coalesce(sum("count"), 0) '
        "FROM daily_event_counts WHERE date < (SELECT max(date) FROM daily_event_counts)"
    )
    differing = landing.query(COMPLETENESS.read_text(encoding="utf-8"))
    told = (
        f"{days:,} days of {events:,} events, raised {times:,.0f} times (except the newest day, which "
        "is still growing, and rows without a valid time)"
    )
    if not differing:
        return f"{told}: no day differs from CleverTap's own count."
    some = [f"{event} {day}: {delivered} of {counted}" for event, day, delivered, counted in differing[:10]]
    return f"{told}: {len(differing)} differ from CleverTap's own count: {'; '.join(some)}"


def settings(path: Path) -> Json:
    """Reads the JSON object in a file. Raises SyncError if there is none."""
    if not path.exists():
        raise SyncError(f"There is no file {path}. Copy secrets/config.json.example, or use --sandbox.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SyncError(f"{path} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise SyncError(f"{path} is not a JSON object: put braces around the settings.")
    return config


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(prog="make sync", description=__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--config", type=Path, metavar="FILE", help="settings of the account (secrets/config.json)")
    source.add_argument("--sandbox", action="store_true", help="read the fake account")
    parser.add_argument("--database", type=Path, metavar="FILE", help="the DuckDB file to write")
    parser.add_argument("--streams", nargs="+", default=[], metavar="STREAM", help="only these")
    parser.add_argument(
        "--full-refresh",
        action="store_true",
        help="read everything again, and delete rows that are gone",
    )
    parser.add_argument(
        "--commit-rows",
        type=int,
        default=COMMIT_ROWS,
        metavar="N",
        help="how many rows to commit together",
    )
    for name, what in (("start", "first"), ("end", "last")):
        parser.add_argument(f"--{name}-date", type=int, metavar="YYYYMMDD", help=f"the {what} day to read")
    return parser.parse_args()


def run(args: argparse.Namespace, stack: contextlib.ExitStack) -> None:
    """Runs a sync with the arguments of the command line."""
    default = ROOT / "secrets" / "config.json"
    if args.sandbox or (args.config is None and not default.exists()):
        from source_clevertap.sandbox.demo import demo  # needs the extra

        print(
            "Reading the sandbox, a fake account"
            if args.sandbox
            else f"No {default}: reading the sandbox, a fake account"
        )
        config, database = stack.enter_context(demo()), ROOT / "sandbox.duckdb"
    else:
        path = args.config or default
        config, database = settings(path), ROOT / "clevertap.duckdb"
        print(f"Reading the account in {path}")
    dates = {"start_date": args.start_date, "end_date": args.end_date}
    config |= {name: day for name, day in dates.items() if day}
    sync(config, args.database or database, args.streams, args.full_refresh, args.commit_rows)


def main() -> None:
    """Entry point of `make sync`."""
    args = arguments()
    try:
        with contextlib.ExitStack() as stack:
            run(args, stack)
    except SyncError as error:
        sys.exit(f"The sync did not complete. {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. What was committed is kept, and the next sync continues from there.")
    except BrokenPipeError:  # the reader has closed the pipe
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        sys.exit(f"The sync did not complete. {database_error(Path(), error)}")


if __name__ == "__main__":
    main()
