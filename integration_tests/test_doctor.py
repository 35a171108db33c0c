"""source-clevertap-doctor: what it says of the sandbox, and of a CleverTap that is otherwise."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from aiohttp import web

from integration_tests.helpers.connector import ROOT, Json
from source_clevertap.doctor import __main__ as doctor
from source_clevertap.doctor import assumptions, client
from source_clevertap.doctor.assumptions import ASSUMPTIONS, CONFIRMED, DIFFERS
from source_clevertap.sandbox import Account, Sandbox, tables
from source_clevertap.sandbox.demo import DemoAccount

Change = Callable[[Json, Any], Any]

ACCOUNT = Account(profiles=400, events=20_000)
SETTINGS: Json = {"end_date": 20220225}  # in the days of its data
DEMO_DAY = 20261115  # in those of the demo account


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WAITS", (0, 0, 0))


def examined(tmp_path: Path, change: Change | None = None, **settings: Any) -> Json:
    """The report on the sandbox, its answers changed."""
    account = settings.pop("account", ACCOUNT)
    with Sandbox(account, not_ready=1, page_rows=23, change=change) as sandbox:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(sandbox.config(**{**SETTINGS, **settings})))
        told = tmp_path / "report.json"
        assert doctor.main(["--config", str(config), "--report", str(told)]) == 0
        assert len(sandbox.requests) <= client.MOST_REQUESTS
        assert sandbox.max_in_flight == 1
    report: Json = json.loads(told.read_text())
    return report


def verdicts(report: Json) -> dict[int, str]:
    return {row["number"]: row["verdict"] for row in report["assumptions"]}


def test_given_the_demo_account_when_examined_then_it_prints_the_example_of_its_document_and_the_time_zone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = DemoAccount()

    examined(tmp_path, account=account, end_date=DEMO_DAY, timezone=account.timezone)

    out = capsys.readouterr().out
    rows = sum(tables.daily_counts(account, "App Launched", 20220101, DEMO_DAY).values())
    assert f"The first sync of the event reads {rows:,} rows since" in out
    (example,) = re.findall("```text\n(.*?)```", (ROOT / "docs/doctor.md").read_text(), re.S)
    printed, shown = (re.sub(r"[0-9.]+ s\b", "0.0 s", text).strip() for text in (out, example))
    assert printed == shown

    found = verdicts(examined(tmp_path, account=account, end_date=DEMO_DAY, timezone="America/Los_Angeles"))

    assert "Set timezone to the project's: the data is in UTC+5.5 hours" in capsys.readouterr().out
    assert {number for number, verdict in found.items() if verdict == DIFFERS} == {14}


def test_given_the_option_sandbox_when_examined_on_the_first_of_a_month_then_every_assumption_is_confirmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "local_day", lambda _: date(2026, 11, 1))

    assert doctor.main(["--sandbox"]) == 0

    assert capsys.readouterr().out.count(f" {CONFIRMED} ") == len(ASSUMPTIONS)


# ------------------------------------------------------------------ a CleverTap that is otherwise


def on(path: str, method: str = "", has: str = "") -> Callable[[Callable[[Any], Any]], Change]:
    """Changes the answers to requests of a path (and method, and with a text in query or body)."""

    def fits(request: Json) -> bool:
        is_there = request["path"].endswith(path) and has in request["query"] + request["body"]
        return is_there and method in ("", request["method"])

    return lambda change: lambda request, page: change(page) if fits(request) else None


def failure(error: str) -> Callable[[Any], Any]:
    return lambda _: {"status": "fail", "error": error, "code": 400}


def rows(key: str, change: Callable[[Json], Json]) -> Callable[[Any], Any]:
    return lambda page: {**page, key: [change(row) for row in page[key]]} if page.get(key) else None


def second_time() -> Change:
    seen: set[str] = set()

    def change(request: Json, page: Any) -> Any:
        if "cursor=" not in request["query"] or page.get("code"):
            return None
        twice = request["query"] in seen
        seen.add(request["query"])
        return failure("Invalid cursor")(page) if twice else None

    return change


def with_header(request: Json, page: Any) -> Any:
    return web.Response(body=orjson.dumps(page), content_type="application/json", headers={"X-RateLimit-Limit": "3"})


OPENED = {"status": "success", "cursor": "x"}
EVENTS, PROFILES, TRENDS = "/1/events.json", "/1/profiles.json", "/1/counts/trends.json"
OTHERWISE: dict[int, Change] = {
    1: on("/getSchema", has="type=events")(failure("An unknown error occurred")),
    2: on(EVENTS, "POST")(lambda page: {**page, "records": []}),
    3: on(EVENTS, "POST")(lambda page: {**page, "cursor": "a+b/c="} if "cursor" in page else None),
    4: on(EVENTS, "GET")(lambda page: {**page, "shards": 23} if "code" not in page else None),
    5: on(EVENTS, "GET")(
        lambda page: {"cursor": page.pop("next_cursor"), **page, "status": "partial"} if "next_cursor" in page else None
    ),
    6: on(EVENTS, "GET")(lambda page: {**page, "status": "done"} if "code" not in page else None),
    7: on(EVENTS, "GET")(lambda p: {**p, "records": p["records"] * 300} if p.get("records") else None),
    8: on(EVENTS, "POST", '"from": 20010101')(failure("No data")),
    9: on("/report.json")(lambda _: {"status": "fail", "code": 2}),
    11: second_time(),
    12: on(EVENTS, "GET")(rows("records", lambda row: {**row, "profile": {"identity": 1.5}})),
    13: on(EVENTS, "GET")(rows("records", lambda row: {**row, "ts": "2022-02-03T10:00:00"})),
    15: on(TRENDS)(lambda page: {**page, "daily": [*page["daily"]]} if "daily" in page else None),
    17: on(TRENDS, "POST")(lambda page: {**page, "req_id": {"n": 1}} if "req_id" in page else None),
    18: on(EVENTS, "GET")(lambda page: {**page, "records": 5} if page.get("records") else None),  # not those counted
    19: on(EVENTS, "POST", "Notification")(lambda _: OPENED),
    20: on(TRENDS, "POST", "Notification")(failure("Not allowed")),
    21: on("/getSchema", has="type=events")(rows("events", lambda row: {"title": row["name"]})),
    26: on("/targets/list.json")(rows("targets", lambda row: {**row, "scheduled_on": {"at": 1}})),
    27: on("/message/report.json")(rows("messages", lambda row: {"id": row["message id"]})),
    28: on(EVENTS, "POST", "no such event")(lambda _: OPENED),
    29: on(EVENTS, "POST", '"from": 20990101')(lambda _: OPENED),
    31: with_header,
    32: on(PROFILES, "POST", "profile_fields")(lambda _: OPENED),
    33: on(PROFILES, "GET")(rows("records", lambda row: {"name": "x"})),
}


@pytest.mark.parametrize("number", OTHERWISE)
def test_given_a_clevertap_that_is_otherwise_when_examined_then_it_says_so(tmp_path: Path, number: int) -> None:
    assert verdicts(examined(tmp_path, OTHERWISE[number]))[number] == DIFFERS


def test_given_slow_pages_and_users_that_are_not_unique_when_examined_then_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assumptions, "READ_TIMEOUT_SECONDS", 0)  # a slow answer, without waiting for it
    monkeypatch.setattr(tables, "daily_users", tables.daily_counts)

    found = verdicts(examined(tmp_path))

    assert {number for number, verdict in found.items() if verdict == DIFFERS} == {10, 16}


# ------------------------------------------------------------------ what it tells, and to whom


def test_given_values_of_an_account_when_examined_then_the_report_holds_none(tmp_path: Path) -> None:
    secret = "PLANTED-4242424242"  # noqa: S105

    def plant(value: Any) -> Any:
        if isinstance(value, dict):
            inner = {name: plant(each) for name, each in value.items() if name != "cursor"}
            return {**value, **inner, secret: {secret: [secret, 4242424242, {secret: 4242424242.5}]}}
        return [plant(each) for each in value] if isinstance(value, list) else value

    def change(request: Json, page: Any) -> Any:
        error = {"error": f"{page['error']} {secret} at https://{secret}.example.com"} if page.get("error") else {}
        return plant(page) | error

    report = json.dumps(examined(tmp_path, change)).replace("notification events", "")

    hidden = (secret, "4242424242", ACCOUNT.account_id, ACCOUNT.passcode, "App Launched", "Notification")
    assert [value for value in (*hidden, "127.0.0.1", "example.com") if value in report] == []


@pytest.mark.parametrize(
    ("settings", "change", "says"),
    [
        ({"passcode": "wrong"}, None, "refused the credentials"),
        ({"base_url": "http://127.0.0.1:1"}, None, "could not be reached"),
        ({}, on("/getSchema")(lambda page: {**page, "events": []}), "no events yet"),
        ({"region": "nowhere"}, None, "'nowhere' is not one of"),
        (None, None, "Copy secrets/config.json.example to it and fill it in. DOCTOR=--sandbox make doctor"),
    ],
)
def test_given_what_keeps_it_from_running_when_examined_then_one_line_says_so(
    tmp_path: Path, settings: Json | None, change: Change | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Sandbox(ACCOUNT, change=change) as sandbox:
        config = tmp_path / "config.json"
        if settings is not None:
            config.write_text(json.dumps(sandbox.config(**settings)))

        assert doctor.main(["--config", str(config)]) == 1

    told = capsys.readouterr()
    assert says in told.err.splitlines()[-1]
    assert told.out == ""
    assert "wrong" not in told.err


def test_given_an_interruption_when_examined_then_it_tells_what_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusals = "source_clevertap.doctor.examination.Examination._refusals"
    monkeypatch.setattr(refusals, Mock(side_effect=KeyboardInterrupt))

    examined(tmp_path)

    out = capsys.readouterr().out
    assert "1 confirmed account, passcode and region" in out
    assert "28 not seen  an unknown event" in out
