"""The sandbox is as odd as the fact sheet says CleverTap is: what the other tests stand on."""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timezone
from typing import Any
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

import pytest

from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, Sandbox, tables
from source_clevertap.sandbox.account import EVENTS, NOT_EXPORTABLE, UNKNOWN
from source_clevertap.sandbox.demo import DemoAccount
from source_clevertap.sandbox.tables import campaign_id

Json = dict[str, Any]
ROOT = definition_file("manifest.yaml").parent
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
def test_pages_hold_multiples_of_23_and_less_than_23_is_no_limit(sandbox: Sandbox, batch_size: int, sizes: int) -> None:
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
def test_what_cannot_be_exported_is_refused(sandbox: Sandbox, changes: Json, http: int, error: str) -> None:
    status, answer = call(sandbox, "", {**RANGE, **changes})

    assert (status, answer["status"], answer["error"]) == (http, "fail", error)


def test_the_fourth_request_in_flight_is_throttled(sandbox: Sandbox) -> None:
    sandbox.latency = 0.5
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(call(sandbox, "", RANGE)[0])) for _ in range(4)]
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


@pytest.mark.parametrize(("waits", "alive"), [([3590], True), ([3610], False), ([3000] * 4, True), ([3000] * 5, False)])
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


def test_events_have_duplicates_neighbours_late_ones_and_odd_clocks() -> None:
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


def command(module: str, *options: str, before: str = "pass") -> tuple[int, str, str]:
    """Exit code, output and errors of a command of the package."""
    code = f"import sys; {before}; from source_clevertap.{module} import main; sys.exit(main())"
    run = [sys.executable, "-c", code, *options]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return done.returncode, done.stdout, done.stderr


def test_given_a_port_in_use_when_started_then_one_line_says_so(sandbox: Sandbox) -> None:
    code, out, errors = command("sandbox.cli", "--port", str(sandbox.port))

    assert (code, out, len(errors.splitlines())) == (1, "", 1)
    assert errors.startswith(f"Port {sandbox.port} cannot be used")


@pytest.mark.parametrize(("module", "options"), [("sandbox.cli", []), ("sync", ["--sandbox"])])
def test_given_no_aiohttp_when_the_sandbox_is_started_then_one_line_says_what_to_type(
    module: str, options: list[str]
) -> None:
    code, _, errors = command(module, *options, before="sys.modules['aiohttp'] = None")

    assert (code, errors) == (1, "The sandbox needs aiohttp. Type: pip install 'source-clevertap[sandbox]'\n")


def test_given_a_sandbox_when_ctrl_c_is_pressed_then_it_ends_without_a_traceback() -> None:
    run = [sys.executable, "-c", "from source_clevertap.sandbox.cli import main; main()", "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(run, stdout=pipe, stderr=pipe, text=True, cwd=ROOT) as process:
        assert process.stdout
        while "Press Ctrl-C" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)

    assert (process.returncode, out, errors) == (0, "\nStopped.\n", "")


# -------------------------------------------------------------------- the other endpoints


def test_campaigns_are_listed_by_their_scheduled_day_and_an_empty_window_has_no_list(
    sandbox: Sandbox,
) -> None:
    def listed(first: Any, last: Any) -> tuple[int, Json]:
        return call(sandbox, "", {"from": first, "to": last}, "/1/targets/list.json")

    (campaign,) = listed(20220118, 20220118)[1]["targets"]
    assert set(campaign) == {"id", "name", "scheduled_on", "status"}
    assert listed(20220119, 20220119) == (200, {"status": "success", "targets": []})
    assert listed(20220120, 20220120) == (200, {"status": "success"})
    assert listed(20290101, 20290131)[1]["targets"]  # the future, too
    assert listed("20220101", 20220131)[0] == 400


def test_a_report_that_is_not_there_yet_answers_in_four_forms(sandbox: Sandbox) -> None:
    answers = [call(sandbox, "", {"id": campaign_id(number)}, "/1/targets/result.json") for number in range(9)]

    assert [http for http, _ in answers] == [200, 409, 200, 500, 200, 200, 200, 200, 200]
    assert answers[0][1] == {
        "status": "success",
        "result": {"sent": 0, "clicked": 0, "viewed": {"Android": 0, "iOS": None}},
    }
    assert answers[3][1]["error"] == "This target has no result as of yet"
    assert [answers[n][1]["status"] for n in (5, 7)] == ["success", "fail"]
    assert all("result" not in answers[n][1] for n in (1, 3, 5, 7))
    unknown = call(sandbox, "", {"id": 5}, "/1/targets/result.json")
    assert unknown == (400, {"status": "fail", "error": "Invalid campaign id", "code": 400})


def test_message_reports_have_a_key_with_a_space_and_counts_that_move(sandbox: Sandbox) -> None:
    today = sandbox.today()
    body = {"from": today - 10000, "to": today}
    before = call(sandbox, "", body, "/1/message/report.json")[1]
    sandbox.clock_offset = 5 * 86400
    after = call(sandbox, "", body, "/1/message/report.json")[1]

    assert before["total_results"] == len(before["messages"]) > 30
    assert "message id" in before["messages"][0]
    changed = [b["message id"] for b, a in zip(before["messages"], after["messages"], strict=True) if a != b]
    assert 0 < len(changed) < 10
    datetime.strptime(before["messages"][0]["start_date"], "%d %b, %Y %H:%M:%S")


def test_content_blocks_ask_for_milliseconds_and_count_pages_from_one(sandbox: Sandbox) -> None:
    path = "/v1/contentBlock/list"
    sizes = [len(call(sandbox, f"pageNumber={n}&pageSize=500", None, path)[1]["contentBlocks"]) for n in (1, 2, 3, 4)]

    assert sizes == [100, 100, 50, 0]
    assert "status" not in call(sandbox, "", None, path)[1]
    refused = call(sandbox, "updatedFrom=2024-02-01T06:29:48Z", None, path)
    assert refused == (400, {"status": "fail", "error": "Enter date in ISO format", "code": 400})
    newest = call(sandbox, "", None, path)[1]["contentBlocks"][0]["updatedAt"]
    assert len(call(sandbox, f"updatedFrom={newest}", None, path)[1]["contentBlocks"]) == 1


@pytest.mark.parametrize(("name", "key"), [("trends", "x"), ("profiles", "count")])
def test_a_count_is_partial_until_it_is_done(sandbox: Sandbox, name: str, key: str) -> None:
    sandbox.not_ready = 2
    path, body = f"/1/counts/{name}.json", {**RANGE, "to": 20220131, "groups": {"x": {"trend_type": "daily"}}}
    first = call(sandbox, "", body, path)[1]
    polled = [call(sandbox, f"req_id={first['req_id']}", None, path)[1] for _ in range(3)]

    assert first["status"] == "partial"
    assert first["req_id"] > 2**53
    assert [answer["status"] for answer in polled] == ["partial", "partial", "success"]
    assert polled[2][key]
    assert call(sandbox, "req_id=5", None, path)[1]["error"] == "Invalid request id"
    at_once = call(sandbox, "", {**body, "event_name": "Charged"}, path)[1]
    assert at_once["status"] == "success"
    unknown = call(sandbox, "", {**body, "event_name": "charged"}, path)
    assert unknown[0] == 200
    assert "Invalid event" in unknown[1]["error"]


def test_trends_count_at_most_a_year_in_no_order_and_each_day_by_ts(sandbox: Sandbox) -> None:
    body = {"event_name": "Charged", "from": 20220101, "to": 20221231, "groups": {"x": {"trend_type": "daily"}}}

    counts = call(sandbox, "", body, "/1/counts/trends.json")[1]["x"]

    year = sandbox.account.raised("Charged", 20220101, 20221231)
    by_ts = Counter(str(sandbox.account.ts("Charged", number))[:8] for number in year)
    assert {d: n for d, n in counts.items() if n} == {
        d: n for d, n in by_ts.items() if d[:4] == "2022" and d != "20220230"
    }
    assert list(counts) != sorted(counts)
    too_long = call(sandbox, "", {**body, "to": 20230102}, "/1/counts/trends.json")
    assert too_long[0] == 400


# -------------------------------------------------------------------- the demo account


def test_given_the_demo_account_when_read_then_its_tables_agree_and_nothing_is_in_the_future() -> None:
    account, always = DemoAccount(as_of=datetime(2026, 9, 1, 12, tzinfo=timezone.utc)), (20260101, 20991231)
    times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    clicks: Counter[str] = Counter()
    for event in account.event_shares:
        for row in account.event_truth(event, *always):
            record, moment = row["record"], datetime.strptime(row["time"] + "+0000", "%Y-%m-%dT%H:%M:%SZ%z")
            times[record["profile"]["objectId"], event].append(moment.timestamp())
            clicks.update(key.partition("_")[0] for name, key in record["event_props"].items() if name == "wzrk_id")
    users = [row["record"] for row in account.truth("App Launched", *always)]
    summaries = {(user["objectId"], event): told for user in users for event, told in user["events"].items()}
    schema = {row["name"]: row["eventCount"] for row in tables.event_schema(account) if row["eventCount"]}

    assert {user["objectId"] for user in users} == {user for user, event in times if event == "App Launched"}
    assert summaries == {
        key: {"count": len(seen), "first_seen": min(seen), "last_seen": max(seen)}
        for key, seen in times.items()
        if (key[0], "App Launched") in times
    }
    assert max(map(max, times.values())) <= account.as_of.timestamp()
    messages = tables.messages(account, *always, account.as_of)
    assert {str(message["message id"]): message["clicked"] for message in messages if message["clicked"]} == clicks
    assert len(clicks) > 7
    assert schema == Counter(event for (_, event), seen in times.items() for _ in seen)
    assert {campaign["status"] for campaign in tables.campaigns(account, 20260901)} == {"pending"}
    assert "Discarded" not in str(tables.event_schema(account))
