"""Prints the records of any stream in batches. Only the package does this.

Most of the time of a read is what the CDK does for each record after its partition: a queue, a message, a count, a
string. A batch passes through that as one record, which has the highest cursor value of its records.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.sources.streams.concurrent.abstract_stream import AbstractStream
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record

BYTES = 1_000_000
NANOSECONDS = 100_000_000  # a batch is printed after this time, however small it is
IN_QUEUE = 16  # batches; the CDK's queue would hold 10,000, which is 10 GB


@dataclass
class Batch:
    """The lines to print for some records, and their number. The class itself is its key in a record."""

    lines: bytearray
    count: int


class SyncEndedError(Exception):
    """Nothing prints the records any more, because the sync has failed or its reader is gone."""


class Room(threading.Semaphore):
    """Limits the batches between the threads that read and the one that prints."""

    closed = False

    def take(self) -> None:
        """Waits until there is room for a batch. Raises SyncEndedError once it is closed."""
        self.acquire()
        if self.closed:
            self.release()  # wakes up the next thread
            raise SyncEndedError

    def close(self) -> None:
        """Wakes up the threads that wait, because they would keep the process alive."""
        self.closed = True
        self.release()


class BatchStream:
    """A stream whose partitions yield batches. All else is the stream's own."""

    def __init__(self, stream: AbstractStream, room: Room) -> None:
        self._stream, self._room = stream, room

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def generate_partitions(self) -> Iterable[Partition]:
        for partition in self._stream.generate_partitions():
            yield BatchPartition(partition, self._stream.cursor_field, self._room)


class BatchPartition(Partition):
    """A partition that yields batches."""

    def __init__(self, partition: Partition, cursor_field: str | None, room: Room) -> None:
        self._partition, self._cursor_field, self._room = partition, cursor_field or "", room

    def read(self) -> Iterator[Record]:
        """Yields batches. If the partition fails, yields the records before the error first."""
        head = b'{"type":"RECORD","record":{"stream":%b,"data":' % orjson.dumps(self.stream_name())
        lines, count, started, highest, failure, last = bytearray(), 0, 0, "", None, None
        try:
            for last in self._partition.read():
                data = last.data
                if None in data.values():  # the CDK omits them, too
                    data = {name: value for name, value in data.items() if value is not None}
                try:
                    line = orjson.dumps(data)
                except TypeError:  # an integer beyond 64 bits, which the CDK prints so, too
                    line = json.dumps(data).encode()
                highest = max(highest, data.get(self._cursor_field) or "")
                now = time.time_ns()
                if not count:
                    started, tail = now, b',"emitted_at":%d}}\n' % (now // 1_000_000)
                lines += head + line + tail
                count += 1
                if len(lines) >= BYTES or now - started >= NANOSECONDS:
                    yield self._batch(lines, count, highest, last)
                    lines, count, highest = bytearray(), 0, ""
        except Exception as error:
            failure = error
        if count and last:
            yield self._batch(lines, count, highest, last)
        if failure:
            raise failure

    def _batch(self, lines: bytearray, count: int, highest: str, last: Record) -> Record:
        self._room.take()
        data: dict[Any, Any] = {Batch: Batch(lines, count)} | ({self._cursor_field: highest} if highest else {})
        return Record(data, last.stream_name, last.associated_slice)

    def to_slice(self) -> Mapping[str, Any] | None:
        return self._partition.to_slice()

    def stream_name(self) -> str:
        return self._partition.stream_name()

    def __hash__(self) -> int:
        return hash(self._partition)


def batch_of(message: AirbyteMessage) -> Batch | None:
    """The batch in a message, or None."""
    data: Mapping[Any, Any] = message.record.data if message.record else {}
    return data.get(Batch)


class BatchMemoryMonitor:
    """The CDK's memory monitor (None in older CDKs) looks every 5,000 messages: a batch is as many as its records."""

    def __init__(self, monitor: Any) -> None:
        self._monitor, self.records = monitor, 1

    def check_memory_usage(self) -> None:
        """Raises the CDK's transient_error if memory is nearly used up."""
        for _ in range(self.records if self._monitor else 0):
            self._monitor.check_memory_usage()
        self.records = 1
