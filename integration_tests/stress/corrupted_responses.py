"""Corrupted responses, through the path of a page: request, error handler, extractor, cursor, keys.

Each is sent once (some for ever) where a page is due, then the true one. What may come of it: the
truth; or an error that says what happened; never fewer rows. (A body whose rows are as many, but have
other letters in them, is a page: what guards the letters on their way is TLS.)
"""

import gzip
import json
import logging
import time
import zlib
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import requests
import requests_mock
from airbyte_cdk.models import SyncMode
from airbyte_cdk.sources.declarative.retrievers import Retriever
from airbyte_cdk.sources.types import Record, StreamSlice
from airbyte_cdk.test.catalog_builder import CatalogBuilder
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from urllib3 import HTTPResponse

from integration_tests.helpers.connector import Json
from integration_tests.helpers.in_process import Clock, Lines
from integration_tests.stress.row import Row
from source_clevertap.run import SourceClevertap
from source_clevertap.sandbox import Account, Sandbox, tables

ACCOUNT = Account(profiles=12, events=16, timezone="UTC", days=5)
SECONDS = 20  # a body that takes longer hangs
MARK = "XX99PRIVATE"  # in the records, and nowhere else
CURSOR = "Zm9v%2B" * 300


@dataclass
class Answer:
    """What is sent."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> HTTPResponse:
        """As it comes from the socket."""
        return HTTPResponse(body=BytesIO(self.body), status=self.status, headers=self.headers, preload_content=False)


@dataclass(frozen=True)
class Stream:
    """A stream, and the true answers to its requests after the opening: each is a page."""

    name: str
    pages: tuple[Json, ...]
    is_export: bool = False


def streams() -> list[Stream]:
    """One of each kind of answer."""
    event, days = "App Launched", (20220101, 20220105)
    profiles = [row["record"] | {"note": MARK} for row in ACCOUNT.truth(event, *days)]
    events = [row["record"] | {"note": MARK} for row in ACCOUNT.event_truth(event, *days)]

    def export(name: str, rows: list[Json]) -> Stream:
        half = len(rows) // 2
        first = {"status": "success", "next_cursor": CURSOR + "2", "records": rows[:half]}
        last = {"status": "success", "previous_cursor": CURSOR + "1", "records": rows[half:]}
        return Stream(name, (first, last), is_export=True)

    def table(name: str, *pages: Json) -> Stream:
        return Stream(name, pages)

    messages = tables.messages(ACCOUNT, 20220101, 20220131, datetime(2022, 3, 1))
    blocks = tables.content_blocks(ACCOUNT)[:6]
    return [
        export("profiles", profiles),
        export("events", events),
        table("event_schema", {"events": tables.event_schema(ACCOUNT)}),
        table(
            "message_reports",
            {"status": "success", "total_results": len(messages), "messages": messages},
        ),
        table("campaigns", {"status": "success", "targets": tables.campaigns(ACCOUNT, 20220101, 20220131)}),
        table(
            "content_blocks",
            {"contentBlocks": blocks, "total": 6, "pageNumber": 1, "pageSize": 6},
            {"contentBlocks": [], "total": 6, "pageNumber": 2, "pageSize": 6},
        ),
        table("daily_event_counts", {"status": "success", "daily": {"20220101": 5, "20220103": 7}}),
    ]


# ---------------------------------------------------------------- what spoils an answer
# Each takes a true page and a random number generator.

OTHERS: tuple[Any, ...] = (
    {"object": "list", "data": [{"id": "ch_1"}], "has_more": False},
    {"results": {"$overall": {"2022-01-01": 7}}, "status": "ok"},
    {"message": "The security token included in the request is invalid", "__type": "AccessDenied"},
    {"errors": [{"message": "Cannot query field", "locations": [{"line": 1}]}], "data": None},
    {"status": "success", "message": "maintenance", "error": "try later"},
    {"status": "SUCCESS", "records": []},
    {"status": ["success"], "records": []},
    {"status": "success", "code": 2},
    [{"status": "success"}],
    *("success", 7, None, True, []),
)
TEXTS = (
    *("", " ", "null", "<html>Sign in</html>", "<?xml version='1.0'?><Error/>", "upstream timed out"),
    *(
        '{"status":"success"',
        '{"status":"success"}{"status":"success"}',
        "data: {}\n\n",
        "NaN",
        "\x00" * 9,
    ),
)


def flipped(page: Json, random: Random) -> Answer:
    """One to three bytes."""
    body = bytearray(orjson.dumps(page))
    for _ in range(random.randint(1, 3)):
        body[random.randrange(len(body))] ^= 1 << random.randrange(8)
    return Answer(bytes(body))


def cut(page: Json, random: Random) -> Answer:
    """Short of its end, with the length that it has, or had."""
    body = orjson.dumps(page)
    left = body[: random.randrange(len(body))]
    return Answer(left, headers={"Content-Length": str(len(body))} if random.random() < 0.5 else {})


def ordered(page: Json, random: Random) -> Answer:
    """The keys in another order, spaces where JSON allows them: a true page."""
    text = json.dumps(_shuffled(page, random), indent=random.choice((None, 1)), ensure_ascii=False)
    return Answer(text.encode())


def _shuffled(value: Any, random: Random) -> Any:
    if isinstance(value, list):
        return [_shuffled(entry, random) for entry in value]
    if not isinstance(value, dict):
        return value
    names = random.sample(list(value), len(value))
    return {name: _shuffled(value[name], random) for name in names}


def mistyped(page: Json, random: Random) -> Answer:
    """A value of the page of another type.

    (null and [] may say "none". A row that is no object, and a key that stands twice are left out: no
    client has reported them.)
    """
    page = orjson.loads(orjson.dumps(page))
    name = random.choice(list(page))
    wrong: list[Any] = [0, 1, True, False, 1.5, {}, {"a": 1}, "x"]
    page[name] = random.choice([value for value in wrong if type(value) is not type(page[name])])
    return Answer(orjson.dumps(page))


def huge(page: Json, random: Random) -> Answer:
    """A number beyond what 64 bits hold."""
    number = random.choice(("1" + "0" * 400, "1e999", "-1e999", "1" + "0" * 30, "1e-999", "0." + "1" * 5000))
    return _with_value(page, random, number)


def deep(page: Json, random: Random) -> Answer:
    """A value nested far deeper than any property."""
    depth = random.choice((100, 200, 5000, 100_000))  # what lies between is left out
    opening, closing = random.choice((("[", "]"), ('{"a":', "}")))
    return _with_value(page, random, opening * depth + "1" + closing * depth)


def _with_value(page: Json, random: Random, text: str) -> Answer:
    """The page, a value of one of its rows (or of its own) written as `text`."""
    page = orjson.loads(orjson.dumps(page))
    place = page
    for value in page.values():
        if isinstance(value, list) and value and random.random() < 0.9:
            place = random.choice(value)
    names = [name for name in place if not isinstance(place[name], (list, dict))]
    place[random.choice([*names, "more"])] = "(here)"
    return Answer(orjson.dumps(page).replace(b'"(here)"', text.encode(), 1))


def encoded(page: Json, random: Random) -> Answer:
    """In another encoding than UTF-8, or with half a character."""
    text = json.dumps(page, ensure_ascii=False)
    encoding = random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "latin-1", "cp1252", "utf-7"))
    body = text.encode(encoding, "replace")
    if random.random() < 0.3:
        body = text.replace("a", random.choice(("\ud83d", "\udc00")), 1).encode("utf-8", "surrogatepass")
    if random.random() < 0.2:
        body = json.dumps(page).replace("a", "\\ud83d", 1).encode()
    kind = f"application/json; charset={random.choice((encoding, 'utf-8', 'nonsense'))}"
    return Answer(body, headers={"Content-Type": kind})


def packed(page: Json, random: Random) -> Answer:
    """Gzip that is whole, truncated, corrupted, missing, or not declared."""
    body = orjson.dumps(page)
    name = random.choice(("gzip", "deflate", "identity", "br", "gzip, gzip", "nonsense"))
    packed_ = gzip.compress(body) if random.random() < 0.7 else zlib.compress(body)
    corrupted = bytearray(packed_)
    corrupted[random.randrange(len(corrupted))] ^= 1 << random.randrange(8)
    sent = random.choice((packed_, packed_[: random.randrange(len(packed_))], bytes(corrupted), body, b""))
    return Answer(sent, headers={"Content-Encoding": name} if random.random() < 0.9 else {})


def renamed(page: Json, random: Random) -> Answer:
    """A key of the page under another name, as a new version of an API has it."""
    name = random.choice([key for key in page if page[key]])
    new = random.choice((name.upper(), name.title().replace("_", ""), name + "s", "data", "\u00e9", name[:-1]))
    return Answer(orjson.dumps({new if key == name else key: value for key, value in page.items()}))


def stuffed(page: Json, random: Random) -> Answer:
    """With bytes that are none of its own, before, in or after it."""
    body = orjson.dumps(page)
    at = random.choice((0, len(body), random.randrange(len(body))))
    more = random.choice((b"\x00", b")]}',\n", b"\xff\xfe", b"}", b"{}", random.randbytes(9), b"\xef\xbb\xbf"))
    return Answer(body[:at] + more + body[at:])


def another(page: Json, random: Random) -> Answer:
    """Nothing of CleverTap's at all."""
    if random.random() < 0.5:
        return Answer(orjson.dumps(random.choice(OTHERS)))
    kind = random.choice(("application/json", "text/html", ""))
    return Answer(random.choice(TEXTS).encode(), headers={"Content-Type": kind})


SPOILERS = (*(flipped, cut, ordered, mistyped, huge, deep, encoded, packed, renamed, stuffed, another),)


# ---------------------------------------------------------------- the path of a page


@dataclass
class Path:
    """A stream's retriever, as the CDK built it from the manifest, and a slice for it."""

    stream: Stream
    retriever: Retriever
    slice: StreamSlice
    log: Lines

    @classmethod
    def of(cls, stream: Stream, log: Lines, config: Json) -> "Path":
        """The path of a stream."""
        catalog = CatalogBuilder().with_stream(stream.name, SyncMode.full_refresh).build()
        source = SourceClevertap(config=config, catalog=catalog)
        (found,) = (s for s in source.streams(config) if s.name == stream.name)
        partition: Any = next(iter(found.generate_partitions()))
        return cls(stream, partition._retriever, partition.to_slice(), log)

    def read(self, corrupted: Answer, place: int, times: int) -> tuple[list[Json], str]:
        """Reads, page `place` being corrupted for the first `times`. Returns the rows, and the error."""
        left = {"times": times}

        def serve(request: requests.PreparedRequest) -> requests.Response | None:
            number = self._page(request)
            if number is None:
                sent = Answer(b'{"status":"success","cursor":"' + (CURSOR + "1").encode() + b'"}')
            elif not 0 <= number < len(self.stream.pages):
                sent = Answer(b'{"status":"fail","error":"Invalid cursor","code":"CURSOR_INVALIDATED"}', 400)
            elif number == place and left["times"] > 0:
                left["times"] -= 1
                sent = corrupted
            else:
                sent = Answer(orjson.dumps(self.stream.pages[number]))
            return requests_mock.create_response(request, raw=sent.response(), status_code=sent.status)

        rows: list[Json] = []
        with requests_mock.Mocker() as mocker:
            mocker.add_matcher(serve)
            try:
                for record in self.retriever.read_records({}, self.slice):
                    if isinstance(record, Record):
                        rows.append(dict(record.data))
            except AirbyteTracedException as error:
                return rows, f"{error.failure_type and error.failure_type.value}: {error.message}"
        return rows, ""

    def _page(self, request: requests.PreparedRequest) -> int | None:
        """The number of the page that is asked for; None for an opening."""
        query = parse_qs(urlsplit(request.url or "").query)
        if not self.stream.is_export:
            return int(query.get("pageNumber", ["1"])[0]) - 1
        if request.method == "POST":
            return None
        raw = (request.url or "").partition("cursor=")[2]
        return {CURSOR + "1": 0, CURSOR + "2": 1}.get(raw, -1)


def corrupted_responses(count: int, recipe: str) -> Row:
    """Sends `count` corrupted answers."""
    row, log = Row("bodies"), Lines()
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [log]
    sandbox = Sandbox(ACCOUNT)  # not started: it is the clock's alone
    config = sandbox.config(base_url="http://localhost:1", start_date=20220101, end_date=20220105)
    try:
        with Clock(sandbox).running():
            paths = [Path.of(stream, log, config) for stream in streams()]
            truths = [path.read(Answer(b""), 0, 0)[0] for path in paths]
            for path, truth in zip(paths, truths, strict=True):
                held = sum(len(page.get("records", ())) for page in path.stream.pages)
                if len(truth) < held:
                    row.wrong.append(("lost", f"{path.stream.name}: {len(truth)} rows of {held}"))
            for number in range(count):
                _one(paths, truths, f"{recipe}/{number}", row)
    finally:
        root.handlers = handlers
    return row


def _one(paths: list[Path], truths: list[list[Json]], recipe: str, row: Row) -> None:
    random = Random(recipe)  # noqa: S311
    which = random.choice((0, 0, 1, 1, *range(2, len(paths))))
    path, truth = paths[which], truths[which]
    place = random.randrange(len(path.stream.pages))
    spoiler = random.choice(SPOILERS)
    answer = spoiler(path.stream.pages[place], random)
    path.log.lines.clear()
    started = time.perf_counter()
    if spoiler is flipped and path.stream.name == "daily_event_counts":
        return  # its keys are the rows: a letter changed may make two days one
    what = f"{recipe}: {spoiler.__name__}, page {place} of {path.stream.name}"
    try:
        rows, error = path.read(answer, place, 10**9 if random.random() < 0.05 else 1)
    except RecursionError:  # of a table; the CDK says it in its own words
        rows, error = [], f"Stream {path.stream.name}: too deep"
    except Exception as crash:
        row.wrong.append(("unclear", f"{what}: {type(crash).__name__}: {crash}"))
        return
    row.tried.update(bodies=1, errors=bool(error), rows=len(rows))
    if time.perf_counter() - started > SECONDS:
        row.wrong.append(("hung", what))
    if MARK in error or any(MARK in line for line in path.log.lines):
        row.wrong.append(("leaked", what))
    if error:
        clear = not error.startswith("system_error") or "own words" in error or "too deep" in error
        if f"Stream {path.stream.name}" not in error or not clear:
            row.wrong.append(("unclear", f"{what}: {error}"))
        return
    if _different(rows) < _different(truth):
        row.wrong.append(("lost", f"{what}: {_different(rows)} rows of {_different(truth)}"))


def _different(rows: list[Json]) -> int:
    """How many rows there are, those that were read again counted once.

    By content: where a letter is another, a key may be that of another row.
    """
    return len({_text(row) for row in rows})


def _text(row: Json) -> str:
    try:
        return repr(row)
    except RecursionError:
        return "(deep)"
