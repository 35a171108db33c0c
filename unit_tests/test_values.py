"""Every value as CleverTap sent it; a wrong time zone is seen in the data."""

import itertools
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import pytz
import requests
import urllib3

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.config import DAY, Json, config
from unit_tests.mock_server.response_builder import Response, event, page

pytestmark = pytest.mark.cdk

BIG = "18446744073709551617"  # 2**64 + 1


def records(*texts: str | bytes) -> Response:
    """A page of records that are JSON already."""
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    return {"content": b'{"status": "success", "records": [%b]}' % b", ".join(encoded)}


@pytest.mark.parametrize("beside", ["1", BIG])
def test_given_any_number_when_read_then_it_comes_exactly_or_as_its_digits(clevertap: CleverTap, beside: str) -> None:
    numbers: dict[str, Any] = {
        **{text: text for text in (BIG, str(-(2**63) - 1), "1" + "0" * 400, "1" * 5000, "1e400", "-1e400")},
        **{text: int(text) for text in (str(2**64 - 1), str(-(2**63)), "9" * 19)},
        **{text: float(text) for text in ("1.5e3", "0.1", "-0.0")},
    }
    texts = (f'{{"ts": 1, "event_props": {{"a": [{{"b": {number}}}], "c": {beside}}}}}' for number in numbers)

    output = clevertap.read_events(config(**DAY), [records(*texts)])

    came = [record["event_props"]["a"][0]["b"] for record in output.records]
    assert list(map(repr, came)) == list(map(repr, numbers.values()))


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (rb'{"a\u0000b": "c\u0000", "d": "\\u0000"}', {"a\ufffdb": "c\ufffd", "d": r"\u0000"}),
        (rb'"\ud83dcut\ud83d \ud83d\ude00"', "\ufffdcut\ufffd \U0001f600"),  # half an emoji
        (b'"caf\xe9"', "caf\ufffd"),  # Latin-1
        (b'"\xe2\x82"', "\ufffd"),  # half a character
        (b'"a\nb\tc"', "a\nb\tc"),
        (b"[NaN, Infinity, -Infinity, 1]", [None, None, None, 1]),
    ],
)
def test_given_bytes_that_destinations_or_json_reject_when_read_then_they_are_replaced_and_every_record_comes(
    clevertap: CleverTap, sent: bytes, came: Any
) -> None:
    texts = (b'{"profile": {}, "ts": %d, "event_props": {"a": %b}}' % (ts, sent) for ts in (1, 2))

    output = clevertap.read_events(config(**DAY), [records(*texts)])

    assert [record["event_props"] for record in output.records] == [{"a": came}] * 2
    assert not clevertap.waits


@pytest.mark.parametrize("is_slow", [True, False])
def test_given_a_byte_each_second_or_a_wrong_checksum_when_read_then_it_is_no_page(
    monkeypatch: pytest.MonkeyPatch, components: Any, is_slow: bool
) -> None:
    seconds, response = itertools.count(), requests.Response()
    pieces = iter([b'{"status": "success", "records": []}'])

    def read1(*_: Any, **__: Any) -> bytes:
        if is_slow:
            return b" "
        if piece := next(pieces, b""):
            return piece
        raise urllib3.exceptions.DecodeError("incorrect data check")  # its trailer comes in a read of its own

    response.raw = SimpleNamespace(read1=read1, close=list, release_conn=list)
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))

    assert components.decode_body(response) == {"error": None}
    assert next(seconds) == (901 if is_slow else 2)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig", "utf-16", "utf-32"])
def test_given_an_encoding_that_the_stock_decoder_cannot_read_when_read_then_the_records_come(
    clevertap: CleverTap, encoding: str
) -> None:
    body = '{"status": "success", "records": 1, "events": [{"name": "A", "x": "cut\u00e9"}]}'.encode(encoding)

    output = clevertap.read_in_turn("event_schema", [{"content": body}], config())

    assert output.records == [{"name": "A", "details": {"x": "cut\ufffd" if encoding == "latin-1" else "cut\u00e9"}}]


# ------------------------------------------------------------------ the time zone, by the data


def at(local: str, zone: str, age: float) -> Json:
    """An event at a local time, its session begun `age` minutes before."""
    moment = pytz.timezone(zone).localize(datetime.fromisoformat(local))
    began = int((moment - timedelta(minutes=age)).timestamp())
    return event(1, ts=int(f"{moment:%Y%m%d%H%M%S}"), event_props={"CT Session Id": began})


@pytest.mark.parametrize(
    ("true_zone", "set_zone", "warned"),
    [
        ("Asia/Kolkata", None, "+5.5 hours"),
        ("UTC", "Asia/Kolkata", "-5.5 hours"),
        ("America/New_York", "UTC", "-5 hours"),
        ("Asia/Kathmandu", "Asia/Kolkata", None),  # a quarter of an hour cannot be told from a session
    ],
)
def test_given_sessions_when_50_events_are_read_then_a_wrong_time_zone_is_logged_once(
    clevertap: CleverTap, true_zone: str, set_zone: str | None, warned: str | None
) -> None:
    odd = ["", None, "abc", 7, "12345", 99999999999, "1e9", "1668999999"]  # no sessions, or of another day
    unclear = [event(ts=20221119054937, event_props={"CT Session Id": session}) for session in odd * 7]
    sent = [at(f"2022-11-{day:02} 10:00:00", true_zone, day) for day in range(10, 30) for _ in range(4)]
    settings = config(start_date=20221101, end_date=20221130, timezone=set_zone)

    output = clevertap.read_events(settings, [page(*unclear, *sent)])

    assert len(output.records) == 56 + 80
    warnings = [log for log in output.logs if "sessions of 50 events" in log]
    assert len(warnings) == (warned is not None)
    assert (warned or "") in "".join(warnings)
