"""Reads, converts and prints the records of exports in batches. Only the package does this.

More than half of the time of a read is what the CDK does for each record: generators, a queue, a
message, a count, a string. The classes here replace some of components.py, and call them for each
record. To the CDK a batch is one record that has the cursor value of its last record. The CDK's queue
keeps the order, and its cursor and the manifest do not change.
"""

import itertools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import orjson
import requests
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

STREAMS = ("profiles", "events")
TRANSFORMATIONS = ("EventTransformation", "ProfileTransformation", "PersonalDataTransformation")
RECORDS = 100  # in a batch when it is read; a batch that is printed has a megabyte
BYTES = 1_000_000
MILLISECONDS = 100  # a batch is printed after this time, however small it is
IN_QUEUE = 16  # batches; the CDK's queue would hold 10,000, which is millions of records
BATCH = "batch"  # the key of a batch in a record


@dataclass
class Batch:
    """The lines to print for some records, and their number."""

    lines: bytes
    count: int


class SyncEndedError(Exception):
    """Nothing prints the records any more, because the sync has failed or its reader is gone."""


class Room:
    """Limits the batches between the threads that read and the one that prints."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(IN_QUEUE)
        self._closed = False

    def take(self) -> None:
        """Waits until there is room for a batch. Raises SyncEndedError once it is closed."""
        self._free.acquire()
        if self._closed:
            self._free.release()  # wakes up the next thread
            raise SyncEndedError

    def give_back(self) -> None:
        """Makes room after a batch has been printed."""
        self._free.release()

    def close(self) -> None:
        """Wakes up the threads that wait, because they would keep the process alive."""
        self._closed = True
        self._free.release()


def install(components: ModuleType) -> None:
    """Replaces classes of components.py so that exports are read in batches, once."""
    if is_installed(components):
        return
    extractor: type = components.ExportExtractor

    class ExportExtractor(extractor):  # type: ignore[misc]
        def extract_records(self, response: requests.Response) -> Iterator[Mapping[str, Any]]:
            records = super().extract_records(response)
            while batch := list(itertools.islice(records, RECORDS)):
                yield {BATCH: batch}

    components.ExportExtractor = ExportExtractor  # type: ignore[attr-defined]
    for name in TRANSFORMATIONS:
        setattr(components, name, _of_batches(getattr(components, name)))


def is_installed(components: ModuleType) -> bool:
    """Whether `install` has been called."""
    return bool(components.ExportExtractor.__module__ == __name__)


def _of_batches(transformation: type) -> type:
    class Transformation(transformation):  # type: ignore[misc]
        def transform(self, record: Any, *args: Any, **named: Any) -> None:
            transform = super().transform
            for each in record[BATCH]:
                transform(each, *args, **named)

    return Transformation


class BatchPartition(Partition):
    """A partition that yields batches."""

    def __init__(self, partition: Partition, cursor_field: str, room: Room) -> None:
        self._partition, self._cursor_field, self._room = partition, cursor_field, room

    def read(self) -> Iterable[Record]:
        """Yields batches. If the partition fails, yields the records before the error first."""
        head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(self.stream_name())
        lines: list[bytes] = []
        size, started, failure, last = 0, 0, None, None
        try:
            for last in self._partition.read():
                now = time.time_ns() // 1_000_000
                tail = b',"emitted_at":%d}}\n' % now
                started = started if lines else now
                for data in last.data[BATCH]:
                    if None in data.values():  # the CDK omits them, too
                        line = orjson.dumps({name: v for name, v in data.items() if v is not None})
                    else:
                        line = orjson.dumps(data)
                    lines += (head, line, tail)
                    size += len(line)
                if size >= BYTES or now - started >= MILLISECONDS:
                    yield self._batch(lines, last)
                    lines, size = [], 0
        except Exception as error:
            failure = error
        if lines and last:
            yield self._batch(lines, last)
        if failure:
            raise failure

    def _batch(self, lines: list[bytes], last: Record) -> Record:
        self._room.take()
        batch, data = Batch(b"".join(lines), len(lines) // 3), last.data[BATCH][-1]
        data = {BATCH: batch, self._cursor_field: data[self._cursor_field]}
        return Record(data, last.stream_name, last.associated_slice)

    def to_slice(self) -> Mapping[str, Any] | None:
        return self._partition.to_slice()

    def stream_name(self) -> str:
        return self._partition.stream_name()

    def __hash__(self) -> int:
        return hash(self._partition)


def read_in_batches(stream: AbstractStream, room: Room) -> None:
    """Makes a stream yield batches, if it is one of STREAMS."""
    if stream.name not in STREAMS:
        return
    generate, cursor_field = stream.generate_partitions, str(stream.cursor_field)

    def generate_partitions() -> Iterable[Partition]:
        for partition in generate():
            yield BatchPartition(partition, cursor_field, room)

    stream.generate_partitions = generate_partitions  # type: ignore[method-assign]


def batch_of(message: AirbyteMessage) -> Batch | None:
    """The batch in a message, or None."""
    batch = message.record.data.get(BATCH) if message.record else None
    return batch if isinstance(batch, Batch) else None
