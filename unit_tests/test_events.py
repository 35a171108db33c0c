"""The stream events: its requests, the fields it adds, keys of duplicates, and which events are read."""

import json
from typing import Any

import pytest

from unit_tests.conftest import CleverTap, Output
from unit_tests.mock_server.config import DAY, HOST, Json, config
from unit_tests.mock_server.response_builder import by_request, created, empty, event, fail, page, schema

EXPIRED = fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
REFUSED = fail("Export not allowed for this event", 400, http=400)
KEY = "63384ef01f554ce0d2e1648508e7503e"  # of event(1), on any machine
UNKNOWN = fail('["Invalid event : X"]', 400)
ALL = {**DAY, "all_events": True}


def ids(output: Output) -> list[str]:
    return [record["event_id"] for record in output.records]


def names(output: Output) -> list[str]:
    return sorted(record["event_name"] for record in output.records)


def test_given_a_record_when_read_then_it_is_as_sent_and_has_what_it_lacked(clevertap: CleverTap) -> None:
    person = {"objectId": "__g9", "platform": "Android", "identity": "me", "phone": 919800000001}
    sent: Json = {
        "profile": {**person, "profileData": {"Customer Type": "Gold", "a.b": [1, None]}},
        "ts": 20221119054937,
        "event_props": {"Amount": 59.99, "Items": [{"SKU": "a b"}], "\u00e9": "\U0001f600", "": None},
        "session_props": {"utm_source": "x"},
        "somethingNew": {"deep": [True]},
    }

    (record,) = clevertap.read_events(config(**DAY, timezone="Asia/Kolkata"), [page(sent)]).records

    sent["profile"]["phone"], sent["ts"] = "919800000001", "20221119054937"  # text always
    assert len(record.pop("event_id")) == 32
    assert record == {
        **{**sent, "event_name": "App Launched", "event_time": "2022-11-19T00:19:37Z", "date": "2022-11-19"},
        **{"object_id": "__g9", "identity": "me", "profile_id": "me"},
    }


@pytest.mark.parametrize(
    ("zone", "times"),
    [
        (None, {20221119054937: "2022-11-19T05:49:37Z", 20240229120000: "2024-02-29T12:00:00Z"}),
        ("Asia/Kolkata", {"20221119054937": "2022-11-19T00:19:37Z", "00010101000000": None}),
        ("America/New_York", {20241103013000: "2024-11-03T05:30:00Z"}),  # comes twice: the first
        ("Europe/Berlin", {20250330021708: "2025-03-30T01:17:08Z"}),  # skipped: by the clocks before
        ("America/Sao_Paulo", {20180217233000: "2018-02-18T01:30:00Z"}),  # back an hour at midnight
        ("America/Sao_Paulo", {20180218000000: "2018-02-18T03:00:00Z"}),
        ("America/Sao_Paulo", {20181103235959: "2018-11-04T02:59:59Z"}),  # on an hour at midnight
        ("UTC", dict.fromkeys((None, 0, "", "soon", True, -20221119054937, 2022111905493, 1668836977))),
        ("UTC", dict.fromkeys((20221119054937.5, 20230229120000, 20221119240000, 20221119056000, 20221119054960))),
    ],
)
def test_given_any_ts_when_read_then_event_time_is_its_instant_or_null_and_the_record_stays(
    clevertap: CleverTap, zone: str | None, times: dict[Any, str | None]
) -> None:
    output = clevertap.read_events(config(**DAY, timezone=zone), [page(*(event(ts=ts) for ts in times))])

    # The CDK prints no null at the top of a record.
    assert [record.get("event_time") for record in output.records] == list(times.values())
    expected = [str(ts) if isinstance(ts, (int, float)) else ts for ts in times]
    assert [record.get("ts") for record in output.records] == expected


def test_given_a_ts_when_read_then_date_is_its_day_within_the_window(clevertap: CleverTap) -> None:
    days: dict[Any, str] = {
        20221119003000: "2022-11-19",  # by the project's clock
        20211119054937: "2022-11-10",  # a device's clock is a year behind
        **dict.fromkeys((20991231235959, 20221119250000, None), "2022-11-24"),
    }
    settings = config(start_date=20221110, end_date=20221124, slice_days=15, timezone="Asia/Kolkata")  # one window

    output = clevertap.read_events(settings, [page(*(event(ts=ts) for ts in days))])

    assert [record["date"] for record in output.records] == list(days.values())


@pytest.mark.parametrize("profile", [None, "?", [], {}, {"objectId": None}])
def test_given_no_device_and_nobody_when_read_then_the_record_has_a_key(clevertap: CleverTap, profile: Any) -> None:
    (record,) = clevertap.read_events(config(**DAY), [page(event(profile=profile))]).records

    assert record.get("object_id") is record.get("identity") is record.get("profile_id") is None
    assert record["event_id"]


# ------------------------------------------------------------------ the key


def test_given_the_same_events_when_read_in_another_order_then_each_has_the_same_key(clevertap: CleverTap) -> None:
    records = [event(n, event_props={"b": {"y": 1, "x": [1]}, "a": n}) for n in range(5)]
    other = [
        {**dict(reversed(list(record.items()))), "event_props": {"a": n, "b": {"x": [1], "y": 1}}}
        for n, record in enumerate(records)
    ]

    first = clevertap.read_events(config(**DAY), [page(*records)])
    again = clevertap.read_events(config(**DAY), [page(*other[:1:-1], next_cursor="b"), page(*other[1::-1])])

    assert ids(again) == ids(first)[::-1]
    assert len(set(ids(first))) == 5


def test_given_other_events_when_read_then_each_has_another_key(clevertap: CleverTap) -> None:
    properties: Any = ({"n": 2}, {"n": "1"}, {"n": True}, {"n": [1]}, {"n": 1, "m": None}, {}, None)
    others: list[Json] = [{"profile": {"objectId": "x"}}, {"ts": 1}, *({"event_props": each} for each in properties)]

    output = clevertap.read_events(config(**DAY), [page(event(1), *(event(1, **fields) for fields in others))])
    by_name = clevertap.read_events(config(**DAY, event_name="Charged"), [page(event(1))])
    by_account = clevertap.read_events(config(**DAY, account_id="TEST-1"), [page(event(1))])

    assert ids(output)[0] == KEY
    assert len({key[:32] for read in (output, by_name, by_account) for key in ids(read)}) == len(others) + 3


def test_given_what_changes_later_when_read_then_the_key_does_not(clevertap: CleverTap) -> None:
    profile = {"objectId": "device-1", "identity": "now known", "profileData": {"new": 1}}
    settings = config(start_date=20220101, end_date=20221130, timezone="Asia/Kolkata")

    output = clevertap.read_events(settings, [page(event(1, profile=profile, ts="20221119054901"))])

    assert ids(output)[0] == KEY


def test_given_duplicates_on_any_pages_when_read_then_each_keeps_its_own_key(clevertap: CleverTap) -> None:
    same, other = event(1), event(2)
    one_page = clevertap.read_events(config(**DAY), [page(same, other, same, same)])
    pages = [page(same, next_cursor="c"), page(other, same)]
    three_pages = clevertap.read_events(config(**DAY), pages, posts=[page(same, cursor="b")])

    key = ids(one_page)[0]
    assert [i for i in ids(one_page) if i.startswith(key)] == [key, f"{key}-1", f"{key}-2"]
    assert sorted(ids(three_pages)) == sorted(ids(one_page))


# ------------------------------------------------------------------ expired cursors


def test_given_a_cursor_that_expires_when_reading_then_the_window_is_halved(
    components: Any, clevertap: CleverTap
) -> None:
    if components.window_split is None:
        pytest.skip("this CDK cannot split a window")

    pages = [EXPIRED, page(event(1)), page(event(2))]
    output = clevertap.read_events(config(start_date=20221101, end_date=20221102), pages)

    assert not output.errors
    assert sorted(clevertap.windows()) == [(20221101, 20221101), (20221101, 20221102), (20221102, 20221102)]
    assert [record["event_props"]["n"] for record in output.records] == [1, 2]
    assert "2022-11-02" in json.dumps(output.states[-1])


@pytest.mark.parametrize(
    ("response", "can_split"),
    [
        (fail("invalid cursor", 400, 400), True),
        (fail("", "CURSOR_INVALIDATED"), True),
        (fail("Cursor expired", 400, 400), True),
        (EXPIRED, False),
    ],
)
def test_given_a_window_that_cannot_be_split_when_its_cursor_expires_in_any_words_then_it_fails_with_advice(
    clevertap: CleverTap, components: Any, monkeypatch: pytest.MonkeyPatch, response: Json, can_split: bool
) -> None:
    if not can_split:
        monkeypatch.setattr(components, "window_split", None)
    last = 20221101 if can_split else 20221108

    output = clevertap.read_events(config(start_date=20221101, end_date=last), [response])

    kind, message = output.error
    assert kind == "transient_error"
    assert "lower slice_days" in message
    assert "Stream events, event 'App Launched', 2022-11-01 to 2022-11-0" in message
    assert clevertap.call_count == 2
    assert not any("2022-11-08" in json.dumps(state) for state in output.states)


# ------------------------------------------------------------------ which events


def posts_for(responses: dict[str, Json]) -> list[Json]:
    """Responses to the POST by the event it asks for; others are created."""
    return by_request(lambda body: responses.get(body["event_name"], created()))


def test_given_additional_names_when_read_then_each_is_read_once(clevertap: CleverTap) -> None:
    typed = ["Charged", "2024", "None", 'it\'s "{{ 1 }}"', "Charged", "App Launched"]

    settings = config(**DAY, additional_event_names=typed, counted_event_names=["Notification Sent"])
    output = clevertap.read_events(settings, [page(event())])

    assert names(output) == sorted({*typed, "App Launched"})


def test_given_all_events_when_read_then_the_schema_says_which_and_the_typed_ones_do_not(clevertap: CleverTap) -> None:
    settings = config(**ALL, event_name="Typed", excluded_event_names=["B"])
    odd = [{"name": "A"}, {"name": "B"}, {"nom": "C"}, {"name": None}, {"name": ""}, "D", None, 7, {"name": 2024}]
    passing = [fail("Too many concurrent requests", 429, 429), {"text": "<html>"}]

    output = clevertap.read_events(settings, [page(event())], schema=[*passing, {"json": {"events": odd}}])

    assert not output.errors
    assert names(output) == ["2024", "A"]
    warnings = [log for log in output.logs if "no name" in log]
    assert warnings == ["6 events of CleverTap's schema have no name. They are skipped."]
    first = clevertap.request_history[0]
    assert (first.method, first.url) == ("GET", f"{HOST}/getSchema?type=events")
    assert "X-CleverTap-Passcode" in first.headers
    assert "Content-Type" not in first.headers


@pytest.mark.parametrize("response", [REFUSED, UNKNOWN])
def test_given_all_events_when_some_are_refused_then_they_are_skipped_with_one_warning(
    clevertap: CleverTap, response: Json
) -> None:
    settings = config(start_date=20221101, end_date=20221114, slice_days=2, all_events=True)
    known = schema("A", "Viewed", "Clicked")
    posts = posts_for({"Viewed": response, "Clicked": response})

    output = clevertap.read_events(settings, [page(event())], posts=posts, schema=[known])

    assert not output.errors
    assert set(names(output)) == {"A"}
    (warning,) = (log for log in output.logs if "skipped" in log)
    assert "2 of 3 events: Clicked, Viewed." in warning
    assert len(clevertap.windows("Viewed")) <= 3  # those in flight; the others are not asked
    assert output.states[-1]["parent_state"] == {"complete": {"A": "2022-11-14"}}

    clevertap.reset_mock()  # if CleverTap lets them be read one day, it is from the start
    clevertap.read_events(settings, [page(event())], schema=[known], state=output.states[-1])
    assert clevertap.windows("Viewed")[0][0] == 20221101
    assert clevertap.windows("A")[0][0] == 20221112


@pytest.mark.parametrize("refused_first", [True, False])
def test_given_all_events_when_one_window_is_refused_and_another_is_not_then_the_read_fails(
    clevertap: CleverTap, refused_first: bool
) -> None:
    posts = by_request(lambda body: REFUSED if (body["from"] == 20221101) == refused_first else created())
    settings = config(start_date=20221101, end_date=20221106, slice_days=3, lookback_days=1, all_events=True)

    output = clevertap.read_events(settings, [page(event())], posts=posts, schema=[schema("A", "B")])

    # A window that comes after the refusal of another is not asked for: then all events are refused.
    contrary, all_refused = "allowed and then refused this event, or the reverse", "refuses 2 of 2 events"
    assert contrary in output.error[1] or all_refused in output.error[1]
    assert not any("2022-11-06" in json.dumps(state) for state in output.states)


@pytest.mark.parametrize(("response", "words"), [(REFUSED, "export not allowed"), (UNKNOWN, "no event with this name")])
@pytest.mark.parametrize("stream", ["events", "profiles"])
def test_given_a_name_that_was_typed_when_it_is_refused_then_the_read_fails(
    clevertap: CleverTap, stream: str, response: Json, words: str
) -> None:
    typed: Json = {"additional_event_names": ["Typed"]}
    if stream == "profiles":
        typed = {"profile_event_names": ["App Launched", "Typed"], "all_events": True}

    output = clevertap.read(stream, config(**DAY, **typed), [page(event())], posts=posts_for({"Typed": response}))

    kind, message = output.error
    assert kind == "config_error"
    assert f"Stream {stream}, event 'Typed', 2022-11-19 to 2022-11-19" in message
    assert words in message
    assert set(names(output)) == {"App Launched"}


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (fail("No", 77), "system_error", "refused the request: No"),
        ({"json": {"events": [{"name": "B"}], "error": "no"}}, "transient_error", "invalid response"),
        ({"json": {"status": "partial", "events": []}}, "transient_error", "still preparing"),
        (schema(), "config_error", "This account has no events yet"),
        (schema("A"), "config_error", "excludes all 1 events"),
        (schema("Viewed", "Clicked"), "config_error", "2 of 2 events"),
    ],
)
def test_given_no_event_that_can_be_read_when_read_then_it_is_an_error(
    clevertap: CleverTap, response: Json, kind: str, words: str
) -> None:
    posts = posts_for({"Viewed": REFUSED, "Clicked": REFUSED})

    output = clevertap.read_events(config(**ALL, excluded_event_names=["A"]), posts=posts, schema=[response])

    assert output.error[0] == kind
    assert words in output.error[1]
    assert not output.records


def test_given_filters_when_creating_then_they_are_in_the_body_of_their_stream_alone(clevertap: CleverTap) -> None:
    filters: Json = {
        "event": {"event_properties": [{"name": "Amount", "operator": "greater_than", "value": 100}]},
        "profile": {"common_profile_properties": {"profile_fields": [{"name": "it's {{ 1 }}"}]}},
    }
    settings = {f"{name}_filters": json.dumps(content, indent=2) for name, content in filters.items()}

    for name, content in filters.items():
        clevertap.reset_mock()
        clevertap.read(f"{name}s", config(**DAY, **settings), [empty()])
        assert clevertap.bodies == [{**content, "event_name": "App Launched", "from": 20221119, "to": 20221119}]
