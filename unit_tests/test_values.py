"""Every value as CleverTap sent it, every column of one type."""

import json
import re
import sys
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import pytz
import requests
import requests_mock
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_clevertap.run import COMPONENTS_MODULE, check_environment
from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import ACCOUNT_ID, HOST, config
from unit_tests.mock_server.response_builder import empty, event, page, profile, schema
from unit_tests.mock_server.tables import answers_of, report, settings

pytestmark = pytest.mark.cdk

Json = dict[str, Any]
DAY = {"start_date": 20221119, "end_date": 20221119}
BIG = "18446744073709551617"  # 2**64 + 1


def records(*texts: str) -> Json:
    """A page of records that are JSON already."""
    return {"text": f'{{"status": "success", "records": [{", ".join(texts)}]}}'}


# ------------------------------------------------------------------ numbers and texts


def test_given_ids_beyond_64_bits_when_read_then_each_has_its_own_key(read_profiles: Read) -> None:
    texts = [f'{{"identity": {BIG}}}', f'{{"identity": {int(BIG) + 1}}}']

    first, second = rows(read_profiles(config(), [records(*texts)]))

    assert (first["profile_id"], second["profile_id"]) == (BIG, str(int(BIG) + 1))
    assert (first["identity"], second["identity"]) == (BIG, str(int(BIG) + 1))


def test_given_a_text_of_many_digits_when_read_then_the_page_is_decoded_by_orjson(
    read_events: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    components = sys.modules[COMPONENTS_MODULE]
    monkeypatch.setattr(components, "clean", pytest.fail)  # called after Python's json
    properties = f'{{"a": "x{BIG}", "b": -1, "c": 0.{BIG}}}'
    text = f'{{"profile": {{"identity": "{BIG}"}}, "event_props": {properties}}}'

    (row,) = rows(read_events(config(**DAY), [records(text)]))

    assert row["identity"] == BIG


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (BIG, BIG),
        (str(2**64 - 1), 2**64 - 1),
        (str(-(2**63)), -(2**63)),
        (str(-(2**63) - 1), str(-(2**63) - 1)),
        ("1" + "0" * 400, "1" + "0" * 400),
        ("1" * 5000, "1" * 5000),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("1.5e3", 1500.0),
        ("0.1", 0.1),
        ("-0.0", -0.0),
        ("9" * 19, int("9" * 19)),
    ],
)
@pytest.mark.parametrize("beside", ["1", BIG])
def test_given_any_number_when_read_then_it_comes_exactly_or_as_its_digits(
    read_events: Read, sent: str, came: Any, beside: str
) -> None:
    text = f'{{"profile": {{}}, "ts": 1, "event_props": {{"a": [{{"b": {sent}}}], "c": {beside}}}}}'

    (row,) = rows(read_events(config(**DAY), [records(text)]))

    assert row["event_props"]["a"] == [{"b": came}]
    assert type(row["event_props"]["a"][0]["b"]) is type(came)


def test_given_a_big_number_when_personal_then_its_digest_is_of_its_digits(read_profiles: Read) -> None:
    texts = [f'{{"objectId": "a", "phone": {BIG}}}', f'{{"objectId": "b", "phone": "{BIG}"}}']
    settings_ = config(pii_mode="hash", pii_salt="s")

    first, second = rows(read_profiles(settings_, [records(*texts)]))

    assert first["phone"] == second["phone"]


def test_given_nul_when_read_then_it_is_replaced_and_letters_that_look_like_it_stay(
    read_events: Read,
) -> None:
    properties = r'{"a\u0000b": "c\u0000", "literal": "\\u0000", "half": "\ud83d"}'
    text = f'{{"profile": {{"name": "x\\u0000"}}, "ts": 1, "event_props": {properties}}}'

    (row,) = rows(read_events(config(**DAY), [records(text)]))

    assert row["event_props"] == {"a\ufffdb": "c\ufffd", "literal": r"\u0000", "half": "\ufffd"}
    assert row["profile"]["name"] == "x\ufffd"


@pytest.mark.parametrize(
    ("sent", "came"),
    [
        (b'"caf\xe9"', "caf\ufffd"),  # Latin-1
        (b'"\xe2\x82"', "\ufffd"),  # half a character
        (b'"a\nb\tc"', "a\nb\tc"),
        (b"NaN", None),
        (b"[Infinity, -Infinity, 1]", [None, None, 1]),
    ],
)
def test_given_bytes_that_are_not_json_in_a_whole_page_when_read_then_every_row_comes(
    read_events: Read, waits: list[float], sent: bytes, came: Any
) -> None:
    texts = (b'{"profile": {}, "ts": %d, "event_props": {"a": %b}}' % (ts, sent) for ts in (1, 2))

    output = read_events(config(**DAY), [{"content": b'{"status": "success", "records": [%b]}' % b", ".join(texts)}])

    assert [row["event_props"] for row in rows(output)] == [{"a": came}] * 2 if came is not None else [{}] * 2
    assert not waits


@pytest.mark.parametrize("record", [None, "text", 7, True, [{}]])
@pytest.mark.parametrize("stream", ["profiles", "events", "campaigns"])
def test_given_a_record_that_is_no_object_when_read_then_the_error_names_its_position(
    read_stream: Read, read_table: Read, stream: str, record: Any
) -> None:
    if stream == "campaigns":
        output = read_table(stream, [{"json": {"status": "success", "targets": [{"id": 1}, record]}}], settings())
        where = "Stream campaigns, from 20220101, to "
    else:
        output = read_stream(stream, config(**DAY), [page(event(), record)])
        where = f"Stream {stream}, event 'App Launched', 2022-11-19 to 2022-11-19: "

    kind, message = first_error(output)
    assert kind == "system_error"
    assert message.startswith(where)
    assert "Record 1 of a response is not an object" in message
    assert "text" not in message


def test_given_a_response_of_which_a_byte_comes_each_second_when_read_then_reading_ends_after_15_minutes(
    monkeypatch: pytest.MonkeyPatch, components: Any
) -> None:
    now = [0.0]
    response = requests.Response()

    def read1(*_: Any, **__: Any) -> bytes:
        now[0] += 1
        return b" "

    response.raw = SimpleNamespace(read1=read1, close=list, release_conn=list)
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    assert components.decode_body(response) == {"error": None}
    assert now == [900]


@pytest.mark.parametrize("stream", ["profiles", "events"])
def test_given_ids_as_numbers_when_read_then_they_are_text(read_stream: Read, stream: str) -> None:
    person = {"objectId": "a", "identity": 42, "phone": 919800000001, "all_identities": [42, None, "x"]}
    sent = person if stream == "profiles" else {"profile": person, "ts": 20221119054937}

    (row,) = rows(read_stream(stream, config(**DAY), [page(sent)]))

    came = row if stream == "profiles" else row["profile"]
    assert came["identity"] == row["identity"] == "42"
    assert came["phone"] == "919800000001"
    assert came["all_identities"] == ["42", None, "x"]
    assert stream == "profiles" or row["ts"] == "20221119054937"


@pytest.mark.parametrize(("identity", "key"), [(0, "0"), (False, "False"), ("0", "0"), ("x", "x")])
def test_given_a_falsy_identity_without_a_device_when_read_then_it_is_the_key(
    read_profiles: Read, identity: Any, key: str
) -> None:
    (row,) = rows(read_profiles(config(), [page({"identity": identity})]))

    assert row["profile_id"] == key


def test_given_no_id_when_the_event_summary_moves_then_the_key_does_not(read_profiles: Read) -> None:
    person = {"profileData": {"n": 1}}
    keys = {
        rows(read_profiles(config(), [page({**person, "events": {"A": {"count": n}}})]))[0]["profile_id"]
        for n in range(3)
    }

    assert len(keys) == 1


# ------------------------------------------------------------------ columns


@pytest.mark.parametrize("stream", ["event_schema", "user_properties", "content_blocks", "category_groups"])
def test_given_keys_that_nobody_documents_when_read_then_they_are_details(read_table: Read, stream: str) -> None:
    content = json.loads(json.dumps(answers_of(stream)[0]["json"]))
    (row,) = next(value for value in content.values() if isinstance(value, list))
    row.pop("x y", None)
    row["new one"] = {"a": [1]}

    (came,) = rows(read_table(stream, [{"json": content}, *answers_of(stream)[1:]], settings()))

    assert came["details"] == {"new one": {"a": [1]}}
    assert "new one" not in came


@pytest.mark.parametrize("number", [7, "7"])
def test_given_values_of_two_types_when_read_then_a_column_has_one(read_table: Read, number: Any) -> None:
    message = {"message id": number, "labels": "x", "device": ["ios"]}
    (row,) = rows(read_table("message_reports", [{"json": {"status": "success", "messages": [message]}}], settings()))
    assert (row["message_id"], row["labels"], row["device"]) == ("7", ["x"], ["ios"])

    block = {"id": 1, "createdAt": 1706768988965, "updatedAt": "2024-02-01T06:29:48.965Z"}
    pages: list[Json] = [{"json": {"contentBlocks": [block]}}, {"json": {"contentBlocks": []}}]
    (row,) = rows(read_table("content_blocks", pages, settings()))
    assert row["createdAt"] == "1706768988965"


ODD_IDS = [1457432766, "1611057133_20210119", "0x10", "None", "1_000", "007", "it's", "1e5"]


@pytest.mark.parametrize("number", ODD_IDS)
def test_given_a_campaign_of_any_id_when_its_report_is_read_then_it_is_sent_as_it_came(
    read_table: Read, clevertap: requests_mock.Mocker, number: Any
) -> None:
    listed = {"json": {"status": "success", "targets": [{"id": number}]}}

    output = read_table("campaign_reports", [listed, report(sent=1)], settings())

    assert rows(output) == [{"campaign_id": str(number), "result": {"sent": 1}}]
    assert json.loads(clevertap.request_history[-1].text)["id"] == number


def test_given_whole_floats_when_used_then_they_are_integers(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    days = {"start_date": 20221101.0, "end_date": 20221130.0, "slice_days": 15.0, "lookback_days": 2.0}
    output = read_events(config(**days), [empty()])

    assert not output.errors
    sent = [json.loads(r.text) for r in clevertap.request_history if r.method == "POST"]
    assert sorted((b["from"], b["to"]) for b in sent) == [(20221101, 20221115), (20221116, 20221130)]


@pytest.mark.parametrize("req_id", ["a1b2-c3", "384649162721759", "1e5"])
def test_given_a_req_id_that_is_text_when_polled_then_it_is_sent_as_it_came(
    read_table: Read, clevertap: requests_mock.Mocker, req_id: str
) -> None:
    asked: Json = {"json": {"status": "partial", "req_id": req_id}}

    output = read_table("daily_event_counts", [asked, *answers_of("daily_event_counts")], settings())

    assert len(rows(output)) == 2
    assert clevertap.request_history[-1].url.endswith(f"?req_id={req_id}")


# ------------------------------------------------------------------ errors that last

LASTING = [
    (
        requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
        "REQUESTS_CA_BUNDLE",
    ),
    (
        requests.exceptions.ProxyError("Tunnel connection failed: 407 Proxy Authentication Required"),
        "HTTPS_PROXY",
    ),
    (requests.exceptions.InvalidProxyURL("Please check proxy URL."), "HTTPS_PROXY"),
    (requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support."), "scheme"),
]


@pytest.mark.parametrize(("exception", "words"), LASTING)
@pytest.mark.parametrize("stream", ["profiles", "event_schema"])
def test_given_a_network_fault_that_lasts_when_read_then_it_is_a_config_error_at_once(
    read_table: Read, waits: list[float], stream: str, exception: Exception, words: str
) -> None:
    output = read_table(stream, [{"exc": exception}], settings())

    assert first_error(output)[0] == "config_error"
    assert words in first_error(output)[1]
    assert waits == []


@pytest.mark.parametrize(
    "exception",
    [requests.exceptions.SSLError("EOF occurred"), requests.exceptions.ProxyError("refused at 0x407")],
)
def test_given_a_network_fault_that_passes_when_read_then_it_is_retried(
    read_profiles: Read, exception: Exception
) -> None:
    output = read_profiles(config(), [{"exc": exception}, page(profile(1))])

    assert len(rows(output)) == 1


# ------------------------------------------------------------------ the time zone, by the data


def at(local: str, zone: str, age: float, session: Any = None) -> Json:
    """An event at a local time, its session begun `age` minutes before."""
    moment = pytz.timezone(zone).localize(datetime.fromisoformat(local))
    began = int((moment - timedelta(minutes=age)).timestamp())
    value = began if session is None else session
    return event(1, ts=int(f"{moment:%Y%m%d%H%M%S}"), event_props={"CT Session Id": value})


def warned(output: Any) -> list[str]:
    return [m.log.message for m in output.logs if m.log and "sessions of 50 events" in m.log.message]


@pytest.mark.parametrize(
    ("true_zone", "set_zone", "shown"),
    [
        ("Asia/Kolkata", None, "+5.5 hours"),
        ("UTC", "Asia/Kolkata", "-5.5 hours"),
        ("America/New_York", "UTC", "-5 hours"),
        ("Asia/Kathmandu", "Asia/Kolkata", None),  # a quarter of an hour cannot be told from a session
        ("Asia/Kolkata", "Asia/Kolkata", None),
        ("America/New_York", "America/New_York", None),
    ],
)
def test_given_sessions_when_50_events_are_read_then_a_wrong_time_zone_is_logged_once(
    read_events: Read, true_zone: str, set_zone: str | None, shown: str | None
) -> None:
    sent = [at(f"2022-11-{day:02} 10:00:00", true_zone, day) for day in range(10, 30) for _ in range(4)]

    output = read_events(config(start_date=20221101, end_date=20221130, timezone=set_zone), [page(*sent)])

    assert len(rows(output)) == 80
    assert len(warned(output)) == (shown is not None)
    assert (shown or "") in "".join(warned(output))


@pytest.mark.parametrize("session", ["", None, "abc", 7, "12345", True, [], 99999999999, "1e9"])
def test_given_odd_sessions_when_read_then_nothing_is_reported(read_events: Read, session: Any) -> None:
    sent = [event(n, ts=20221119054937, event_props={"CT Session Id": session}) for n in range(80)]

    output = read_events(config(**DAY, timezone="Asia/Tokyo"), [page(*sent)])

    assert warned(output) == []


def test_given_a_clock_change_and_long_sessions_when_read_then_nothing_is_reported(
    read_events: Read,
) -> None:
    zone = "America/New_York"
    sent = [at(f"2024-03-{day:02} 12:00:00", zone, 5 * (n + 1)) for n, day in enumerate([9, 10, 11] * 30)]

    output = read_events(config(start_date=20240301, end_date=20240330, timezone=zone), [page(*sent)])

    assert warned(output) == []


# ------------------------------------------------------------------ counts of users, and of more events


def test_given_users_when_counted_then_unique_is_asked_for(read_table: Read, clevertap: requests_mock.Mocker) -> None:
    output = read_table("daily_event_users", answers_of("daily_event_counts"), settings())

    assert rows(output) == [
        {"event_name": "App Launched", "date": "2022-01-01", "users": 0},
        {"event_name": "App Launched", "date": "2022-01-02", "users": 5},
    ]
    body = json.loads(clevertap.request_history[0].text)
    assert body["unique"] is True
    assert body["groups"] == {"daily": {"trend_type": "daily"}}


@pytest.mark.parametrize("stream", ["daily_event_counts", "daily_event_users"])
@pytest.mark.parametrize("all_events", [False, True])
def test_given_events_to_count_when_counted_then_those_that_exports_refuse_are_in(
    clevertap: requests_mock.Mocker, read_stream: Read, stream: str, all_events: bool
) -> None:
    names = {} if all_events else {"counted_event_names": ["Notification Sent"]}
    known = schema("App Launched", "Notification Sent")
    clevertap.post(f"{HOST}/1/counts/trends.json", answers_of("daily_event_counts"))

    output = read_stream(stream, settings(all_events=all_events, **names), [empty()], schema=[known])

    assert {row["event_name"] for row in rows(output)} == {"App Launched", "Notification Sent"}


def test_given_events_to_count_when_events_are_read_then_they_are_not_exported(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    read_events(config(**DAY, counted_event_names=["Notification Sent"]), [page(event(1))])

    bodies = [json.loads(r.text) for r in clevertap.request_history if r.method == "POST"]
    assert [body["event_name"] for body in bodies] == ["App Launched"]


def test_given_a_counted_event_when_synced_again_then_its_state_is_kept(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    names = settings(counted_event_names=["Notification Sent"], timezone="UTC")
    state = {
        "use_global_cursor": False,
        "states": [
            {
                "partition": {"account_id": ACCOUNT_ID, "event_name": name, "start_date": 20220101},
                "cursor": {"date": "2022-01-08"},
            }
            for name in ("App Launched", "Notification Sent")
        ],
    }
    read_table("daily_event_counts", answers_of("daily_event_counts"), names, state=state)

    sent = [json.loads(r.text) for r in clevertap.request_history if r.method == "POST"]
    assert {body["from"] for body in sent} == {20220106}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("REQUESTS_CA_BUNDLE", "/no/such/file.pem", "The file /no/such/file.pem"),
        ("CURL_CA_BUNDLE", "/no/such/file.pem", "CURL_CA_BUNDLE. does not exist"),
        ("https_proxy", "ftp://proxy:3128", "HTTPS_PROXY has the scheme ftp"),
        ("https_proxy", "http://user:secret@proxy:3128", ""),
        ("https_proxy", "proxy:3128", ""),
    ],
)
def test_given_a_variable_that_cannot_be_used_when_started_then_it_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    if not words:
        return check_environment()

    with pytest.raises(AirbyteTracedException) as raised:
        check_environment()
    assert re.search(words, str(raised.value.message))
    assert raised.value.failure_type is FailureType.config_error
    return None
