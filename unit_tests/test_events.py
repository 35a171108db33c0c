"""The stream events: its requests, the fields it adds, keys of duplicates, and which events are read."""

import json
from collections import Counter
from typing import Any

import pytest
import requests_mock

from unit_tests.conftest import Read, bodies, first_error, rows, states
from unit_tests.mock_server.config import HOST, config
from unit_tests.mock_server.response_builder import empty, event, fail, moved, opened, page, schema

Json = dict[str, Any]
DAY = {"start_date": 20221119, "end_date": 20221119}
ADDED = ("event_id", "event_name", "event_time", "object_id", "identity", "profile_id", "date")
DEAD = fail("Invalid cursor", "CURSOR_INVALIDATED", http=400)
REFUSED = fail("Export not allowed for this event", 400, http=400)
UNKNOWN = fail('["Invalid event : X"]', 400)

UNREADABLE: list[Any] = [
    None, 0, "", "soon", True, [], {}, -20221119054937, 2022111905493, 202211190549370,
    20221119054937.5, 20230229120000, 20221119240000, 20221119056000, 20221119054960,
    "2022-11-19T05:49", 1668836977, 1668836977000,
]  # fmt: skip


def ids(records: list[Json]) -> list[str]:
    return [record["event_id"] for record in records]


def test_given_an_export_when_read_then_it_is_opened_by_post_and_paged_by_get(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_events(config(**DAY), [page(event(1), next_cursor="b%2F"), page(event(2))])

    post, first, second = clevertap.request_history
    assert post.method == "POST"
    assert post.url == (f"{HOST}/1/events.json?batch_size=4991&app=true&events=false&profile=true")
    assert json.loads(post.text) == {
        "event_name": "App Launched",
        "from": 20221119,
        "to": 20221119,
    }
    assert first.url == f"{HOST}/1/events.json?cursor=first%2Fcursor%3D%3D"
    assert second.url == f"{HOST}/1/events.json?cursor=b%2F"
    assert len(rows(output)) == 2


@pytest.mark.parametrize(
    ("setting", "parameter"), [("include_app_fields", "app"), ("include_profile_properties", "profile")]
)
@pytest.mark.parametrize(("value", "sent"), [(None, "true"), (True, "true"), (False, "false")])
def test_given_a_switch_when_opening_then_the_fields_are_asked_for_or_not(
    read_events: Read,
    clevertap: requests_mock.Mocker,
    setting: str,
    parameter: str,
    value: bool | None,
    sent: str,
) -> None:
    read_events(config(**DAY, **{setting: value}, include_event_summary=True), [empty()])

    query = clevertap.request_history[0].qs
    assert query[parameter] == [sent]
    assert query["events"] == ["false"]


def test_given_a_record_when_read_then_it_is_as_sent_and_has_what_it_lacked(read_events: Read) -> None:
    sent: Json = {
        "profile": {
            "objectId": "__g9",
            "platform": "Android",
            "identity": "me",
            "phone": 919800000001,
            "profileData": {"Customer Type": "Gold", "a.b": [1, None]},
        },
        "ts": 20221119054937,
        "event_props": {"Amount": 59.99, "Items": [{"SKU": "a b"}], "\u00e9": "\U0001f600", "": None},
        "session_props": {"utm_source": "x"},
        "somethingNew": {"deep": [True]},
    }

    (row,) = rows(read_events(config(**DAY, timezone="Asia/Kolkata"), [page(sent)]))

    sent["profile"]["phone"], sent["ts"] = "919800000001", "20221119054937"  # text always
    assert {name: row[name] for name in row if name not in ADDED} == sent
    assert len(row.pop("event_id")) == 32
    assert {name: row[name] for name in ADDED if name in row} == {
        "event_name": "App Launched",
        "event_time": "2022-11-19T00:19:37Z",
        "object_id": "__g9",
        "identity": "me",
        "profile_id": "me",
        "date": "2022-11-19",
    }


@pytest.mark.parametrize(
    ("ts", "zone", "expected"),
    [
        (20221119054937, None, "2022-11-19T05:49:37Z"),
        (20221119054937, "", "2022-11-19T05:49:37Z"),
        ("20221119054937", "Asia/Kolkata", "2022-11-19T00:19:37Z"),
        (20220101000000, "Pacific/Kiritimati", "2021-12-31T10:00:00Z"),
        (20240310015959, "America/New_York", "2024-03-10T06:59:59Z"),
        (20240310030000, "America/New_York", "2024-03-10T07:00:00Z"),
        (20241103005959, "America/New_York", "2024-11-03T04:59:59Z"),
        (20241103013000, "America/New_York", "2024-11-03T05:30:00Z"),  # comes twice: the first
        (20241103020000, "America/New_York", "2024-11-03T07:00:00Z"),
        (20240407013000, "Australia/Lord_Howe", "2024-04-06T14:30:00Z"),  # half an hour twice
        (20180217225959, "America/Sao_Paulo", "2018-02-18T00:59:59Z"),  # back an hour at midnight
        (20180217233000, "America/Sao_Paulo", "2018-02-18T01:30:00Z"),
        (20180218000000, "America/Sao_Paulo", "2018-02-18T03:00:00Z"),
        (20250330021708, "Europe/Berlin", "2025-03-30T01:17:08Z"),  # skipped: by the clocks before
        (20181103235959, "America/Sao_Paulo", "2018-11-04T02:59:59Z"),  # on an hour at midnight
        (20181104010000, "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        (20991231235959, "UTC", "2099-12-31T23:59:59Z"),
        (20240229120000, "UTC", "2024-02-29T12:00:00Z"),
        *((unreadable, "UTC", None) for unreadable in UNREADABLE),
        ("00010101000000", "Asia/Kolkata", None),
    ],
)  # fmt: skip
def test_given_any_ts_when_read_then_event_time_is_its_instant_or_null_and_the_row_stays(
    read_events: Read, ts: Any, zone: str | None, expected: str | None
) -> None:
    output = read_events(config(**DAY, timezone=zone), [page(event(ts=ts))])

    (row,) = rows(output)
    assert row.get("event_time") == expected  # the CDK prints no null at the top of a record
    assert row.get("ts") == (str(ts) if isinstance(ts, (int, float)) else ts)
    assert not output.errors


@pytest.mark.parametrize("profile", [None, "?", [], {}, {"objectId": None}])
def test_given_no_device_and_nobody_when_read_then_the_row_stays_with_a_key(read_events: Read, profile: Any) -> None:
    (row,) = rows(read_events(config(**DAY), [page(event(profile=profile))]))

    assert row.get("object_id") is row.get("identity") is row.get("profile_id") is None
    assert row["event_id"]


# ------------------------------------------------------------------ the key


def test_given_the_same_events_when_read_in_another_order_then_each_has_the_same_key(
    read_events: Read,
) -> None:
    records = [event(n, event_props={"b": {"y": 1, "x": [1]}, "a": n}) for n in range(5)]
    turned = [
        {**dict(reversed(list(r.items()))), "event_props": {"a": n, "b": {"x": [1], "y": 1}}}
        for n, r in enumerate(records)
    ]

    first = rows(read_events(config(**DAY), [page(*records)]))
    again = rows(read_events(config(**DAY), [page(*turned[:1:-1], next_cursor="b"), page(*turned[1::-1])]))

    assert ids(again) == ids(first)[::-1]
    assert len(set(ids(first))) == 5


def test_given_a_key_when_computed_on_any_machine_then_it_is_this_one(read_events: Read) -> None:
    (row,) = rows(read_events(config(**DAY), [page(event(1))]))

    assert row["event_id"] == "63384ef01f554ce0d2e1648508e7503e"


@pytest.mark.parametrize(
    "fields",
    [
        {"profile": {"objectId": "device-2"}},
        {"ts": 20221119054902},
        {"event_props": {"n": 2}},
        {"event_props": {"n": "1"}},
        {"event_props": {"n": True}},
        {"event_props": {"n": [1]}},
        {"event_props": {"n": 1, "m": None}},
        {"event_props": {}},
        {"event_props": None},
    ],
)
def test_given_another_event_when_read_then_its_key_is_another(read_events: Read, fields: Json) -> None:
    records = rows(read_events(config(**DAY), [page(event(1), event(1, **fields))]))

    assert len({record["event_id"][:32] for record in records}) == 2


@pytest.mark.parametrize("changes", [{"event_name": "Charged"}, {"account_id": "TEST-1"}])
def test_given_another_name_or_account_when_read_then_the_key_is_another(read_events: Read, changes: Json) -> None:
    one, other = (
        rows(read_events(config(**DAY, **c) if c else config(**DAY), [page(event(1))])) for c in ({}, changes)
    )

    assert ids(one) != ids(other)


def test_given_what_changes_later_when_read_then_the_key_does_not(read_events: Read) -> None:
    profile = {"objectId": "device-1", "identity": "now known", "profileData": {"new": 1}}
    changed = {"profile": profile, "ts": "20221119054901"}
    first, later = (
        rows(read_events(settings, [page(event(1, **fields))]))
        for settings, fields in (
            (config(**DAY), {}),
            (
                config(start_date=20220101, end_date=20221130, timezone="Asia/Kolkata"),
                changed,
            ),
        )
    )

    assert ids(later)[0] == ids(first)[0]


def test_given_duplicates_on_any_pages_when_read_then_each_keeps_its_own_key(read_events: Read) -> None:
    duplicate, other = event(1), event(2)
    one_page = rows(read_events(config(**DAY), [page(duplicate, other, duplicate, duplicate)]))
    three_pages = rows(
        read_events(
            config(**DAY),
            [page(duplicate, next_cursor="b"), page(duplicate, next_cursor="c"), page(other, duplicate)],
        )
    )

    assert len(set(ids(one_page))) == 4
    assert set(ids(three_pages)) == set(ids(one_page))
    key = ids(one_page)[0]
    assert [i for i in ids(one_page) if i.startswith(key)] == [key, f"{key}-1", f"{key}-2"]


@pytest.mark.parametrize(
    ("ts", "zone", "date"),
    [
        (20221119003000, "Asia/Kolkata", "2022-11-19"),  # by the project's clock
        (20221118235959, "UTC", "2022-11-18"),
        (20211119054937, "UTC", "2022-11-10"),  # a device's clock is a year behind
        (20991231235959, "UTC", "2022-11-24"),
        (20221119250000, "UTC", "2022-11-24"),
        (None, "UTC", "2022-11-24"),
    ],
)
def test_given_a_ts_when_read_then_date_is_its_day_within_the_window(
    read_events: Read, ts: Any, zone: str, date: str
) -> None:
    settings = config(start_date=20221110, end_date=20221124, slice_days=15, timezone=zone)  # one window

    (row,) = rows(read_events(settings, [page(event(ts=ts))]))

    assert row["date"] == date


def test_given_records_in_the_opening_answer_when_read_then_they_come_and_duplicates_are_counted_on(
    read_events: Read,
) -> None:
    first = page(event(1), event(2), cursor="b")
    output = read_events(config(**DAY), [page(event(1))], opens=[first])

    assert not output.errors
    assert len(set(ids(rows(output)))) == 3


def test_given_duplicates_in_two_events_when_read_then_they_are_counted_apart(read_events: Read) -> None:
    output = read_events(config(**DAY, additional_event_names=["Charged"]), [page(event(1), event(1))])

    assert len(set(ids(rows(output)))) == 4
    assert sum(i.endswith("-1") for i in ids(rows(output))) == 2


# ------------------------------------------------------------------ dead cursors


@pytest.fixture
def splits(components: Any) -> None:
    if components.window_split is None:
        pytest.skip("this CDK cannot split a window")


def dies_if_longer_than(days: int) -> list[Json]:
    """A page for exports of up to so many days (the cursor is `from-to`); for longer ones a dead end."""

    def content(request: Any, context: Any) -> Json:
        first, last = request.qs["cursor"][0].split("-")
        if int(last) - int(first) < days:
            return {"status": "success", "records": [event(int(first) % 100)]}
        context.status_code = 400
        return dict(DEAD["json"])

    return [{"json": content}]


def opened_with_its_days() -> list[Json]:
    def content(request: Any, _: Any) -> Json:
        body = request.json()
        return {"status": "success", "cursor": f"{body['from']}-{body['to']}"}

    return [{"json": content}]


@pytest.mark.usefixtures("splits")
@pytest.mark.parametrize(
    ("days", "leaves"),
    [
        (4, [(20221101, 20221104), (20221105, 20221108)]),
        (2, [(20221101, 20221102), (20221103, 20221104), (20221105, 20221106), (20221107, 20221108)]),
        (1, [(day, day) for day in range(20221101, 20221109)]),
    ],
)
def test_given_a_cursor_that_expires_when_reading_then_the_window_is_halved_down_to_a_day(
    read_events: Read, clevertap: requests_mock.Mocker, days: int, leaves: list[tuple[int, int]]
) -> None:
    settings = config(start_date=20221101, end_date=20221108)
    output = read_events(settings, dies_if_longer_than(days), opens=opened_with_its_days())

    assert not output.errors
    asked = Counter((body["from"], body["to"]) for body in bodies(clevertap))
    assert set(asked.values()) == {1}
    assert asked.keys() >= set(leaves)
    assert [row["event_props"]["n"] for row in rows(output)] == [first % 100 for first, _ in leaves]
    assert "2022-11-08" in json.dumps(states(output)[-1])


def test_given_a_day_whose_cursor_always_expires_when_read_then_it_fails_with_advice(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_events(config(**DAY), [DEAD])

    assert first_error(output)[0] == "transient_error"
    assert "lower slice_days" in first_error(output)[1]
    assert "Stream events, event 'App Launched', 2022-11-19 to 2022-11-19" in first_error(output)[1]
    assert clevertap.call_count == 2


def test_given_a_cdk_that_cannot_split_when_a_cursor_expires_then_it_fails_with_advice(
    read_events: Read,
    clevertap: requests_mock.Mocker,
    components: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(components, "window_split", None)
    output = read_events(config(start_date=20221101, end_date=20221108), [DEAD])

    assert first_error(output)[0] == "transient_error"
    assert "lower slice_days" in first_error(output)[1]
    assert clevertap.call_count == 2
    assert not any("2022-11-08" in json.dumps(state) for state in states(output))


# ------------------------------------------------------------------ which events


def by_event(answers: dict[str, Json]) -> list[Json]:
    """Answers to the POST by the event it asks for; others are opened."""

    def content(request: Any, context: Any) -> Json:
        answer = answers.get(request.json()["event_name"], opened())
        context.status_code = answer.get("status_code", 200)
        return dict(answer["json"])

    return [{"json": content}]


def read_names(output: Any) -> list[str]:
    return sorted(row["event_name"] for row in rows(output))


def test_given_additional_names_when_read_then_each_is_read_once(read_events: Read) -> None:
    names = ["Charged", "2024", "None", 'it\'s "{{ 1 }}"', "Charged", "App Launched"]
    output = read_events(config(**DAY, additional_event_names=names), [page(event())])

    assert read_names(output) == sorted({*names, "App Launched"})


def test_given_all_events_when_read_then_the_schema_says_which_and_the_typed_ones_do_not(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    settings = config(**DAY, event_name="Typed", all_events=True, excluded_event_names=["B"])
    output = read_events(settings, [page(event())], schema=[schema("A", "B", "1_000")])

    assert read_names(output) == ["1_000", "A"]
    first = clevertap.request_history[0]
    assert (first.method, first.url) == ("GET", f"{HOST}/getSchema?type=events")
    assert "X-CleverTap-Passcode" in first.headers
    assert "Content-Type" not in first.headers


@pytest.mark.parametrize("answer", [REFUSED, UNKNOWN])
def test_given_all_events_when_some_are_refused_then_they_are_skipped_with_one_warning(
    read_events: Read, clevertap: requests_mock.Mocker, answer: Json
) -> None:
    settings = config(start_date=20221101, end_date=20221105, slice_days=2, all_events=True)
    names = schema("A", "Viewed", "Clicked")
    opens = by_event({"Viewed": answer, "Clicked": answer})
    output = read_events(settings, [page(event())], opens=opens, schema=[names])

    assert not output.errors
    assert set(read_names(output)) == {"A"}
    warnings = [log.log.message for log in output.logs if log.log and "skipped" in log.log.message]
    assert len(warnings) == 1
    assert "2 of 3 events: Clicked, Viewed." in warnings[0]
    assert states(output)[-1]["parent_state"] == {"complete": {"A": "2022-11-05"}}

    clevertap.reset_mock()  # if CleverTap lets them be read one day, it is from the start
    read_events(settings, [page(event())], schema=[names], state=states(output)[-1])
    assert next(b["from"] for b in bodies(clevertap) if b["event_name"] == "Viewed") == 20221101
    assert next(b["from"] for b in bodies(clevertap) if b["event_name"] == "A") == 20221103


def test_given_all_events_when_one_is_refused_half_way_then_the_read_fails(
    read_events: Read,
) -> None:
    settings = config(start_date=20221119, end_date=20221120, all_events=True)
    opens, pages = [opened(), REFUSED], [page(event(), next_cursor="b"), DEAD]
    output = read_events(settings, pages, opens=opens, schema=[schema("A", "B")])

    assert first_error(output)[0] == "transient_error"
    assert "allowed and then refused" in first_error(output)[1]


def test_given_schema_entries_without_a_name_when_read_then_they_are_skipped_with_one_warning(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    odd = [{"name": "A"}, {"nom": "B"}, {"name": None}, {"name": ""}, "C", None, 7, {"name": 2024}]
    output = read_events(config(**DAY, all_events=True), [page(event())], schema=[{"json": {"events": odd}}])

    assert read_names(output) == ["2024", "A"]
    assert {body["event_name"] for body in bodies(clevertap)} == {"A", "2024"}
    warnings = [log.log.message for log in output.logs if log.log and "no name" in log.log.message]
    assert warnings == ["6 events of CleverTap's schema have no name. They are skipped."]


@pytest.mark.parametrize("refused_first", [True, False])
def test_given_all_events_when_one_window_is_refused_and_another_is_not_then_the_read_fails(
    read_events: Read, refused_first: bool
) -> None:
    def content(request: Any, context: Any) -> Json:
        refuse = (request.json()["from"] == 20221101) == refused_first
        context.status_code = 400 if refuse else 200
        return dict((REFUSED if refuse else opened())["json"])

    settings = config(start_date=20221101, end_date=20221106, slice_days=3, lookback_days=1, all_events=True)
    output = read_events(settings, [page(event())], opens=[{"json": content}], schema=[schema("A", "B")])

    assert output.errors or not rows(output)
    assert not any("2022-11-06" in json.dumps(state) for state in states(output))


def test_given_all_events_when_every_one_is_refused_then_the_read_fails(read_events: Read) -> None:
    opens = by_event({"Viewed": REFUSED, "Clicked": REFUSED})
    settings = config(**DAY, all_events=True)
    output = read_events(settings, [], opens=opens, schema=[schema("Viewed", "Clicked")])

    assert first_error(output)[0] == "config_error"
    assert "2 of 2 events" in first_error(output)[1]


@pytest.mark.parametrize(("answer", "words"), [(REFUSED, "export not allowed"), (UNKNOWN, "no event with this name")])
@pytest.mark.parametrize("stream", ["events", "profiles"])
def test_given_a_name_that_was_typed_when_it_is_refused_then_the_read_fails(
    read_stream: Read, stream: str, answer: Json, words: str
) -> None:
    names: Json = {"additional_event_names": ["Typed"]}
    if stream == "profiles":
        names = {"profile_event_names": ["App Launched", "Typed"], "all_events": True}
    settings = config(**DAY, **names)
    output = read_stream(stream, settings, [page(event())], opens=by_event({"Typed": answer}))

    assert first_error(output)[0] == "config_error"
    assert f"Stream {stream}, event 'Typed', 2022-11-19 to 2022-11-19" in first_error(output)[1]
    assert words in first_error(output)[1]
    assert set(read_names(output)) == {"App Launched"}


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (fail("Invalid Credentials", 401, 401), "config_error", "credentials or region"),
        (fail("No", 77), "system_error", "refused the request: No"),
        ({"json": {"status": "success"}}, "transient_error", "invalid response"),
        ({"json": {"events": {"name": "A"}}}, "transient_error", "invalid response"),
        ({"json": {"events": [{"name": "B"}], "error": "no"}}, "transient_error", "invalid response"),
        ({"json": {"status": "partial", "events": []}}, "transient_error", "still preparing"),
        ({"text": ""}, "transient_error", "invalid response"),
        (schema(), "config_error", "This account has no events yet"),
        ({"json": {"events": [{"nom": "A"}]}}, "config_error", "This account has no events yet"),
        (schema("A"), "config_error", "excludes all 1 events"),
    ],
)
def test_given_a_schema_that_cannot_be_used_when_read_then_it_is_never_treated_as_no_events(
    read_events: Read, answer: Json, kind: str, words: str
) -> None:
    settings = config(**DAY, all_events=True, excluded_event_names=["A"])
    output = read_events(settings, [empty()], schema=[answer])

    assert first_error(output)[0] == kind
    assert words in first_error(output)[1]
    assert not rows(output)


def test_given_a_schema_that_is_throttled_when_read_then_it_is_asked_for_again(
    read_events: Read,
) -> None:
    answers = [fail("Too many concurrent requests", 429, 429), {"text": "<html>"}, schema("A")]
    output = read_events(config(**DAY, all_events=True), [page(event())], schema=answers)

    assert read_names(output) == ["A"]
    assert not output.errors


def test_given_a_schema_that_is_redirected_when_read_then_the_target_is_not_asked(
    read_events: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_events(config(**DAY, all_events=True), [page(event())], schema=[moved()])

    assert {request.hostname for request in clevertap.request_history} == {"in1.api.clevertap.com"}
    assert first_error(output)[0] == "transient_error"
    assert (
        "Stream event_schema: CleverTap could not be reached, or the request was redirected" in first_error(output)[1]
    )


def test_given_512_events_when_read_then_all_are(read_events: Read) -> None:
    names = [f"Event {n}" for n in range(512)]
    output = read_events(config(**DAY, all_events=True), [page(event())], schema=[schema(*names)])

    assert read_names(output) == sorted(names)
    assert len(states(output)[-1]["states"]) == 512


# ------------------------------------------------------------------ filters


FILTERS = {
    "event_properties": [{"name": "Amount", "operator": "greater_than", "value": 100}],
    "session_properties": [{"name": "time_of_day", "value": ["22:30", "22:35"]}],
    "common_profile_properties": {
        "app_fields": [{"name": "Make", "operator": "contains", "value": "Apple"}],
        "profile_fields": [{"name": "it's {{ 1 }}", "operator": "exists"}],
        "demographics": [{"name": "Gender", "value": "Female"}],
        "technographics": [{"name": "Device", "operator": "equals", "value": ["Mobile", "Tablet"]}],
        "reachability": [{"name": "has_token", "value": "True"}],
        "geo_fields": [["India", "Maharashtra", "Mumbai"]],
        "geo_radius": [[35, 42.5, 5.2]],
    },
    "advanced_query": {
        "did_all": [{"event_name": "App Launched", "from": 20151011, "to": 20151012,
                     "operator": "equals", "value": 10, "event_properties": []}],
        "did_any": {"any_events": [{"event_name": "Added To Cart", "from": 20150911, "to": 20151011}],
                    "operator": "equals", "value": 10},
        "did_none": [{"event_name": "App Uninstalled", "from": 20151010, "to": 20151011}],
    },
}  # fmt: skip


@pytest.mark.parametrize(("stream", "setting"), [("events", "event_filters"), ("profiles", "profile_filters")])
def test_given_filters_when_opening_then_they_are_in_the_body_of_their_stream_alone(
    read_stream: Read, clevertap: requests_mock.Mocker, stream: str, setting: str
) -> None:
    window = {"event_name": "App Launched", "from": 20221119, "to": 20221119}
    settings = config(**DAY, **{setting: json.dumps(FILTERS, indent=2)})
    read_stream(stream, settings, [empty()])
    other = "profiles" if stream == "events" else "events"
    read_stream(other, settings, [empty()])

    own, others = (json.loads(r.text) for r in clevertap.request_history if r.method == "POST")
    assert own == {**FILTERS, **window}
    assert others == window
