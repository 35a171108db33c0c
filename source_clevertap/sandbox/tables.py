"""The rest of the sandbox's account: campaigns, reports, content blocks, counts, and their ground truth.

As in account.py, the same account gives the same records on any machine.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from source_clevertap.sandbox.account import (
    ALL_FLAGS,
    NOT_EXPORTABLE,
    UNREADABLE,
    Account,
)

Row = dict[str, Any]

CAMPAIGNS_END = date(2030, 1, 1)
COUNTS_MOVE_FOR_DAYS = 25  # after a message's start
BLOCKS = 250
NO_REPORT_FORMS = 4

_CHANNELS = ("Push", "email", "SMS", "web_pop_up")


def event_schema(account: Account) -> list[Row]:
    """The events of getSchema: `name`, and fields that are not documented."""
    rows = [
        {"name": name, "status": ("Active", "Inactive", "Discarded")[number % 3], "eventCount": number}
        for number, name in enumerate(account.schema())
    ]
    return [account.adapted("event_schema", number, row) for number, row in enumerate(rows)]


def user_properties(account: Account) -> list[Row]:
    """The profile properties of getSchema."""
    types: tuple[Any, ...] = ("String", "Integer", ["Mixed", "List"], None)
    rows = [
        {"name": name, "dataType": types[number % 4], "properties": {"required": number % 2 == 0}}
        for number, name in enumerate(account.user_properties)
    ]
    return [account.adapted("user_properties", number, row) for number, row in enumerate(rows)]


def campaigns(account: Account, first: int = 0, last: int = 99991231) -> list[Row]:
    """The campaigns that are scheduled from day `first` to `last` (YYYYMMDD)."""
    rows = []
    for number in range((CAMPAIGNS_END - account.first_day).days // account.campaign_days):
        day = f"{account.first_day + timedelta(number * account.campaign_days):%Y%m%d}"
        if first <= int(day) <= last:
            row = {
                "id": campaign_id(number),
                "name": f"Campaign {number} \u2603",
                "scheduled_on": f"{day} 10:30" if number % 2 else int(f"{day}1030"),
                "status": ("completed", "running", "stopped", "paused", "pending")[number % 5],
            }
            rows.append(account.adapted("campaigns", number, row))
    return rows


def campaign_id(number: int) -> int:
    """Ids from below 2^31 to above it."""
    return 1457432766 + number * 100_000_007


def campaign_report(account: Account, number: int) -> Row | int:
    """A campaign's result, or the form of its "no report yet" (0 to 3)."""
    result: Row | int = {"sent": number * 10, "clicked": number}
    if number % 6 == 0:
        result = {"sent": number * 10, "clicked": number, "viewed": {"Android": number, "iOS": None}}
    if number % 2:
        result = number // 2 % NO_REPORT_FORMS
    adapted: Row | int = account.adapted("campaign_reports", number, result)
    return adapted


def campaign_reports(account: Account, first: int = 0, last: int = 99991231) -> list[Row]:
    """What a complete read of all reports must return."""
    numbers = {campaign_id(n): n for n in range(10_000)}
    reports = [(row["id"], campaign_report(account, numbers[row["id"]])) for row in campaigns(account, first, last)]
    return [{"campaign_id": key, "result": report} for key, report in reports if isinstance(report, dict)]


def messages(account: Account, first: int, last: int, now: datetime) -> list[Row]:
    """Reports of the messages that started from day `first` to `last`, with their counts at `now`."""
    rows = []
    for number in range((CAMPAIGNS_END - account.first_day).days // account.message_days):
        rng = Random(account.seed * 7 + number)
        start = datetime(*account.first_day.timetuple()[:3]) + timedelta(
            days=number * account.message_days, seconds=rng.randrange(86400)
        )
        if not first <= int(f"{start:%Y%m%d}") <= last:
            continue
        moved = min(max((now.replace(tzinfo=None) - start).days, 0), COUNTS_MOVE_FOR_DAYS)
        row = {
            "message id": campaign_id(number),
            "message_name": f"Message {number}",
            "channel": _CHANNELS[number % 4],
            "delivery": "One time",
            "start_date": f"{start:%d %b, %Y %H:%M:%S}",
            "status": "Completed" if moved == COUNTS_MOVE_FOR_DAYS else "Running",
            "labels": ["x", "\u00e9"] if number % 2 else None,
            "device": ["android"],
            "conversion_event": "Charged",
            "sent": 100 * (moved + 1),
            "viewed": 40 * moved,
            "clicked": 3 * moved,
        }
        rows.append(account.adapted("messages", number, row))
    return rows


def message_times(account: Account, rows: Iterable[Row]) -> dict[int, str]:
    """The start of each message in UTC, by its id."""
    times = {}
    for row in rows:
        moment = account.of_local(datetime.strptime(row["start_date"], "%d %b, %Y %H:%M:%S"))
        times[row["message id"]] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return times


def content_blocks(account: Account) -> list[Row]:
    """All content blocks, the last updated ones first."""
    rows = []
    for number in range(BLOCKS):
        created = datetime(2024, 2, 1, 6, 29, 48, 965000) + timedelta(hours=number * 31)
        updated = created + timedelta(hours=number % 3 * 500, milliseconds=number)
        rows.append(
            {
                "id": 123456789 + number,
                "name": f"Block {number}",
                "type": "HTML" if number % 2 else "Text",
                "content": f"<html>{number} \u2603 {{{{ 7 * 7 }}}}</html>",
                "createdAt": _iso(created) if number % 5 else int(created.timestamp() * 1000),
                "createdBy": "author@example.com",
                "updatedAt": _iso(updated),
                "updatedBy": "author@example.com",
            }
        )
    return sorted(rows, key=lambda row: str(row["updatedAt"]), reverse=True)


def category_groups(account: Account) -> list[Row]:
    """The subscription groups."""
    return [
        {
            "name": f"Group {key}",
            "key": key,
            "description": "Newsletter" if key % 2 else None,
            "channels": ["Email", "SMS"][: key % 3],
            "updated_on": 1597812749 + key,
            "created_on": 1597812749,
        }
        for key in range(1, 8)
    ]


def daily_counts(account: Account, event: str, first: int, last: int, now: datetime | None = None) -> dict[str, int]:
    """How often an event was raised on each day, by the day of `ts`."""
    days = (_day(account, event, n) for n in account.raised(event, 19700101, 99991231, now))
    by_day = Counter(day for day in days if day)
    return {day: count for day, count in sorted(by_day.items()) if first <= int(day) <= last}


def daily_users(account: Account, event: str, first: int, last: int, now: datetime | None = None) -> dict[str, int]:
    """How many users raised an event on each day. Each device is a user."""
    users: dict[str, set[Any]] = {}
    for number in account.raised(event, 19700101, 99991231, now):
        day = _day(account, event, number)
        if day and first <= int(day) <= last:
            profile = account.event(event, number, ALL_FLAGS).get("profile") or {}
            users.setdefault(day, set()).add(profile.get("objectId"))
    return {day: len(devices) for day, devices in sorted(users.items())}


@lru_cache(maxsize=1_000_000)
def _day(account: Account, event: str, number: int) -> str:
    """The day of an occurrence by its `ts`, YYYYMMDD; "" if that is not a valid time."""
    ts = account.ts(event, number)
    return "" if ts in UNREADABLE else str(ts)[:8]


def countable(account: Account, event: Any) -> bool:
    """Whether the event can be counted, which includes those that cannot be exported."""
    return account.knows(event) or event in NOT_EXPORTABLE


def profile_count(account: Account, event: str, first: int, last: int) -> int:
    """How many users raised the event."""
    return sum(1 for _ in account.active(event, first, last)) if event in account.event_shares else 0


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
