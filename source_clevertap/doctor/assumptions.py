"""The connector's assumptions, a row each, and how the account compares.

The texts are part of the report: they contain numbers, types and our own words, but no value of the
account.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from statistics import median
from typing import Any
from urllib.parse import unquote

import pytz

from source_clevertap.doctor.client import Answer
from source_clevertap.doctor.examination import Json, Seen

CONFIRMED, DIFFERS, NOT_SEEN = "confirmed", "differs", "not seen"
Finding = tuple[str, str]

PAGE_KEYS = {"status", "records", "next_cursor", "previous_cursor", "cursor"}
SHARDS, LARGEST_PAGE = 23, 4991
READ_TIMEOUT_SECONDS = 180  # the manifest's


@dataclass(frozen=True)
class Assumption:
    """fact: the section of the fact sheet. look: returns the verdict and what was seen."""

    number: int
    text: str
    fact: str
    look: Callable[[Seen], Finding]


def verdict(holds: bool, seen: str) -> Finding:
    return (CONFIRMED if holds else DIFFERS), seen


def types_of(values: Iterable[Any]) -> str:
    """Such as "text 12, integer 3"."""
    names = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    counted = Counter(names.get(type(value), "object") for value in values)
    return ", ".join(f"{name} {count}" for name, count in counted.most_common())


def shown(answer: Answer) -> str:
    """Describes an answer for the report."""
    code = answer.page.get("code")
    told = f"code {code}" if isinstance(code, int) else "a code in text" if code else "no code"
    return f"HTTP {answer.http}, {told}"


# ------------------------------------------------------------------ account, exports


def credentials(seen: Seen) -> Finding:
    if not seen.schema:
        return NOT_SEEN, "not checked"
    return verdict(seen.schema.ok, shown(seen.schema))


def opening(seen: Seen) -> Finding:
    if not seen.opening or not seen.opening.ok:
        return NOT_SEEN, "no export was created"
    extra = sorted(set(seen.opening.page) - {"status", "cursor"})
    return verdict("records" not in seen.opening.page and bool(seen.opening.page.get("cursor")),
                   f"{len(extra)} keys besides status and cursor")  # fmt: skip


def cursors(seen: Seen) -> list[str]:
    found = [seen.opening.page.get("cursor")] if seen.opening else []
    found += [page.page.get("next_cursor") for page in seen.pages]
    return [cursor for cursor in found if isinstance(cursor, str)]


def encoded(seen: Seen) -> Finding:
    found = cursors(seen)
    if not found:
        return NOT_SEEN, "no cursor was returned"
    lengths = f"{min(map(len, found))} to {max(map(len, found))} characters"
    plain = [cursor for cursor in found if not set(cursor) <= _URL_SAFE]
    escaped = sum(unquote(cursor) != cursor for cursor in found)
    return verdict(not plain, f"{lengths}; {escaped} of {len(found)} contain a %")


_URL_SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%")


def page_keys(seen: Seen) -> Finding:
    pages = [page for page in seen.pages if page.ok]
    if not pages:
        return NOT_SEEN, "no page was returned"
    unknown = {key for page in pages for key in page.page} - PAGE_KEYS
    return verdict(not unknown, f"{len(pages)} pages, {len(unknown)} unknown keys")


def following(seen: Seen) -> Finding:
    middle = seen.pages[:-1]
    if not middle:
        return NOT_SEEN, "the export had one page"
    in_cursor = sum("next_cursor" not in page.page for page in middle)
    return verdict(not in_cursor, f"{len(middle) - in_cursor} of {len(middle)} have it in next_cursor")


def statuses(seen: Seen) -> Finding:
    pages = [page for page in seen.pages if page.http == 200]
    if not pages:
        return NOT_SEEN, "no page was returned"
    odd = [page for page in pages if page.page.get("status") != "success"]
    return verdict(not odd, f"{len(pages) - len(odd)} of {len(pages)} pages say success")


def page_rows(seen: Seen) -> Finding:
    rows = [page.page.get("records", 0) for page in seen.pages]
    if not any(rows):
        return NOT_SEEN, "no rows were returned"
    odd = sum(count % SHARDS != 0 for count in rows)
    return verdict(
        max(rows) <= LARGEST_PAGE,
        f"{min(rows)} to {max(rows)} rows; {odd} of {len(rows)} not a multiple of 23",
    )


def empty_range(seen: Seen) -> Finding:
    if not seen.empty:
        return NOT_SEEN, "not checked"
    last = seen.empty[-1]
    if not last.ok:
        return verdict(False, shown(last))
    ends = len(seen.empty) == 2 and not last.page.get("next_cursor") and not last.page.get("records")
    return verdict(ends, f"{len(seen.empty)} responses, the last with {len(last.page)} keys")


def in_progress(seen: Seen) -> Finding:
    waits = [answer.waited for answer in seen.answers]
    if not any(waits):
        return NOT_SEEN, "all responses were immediate"
    late = [answer for answer in seen.answers if answer.is_not_ready]
    return verdict(
        not late,
        f"{sum(w > 0 for w in waits)} responses were delayed, by {max(waits)} retries at most",
    )


def seconds(seen: Seen) -> Finding:
    took = [page.seconds for page in seen.pages if page.ok]
    if not took:
        return NOT_SEEN, "no page was returned"
    told = f"{median(took):.1f} s per page, {max(took):.1f} s at most"
    return verdict(max(took) < READ_TIMEOUT_SECONDS, told)


def read_again(seen: Seen) -> Finding:
    if not seen.again or not seen.pages or not seen.pages[0].ok:
        return NOT_SEEN, "no page was returned"
    if not seen.again.ok:
        return verdict(False, f"the second time: {shown(seen.again)}")
    first, second = seen.pages[0].page.get("records"), seen.again.page.get("records")
    return verdict(first == second, f"{first} rows, then {second}")


# ------------------------------------------------------------------ values


def ids(seen: Seen) -> Finding:
    profiles = [event.get("profile") for event in seen.events] + list(seen.profiles)
    found: list[Json] = [profile for profile in profiles if isinstance(profile, dict)]
    values = [profile[name] for profile in found for name in ("identity", "phone") if name in profile]
    if not values:
        return NOT_SEEN, "no identity or phone was returned"
    return verdict(all(isinstance(v, (str, int, type(None))) for v in values), types_of(values))


def ts(seen: Seen) -> Finding:
    if not seen.events:
        return NOT_SEEN, "no event was returned"
    values = [event.get("ts") for event in seen.events]
    good = sum(len(str(value)) == 14 and str(value).isdecimal() for value in values)
    return verdict(good == len(values), f"{good} of {len(values)} have 14 digits; {types_of(values)}")


def shown_offset(seen: Seen) -> float | None:
    """The offset from UTC that the sessions show, in hours; None for fewer than 20 sessions."""
    distances = []
    for event in seen.events:
        properties, stamp = event.get("event_props"), str(event.get("ts"))
        session = str(properties.get("CT Session Id")) if isinstance(properties, dict) else ""
        if len(session) == 10 and session.isdecimal() and len(stamp) == 14 and stamp.isdecimal():
            try:
                local = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)
            except ValueError:
                continue
            distances.append(local.timestamp() - int(session))
    near = [distance for distance in distances if abs(distance) <= 26 * 3600]
    return round((min(near) - 5 * 60) / 1800) / 2 if len(near) >= 20 else None


def set_offset(seen: Seen) -> float:
    """The offset from UTC of the setting timezone on the day that was read, in hours."""
    noon = datetime.fromisoformat(f"{seen.day or seen.today}T12:00:00")
    offset = pytz.timezone(seen.zone).utcoffset(noon)
    return (offset or timedelta()).total_seconds() / 3600


def zone(seen: Seen) -> Finding:
    offset = shown_offset(seen)
    if offset is None:
        return NOT_SEEN, "fewer than 20 events have a session with a known start"
    return verdict(
        abs(offset - set_offset(seen)) < 0.75,
        f"the data is in UTC{offset:+g} h, timezone in UTC{set_offset(seen):+g} h",
    )


# ------------------------------------------------------------------ counts


def daily_counts(seen: Seen) -> Finding:
    if not seen.counts:
        return NOT_SEEN, "not checked"
    if not seen.counts.ok:
        return verdict(False, shown(seen.counts))
    days = seen.counts.page.get("daily")
    good = isinstance(days, dict) and all(len(day) == 8 and day.isdecimal() for day in days)
    return verdict(good, f"{len(days)} days" if isinstance(days, dict) else f"daily is {types_of([days])}")


def users(seen: Seen) -> Finding:
    if not seen.users:
        return NOT_SEEN, "not checked"
    days = seen.users.page.get("daily")
    if not seen.users.ok or not isinstance(days, dict):
        return verdict(False, shown(seen.users))
    day = seen.day.replace("-", "")
    devices = {str((event.get("profile") or {}).get("objectId")) for event in seen.events}
    if not seen.is_whole_day or len(devices) >= len(seen.events) or day not in days:
        return NOT_SEEN, "no complete day has a user with two events"
    fewer = days[day] < seen.daily.get(day, 0)
    return verdict(fewer, f"{'fewer' if fewer else 'no fewer'} users than events on the day that was read")


def req_id(seen: Seen) -> Finding:
    values = [answer.page["req_id"] for answer in seen.answers if "req_id" in answer.page]
    if not values:
        return NOT_SEEN, "all counts were immediate"
    return verdict(all(isinstance(value, (int, str)) for value in values), types_of(values))


def count_equals_export(seen: Seen) -> Finding:
    counted = seen.daily.get(seen.day.replace("-", ""))
    if counted is None or not seen.is_whole_day:
        return NOT_SEEN, "no day was both counted and read completely"
    share = f"{100 * len(seen.events) / counted:.2f} % of the count" if counted else "none counted"
    near = abs(counted - len(seen.events)) <= max(2, 0.05 * counted)  # clocks of devices are off
    return verdict(near, f"exported {share}")


def refusal(seen: Seen) -> Finding:
    if not seen.refused:
        return NOT_SEEN, "the account's schema has no notification event"
    refused = sum("export not allowed" in answer.error for answer in seen.refused.values())
    return verdict(refused == len(seen.refused), f"{refused} of {len(seen.refused)} are refused")


def refused_counts(seen: Seen) -> Finding:
    if not seen.refused_counts:
        return NOT_SEEN, "the account's schema has no notification event"
    answers = seen.refused_counts.values()
    counted = sum(answer.ok and "daily" in answer.page for answer in answers)
    return verdict(counted == len(answers), f"{counted} of {len(answers)} are counted")


# ------------------------------------------------------------------ other streams


def table(name: str, key: str, fields: set[str], kind: type = list) -> Callable[[Seen], Finding]:
    """Checks that a response has its rows under `key`, and that they have `fields`."""

    def look(seen: Seen) -> Finding:
        answer: Answer | None = getattr(seen, name)
        if not answer:
            return NOT_SEEN, "not checked"
        if not answer.ok:
            return (NOT_SEEN if answer.http == 403 else DIFFERS), shown(answer)
        rows = answer.page.get(key)
        if not rows:
            return (NOT_SEEN if key in answer.page or key == "targets" else DIFFERS), "no rows"
        there = {field for row in rows if isinstance(row, dict) for field in row}
        missing = ", ".join(sorted(fields - there))
        return verdict(isinstance(rows, kind) and not missing, f"{len(rows)} rows; missing: {missing or 'nothing'}")

    return look


def scheduled_on(seen: Seen) -> Finding:
    rows = seen.campaigns.page.get("targets") if seen.campaigns and seen.campaigns.ok else None
    if not isinstance(rows, list) or not rows:
        return NOT_SEEN, "no campaign was returned"
    values = [row.get("scheduled_on") for row in rows if isinstance(row, dict)]
    return verdict(all(isinstance(value, (str, int)) for value in values), types_of(values))


# ------------------------------------------------------------------ refusals, limits


def refused_as(name: str, *words: str) -> Callable[[Seen], Finding]:
    """Checks that a response is a failure that contains one of these words."""

    def look(seen: Seen) -> Finding:
        answer: Answer | None = getattr(seen, name)
        if not answer:
            return NOT_SEEN, "not checked"
        told = f"{answer.error} {answer.page.get('code')}".lower()
        return verdict(not answer.ok and any(word in told for word in words), shown(answer))

    return look


def headers(seen: Seen) -> Finding:
    if not seen.answers:
        return NOT_SEEN, "not checked"
    names = {name for answer in seen.answers for name in answer.headers}
    telling = {name for name in names if "limit" in name or name == "retry-after"}
    return verdict(not telling, f"{len(telling)} rate limit headers in {len(seen.answers)} responses")


def without_event(seen: Seen) -> Finding:
    if not seen.without_event:
        return NOT_SEEN, "not checked"
    return verdict(not seen.without_event.page.get("cursor"), shown(seen.without_event))


def summary(seen: Seen) -> Finding:
    if not seen.profiles:
        return NOT_SEEN, "no profile was returned"
    found = [p for p in seen.profiles if p.get("objectId") or p.get("identity") or p.get("platformInfo")]
    return verdict(len(found) == len(seen.profiles), f"{len(found)} of {len(seen.profiles)} have one")


_ROWS: list[tuple[str, str, Callable[[Seen], Finding]]] = [
    ("account, passcode and region are accepted", "1.2", credentials),
    ("creating an export returns a cursor and no rows", "6", opening),
    ("cursors are percent-encoded", "24.4", encoded),
    ("a page has status, records, next_cursor, previous_cursor, and no other key", "6", page_keys),
    ("the next cursor is in next_cursor", "25.9", following),
    ("every page has the status success", "25.9", statuses),
    ("a page has at most 4,991 rows", "24.9", page_rows),
    ("the export of an empty range has one page, without records and cursor", "24.7", empty_range),
    ("delayed responses say so, and are ready within a minute", "24.2", in_progress),
    ("a page takes at most 180 seconds", "2", seconds),
    ("a page can be read twice with the same cursor", "26", read_again),
    ("identity and phone are text or integers", "24.34", ids),
    ("ts has 14 digits", "24.13", ts),
    ("timezone is the time zone of the data", "27.4", zone),
    ("daily counts are under `daily`, by YYYYMMDD", "12", daily_counts),
    ("unique: true counts users, not events", "27.7", users),
    ("req_id is a number or text", "27.1", req_id),
    ("an export has as many rows as the count", "12", count_equals_export),
    ("notification events cannot be exported", "24.19", refusal),
    ("notification events can be counted", "27.2", refused_counts),
    ("/getSchema has events with a name", "17", table("schema", "events", {"name"})),
    ("/getSchema has userProperties with a name", "17", table("properties", "userProperties", {"name"})),
    ("category groups have a key and a name", "18", table("groups", "list", {"key"})),
    ("content blocks have an id", "16", table("blocks", "contentBlocks", {"id"})),
    ("campaigns have id, name, status and scheduled_on", "13",
     table("campaigns", "targets", {"id", "name", "status", "scheduled_on"})),
    ("scheduled_on is text or an integer", "13", scheduled_on),
    ("message reports have `message id` and start_date", "15",
     table("messages", "messages", {"message id", "start_date"})),
    ("an unknown event is refused as invalid", "24.18", refused_as("unknown_event", "invalid event")),
    ("a date in the future is refused", "24.14", refused_as("future", "date", "4002", "4004")),
    ("a broken cursor is refused", "3",
     refused_as("broken_cursor", "invalid cursor", "cursor_invalid", "incorrect usage", "expired")),
    ("responses have no rate limit headers", "2", headers),
    ("an export of profiles requires an event", "27.13", without_event),
    ("a profile has an ID or a device", "7", summary),
]  # fmt: skip

ASSUMPTIONS = [Assumption(number, *row) for number, row in enumerate(_ROWS, 1)]
