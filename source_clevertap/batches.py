"""Records of the exports leave in batches.

More than half of the time of a read is what the CDK does with a single record after its transformations:
a queue, generators, a message, a count, a text. Here the thread that reads a partition makes the lines
of its records and hands them on together. A batch passes the CDK's queue as a record that has the cursor
of its last record, so messages stay in order and the cursor sees what it has to.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

STREAMS = ("profiles", "events")
BATCH_BYTES = 1_000_000
BATCH_MILLISECONDS = 100
BATCHES_ON_THEIR_WAY = 16  # the CDK's queue holds 10,000, which would be millions of records
BATCH = "batch"  # where a record holds its batch; no column of the two streams has this name


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
        self._free = threading.Semaphore(BATCHES_ON_THEIR_WAY)
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


class BatchPartition(Partition):
    """A partition whose records are read as batches."""

    def __init__(self, partition: Partition, cursor_field: str, room: Room) -> None:
        self._partition, self._cursor_field, self._room = partition, cursor_field, room

    def read(self) -> Iterable[Record]:
        """The batches; if the partition fails, those of the records before that, then its error."""
        head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(self.stream_name())
        lines: list[bytes] = []
        size, started, failure = 0, 0, None
        records = iter(self._partition.read())
        record: Record | None = None
        try:
            for record in records:
                now = time.time_ns() // 1_000_000
                data = record.data
                if None in data.values():  # the CDK does not print these either
                    data = {name: value for name, value in data.items() if value is not None}
                line = b'%b%b,"emitted_at":%d}}\n' % (head, orjson.dumps(data), now)
                started = started if lines else now
                lines.append(line)
                size += len(line)
                if size >= BATCH_BYTES or now - started >= BATCH_MILLISECONDS:
                    yield self._batch(lines, record)
                    lines, size = [], 0
        except Exception as error:
            failure = error
        if lines and record:
            yield self._batch(lines, record)
        if failure:
            raise failure

    def _batch(self, lines: list[bytes], last: Record) -> Record:
        self._room.take()
        batch = Batch(b"".join(lines), len(lines))
        data = {BATCH: batch, self._cursor_field: last.data[self._cursor_field]}
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
    return message.record.data.get(BATCH) if message.record else None
