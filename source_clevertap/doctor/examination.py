"""The doctor's steps, in order. assumptions.py interprets what they see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from source_clevertap.doctor.client import Answer, Client

Json = dict[str, Any]

NOTIFICATIONS = ("Notification Sent", "Notification Viewed", "Notification Clicked", "Push Impressions")
UNKNOWN_EVENT = "source-clevertap-doctor: no such event"
FUTURE = "2099-01-01"
ROWS_READ = 25_000  # of a day that is counted and exported
PAGES_READ = 8


class RefusedError(Exception):
    """CleverTap refuses the credentials or the region."""


class NoEventError(Exception):
    """The account has no event."""


@dataclass
class Seen:
    """What was seen of the account. None or empty: not checked, or not there."""

    schema: Answer | None = None
    properties: Answer | None = None
    counts: Answer | None = None
    users: Answer | None = None
    daily: dict[str, int] = field(default_factory=dict)  # rows by day, YYYYMMDD
    history: dict[str, int] = field(default_factory=dict)  # the same before these 30 days
    is_whole_history: bool = False
    day: str = ""
    opening: Answer | None = None
    pages: list[Answer] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    is_whole_day: bool = False
    again: Answer | None = None
    empty: list[Answer] = field(default_factory=list)
    unknown_event: Answer | None = None
    future: Answer | None = None
    broken_cursor: Answer | None = None
    profiles: list[Json] = field(default_factory=list)
    without_event: Answer | None = None
    refused: dict[str, Answer] = field(default_factory=dict)
    refused_counts: dict[str, Answer] = field(default_factory=dict)
    campaigns: Answer | None = None
    messages: Answer | None = None
    blocks: Answer | None = None
    groups: Answer | None = None
    answers: list[Answer] = field(default_factory=list)
    zone: str = ""  # as set
    lookback_days: int = 2
    today: date = date.min

    @property
    def event_names(self) -> list[str]:
        """The events of the account's schema."""
        rows = self.schema.page.get("events") if self.schema else None
        names = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        return [name for name in names if isinstance(name, str)]


class Examination:
    """Runs the steps. `seen` grows, so that an interrupted run shows what is known so far."""

    def __init__(self, client: Client, config: Mapping[str, Any], say: Callable[[str], Any], today: date) -> None:
        self.client, self.say = client, say
        self.event = str(config["event_name"])
        self.start = datetime.strptime(str(int(config["start_date"])), "%Y%m%d").date()
        lookback = int(config.get("lookback_days") or 2)
        zone = str(config.get("timezone") or "UTC")
        self.seen = Seen(zone=zone, lookback_days=lookback, today=today)

    def run(self) -> None:
        """All steps. What the first finds decides whether there is an account to look at."""
        for step in (
            self._schema,
            self._counts,
            self._export,
            self._refusals,
            self._profiles,
            self._notifications,
            self._tables,
            self._history,
        ):
            self.say(str(step.__doc__))
            step()

    def _ask(self, *what: Any, **more: Any) -> Answer:
        answer = self.client.ask(*what, **more)
        self.seen.answers.append(answer)
        return answer

    def _days_ago(self, days: int) -> str:
        return str(self.seen.today - timedelta(days))

    def _schema(self) -> None:
        """Events and user properties of the account"""
        self.seen.schema = self._ask("event_schema")
        if self.seen.schema.http in (401, 403):
            raise RefusedError
        if self.seen.schema.page.get("events") == []:
            raise NoEventError
        self.seen.properties = self._ask("user_properties")

    def _count(self, stream: str, event: str, days: tuple[str, str] | None = None) -> Answer:
        """The last response of a count."""
        days = days or (self._days_ago(30), self._days_ago(0))
        opened = self._ask(stream, "open", days, event_name=event)
        if opened.page.get("status") == "partial" and opened.page.get("req_id"):
            return self._ask(stream, "page", token=opened.page["req_id"], event_name=event)
        return opened

    def _counts(self) -> None:
        """Counts of the event, and of its users, by day"""
        self.seen.counts = self._count("daily_event_counts", self.event)
        self.seen.daily = by_day(self.seen.counts)
        self.seen.users = self._count("daily_event_users", self.event)

    def _export(self) -> None:
        """An export of one day, page by page"""
        days = {day: count for day, count in self.seen.daily.items() if self._is_settled(day)}
        fitting = {day: count for day, count in days.items() if 0 < count <= ROWS_READ}
        counted = max(fitting, key=lambda day: fitting[day]) if fitting else min(days, default="")
        self.seen.day = f"{counted[:4]}-{counted[4:6]}-{counted[6:]}" if counted else self._days_ago(7)
        on_day = (self.seen.day, self.seen.day)
        self.seen.opening = self._ask("events", "open", on_day, event_name=self.event)
        cursor = self.seen.opening.page.get("cursor")
        first = cursor
        while cursor and len(self.seen.pages) < PAGES_READ:
            page = self._ask("events", "page", token=cursor, event_name=self.event)
            self.seen.pages.append(page)
            self.seen.events += taken(page)
            cursor = page.page.get("next_cursor")
            if not cursor and page.page.get("status") == "partial":
                cursor = page.page.get("cursor")
        self.seen.is_whole_day = bool(self.seen.pages) and not cursor and self.seen.pages[-1].ok
        if first:
            self.seen.again = self._ask("events", "page", token=first, event_name=self.event)
            taken(self.seen.again)
        self._empty_range()

    def _is_settled(self, day: str) -> bool:
        return day.isdecimal() and day <= self._days_ago(max(3, self.seen.lookback_days + 1)).replace("-", "")

    def _empty_range(self) -> None:
        opening = self._ask("events", "open", ("2001-01-01", "2001-01-01"), event_name=self.event)
        self.seen.empty = [opening]
        if opening.page.get("cursor"):
            token = opening.page["cursor"]
            self.seen.empty.append(self._ask("events", "page", token=token, event_name=self.event))

    def _refusals(self) -> None:
        """Refusals: an unknown event, a date in the future, a broken cursor"""
        day = (self.seen.day, self.seen.day)
        self.seen.unknown_event = self._ask("events", "open", day, event_name=UNKNOWN_EVENT)
        future = (FUTURE, FUTURE)
        self.seen.future = self._ask("events", "open", future, event_name=self.event)
        broken = self._ask("events", "page", token="broken", event_name=self.event)  # noqa: S106
        self.seen.broken_cursor = broken

    def _profiles(self) -> None:
        """One page of profiles, and an export of profiles without an event"""
        day = (self.seen.day, self.seen.day)
        month = (self._days_ago(30), self.seen.day)
        opening = self._ask("profiles", "open", month, event_name=self.event)
        if opening.page.get("cursor"):
            token = opening.page["cursor"]
            page = self._ask("profiles", "page", token=token, event_name=self.event)
            self.seen.profiles = taken(page)

        def body(asked: Json) -> Json:
            fields = [{"name": "email", "operator": "exists"}]
            return {
                "from": asked["from"],
                "to": asked["to"],
                "common_profile_properties": {"profile_fields": fields},
            }

        self.seen.without_event = self._ask("profiles", "open", day, event_name=self.event, body=body)

    def _notifications(self) -> None:
        """Events that usually cannot be exported"""
        day = (self.seen.day, self.seen.day)
        for event in [name for name in NOTIFICATIONS if name in self.seen.event_names][:2]:
            self.seen.refused[event] = self._ask("events", "open", day, event_name=event)
            self.seen.refused_counts[event] = self._count("daily_event_counts", event)

    def _tables(self) -> None:
        """Campaigns, message reports, content blocks, category groups"""
        self.seen.campaigns = self._ask("campaigns", "", (self._days_ago(30), self._days_ago(0)))
        self.seen.messages = self._ask("message_reports", "", (self._days_ago(7), self._days_ago(1)))
        self.seen.blocks = self._ask("content_blocks")
        self.seen.groups = self._ask("category_groups")

    def _history(self) -> None:
        """Counts since start_date, a year at a time"""
        last = self.seen.today - timedelta(31)
        while last >= self.start:
            first = max(self.start, last - timedelta(365))
            answer = self._count("daily_event_counts", self.event, (str(first), str(last)))
            self.seen.history |= by_day(answer)
            last = first - timedelta(1)
        self.seen.is_whole_history = True


def taken(page: Answer) -> list[Json]:
    """Takes the records out of a page, which keeps only their number."""
    records = page.page.get("records")
    records = records if isinstance(records, list) else []
    page.page["records"] = len(records)
    return [record for record in records if isinstance(record, dict)]


def by_day(answer: Answer) -> dict[str, int]:
    """The counts of a response, by day as YYYYMMDD."""
    daily = answer.page.get("daily")
    return {d: n for d, n in daily.items() if isinstance(n, int)} if isinstance(daily, dict) else {}


def local_day(zone: ZoneInfo) -> date:
    """Today in that time zone."""
    return datetime.now(zone).date()
