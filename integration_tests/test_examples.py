"""examples/questions.sql, in SQLite: what it answers, against the sandbox's truth."""

import json
import sqlite3
from collections import Counter, defaultdict
from typing import Any

import pytest

from integration_tests.helpers.connector import ROOT, run
from integration_tests.helpers.tables import truth
from source_clevertap.sandbox import Account, Sandbox

ACCOUNT = Account(profiles=40, events=600)
STREAMS = ("events", "profiles", "message_reports")
Answer = list[tuple[Any, ...]]


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    """What each question answers, of a whole account."""
    with Sandbox(ACCOUNT) as sandbox:
        output = run("read", sandbox.config(), streams=STREAMS)
    assert output.exit_code == 0, output.error
    warehouse = sqlite3.connect(":memory:")
    for stream in STREAMS:
        rows = output.by_stream[stream]
        columns = sorted({name for row in rows for name in row})
        names = ", ".join(f'"{name}"' for name in columns)
        warehouse.execute(f"CREATE TABLE {stream} ({names})")
        for row in rows:
            values = [row.get(name) for name in columns]
            plain = [json.dumps(v) if isinstance(v, (dict, list)) else v for v in values]
            marks = ", ".join("?" * len(columns))
            warehouse.execute(f"INSERT INTO {stream} VALUES ({marks})", plain)  # noqa: S608
    questions = (ROOT / "examples/questions.sql").read_text().split(";")[:-1]
    return [warehouse.execute(question).fetchall() for question in questions]


def occurrences() -> list[tuple[str | None, str, str | None]]:
    """Day, device and identity of every occurrence that has a time."""
    rows = ACCOUNT.event_truth("App Launched", 20220101, 20260212)
    found: list[tuple[str | None, str, str | None]] = []
    for row in rows:
        profile, identity = row["record"]["profile"], row["record"]["profile"].get("identity")
        if row["time"]:
            day = str(row["record"]["ts"])[:8]
            found.append((day, profile["objectId"], None if identity is None else str(identity)))
    return found


def test_daily_actives_by_event(answers: list[Answer]) -> None:
    users: defaultdict[str, set[str]] = defaultdict(set)
    times: Counter[str] = Counter()
    for day, device, identity in occurrences():
        users[str(day)].add(identity or device)
        times[str(day)] += 1

    assert answers[0] == [("App Launched", day, len(users[day]), times[day]) for day in sorted(users)]
    assert len(answers[0]) > 300


def test_events_and_profiles_joined_on_profile_id(answers: list[Answer]) -> None:
    emails = {str(p["identity"]): p.get("email") for p in map(ACCOUNT.profile, range(40)) if "identity" in p}
    rows = ACCOUNT.event_truth("App Launched", 20220101, 20260212)
    identities = [row["record"]["profile"].get("identity") for row in rows]
    expected = Counter(emails.get(str(identity), "no e-mail address") for identity in identities)

    assert {email: times for _, email, times, _ in answers[1]} == expected
    assert sum(expected.values()) > 300


def test_the_funnel_of_messages_by_channel(answers: list[Answer]) -> None:
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    for report in truth("message_reports", ACCOUNT).values():
        if report.get("sent") is not None:
            counts = {name: report.get(name) or 0 for name in ("sent", "viewed", "clicked")}
            expected[report["channel"]].update(messages=1, **counts)

    assert {row[0]: row[1:5] for row in answers[2]} == {
        channel: tuple(sums[name] for name in ("messages", "sent", "viewed", "clicked"))
        for channel, sums in expected.items()
    }
    for _, _, sent, viewed, clicked, viewed_percent, clicked_percent in answers[2]:
        assert viewed_percent == pytest.approx(100 * viewed / sent, abs=0.051)
        assert clicked_percent == pytest.approx(100 * clicked / viewed, abs=0.051)
