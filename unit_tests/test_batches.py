"""Records leave in batches: the package alone."""

import json
import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clevertap import batches
from source_clevertap.batches import IN_QUEUE, Batch, BatchMemoryMonitor, BatchPartition, Room, SyncEndedError

Json = dict[str, Any]
SLICE = StreamSlice(partition={"event_name": "Charged"}, cursor_slice={})


class Rows(Partition):
    """A partition of the records given; then it fails, if told so."""

    def __init__(self, *records: Json, failure: Exception | None = None) -> None:
        self.records, self.failure = records, failure

    def read(self) -> Iterable[Record]:
        for record in self.records:
            yield Record(record, "events", SLICE)
        if self.failure:
            raise self.failure

    def to_slice(self) -> StreamSlice:
        return SLICE

    def stream_name(self) -> str:
        return "events"

    def __hash__(self) -> int:
        return 1


def row(number: int, **more: Any) -> Json:
    return {"event_id": str(number), "date": "2026-01-01", **more}


def batch_in(record: Record) -> Batch:
    data: dict[Any, Any] = dict(record.data)
    batch: Batch = data[Batch]
    return batch


def printed(read: Iterable[Record]) -> list[Json]:
    """The records in the lines of batches."""
    lines = b"".join(batch_in(record).lines for record in read)
    return [json.loads(line)["record"]["data"] for line in lines.split(b"\n")[:-1]]


def test_when_a_partition_is_read_then_its_batches_hold_all_records_and_the_cursor() -> None:
    partition = BatchPartition(Rows(row(1), row(2, date="2026-01-03"), row(3, gone=None)), "date", Room(IN_QUEUE))

    read = list(partition.read())

    assert printed(read) == [row(1), row(2, date="2026-01-03"), row(3)]
    assert sum(batch_in(record).count for record in read) == 3
    assert max(record.data["date"] for record in read) == "2026-01-03"
    assert {id(record.associated_slice) for record in read} == {id(SLICE)}


@pytest.mark.parametrize("cursor_field", ["date", None])
def test_given_records_without_a_cursor_value_when_read_then_they_come(cursor_field: str | None) -> None:
    rows: list[Json] = [{"key": 1}, {"key": 2, "date": None}]
    read = list(BatchPartition(Rows(*rows), cursor_field, Room(IN_QUEUE)).read())

    assert printed(read) == [{"key": 1}, {"key": 2}]
    keys: set[Any] = {key for record in read for key in record.data}
    assert keys == {Batch}


def test_given_an_integer_beyond_64_bits_when_read_then_it_is_printed_as_it_is() -> None:
    assert printed(BatchPartition(Rows({"key": 2**70}), None, Room(IN_QUEUE)).read()) == [{"key": 2**70}]


def test_given_a_batch_when_memory_is_watched_then_it_counts_as_its_records() -> None:
    looked: list[int] = []
    monitor = BatchMemoryMonitor(SimpleNamespace(check_memory_usage=lambda: looked.append(1)))
    for records in (3, None, 5):
        monitor.records = records or monitor.records
        monitor.check_memory_usage()

    assert len(looked) == 3 + 1 + 5


def test_given_more_than_a_megabyte_when_read_then_it_comes_in_several_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "NANOSECONDS", 10**15)
    rows = [row(number, text="x" * 1000) for number in range(2100)]

    sizes = [len(batch_in(r).lines) for r in BatchPartition(Rows(*rows), "date", Room(IN_QUEUE)).read()]

    assert len(sizes) == 3
    assert all(size < 1.2e6 for size in sizes)


def test_given_a_partition_that_fails_when_read_then_the_records_before_come_and_then_its_error() -> None:
    partition = BatchPartition(Rows(row(1), failure=KeyError("x")), "date", Room(IN_QUEUE))
    read: list[Record] = []

    with pytest.raises(KeyError):
        read.extend(partition.read())

    assert printed(read) == [row(1)]


def test_given_nobody_who_prints_when_read_then_it_waits_until_the_sync_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BYTES", 1)
    room, read, ended = Room(IN_QUEUE), list[Record](), list[Exception]()
    partition = BatchPartition(Rows(*[row(n) for n in range(100)]), "date", room)
    full = threading.Event()

    def reader() -> None:
        try:
            for record in partition.read():
                read.append(record)
                if len(read) == IN_QUEUE:
                    full.set()
        except SyncEndedError as error:
            ended.append(error)

    threads = [threading.Thread(target=reader, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert full.wait(60)
    room.release()
    room.close()
    for thread in threads:
        thread.join(60)

    assert len(ended) == 2  # both woke up
    assert len(read) <= IN_QUEUE + 2
