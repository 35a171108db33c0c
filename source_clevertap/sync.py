"""`make sync`: reads a CleverTap account into a local DuckDB file, a table per stream, each key once.

With secrets/config.json it reads that account into clevertap.duckdb. Otherwise it starts the sandbox (a
fake account) and reads that into sandbox.duckdb. The next sync reads only what is new.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from source_clevertap.landing import Json, Landing, Stream, SyncError, ended_in_one_line, landing, quoted

ROOT = Path(__file__).resolve().parent.parent
COMPLETENESS = Path(__file__).with_name("completeness.sql")
SHOWN = {  # of the newest rows, by the last of these
    "events": ("event_name", "event_time", "identity", "object_id", "event_props", "event_time"),
    "profiles": ("name", "identity", "profile_id", "active_through", "profileData", "active_through"),
}
COMMIT_SECONDS, COMMIT_ROWS, COMMIT_BYTES = 30, 50_000, 64 * 1024 * 1024
PROGRESS_SECONDS = 5


class Connector:
    """Runs the connector's command as Airbyte does, with its input in files."""

    def __init__(self, folder: Path, config: Json) -> None:
        self._folder = folder
        self._write("config", config)

    @contextlib.contextmanager
    def ask(self, command: str) -> Iterator[Iterator[Json]]:
        """Yields the messages of check or discover."""
        with self._started(command) as process:
            yield map(json.loads, process.stdout or ())

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
        # A terminal sends Ctrl-C to all processes of the session.
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603
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
    with landing(database) as file, tempfile.TemporaryDirectory() as folder:
        refuse_another_account(file, config)
        connector = Connector(Path(folder), config)
        print("Checking the connection", flush=True)
        with connector.ask("check") as checked, connector.ask("discover") as discovered:
            check(checked)
            streams = selected(discovered, names)
        progress = Progress(sys.stdout)
        try:
            land(connector, file, streams, progress, full_refresh, commit_rows)
        finally:
            progress.end()
        report(file, streams, progress, config)


def refuse_another_account(file: Landing, config: Json) -> None:
    """Raises SyncError if the file has rows of another account: both have the keys of the same users."""
    for state in file.states().values():
        for entry in state["stream"]["stream_state"].get("states", ()):
            account = entry["partition"].get("account_id", config.get("account_id"))
            if account != config.get("account_id"):
                raise SyncError(
                    f"{file.database} holds the rows of account {account}. Choose another file with --database."
                )


def check(messages: Iterable[Json]) -> None:
    """Raises SyncError unless the connector's check succeeds."""
    for message in messages:
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


def selected(messages: Iterable[Json], names: list[str]) -> dict[str, Stream]:
    """Returns the streams to read from the connector's catalog."""
    offered: dict[str, Stream] = {}
    for message in messages:
        raise_error(message)
        if message["type"] == "CATALOG":
            offered = {s["name"]: Stream.of(s) for s in message["catalog"]["streams"]}
    missing = sorted(set(names) - offered.keys())
    if missing:
        raise SyncError(f"There is no stream {', '.join(missing)}. The streams are {', '.join(offered)}.")
    return {name: stream for name, stream in offered.items() if not names or name in names}


def land(
    connector: Connector,
    file: Landing,
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
        for name in {*rows, *states}:
            if not streams[name].error:
                file.commit(streams[name], rows[name], states.get(name))
        rows.clear()
        states.clear()
        size, committed, rows_committed = 0, time.monotonic(), progress.rows
        progress.show(f"  {progress.rows:,} rows committed ({progress.rows / progress.seconds:,.0f} rows/s)")

    kept = [] if full_refresh else [file.states().get(name) for name in streams]
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
            if stream.complete and not stream.error and (full_refresh or not stream.incremental):
                file.drop_others(stream.name)
        tell_what_is_odd(streams.values())
        errors = [error, *(stream.error for stream in streams.values())]
        if any(errors):
            raise SyncError(" ".join(filter(None, errors)))


def tell_what_is_odd(streams: Iterable[Stream]) -> None:
    """Prints how many values do not fit their columns, and how many rows have no primary key."""
    unfit = ", ".join(f"{stream.name} {stream.unfit:,}" for stream in streams if stream.unfit)
    keyless = ", ".join(f"{stream.name} {stream.keyless:,}" for stream in streams if stream.keyless)
    if unfit:
        print(f"\nValues that do not fit their columns, which are NULL there (the column _unfit has them): {unfit}.")
    if keyless:
        print(f"\nRows without a primary key, which are kept unless all their values are the same: {keyless}.")


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


def report(file: Landing, streams: Mapping[str, Stream], progress: Progress, config: Json) -> None:
    """Prints the rows of each stream and table. Raises SyncError if a table has a key twice."""
    there = file.tables()
    print(f"\n{'stream':20} {'rows read':>12} {'in the table':>13}   ({progress.seconds:.0f} s)")
    doubled = []
    for name, stream in streams.items():
        if name not in there:
            print(f"{name:20} {stream.rows:12,} {0:13,}")
            continue
        key = ", ".join(map(quoted, stream.key))
        ((count, keyed, keys),) = file.query(
            f"SELECT count(*), count(*) FILTER (NOT {stream.keyless_where}), "  # noqa: S608
            f"count(DISTINCT row({key})) FILTER (NOT {stream.keyless_where}) FROM {quoted(name)}"
        )
        verdict = "each key once" if keyed == keys else "DUPLICATE KEYS"
        print(f"{name:20} {stream.rows:12,} {count:13,}   {verdict}")
        doubled += [name] if keyed != keys else []
    for name in SHOWN.keys() & streams.keys() & there:
        *shown, order = SHOWN[name]
        print(f"\nThe three newest rows of {name}, by {order}:")
        columns = ", ".join(map(quoted, shown))
        for row in file.query(f"SELECT {columns} FROM {name} ORDER BY {order} DESC NULLS LAST LIMIT 3"):  # noqa: S608
            print("  ", ", ".join(f"{value}" for value in row if value is not None))
    if {"events", "daily_event_counts"} <= streams.keys() & there:
        print(f"\nCompleteness: {completeness(file, config)}")
    print(f"Database: {file.database}, a table per stream.")
    if doubled:
        raise SyncError(f"{', '.join(doubled)} contains a primary key twice. Please report it to the maintainers.")


def completeness(file: Landing, config: Json) -> str:
    """Compares the events with CleverTap's own counts."""
    if config.get("event_filters"):
        return "not compared, because CleverTap's counts ignore event_filters."
    ((days, events, times),) = file.query(
        'SELECT count(*), count(DISTINCT event_name), coalesce(sum("count"), 0) '
        "FROM daily_event_counts WHERE date < (SELECT max(date) FROM daily_event_counts)"
    )
    differing = file.query(COMPLETENESS.read_text(encoding="utf-8"))
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
        from source_clevertap.sandbox.demo import demo  # ends the process where aiohttp is missing

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
    kept = "Interrupted. What was committed is kept, and the next sync continues from there."
    with ended_in_one_line("The sync did not complete.", kept), contextlib.ExitStack() as stack:
        run(args, stack)


if __name__ == "__main__":
    main()
