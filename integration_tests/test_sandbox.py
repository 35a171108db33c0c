"""The sandbox is as odd as CleverTap is where docs/openapi.yaml cannot say it: what the other tests stand on."""

import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import pytest

from integration_tests.helpers.connector import ROOT, Json, ask
from source_clevertap.sandbox import Account, Sandbox, tables
from source_clevertap.sandbox.demo import DemoAccount

PROFILES, EVENTS = "/1/profiles.json", "/1/events.json"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=1000)) as running:
        yield running


def opened(sandbox: Sandbox, path: str, batch_size: int = 46) -> str:
    """A cursor."""
    query = {"event_name": "App Launched", "from": 20220101, "to": 20251231}
    return str(ask(sandbox, "POST", f"{path}?batch_size={batch_size}", query).json()["cursor"])


@pytest.mark.parametrize(("batch_size", "sizes"), [(25, [23] * 43 + [11]), (5000, [1000]), (22, [1000])])
def test_given_a_batch_size_when_read_then_pages_hold_multiples_of_23_and_less_is_no_limit(
    sandbox: Sandbox, batch_size: int, sizes: list[int]
) -> None:
    cursor, pages = opened(sandbox, PROFILES, batch_size), list[list[Json]]()
    while cursor:
        page = ask(sandbox, "GET", f"{PROFILES}?cursor={cursor}").json()
        pages.append(page["records"])
        cursor = page.get("next_cursor", "")

    assert [len(page) for page in pages] == sizes
    assert len({str(record) for page in pages for record in page}) == 1000


@pytest.mark.parametrize(
    ("path", "waits", "alive"),
    [
        (PROFILES, [4 * 86400 - 60], True),
        (PROFILES, [4 * 86400 + 60], False),
        (EVENTS, [3610], False),
        (EVENTS, [3000] * 4, True),
        (EVENTS, [3000] * 5, False),
    ],
)
def test_given_a_cursor_when_it_is_old_or_idle_then_it_is_refused(
    sandbox: Sandbox, path: str, waits: list[int], alive: bool
) -> None:
    cursor = opened(sandbox, path)
    for seconds in waits:
        sandbox.clock_offset += seconds
        response = ask(sandbox, "GET", f"{path}?cursor={cursor}")
        cursor = response.json().get("next_cursor", cursor)

    assert response.status_code == (200 if alive else 400)
    assert response.json().get("code") == (None if alive else "CURSOR_INVALIDATED")


def test_given_four_requests_when_in_flight_then_one_is_throttled(sandbox: Sandbox) -> None:
    sandbox.latency = 0.5
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: ask(sandbox, "GET", "/getSchema?type=events"), range(4)))

    assert sorted(response.status_code for response in responses) == [200, 200, 200, 429]


def test_given_an_account_when_read_then_its_records_are_as_mixed_as_real_ones() -> None:
    account = Account(profiles=100, events=4000, days=30)

    profiles = [account.profile(number) for number in range(100)]
    events = [account.event("App Launched", number) for number in account.raised("App Launched", 20220101, 20220130)]

    for name in ("identity", "phone"):
        assert {type(profile[name]) for profile in profiles if name in profile} == {str, int}
    for name in ("identity", "objectId"):
        assert 0 < sum(name not in profile for profile in profiles) < 100
    assert any("last.score" in profile["profileData"] for profile in profiles)
    same = Counter(map(str, events))
    assert (len(events), Counter(same.values())[3]) == (4000, 100)
    assert len({str({**event, "session_props": 0}) for event in events}) < len(same)
    assert {type(event["ts"]) for event in events} == {int, str, type(None)}
    assert any(str(event["ts"]) > "2022013024" for event in events)
    days, noon_after = ("App Launched", 20220101, 20220114), datetime(2022, 1, 15, 12, tzinfo=timezone.utc)
    assert len(account.raised(*days, noon_after)) < len(account.raised(*days))


def command(module: str, *options: str, before: str = "pass", interrupted: bool = False) -> tuple[int, str, str]:
    """Exit code, output and errors of a command of the package; interrupted: by Ctrl-C, once it serves."""
    code = f"import sys; {before}; from source_clevertap.{module} import main; sys.exit(main())"
    run, pipe = [sys.executable, "-c", code, *options], subprocess.PIPE
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(run, stdout=pipe, stderr=pipe, text=True, env=variables) as process:
        assert process.stdout
        while interrupted and "Press Ctrl-C" not in process.stdout.readline():
            pass
        if interrupted:
            process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def test_given_a_port_in_use_when_started_then_one_line_says_so(sandbox: Sandbox) -> None:
    code, out, errors = command("sandbox.cli", "--port", str(sandbox.port))

    assert (code, out, len(errors.splitlines())) == (1, "", 1)
    assert errors.startswith(f"Port {sandbox.port} cannot be used")


def test_given_no_aiohttp_when_the_sandbox_is_started_then_one_line_says_what_to_type() -> None:
    code, _, errors = command("sync", "--sandbox", before="sys.modules['aiohttp'] = None")

    assert (code, errors) == (1, "The sandbox needs aiohttp. Type: pip install 'source-clevertap[sandbox]'\n")


def test_given_a_sandbox_when_ctrl_c_is_pressed_then_it_ends_without_a_traceback() -> None:
    assert command("sandbox.cli", "--port", "0", interrupted=True) == (0, "\nStopped.\n", "")


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
    messages = tables.messages(account, *always, account.as_of)
    schema = {row["name"]: row["eventCount"] for row in tables.event_schema(account) if row["eventCount"]}

    assert {user["objectId"] for user in users} == {user for user, event in times if event == "App Launched"}
    assert summaries == {
        key: {"count": len(seen), "first_seen": min(seen), "last_seen": max(seen)}
        for key, seen in times.items()
        if (key[0], "App Launched") in times
    }
    assert max(map(max, times.values())) <= account.as_of.timestamp()
    assert {str(message["message id"]): message["clicked"] for message in messages if message["clicked"]} == clicks
    assert schema == Counter(event for (_, event), seen in times.items() for _ in seen)
