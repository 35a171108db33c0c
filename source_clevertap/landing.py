"""Loads the connector's records and states into a DuckDB file with dlt, each primary key once."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow

SCHEMA = "main"
Json = dict[str, Any]

# Airbyte's JSON Schema -> dlt's data type, and Arrow's.
JSON_COLUMN = ("json", pyarrow.string())
TEXT_COLUMN = ("text", pyarrow.string())
COLUMNS = {
    "integer": ("bigint", pyarrow.int64()),
    "number": ("double", pyarrow.float64()),
    "boolean": ("bool", pyarrow.bool_()),
    "string": TEXT_COLUMN,
    "object": JSON_COLUMN,
    "array": JSON_COLUMN,
}
FORMATS = {
    "date-time": ("timestamp", pyarrow.timestamp("us", "UTC")),
    "date": ("date", pyarrow.date32()),
}


@dataclass
class Stream:
    """A stream of the catalog, and its progress in this sync."""

    name: str
    key: list[str]
    columns: dict[str, tuple[str, pyarrow.DataType]]
    incremental: bool
    rows: int = 0
    complete: bool = False

    @classmethod
    def of(cls, offered: Json) -> "Stream":
        """Creates it from an entry of the catalog."""
        properties = offered["json_schema"].get("properties", {})
        return cls(
            name=offered["name"],
            key=[path[0] for path in offered.get("source_defined_primary_key") or ()],
            columns={name: column_of(schema) for name, schema in properties.items()},
            incremental="incremental" in offered.get("supported_sync_modes", ()),
        )


def column_of(schema: Json) -> tuple[str, pyarrow.DataType]:
    """The type of a column, which is text if values can have several types."""
    kinds = schema.get("type", [])
    kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
    if kinds == ["string"] and schema.get("format") in FORMATS:
        return FORMATS[schema["format"]]
    if {"object", "array"} & set(kinds):
        return JSON_COLUMN
    return COLUMNS[kinds[0]] if len(kinds) == 1 else TEXT_COLUMN


class Landing:
    """A DuckDB file. Rows are merged by primary key, and a state is committed with the rows before it.

    dlt stores the connector's state within its own, in the file. Its working folder next to the file is
    created anew each time, so that what a killed sync left there is never treated as committed.
    """

    def __init__(self, database: Path) -> None:
        """Raises duckdb.Error if the file cannot be opened."""
        database = database.resolve()
        duckdb.connect(str(database)).close()  # fails early if another program has opened it
        self.database, folder = database, database.with_name(f".{database.stem}-dlt")
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in {
            "runtime.dlthub_telemetry": False,
            "load.workers": 1,
            "normalize.parquet_normalizer.add_dlt_load_id": True,
            "data_writer.disable_compression": True,
        }.items():
            dlt.config[name] = value
        logging.getLogger("dlt").setLevel(logging.ERROR)
        self._pipeline = dlt.pipeline(
            pipeline_name="clevertap",
            pipelines_dir=str(folder),
            destination=dlt.destinations.duckdb(str(database), naming_convention="direct"),
            dataset_name=SCHEMA,
        )
        self._pipeline.sync_destination()
        self._loads: list[str] = []

    def states(self) -> Json:
        """The last committed state message, by stream."""
        states: Json = self._pipeline.state.get("sources", {}).get("clevertap", {}).get("states", {})
        return dict(states)

    def commit(self, rows: Mapping[str, list[Json]], streams: Mapping[str, Stream], states: Json) -> None:
        """Loads rows by stream, together with states."""

        @dlt.source(name="clevertap", max_table_nesting=0)
        def chunk() -> Iterator[Any]:
            for name, records in rows.items():
                stream = streams[name]
                table = table_of(stream, records)
                hints: Any = {c: {"data_type": kind} for c, (kind, _) in stream.columns.items()}
                yield dlt.resource(
                    [table],
                    name=name,
                    primary_key=stream.key,
                    write_disposition="merge",
                    columns=hints,
                )
            yield dlt.resource(remember, name="states")

        def remember() -> Iterator[Any]:
            dlt.current.source_state().setdefault("states", {}).update(states)
            yield from ()

        info = self._pipeline.run(chunk(), loader_file_format="parquet")
        self._loads += info.loads_ids

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows that a query returns."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def tables(self) -> set[str]:
        """The names of the tables."""
        return {name for (name,) in self.query("SELECT table_name FROM duckdb_tables()")}

    def newest(self, stream: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Three rows of this sync."""
        loads = ", ".join(f"'{load}'" for load in self._loads)
        names = ", ".join(f'"{name}"' for name in columns)
        order = "event_time" if stream == "events" else "active_through"
        new = f'SELECT {names} FROM "{stream}" WHERE _dlt_load_id IN ({loads})'  # noqa: S608
        return self.query(f"{new} ORDER BY {order} DESC NULLS LAST LIMIT 3")

    def drop_others(self, stream: str) -> None:
        """Deletes the rows of a stream that this sync did not load, after a full refresh."""
        if stream not in self.tables():
            return
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(
                f'DELETE FROM {SCHEMA}."{stream}" WHERE NOT list_contains(?, _dlt_load_id)',  # noqa: S608
                [self._loads],
            )


def table_of(stream: Stream, records: list[Json]) -> pyarrow.Table:
    """Converts records to columns, with the last record of each key. Undeclared fields become JSON."""
    last = {tuple(record.get(name) for name in stream.key): record for record in records}
    rows = list(last.values())
    for name in {name for row in rows for name in row} - stream.columns.keys():
        stream.columns[name] = JSON_COLUMN
    arrays = {}
    for name, (kind, as_arrow) in stream.columns.items():
        values = [value_of(kind, row.get(name)) for row in rows]
        parsed = pyarrow.string() if kind in ("timestamp", "date") else as_arrow
        try:
            arrays[name] = pyarrow.array(values, parsed).cast(as_arrow)
        except pyarrow.ArrowException as error:
            raise TypeError(f"{stream.name}.{name} has a value that is not a {kind}") from error
    return pyarrow.table(arrays)


def value_of(kind: str, value: Any) -> Any:
    """Converts a value to the type of its column."""
    if value is None:
        return None
    if kind == "json":
        return json.dumps(value, ensure_ascii=False)
    if kind == "text":
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value
