"""Records leave in batches: the package alone."""

import json
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clevertap import batches
from source_clevertap.batches import IN_QUEUE, Batch, BatchMemoryMonitor, BatchPartition, Room, SyncEndedError
from unit_tests.mock_server.config import Json

SLICE = StreamSlice(partition={"event_name": "Charged"}, cursor_slice={})


class Records(Partition):
    """A partition of the records given; then it fails, if there is a failure."""

    def __init__(self, *records: Json, failure: Exception | None = None) -> None:
        self.records, self.failure = records, failure

    def read(self) -> Iterable[Record]:
        yield from (Record(record, "events", SLICE) for record in self.records)
        if self.failure:
            raise self.failure

    def to_slice(self) -> StreamSlice:
        return SLICE

    def stream_name(self) -> str:
        return "events"

    def __hash__(self) -> int:
        return 1


def numbered(number: int, **more: Any) -> Json:
    return {"event_id": str(number), "date": "2026-01-01", **more}


def batch_in(record: Record) -> Batch:
    data: dict[Any, Any] = dict(record.data)
    batch: Batch = data[Batch]
    return batch


def batched(*records: Json, field: str | None = "date", failure: Exception | None = None) -> BatchPartition:
    return BatchPartition(Records(*records, failure=failure), field, Room(IN_QUEUE))


def printed(read: Iterable[Record]) -> list[Json]:
    """The records in the lines of batches."""
    lines = b"".join(batch_in(record).lines for record in read)
    return [json.loads(line)["record"]["data"] for line in lines.split(b"\n")[:-1]]


@pytest.mark.parametrize("field", ["date", None])
def test_given_a_partition_when_read_then_its_batches_hold_all_records_and_the_highest_cursor(
    field: str | None,
) -> None:
    big = {"key": 2**70}  # beyond what orjson takes

    read = list(batched(numbered(1), numbered(2, date="2026-01-03"), {**big, "date": None}, field=field).read())

    assert printed(read) == [numbered(1), numbered(2, date="2026-01-03"), big]
    assert sum(batch_in(record).count for record in read) == 3
    assert max(record.data.get("date", "") for record in read) == ("2026-01-03" if field else "")
    assert {id(record.associated_slice) for record in read} == {id(SLICE)}


def test_given_a_batch_when_memory_is_watched_then_it_counts_as_its_records() -> None:
    looked: list[int] = []
    monitor = BatchMemoryMonitor(SimpleNamespace(check_memory_usage=lambda: looked.append(1)))
    for records in (3, None, 5):
        monitor.records = records or monitor.records
        monitor.check_memory_usage()

    assert len(looked) == 3 + 1 + 5


def test_given_more_than_a_megabyte_when_read_then_it_comes_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "NANOSECONDS", 10**15)

    read = batched(*[numbered(number, text="x" * 1000) for number in range(2100)]).read()

    sizes = [len(batch_in(record).lines) for record in read]
    assert len(sizes) == 3
    assert max(sizes) < 1.2e6


def test_given_a_partition_that_fails_when_read_then_the_records_before_come_and_then_its_error() -> None:
    read: list[Record] = []

    with pytest.raises(KeyError):
        read.extend(batched(numbered(1), failure=KeyError("x")).read())

    assert printed(read) == [numbered(1)]


def test_given_room_for_one_when_read_then_one_batch_is_on_its_way_and_all_readers_end_with_the_sync() -> None:
    room = Room(1)
    first, second = (BatchPartition(Records(numbered(1)), "date", room).read() for _ in range(2))

    assert printed([next(first)]) == [numbered(1)]
    assert not room.acquire(blocking=False)
    room.close()
    assert room.acquire(blocking=False)  # a reader who waits wakes up
    room.release()
    with pytest.raises(SyncEndedError):
        next(second)
    assert room.acquire(blocking=False)  # and the one after it
