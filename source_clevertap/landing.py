"""Stores the connector's records and states in a DuckDB file, a table per stream, each primary key once."""

import contextlib
import fcntl
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pyarrow

Json = dict[str, Any]

TIMES = ("TIMESTAMP WITH TIME ZONE", "DATE")
ARROW = {  # DuckDB's type -> Arrow's
    "BIGINT": pyarrow.int64(),
    "DOUBLE": pyarrow.float64(),
    "BOOLEAN": pyarrow.bool_(),
    "VARCHAR": pyarrow.string(),
    "JSON": pyarrow.string(),
    "TIMESTAMP WITH TIME ZONE": pyarrow.timestamp("us", "UTC"),
    "DATE": pyarrow.date32(),
}
# Airbyte's JSON Schema -> DuckDB's type.
TYPES = {"integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}
FORMATS = dict(zip(("date-time", "date"), TIMES, strict=True))
OWN = {"_unfit": "JSON", "_synced_at": "TIMESTAMP WITH TIME ZONE"}  # columns that we add
OLDEST_DUCKDB = "v1.0.0"  # that can open the file
# Not of a stream. The last but one: of a commit.
FILE_ERRORS = (duckdb.IOException, duckdb.FatalException, duckdb.TransactionException, duckdb.OutOfMemoryException)


class SyncError(Exception):
    """The error and what to do about it, in one line."""


@contextlib.contextmanager
def ended_in_one_line(failed: str, interrupted: str) -> Iterator[None]:
    """Ends the process with exit code 1 and one line, whatever keeps the command from its work."""
    try:
        yield
    except SyncError as error:
        sys.exit(f"{failed} {error}")
    except KeyboardInterrupt:
        sys.exit(f"\n{interrupted}")
    except BrokenPipeError:  # the reader has closed the pipe
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        sys.exit(f"{failed} {error}. When this is mended, try again.")


@dataclass
class Stream:
    """A stream of the catalog, and its progress in this sync."""

    name: str
    key: list[str]
    columns: dict[str, str]  # name: DuckDB's type
    incremental: bool
    rows: int = 0
    complete: bool = False
    error: str = ""  # why it cannot be stored
    unfit: int = 0  # values
    keyless: int = 0  # rows

    @classmethod
    def of(cls, offered: Json) -> "Stream":
        """Creates it from an entry of the catalog."""
        properties = offered["json_schema"].get("properties", {})
        return cls(
            name=offered["name"],
            key=[path[0] for path in offered.get("source_defined_primary_key") or ()],
            columns={name: type_of(schema) for name, schema in properties.items()},
            incremental="incremental" in offered.get("supported_sync_modes", ()),
        )

    @property
    def keyless_where(self) -> str:
        """The condition in SQL that a row has no key."""
        return f"({' OR '.join(f'{quoted(name)} IS NULL' for name in self.key) or 'TRUE'})"


def type_of(schema: Json) -> str:
    """The type of a column, which is text if values can have several types."""
    kinds = schema.get("type", [])
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if kinds == ["string"] and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if {"object", "array"} & set(kinds):
        return "JSON"
    return TYPES.get(kinds[0], "VARCHAR") if len(kinds) == 1 else "VARCHAR"


@contextlib.contextmanager
def connected(database: Path, **options: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB file. Raises SyncError if it cannot be opened, or read or written."""
    if database.exists():
        with database.open("rb+") as file:
            if file.read(12)[8:] != b"DUCK":
                raise SyncError(f"{database} is not a DuckDB file. Choose another file.")
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as DuckDB does
            except OSError as error:
                raise SyncError(f"{database} is open in another program. Close it there, then try again.") from error
    try:
        with duckdb.connect(str(database), **options) as connection:
            yield connection
    except FILE_ERRORS as error:
        told = str(error).splitlines()[0].rstrip(".")
        raise SyncError(f"{told}. When this is mended, try again.") from error


@contextlib.contextmanager
def landing(database: Path) -> Iterator["Landing"]:
    """Opens the file for one sync. Raises SyncError while another one runs."""
    database = database.resolve()
    with database.with_name(f".{database.name}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SyncError(f"A sync into {database} is running. Let it end, or choose another file.") from error
        options = {"storage_compatibility_version": OLDEST_DUCKDB}
        with connected(database, config=options) as connection, ThreadPoolExecutor(1) as thread:
            thread.submit(int).result()  # the executor does not wait for a thread whose start Ctrl-C interrupts
            yield Landing(database, connection, thread)


class Landing:
    """A DuckDB file. Rows are merged by primary key, and a state is committed with the rows before it."""

    def __init__(self, database: Path, connection: duckdb.DuckDBPyConnection, thread: ThreadPoolExecutor) -> None:
        self.database, self.connection, self._thread = database, connection, thread
        self._now = datetime.now(timezone.utc)
        if "_dlt_version" in self.tables():
            raise SyncError(f"{database} is of an earlier version. Delete it, or choose another file with --database.")
        connection.execute("CREATE TABLE IF NOT EXISTS _state (stream VARCHAR PRIMARY KEY, state JSON)")

    def states(self) -> Json:
        """The last committed state message, by stream."""
        return {stream: json.loads(state) for stream, state in self.query("FROM _state")}

    def commit(self, stream: Stream, records: list[Json], state: Json | None) -> None:
        """Stores rows of a stream together with its state. Sets stream.error if that is not possible."""
        # Ctrl-C comes in the main thread: a commit that has begun is completed.
        self._thread.submit(self._commit, stream, records, state).result()

    def _commit(self, stream: Stream, records: list[Json], state: Json | None) -> None:
        try:
            self.connection.begin()
            if records:
                self._merge(stream, records)
            if state:
                self.connection.execute("INSERT OR REPLACE INTO _state VALUES (?, ?)", [stream.name, json.dumps(state)])
            self.connection.commit()
        except FILE_ERRORS:
            raise
        except (duckdb.Error, KeyError, ValueError) as error:  # its text may contain values
            self.connection.rollback()
            kind = type(error).__name__
            stream.error = f"{stream.name} does not fit its table ({kind}). Choose another file with --database."

    def _merge(self, stream: Stream, records: list[Json]) -> None:
        run, table = self.connection.execute, quoted(stream.name)
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in {**stream.columns, **OWN}.items())
        run(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        # The table may be of a sync whose catalog had other columns and types.
        there = {name: kind for name, kind, *_ in run(f"DESCRIBE {table}").fetchall()}
        stream.columns.update({name: kind for name, kind in there.items() if name not in OWN})
        new = table_of(stream, records, self._now)
        for name in [name for name in stream.columns if name not in there]:
            run(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {stream.columns[name]}")
        key, content = ([quoted(name) for name in names] for names in (stream.key, [*stream.columns, "_unfit"]))
        # Rows without a key are equal if all that they contain is.
        same = f"row({', '.join(key)}, CASE WHEN {stream.keyless_where} THEN row({', '.join(content)}) END)"
        self.connection.register("new", new)
        run(
            "CREATE OR REPLACE TEMP TABLE latest AS SELECT * EXCLUDE _number FROM new "  # noqa: S608
            f"QUALIFY row_number() OVER (PARTITION BY {same} ORDER BY _number DESC) = 1"
        )
        self.connection.unregister("new")
        run(f"DELETE FROM {table} WHERE {same} IN (SELECT {same} FROM latest)")  # noqa: S608
        run(f"INSERT INTO {table} BY NAME FROM latest")
        stream.keyless += self.query(f"SELECT count(*) FROM latest WHERE {stream.keyless_where}")[0][0]  # noqa: S608

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query returns."""
        return self.connection.execute(sql).fetchall()

    def tables(self) -> set[str]:
        """The names of the tables."""
        return {name for (name,) in self.query("SELECT table_name FROM duckdb_tables()")}

    def drop_others(self, stream: str) -> None:
        """Deletes the rows of a stream that this sync did not store, after a full refresh."""
        if stream in self.tables():
            self.connection.execute(f"DELETE FROM {quoted(stream)} WHERE _synced_at <> ?", [self._now])  # noqa: S608


def quoted(name: str) -> str:
    """A name in SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def table_of(stream: Stream, records: list[Json], now: datetime) -> pyarrow.Table:
    """Converts records to columns. Undeclared fields become JSON, and what does not fit its column goes to _unfit."""
    fields = dict.fromkeys(name for record in records for name in record)
    # DuckDB's names have no case.
    taken = {name.lower() for name in (*stream.columns, *OWN, "_number", "")}
    for name in fields:
        if name.lower() not in taken:
            stream.columns[name] = "JSON"
            taken.add(name.lower())
    arrays: dict[str, Any] = {}
    unfit: dict[int, Json] = defaultdict(dict)
    for name in {**stream.columns, **fields}:
        values = [record.get(name) for record in records]
        kind = stream.columns.get(name)
        array = fitted(kind, [for_arrow(kind, value) for value in values]) if kind else pyarrow.nulls(len(records))
        if kind:
            arrays[name] = array
        if array.null_count > values.count(None):
            for number, value in enumerate(values):
                if value is not None and not array[number].is_valid:
                    unfit[number][name] = value
    stream.unfit += sum(map(len, unfit.values()))
    numbers = range(len(records))
    texts = [json.dumps(unfit[number], ensure_ascii=False) if number in unfit else None for number in numbers]
    arrays["_unfit"] = pyarrow.array(texts, ARROW["JSON"])
    arrays["_synced_at"] = pyarrow.array([now] * len(records), ARROW["TIMESTAMP WITH TIME ZONE"])
    return pyarrow.table({**arrays, "_number": pyarrow.array(numbers)})


def fitted(kind: str, values: list[Any]) -> pyarrow.Array:
    """An array of a type, null where a value does not fit."""
    try:
        return pyarrow.array(values, ARROW["VARCHAR"] if kind in TIMES else ARROW[kind]).cast(ARROW[kind])
    except (pyarrow.ArrowException, OverflowError, UnicodeError):
        if len(values) == 1:
            return pyarrow.nulls(1, ARROW[kind])
        middle = len(values) // 2
        return pyarrow.concat_arrays([fitted(kind, values[:middle]), fitted(kind, values[middle:])])


def for_arrow(kind: str, value: Any) -> Any:
    """A value as Arrow takes it."""
    if value is None or (kind == "VARCHAR" and isinstance(value, str)):
        return value
    # Arrow would make 1 of true, and 3 of 3.5.
    lossy = isinstance(value, bool) and kind != "BOOLEAN"
    lossy |= isinstance(value, float) and kind == "BIGINT" and not value.is_integer()
    return json.dumps(value, ensure_ascii=False) if lossy or kind in ("JSON", "VARCHAR") else value
