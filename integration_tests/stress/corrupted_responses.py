"""Corrupted responses, as hypothesis invents them, through the path of a page: handler, extractor, cursor, keys.

Each is sent once where a page is due, then the true one. What may come of it: all records; or an error that names its
stream; never fewer records. (A body whose records are as many, but have other letters in them, is a page: what guards
the letters on their way is TLS.)
"""

import gzip
import json
import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import orjson
import requests
import requests_mock
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.streams.concurrent.partitions.partition import Partition
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import strategies as st
from urllib3 import HTTPResponse

from integration_tests.helpers.connector import Json
from integration_tests.helpers.in_process import Clock, Lines
from integration_tests.stress.row import Row, explore
from source_clevertap.run import SourceClevertap
from source_clevertap.sandbox import Account, Sandbox, tables

ACCOUNT = Account(profiles=12, events=16, timezone="UTC", days=5)
MARK = "XX99PRIVATE"  # in the records, and nowhere else
CURSOR = "Zm9v%2B" * 300
Sent = tuple[bytes, dict[str, str]]  # a body and headers


def true_pages() -> dict[str, list[Json]]:
    """The responses to the requests of each stream after the POST: exports, lists, pages by number."""
    days = ("App Launched", 20220101, 20220105)
    pages: dict[str, list[Json]] = {}
    for name, truth in (("profiles", ACCOUNT.truth(*days)), ("events", ACCOUNT.event_truth(*days))):
        records = [row["record"] | {"note": MARK} for row in truth]
        first = {"status": "success", "next_cursor": CURSOR + "2", "records": records[:6]}
        pages[name] = [first, {"status": "success", "previous_cursor": CURSOR + "1", "records": records[6:]}]
    pages["campaigns"] = [{"status": "success", "targets": tables.campaigns(ACCOUNT, 20220101, 20220131)}]
    pages["event_schema"] = [{"events": tables.event_schema(ACCOUNT)}]
    blocks = tables.content_blocks(ACCOUNT)[:6]
    pages["content_blocks"] = [{"contentBlocks": blocks, "total": 6}, {"contentBlocks": [], "total": 6}]
    return pages


PAGES = true_pages()
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["status", "records", "x"]), inner),
    max_leaves=5,
)
VALUES = (b"0", b"1", b"true", b"1.5", b"{}", b'{"a":1}', b'"x"', b"1" + b"0" * 400, b"-1e999", b"[" * 9**5)
PIECES = (b"\x00", b")]}',\n", b"\xff\xfe", b"}", b"{}", b"\xef\xbb\xbf", b"\xe9")


def corrupted(page: Json) -> st.SearchStrategy[Sent]:
    """What a proxy, a bug or a new version of the API may make of a page."""
    body = orjson.dumps(page)
    places, names = st.integers(0, len(body) - 1), st.sampled_from(sorted(name for name in page if page[name]))
    bodies = st.one_of(
        st.builds(
            lambda at, bit: body[:at] + bytes([body[at] ^ (1 << bit)]) + body[at + 1 :], places, st.integers(0, 7)
        ),
        places.map(lambda at: body[:at]),
        st.builds(lambda at, piece: body[:at] + piece + body[at:], places, st.sampled_from(PIECES)),
        names.map(lambda name: body.replace(f'"{name}":'.encode(), f'"{name}s":'.encode(), 1)),
        st.builds(  # (null and [] may say "none")
            lambda name, value: orjson.dumps({**page, name: "(here)"}).replace(b'"(here)"', value),
            names,
            st.sampled_from(VALUES),
        ),
        st.sampled_from(("utf-16", "utf-32", "utf-8-sig", "latin-1")).map(lambda e: body.decode().encode(e, "replace")),
        JSON_VALUES.map(lambda value: json.dumps(value).encode()),
        st.sampled_from((b"", b" ", b"<html>Sign in</html>", b'{"status":"success"}{"status":"success"}', b"data: {}")),
    )
    packed = gzip.compress(body)
    unpacked = st.sampled_from((packed, packed[:-9], body, b"")).map(lambda sent: (sent, {"Content-Encoding": "gzip"}))
    return st.one_of(bodies.map(lambda sent: (sent, {})), unpacked)


Example = tuple[str, int, bool, Sent]  # a stream, the number of its page, what is sent there, and whether always


def examples() -> st.SearchStrategy[Example]:
    places = [(stream, number) for stream, pages in PAGES.items() for number in range(len(pages))]
    return st.sampled_from(places).flatmap(
        lambda place: st.tuples(
            st.just(place[0]), st.just(place[1]), st.booleans(), corrupted(PAGES[place[0]][place[1]])
        )
    )


def read(stream: str, partition: Partition, number: int, sent: list[Sent]) -> tuple[list[str], str]:
    """Reads a partition; where that page is due, `sent` comes first. Returns records, and the error."""
    waiting = iter(sent)

    def respond(request: requests.PreparedRequest) -> requests.Response:
        url, status = request.url or "", 200
        if len(PAGES[stream][0]) == 3 and request.method == "POST":  # of an export
            body, headers = orjson.dumps({"status": "success", "cursor": CURSOR + "1"}), dict[str, str]()
        else:
            asked = 1 if url.endswith(("=" + CURSOR + "2", "pageNumber=2&pageSize=100")) else 0
            is_known = "cursor=" not in url or url.endswith((CURSOR + "1", CURSOR + "2"))
            status = 200 if is_known else 400
            body, headers = orjson.dumps(PAGES[stream][asked] if is_known else {"code": "CURSOR_INVALIDATED"}), {}
            if is_known and asked == number:
                body, headers = next(waiting, (body, headers))
        raw = HTTPResponse(body=BytesIO(body), status=status, headers=headers, preload_content=False)
        return requests_mock.create_response(request, raw=raw, status_code=status)

    records: list[str] = []
    with requests_mock.Mocker() as mocker:
        mocker.add_matcher(respond)
        try:
            records.extend(repr(dict(record.data)) for record in partition.read())
        except AirbyteTracedException as error:
            return records, str(error.message)
        except RecursionError:
            return records, f"Stream {stream}: too deep"  # the CDK says it in its own words
    return records, ""


def corrupted_responses(count: int, recipe: str) -> Row:
    """Sends `count` corrupted responses."""
    row, log, root = Row("bodies"), Lines(), logging.getLogger()
    handlers, root.handlers = root.handlers, [log]
    sandbox = Sandbox(ACCOUNT)  # not started: it is the clock's alone
    config = sandbox.config(base_url="http://localhost:1", start_date=20220101, end_date=20220105)

    def partition(stream: str) -> Any:
        catalog = CatalogBuilder().with_stream(stream, SyncMode.full_refresh).build()
        (found,) = (s for s in SourceClevertap(config=config, catalog=catalog).streams(config) if s.name == stream)
        return next(iter(found.generate_partitions()))

    def check(example: Example) -> Iterator[tuple[str, str]]:
        stream, number, lasts, sent = example
        log.lines.clear()
        records, error = read(stream, partitions[stream], number, [sent] * (10_000 if lasts else 1))
        row.tried.update(bodies=1, errors=bool(error), records=len(records))
        if any(MARK in line for line in [error, *log.lines]):
            yield "leaked", "a record is in the log"
        if error and f"Stream {stream}" not in error:
            yield "unclear", error
        if not error and len(set(records)) < len(truths[stream]):
            yield "lost", f"{len(set(records))} records of {len(truths[stream])}"

    try:
        with Clock(sandbox).running():
            partitions = {stream: partition(stream) for stream in PAGES}
            truths = {stream: {*read(stream, partitions[stream], 0, [])[0]} for stream in PAGES}
            row.wrong = explore(examples(), check, count, recipe)
    finally:
        root.handlers = handlers
    return row
