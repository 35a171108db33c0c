"""Records of the exports are read, converted and printed in batches, by the package alone.

More than half of the time of a read is what the CDK does with a single record: a dozen generators, a
queue, a message, a count, a text. The classes here stand in for those of components.py, which they call
for each record; for the CDK a batch is one record, with the cursor of its last. So its queue keeps the
order, its cursor sees what it must, and the manifest stays as it is.
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
RECORDS = 100  # in a batch as it is read; as it is printed, a batch has a megabyte
BYTES = 1_000_000
MILLISECONDS = 100  # a batch is printed after that, however small
ON_THEIR_WAY = 16  # batches; the CDK's queue holds 10,000, which would be millions of records
BATCH = "batch"  # where a record holds a batch


@dataclass
class Batch:
    """Records as the lines that are printed, and how many they are."""

    lines: bytes
    count: int


class SyncEndedError(Exception):
    """Nobody prints what is read: the sync has failed, or its reader is gone."""


class Room:
    """Room for batches between the threads that read and the one that prints."""

    def __init__(self) -> None:
        self._free = threading.Semaphore(ON_THEIR_WAY)
        self._closed = False

    def take(self) -> None:
        """Waits for room for a batch. Raises SyncEndedError once the room is closed."""
        self._free.acquire()
        if self._closed:
            self._free.release()  # for the next that waits
            raise SyncEndedError

    def give_back(self) -> None:
        """A batch has been printed."""
        self._free.release()

    def close(self) -> None:
        """Wakes up whoever waits: without this a thread would keep the process alive."""
        self._closed = True
        self._free.release()


def install(components: ModuleType) -> None:
    """Lets the exports be read in batches: replaces classes of components.py by these, once."""
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
    """Whether the classes of components.py read batches."""
    return bool(components.ExportExtractor.__module__ == __name__)


def _of_batches(transformation: type) -> type:
    class Transformation(transformation):  # type: ignore[misc]
        def transform(self, record: Any, *args: Any, **named: Any) -> None:
            transform = super().transform
            for each in record[BATCH]:
                transform(each, *args, **named)

    return Transformation


class BatchPartition(Partition):
    """A partition whose records are handed on as the lines of a batch."""

    def __init__(self, partition: Partition, cursor_field: str, room: Room) -> None:
        self._partition, self._cursor_field, self._room = partition, cursor_field, room

    def read(self) -> Iterable[Record]:
        """The batches; if the partition fails, those of the records before that, then its error."""
        head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(self.stream_name())
        lines: list[bytes] = []
        size, started, failure, last = 0, 0, None, None
        try:
            for last in self._partition.read():
                now = time.time_ns() // 1_000_000
                tail = b',"emitted_at":%d}}\n' % now
                started = started if lines else now
                for data in last.data[BATCH]:
                    if None in data.values():  # the CDK does not print these either
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
    """Makes a stream read its partitions as batches, if it is one of STREAMS."""
    if stream.name not in STREAMS:
        return
    generate, cursor_field = stream.generate_partitions, str(stream.cursor_field)

    def generate_partitions() -> Iterable[Partition]:
        for partition in generate():
            yield BatchPartition(partition, cursor_field, room)

    stream.generate_partitions = generate_partitions  # type: ignore[method-assign]


def batch_of(message: AirbyteMessage) -> Batch | None:
    """The batch in a message; None if it holds none."""
    batch = message.record.data.get(BATCH) if message.record else None
    return batch if isinstance(batch, Batch) else None
