"""The sandbox is as odd as the fact sheet says CleverTap is: what the other tests stand on."""

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import pytest

from source_clevertap.sandbox import Account, Fault, Sandbox
from source_clevertap.sandbox.account import EVENTS, NOT_EXPORTABLE, UNKNOWN

Json = dict[str, Any]
RANGE = {"event_name": "App Launched", "from": 20220101, "to": 20251231}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=1000)) as running:
        yield running


def call(
    sandbox: Sandbox,
    query: str,
    body: Json | None = None,
    path: str = "/1/profiles.json",
    **headers: str,
) -> tuple[int, Json]:
    """Sends POST with a body, GET without. Returns HTTP status and JSON."""
    credentials = {
        "X-CleverTap-Account-Id": sandbox.account.account_id,
        "X-CleverTap-Passcode": sandbox.account.passcode,
    }
    request = urllib.request.Request(  # noqa: S310
        f"{sandbox.url}{path}?{query}",
        None if body is None else json.dumps(body).encode(),
        {**credentials, **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def opened(sandbox: Sandbox, query: str = "batch_size=4991", body: Json = RANGE) -> str:
    cursor: str = call(sandbox, query, body)[1]["cursor"]
    return cursor


def walk(sandbox: Sandbox, query: str) -> list[list[Json]]:
    cursor: str | None = opened(sandbox, query)
    pages = []
    while cursor:
        _, page = call(sandbox, f"cursor={cursor}")
        pages.append(page.get("records", []))
        cursor = page.get("next_cursor")
    return pages


@pytest.mark.parametrize(
    ("batch_size", "sizes"),
    [(25, 23), (50, 46), (4991, 1000), (5000, 1000), (22, 1000), (5, 1000)],
)
def test_pages_hold_multiples_of_23_and_less_than_23_is_no_limit(
    sandbox: Sandbox, batch_size: int, sizes: int
) -> None:
    pages = walk(sandbox, f"batch_size={batch_size}")

    assert len(pages[0]) == sizes
    assert sum(map(len, pages)) == 1000
    ids = {json.dumps(record, sort_keys=True) for page in pages for record in page}
    assert len(ids) == 1000


def test_cursors_are_long_and_percent_encoded_and_code_3_answers_a_second_encoding(
    sandbox: Sandbox,
) -> None:
    cursor = opened(sandbox)

    assert 1500 < len(cursor) < 2500
    assert "%2F" in cursor
    assert quote(unquote(cursor), safe="") == cursor
    assert call(sandbox, f"cursor={quote(cursor)}") == (
        200,
        {"status": "fail", "error": "Incorrect Usage", "code": 3},
    )
    assert call(sandbox, f"cursor={cursor}")[1]["status"] == "success"


def test_an_unknown_or_old_cursor_is_refused(sandbox: Sandbox) -> None:
    cursor = opened(sandbox)
    assert call(sandbox, "cursor=never-seen")[1]["code"] == "CURSOR_INVALIDATED"

    sandbox.clock_offset += 4 * 24 * 3600 - 60
    assert call(sandbox, f"cursor={cursor}")[0] == 200
    sandbox.clock_offset += 120
    assert call(sandbox, f"cursor={cursor}") == (
        400,
        {"status": "fail", "error": "Invalid cursor", "code": "CURSOR_INVALIDATED"},
    )


def test_an_export_without_data_has_one_page_without_records(sandbox: Sandbox) -> None:
    cursor = opened(sandbox, body={**RANGE, "from": 20251130})

    assert call(sandbox, f"cursor={cursor}") == (200, {"status": "success"})


def test_a_page_is_not_ready_as_often_as_asked_for(sandbox: Sandbox) -> None:
    sandbox.not_ready = 2
    cursor = opened(sandbox)

    answers = [call(sandbox, f"cursor={cursor}")[1].get("code") for _ in range(3)]

    assert answers == [2, 2, None]


@pytest.mark.parametrize(
    ("changes", "http", "error"),
    [
        ({"from": "20220101"}, 400, "Invalid date"),
        ({"from": 20220230}, 400, "Invalid date"),
        ({"from": 20230101, "to": 20220101}, 400, "Invalid date range"),
        ({"to": 20991231}, 400, "Invalid date range"),
        ({"event_name": "app launched"}, 200, '["Invalid event : app launched"]'),
        ({"event_name": 2024}, 200, '["Invalid event : 2024"]'),
        ({"event_name": "Notification Viewed"}, 400, "Export not allowed for this event"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    sandbox: Sandbox, changes: Json, http: int, error: str
) -> None:
    status, answer = call(sandbox, "", {**RANGE, **changes})

    assert (status, answer["status"], answer["error"]) == (http, "fail", error)


@pytest.mark.parametrize(
    ("headers", "http"),
    [
        ({"X-CleverTap-Passcode": "wrong"}, 401),
        ({"X-CleverTap-Account-Id": "wrong"}, 401),
        ({"X-CleverTap-Account-Id": ""}, 503),
    ],
)
def test_wrong_credentials_are_refused(sandbox: Sandbox, headers: dict[str, str], http: int) -> None:
    assert call(sandbox, "", RANGE, **headers)[0] == http


def test_the_fourth_request_in_flight_is_throttled(sandbox: Sandbox) -> None:
    sandbox.latency = 0.5
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(call(sandbox, "", RANGE)[0])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 200, 200, 429]


def test_flags_choose_what_a_profile_brings(sandbox: Sandbox) -> None:
    (records,) = walk(sandbox, "events=false&profile=false&app=false")

    assert not any("events" in r or "profileData" in r for r in records)
    assert not any("make" in device for r in records for device in r["platformInfo"])


def test_profiles_are_as_mixed_as_real_ones() -> None:
    profiles = [Account().profile(number) for number in range(100)]

    assert {type(p["identity"]) for p in profiles if "identity" in p} == {str, int}
    assert {type(p["phone"]) for p in profiles if "phone" in p} == {str, int}
    assert 0 < sum("identity" not in p for p in profiles) < 100
    assert 0 < sum("objectId" not in p for p in profiles) < 100
    assert any("last.score" in p["profileData"] for p in profiles)
    assert profiles == [Account().profile(number) for number in range(100)]
    assert profiles != [Account(seed=2).profile(number) for number in range(100)]


EVENTS_PATH = "/1/events.json"


def event_cursor(sandbox: Sandbox) -> str:
    cursor: str = call(sandbox, "batch_size=46", RANGE, EVENTS_PATH)[1]["cursor"]
    return cursor


@pytest.mark.parametrize(
    ("waits", "alive"), [([3590], True), ([3610], False), ([3000] * 4, True), ([3000] * 5, False)]
)
def test_a_cursor_of_events_lives_four_hours_and_one_without_a_request(
    sandbox: Sandbox, waits: list[int], alive: bool
) -> None:
    cursor = event_cursor(sandbox)
    for seconds in waits:
        sandbox.clock_offset += seconds
        status, page = call(sandbox, f"cursor={cursor}", path=EVENTS_PATH)
        cursor = page.get("next_cursor", cursor)

    assert status == (200 if alive else 400)


def test_the_schema_names_events_that_cannot_be_exported(sandbox: Sandbox) -> None:
    sandbox.account = Account(rare=3)
    _, answer = call(sandbox, "type=events", path="/getSchema")
    names = [event["name"] for event in answer["events"]]

    assert [*EVENTS, *NOT_EXPORTABLE, UNKNOWN, "Rare 0", "Rare 1", "Rare 2"] == names
    assert call(sandbox, "", {**RANGE, "event_name": UNKNOWN}, EVENTS_PATH)[1]["code"] == 400


def test_events_have_twins_neighbours_late_ones_and_odd_clocks() -> None:
    account = Account(profiles=50, events=4000, days=30)
    numbers = account.raised("App Launched", 20220101, 20220130)
    assert len(numbers) == 4000
    records = [account.event("App Launched", number) for number in sorted(numbers)]
    text = [json.dumps(record, sort_keys=True) for record in records]
    assert Counter(Counter(text).values())[3] == 100
    assert len({json.dumps({**r, "session_props": 0}, sort_keys=True) for r in records}) < len(set(text))
    assert {type(record["ts"]) for record in records} == {int, str, type(None)}
    assert any(str(record["ts"]) > "2022013024" for record in records)
    assert {"identity" in record["profile"] for record in records} == {True, False}
    noon = datetime(2022, 1, 15, 12, tzinfo=timezone.utc)
    then = account.raised("App Launched", 20220101, 20220114, noon)
    late = set(account.raised("App Launched", 20220101, 20220114)) - set(then)
    assert 0 < len(late) < 30
    assert all(account.moment("App Launched", number) < noon for number in late)


def test_an_event_happens_on_its_day_where_the_project_is() -> None:
    for zone in ("America/New_York", "Pacific/Kiritimati"):
        account = Account(profiles=5, events=600, timezone=zone, first_day=date(2024, 10, 30), days=10)
        for number in account.raised("App Launched", 20241103, 20241103):
            moment = account.moment("App Launched", number)
            assert moment.astimezone(ZoneInfo(zone)).date() == date(2024, 11, 3)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault 'typo'"):
        Fault.parse("typo:3")
