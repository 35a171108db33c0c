"""Corrupted responses, as hypothesis invents them, over HTTP.

Each is sent once or always where a page is due. What may come of it: all records; or an error that names its stream;
never fewer records. (A body whose records are as many, but have other letters in them, is a page: what guards the
letters on their way is TLS.)
"""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web
from hypothesis import strategies as st

from integration_tests.helpers.connector import Json, Output
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.row import Row, explore
from source_clevertap.sandbox import Account, Sandbox

ACCOUNT = Account(profiles=40, events=40, timezone="UTC", days=5)
MARK = "XX99PRIVATE"  # in the records of exports, and nowhere else (lists are in the log at debug level)
# Streams, and where their records are: of exports, lists, pages by number.
KEYS = {
    **{"profiles": "records", "events": "records"},
    **{"campaigns": "targets", "event_schema": "events", "content_blocks": "contentBlocks"},
}
Sent = tuple[bytes, dict[str, str]]  # a body and headers

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


Example = tuple[str, int, bool, Sent]  # a stream, the number of its page, whether always, and what is sent there


class Reader:
    """Reads streams of a sandbox in which a page may be replaced."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox, sandbox.change = sandbox, self.change

    def read(self, stream: str, number: int = -1, times: int = 0, sent: Sent = (b"", {})) -> Output:
        """sent: in place of the page of that number, so many times."""
        self.key, self.number, self.times, self.sent = KEYS[stream], number, times, sent
        self.pages: list[Json] = []  # so far, without those that are read again
        self.sandbox.clock_offset = 0
        config = self.sandbox.config(start_date=20220101, end_date=20220130)
        return sync(Clock(self.sandbox), config, (stream,))

    def change(self, request: Json, page: Json) -> Any:
        if self.key not in page:
            return None
        if self.key == "records":
            page = {**page, "records": [{**row, "note": MARK} for row in page["records"]]}
        known = [each[self.key] for each in self.pages]
        if page[self.key] not in known:
            self.pages.append(page)
            known.append(page[self.key])
        if known.index(page[self.key]) != self.number or not self.times:
            return page
        self.times -= 1
        body, headers = self.sent
        return web.Response(body=body, content_type="application/json", headers=headers)


def corrupted_responses(count: int, recipe: str) -> Row:
    """Sends `count` corrupted responses."""
    row = Row("bodies")

    def check(example: Example) -> Iterator[tuple[str, str]]:
        stream, number, lasts, sent = example
        output = reader.read(stream, number, 10_000 if lasts else 1, sent)
        row.tried.update(bodies=1, errors=bool(output.exit_code), records=len(output.records))
        leaks = [line for line in output.all_but_records.split("\n") if MARK in line]
        if leaks:
            yield "leaked", f"a record is in the log: {leaks[0][:300]}"
        if output.exit_code and f"Stream {stream}" not in output.error[1] and "RecursionError" not in output.stdout:
            yield "unclear", str(output.error)
        if not output.exit_code and len({*map(repr, output.records)}) < truths[stream]:
            yield "lost", f"{len(output.records)} records of {truths[stream]}"

    with Sandbox(ACCOUNT, page_rows=23) as sandbox:
        reader, truths = Reader(sandbox), dict[str, int]()
        examples: list[st.SearchStrategy[Example]] = []
        for stream in KEYS:
            truths[stream] = len({*map(repr, reader.read(stream).records)})
            for number, page in enumerate(reader.pages[:2]):
                always, sent = st.booleans(), corrupted(page)
                examples.append(st.tuples(st.just(stream), st.just(number), always, sent))
        row.wrong = explore(st.one_of(examples), check, count, recipe)
    return row
