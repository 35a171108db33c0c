"""Records leave in batches, and the next page is fetched while one is converted: the package alone."""

import json
import threading
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.sources.types import Record, StreamSlice

from source_clevertap import batches, prefetch
from source_clevertap.batches import BATCH, BatchPartition, Room, SyncEndedError

Json = dict[str, Any]
SLICE = StreamSlice(partition={"event_name": "Charged"}, cursor_slice={})


class Rows(Partition):
    """A partition of the records given, as the components hand them on; then it fails, if told so."""

    def __init__(self, *records: list[Json], failure: Exception | None = None) -> None:
        self.records, self.failure = records, failure

    def read(self) -> Iterable[Record]:
        for several in self.records:
            yield Record({BATCH: several}, "events", SLICE)
        if self.failure:
            raise self.failure

    def to_slice(self) -> StreamSlice:
        return SLICE

    def stream_name(self) -> str:
        return "events"

    def __hash__(self) -> int:
        return 1


def row(number: int, **more: Any) -> Json:
    return {"event_id": str(number), "read_through": "2026-01-01", **more}


def printed(read: Iterable[Record]) -> list[Json]:
    """The records in the lines of batches."""
    lines = b"".join(record.data[BATCH].lines for record in read)
    return [json.loads(line)["record"]["data"] for line in lines.split(b"\n")[:-1]]


def test_when_a_partition_is_read_then_its_batches_hold_all_records_and_the_cursor() -> None:
    partition = BatchPartition(Rows([row(1), row(2)], [row(3, gone=None)]), "read_through", Room())

    read = list(partition.read())

    assert printed(read) == [row(1), row(2), row(3)]
    assert sum(record.data[BATCH].count for record in read) == 3
    assert {record.data["read_through"] for record in read} == {"2026-01-01"}
    assert {id(record.associated_slice) for record in read} == {id(SLICE)}


def test_given_a_row_with_a_column_called_batch_then_it_is_no_batch() -> None:
    row_of_a_table = AirbyteRecordMessage(stream="campaigns", data={BATCH: "B 7"}, emitted_at=1)

    assert batches.batch_of(AirbyteMessage(type=Type.RECORD, record=row_of_a_table)) is None


def test_given_more_than_a_megabyte_when_read_then_it_comes_in_several_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "MILLISECONDS", 10**9)
    rows = [[row(number, text="x" * 1000)] for number in range(2100)]

    sizes = [
        len(r.data[BATCH].lines) for r in BatchPartition(Rows(*rows), "read_through", Room()).read()
    ]

    assert len(sizes) == 3
    assert all(size < 1.2e6 for size in sizes)


def test_given_a_partition_that_fails_when_read_then_the_records_before_come_and_then_its_error() -> (
    None
):
    partition = BatchPartition(Rows([row(1)], failure=KeyError("x")), "read_through", Room())
    read: list[Record] = []

    with pytest.raises(KeyError):
        read.extend(partition.read())

    assert printed(read) == [row(1)]


def test_given_nobody_who_prints_when_read_then_it_waits_until_the_sync_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "BYTES", 1)
    room, read, ended = Room(), list[Record](), list[Exception]()
    partition = BatchPartition(Rows(*[[row(n)] for n in range(100)]), "read_through", room)
    full = threading.Event()

    def reader() -> None:
        try:
            for record in partition.read():
                read.append(record)
                if len(read) == batches.IN_QUEUE:
                    full.set()
        except SyncEndedError as error:
            ended.append(error)

    threads = [threading.Thread(target=reader, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert full.wait(60)
    room.give_back()
    room.close()
    for thread in threads:
        thread.join(60)

    assert len(ended) == 2  # both woke up
    assert len(read) <= batches.IN_QUEUE + 2


# ------------------------------------------------------------------ the next page


class Pages:
    """A page requester: pages c1 to c3; it says who asked for what."""

    def __init__(self, size: int = 10, fails_at: str = "") -> None:
        self.size, self.fails_at = size, fails_at
        self.asked: list[str] = []
        self.asked_for = {cursor: threading.Event() for cursor in ("c1", "c2", "c3")}

    def send_request(self, next_page_token: Json, **request: Any) -> requests.Response:
        cursor = next_page_token["next_page_token"]
        self.asked.append(cursor)
        self.asked_for[cursor].set()
        if cursor == self.fails_at:
            raise ValueError(cursor)
        following = {"c1": "c2", "c2": "c3"}.get(cursor)
        response = requests.Response()
        response._content = json.dumps({"next_cursor": following, "n": cursor}).ljust(self.size).encode()
        return response


def of_components() -> Any:
    """What a page requester uses of components.py."""
    return SimpleNamespace(
        CURRENT_EXPORT=SimpleNamespace(body=b"{}"),
        decode_body=lambda response: json.loads(response.content),
    )


def read_pages(pages: Pages) -> Iterator[str]:
    requester = prefetch.PrefetchingRequester(pages, of_components())
    cursor = "c1"
    while cursor:
        page = requester.send_request({"next_page_token": cursor})
        assert page is not None
        yield page.json()["n"]
        cursor = page.json()["next_cursor"]


def test_when_a_page_has_come_then_the_next_is_asked_for_once_before_anybody_wants_it() -> None:
    pages = Pages()
    read = read_pages(pages)

    assert next(read) == "c1"
    assert pages.asked_for["c2"].wait(60)
    assert list(read) == ["c2", "c3"]
    assert pages.asked == ["c1", "c2", "c3"]


def test_given_a_next_page_that_fails_when_it_is_wanted_then_its_error_comes() -> None:
    read = read_pages(Pages(fails_at="c2"))

    assert next(read) == "c1"
    with pytest.raises(ValueError, match="c2"):
        next(read)


def test_given_pages_too_large_for_two_in_memory_when_read_then_they_are_fetched_when_wanted() -> None:
    pages = Pages(size=prefetch.PAGE_BYTES + 1)
    read = read_pages(pages)

    assert next(read) == "c1"
    assert pages.asked == ["c1"]
    assert list(read) == ["c2", "c3"]
