"""Every value as CleverTap sent it; a wrong time zone is seen in the data."""

import sys
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import pytz
import requests
import urllib3

from source_clevertap.run import COMPONENTS_MODULE
from unit_tests.conftest import CleverTap, Output
from unit_tests.mock_server.config import DAY, Json, config
from unit_tests.mock_server.response_builder import Response, event, page

pytestmark = pytest.mark.cdk

BIG, BIGGER = "18446744073709551617", "18446744073709551618"  # 2**64 + 1


def records(*texts: str | bytes) -> Response:
    """A page of records that are JSON already."""
    encoded = [text.encode() if isinstance(text, str) else text for text in texts]
    return {"content": b'{"status": "success", "records": [%b]}' % b", ".join(encoded)}


def test_given_ids_beyond_64_bits_when_read_then_each_has_its_own_key(clevertap: CleverTap) -> None:
    page_ = records(f'{{"identity": {BIG}}}', f'{{"identity": {BIGGER}}}')

    read = clevertap.read_profiles(config(), [page_]).records

    assert [(record["profile_id"], record["identity"]) for record in read] == [(BIG, BIG), (BIGGER, BIGGER)]


def test_given_a_text_of_many_digits_when_read_then_the_page_is_decoded_by_orjson(
    clevertap: CleverTap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[COMPONENTS_MODULE], "clean", pytest.fail)  # called after Python's json
    text = f'{{"profile": {{"identity": "{BIG}"}}, "event_props": {{"a": "x{BIG}", "b": -1, "c": 0.{BIG}}}}}'

    (record,) = clevertap.read_events(config(**DAY), [records(text)]).records

    assert record["identity"] == BIG


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


def test_given_a_big_number_when_personal_then_its_digest_is_of_its_digits(clevertap: CleverTap) -> None:
    page_ = records(f'{{"objectId": "a", "phone": {BIG}}}', f'{{"objectId": "b", "phone": "{BIG}"}}')

    first, second = clevertap.read_profiles(config(pii_mode="hash", pii_salt="s"), [page_]).records

    assert first["phone"] == second["phone"]


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


def test_given_a_response_of_which_a_byte_comes_each_second_when_read_then_reading_ends_after_15_minutes(
    monkeypatch: pytest.MonkeyPatch, components: Any
) -> None:
    now, response = [0.0], requests.Response()

    def read1(*_: Any, **__: Any) -> bytes:
        now[0] += 1
        return b" "

    response.raw = SimpleNamespace(read1=read1, close=list, release_conn=list)
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    assert components.decode_body(response) == {"error": None}
    assert now == [900]


def test_given_a_whole_body_whose_checksum_is_wrong_when_read_then_it_is_no_page(components: Any) -> None:
    pieces, response = [b'{"status": "success", "records": []}'], requests.Response()

    def read1(*_: Any, **__: Any) -> bytes:
        if pieces:
            return pieces.pop()
        raise urllib3.exceptions.DecodeError("incorrect data check")  # its trailer comes in a read of its own

    response.raw = SimpleNamespace(read1=read1, close=list, release_conn=list)

    assert components.decode_body(response) == {"error": None}


def test_given_odd_bytes_and_a_key_records_in_another_stream_when_read_then_its_records_come(
    clevertap: CleverTap,
) -> None:
    body = b'{"status": "success", "records": 1, "events": [{"name": "A", "x": "cut\xe9"}]}'

    output = clevertap.read_in_turn("event_schema", [{"content": body}], config())

    assert output.records == [{"name": "A", "details": {"x": "cut\ufffd"}}]


# ------------------------------------------------------------------ the time zone, by the data


def at(local: str, zone: str, age: float) -> Json:
    """An event at a local time, its session begun `age` minutes before."""
    moment = pytz.timezone(zone).localize(datetime.fromisoformat(local))
    began = int((moment - timedelta(minutes=age)).timestamp())
    return event(1, ts=int(f"{moment:%Y%m%d%H%M%S}"), event_props={"CT Session Id": began})


def warnings(output: Output) -> list[str]:
    return [log for log in output.logs if "sessions of 50 events" in log]


@pytest.mark.parametrize(
    ("true_zone", "set_zone", "warned"),
    [
        ("Asia/Kolkata", None, "+5.5 hours"),
        ("UTC", "Asia/Kolkata", "-5.5 hours"),
        ("America/New_York", "UTC", "-5 hours"),
        ("Asia/Kathmandu", "Asia/Kolkata", None),  # a quarter of an hour cannot be told from a session
        ("Asia/Kolkata", "Asia/Kolkata", None),
    ],
)
def test_given_sessions_when_50_events_are_read_then_a_wrong_time_zone_is_logged_once(
    clevertap: CleverTap, true_zone: str, set_zone: str | None, warned: str | None
) -> None:
    sent = [at(f"2022-11-{day:02} 10:00:00", true_zone, day) for day in range(10, 30) for _ in range(4)]
    settings = config(start_date=20221101, end_date=20221130, timezone=set_zone)

    output = clevertap.read_events(settings, [page(*sent)])

    assert len(output.records) == 80
    assert len(warnings(output)) == (warned is not None)
    assert (warned or "") in "".join(warnings(output))


@pytest.mark.parametrize("session", ["", None, "abc", 7, "12345", True, [], 99999999999, "1e9", "1668999999"])
def test_given_odd_sessions_when_read_then_nothing_is_reported(clevertap: CleverTap, session: Any) -> None:
    sent = [event(n, ts=20221119054937, event_props={"CT Session Id": session}) for n in range(80)]

    output = clevertap.read_events(config(**DAY, timezone="Asia/Tokyo"), [page(*sent)])

    assert warnings(output) == []


def test_given_a_clock_change_and_long_sessions_when_read_then_nothing_is_reported(clevertap: CleverTap) -> None:
    zone = "America/New_York"
    sent = [at(f"2024-03-{day:02} 12:00:00", zone, 5 * (n + 1)) for n, day in enumerate([9, 10, 11] * 30)]

    output = clevertap.read_events(config(start_date=20240301, end_date=20240330, timezone=zone), [page(*sent)])

    assert warnings(output) == []
