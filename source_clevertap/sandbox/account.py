"""The sandbox's account: profiles and events generated from a seed, and the ground truth for tests.

The same seed and number give the same record on any machine.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from random import Random
from typing import Any, ClassVar, NamedTuple
from zlib import crc32

import pytz

FIRST_DAY = date(2022, 1, 1)
DAYS = 1400

# Event name -> every n-th profile has raised it. Jinja would turn the odd names into other types, or
# fail.
EVENTS = {
    "App Launched": 1,
    "Charged": 3,
    "Added To Cart": 5,
    "2024": 7,
    "True": 7,
    "None": 7,
    "(1,2)": 7,
    "1E5": 7,
    "1_000": 7,
    'it\'s "{{ config.passcode }}"': 7,
    "Caf\u00e9 \U0001f600": 7,
}
NOT_EXPORTABLE = ("Notification Viewed", "Notification Clicked")
UNKNOWN = "Discarded Long Ago"  # in the schema, but cannot be exported
UNREADABLE = (None, "", 0, "2022-01-01", 20220230101010, 2022010112)
USER_PROPERTIES = ("Customer Type", "last.score", "citt\u00e0", "tags", "nested \u2603", "it's {{ 7 }}")
LATEST_DAYS = 2  # how late an event may arrive

_FIRST_NAMES = (
    "Ana",
    "Zo\u00eb",
    "\u0905\u0928\u093f\u0932",
    "\u674e\u96f7",
    "O'Neil",
    'Jos\u00e9 "Pepe"',
    "\U0001f600",
)
_MODELS = (("Android", "xiaomi", "M2006C3MII"), ("iOS", "Apple", "iPhone14,2"), ("Web", "", ""))


class Flags(NamedTuple):
    """The query parameters that select parts of a record."""

    app: bool = True
    events: bool = True
    profile: bool = True


ALL_FLAGS = Flags()


@dataclass(frozen=True)
class Account:
    """profiles: their number. events: how often the event that all users raise was raised.

    padding: bytes of an extra property, for benchmarks. rare: the number of further events in the
    schema, of which one in ten was raised once. All activity is in the `days` days from first_day.
    late: how many days late an event may arrive. turned: by how many the devices of users are turned in their order.
    """

    profiles: int = 1000
    events: int = 2000
    seed: int = 1
    timezone: str = "Asia/Kolkata"
    account_id: str = "SBX-123-4567"
    passcode: str = "sandbox-passcode"
    padding: int = 0
    rare: int = 0
    first_day: date = FIRST_DAY
    days: int = DAYS
    late: int = LATEST_DAYS
    turned: int = 0

    event_shares: ClassVar[Mapping[str, int]] = EVENTS
    user_properties: ClassVar[tuple[str, ...]] = USER_PROPERTIES
    campaign_days: ClassVar[int] = 17  # one campaign every so many days
    message_days: ClassVar[int] = 9

    def adapted(self, table: str, number: int, row: Any) -> Any:
        """A row of tables.py as this account has it."""
        return row

    def schema(self) -> list[str]:
        """All event names of the account."""
        return [*self.event_shares, *NOT_EXPORTABLE, UNKNOWN, *(f"Rare {n}" for n in range(self.rare))]

    def knows(self, event: Any) -> bool:
        """Whether the event can be exported."""
        return event in self.schema() and event != UNKNOWN and event not in NOT_EXPORTABLE

    def active(self, event: str, first: int, last: int) -> Iterator[int]:
        """Numbers of the profiles that raised `event` from day `first` to `last` (YYYYMMDD)."""
        low, high = (_as_date(day) - self.first_day for day in (first, last))
        shift = self._shift(event)
        for number in range(0, self.profiles, self.event_shares.get(event, self.profiles or 1)):
            if low.days <= (number * 7919 + shift) % self.days <= high.days:
                yield number

    def profile(self, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """A profile as the API returns it."""
        rng = Random(self.seed * 1_000_003 + number)
        key = self.key(number)
        record: dict[str, Any] = {}
        if number % 2 == 0:
            record["objectId"] = key
        if self.logged_in(number):
            email = f"user{number}@example.com"
            record["identity"] = number if number % 10 == 3 else email
            record["all_identities"] = [str(record["identity"]), email]
            record["email"] = email
            record["name"] = f"{rng.choice(_FIRST_NAMES)} {number}"
            record["phone"] = 919800000000 + number if number % 4 == 0 else f"+9198{number:08d}"
        if flags.profile:
            record["profileData"] = self._properties(number, rng)
        if flags.events:
            record["events"] = {
                event: {
                    "count": rng.randint(1, 500),
                    "first_seen": 1640995200 + rng.randint(0, 10**6),
                    "last_seen": 1700000000 + rng.randint(0, 10**6),
                }
                for event, every in self.event_shares.items()
                if number % every == 0
            }
        devices = self._devices(number, rng, flags)
        turn = self.turned % len(devices) if self.logged_in(number) else 0
        record["platformInfo"] = devices[turn:] + devices[:turn]
        return record

    def key(self, number: int) -> str:
        """The ID of a profile, or of its first device."""
        return f"__g{self.seed:x}-{number:010d}"

    def profile_id(self, number: int) -> str:
        """The primary key that the connector must use: the identity, or the ID before login."""
        identity = number if number % 10 == 3 else f"user{number}@example.com"
        return str(identity) if self.logged_in(number) else self.key(number)

    @staticmethod
    def logged_in(number: int) -> bool:
        """Whether the user of a profile has an identity."""
        return number % 10 < 7

    def truth(self, event: str, first: int, last: int, flags: Flags = ALL_FLAGS) -> Iterator[dict[str, Any]]:
        """What a complete read must return: {"key": ..., "record": ...} for each profile."""
        for number in self.active(event, first, last):
            yield {"key": self.profile_id(number), "record": with_text_ids(self.profile(number, flags))}

    # ---------------------------------------------------------------- events

    def raised(self, event: str, first: int, last: int, now: datetime | None = None) -> list[int]:
        """Numbers of the occurrences of `event` from day `first` to `last` that arrive by `now`."""
        by_day = _occurrences_by_day(self, event)
        low, high = ((_as_date(day) - self.first_day).days for day in (first, last))
        # All events of days before this one have arrived.
        arrived = (now.date() - self.first_day).days - LATEST_DAYS - 2 if now else self.days
        return [
            number
            for day in range(max(low, 0), min(high + 1, self.days))
            for number in by_day.get(day, ())
            if now is None or day < arrived or self.arrival(event, number) <= now
        ]

    def day(self, event: str, number: int) -> date:
        """The day of an occurrence, in the project's time zone."""
        place = self._original(number) * 7919 + self._shift(event)
        return self.first_day + timedelta(place % self.days)

    def moment(self, event: str, number: int) -> datetime:
        """When an occurrence happened, in UTC."""
        day, number = self.day(event, number), self._original(number)
        start, end = (midnight(d, self.timezone) for d in (day, day + timedelta(1)))
        second = Random(self._shift(event) + number).randrange(int((end - start).total_seconds()))
        return start + timedelta(seconds=second)

    def arrival(self, event: str, number: int) -> datetime:
        """When it arrives at CleverTap: at once, except one in twenty, up to `late` days later."""
        lot = crc32(f"{event}/{number}".encode())
        late = 1 + lot // 20 % self.late if self.late and lot % 20 == 3 else 0
        return self.moment(event, number) + timedelta(late)

    def event(self, event: str, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """An occurrence as the API returns it.

        Of forty, three are duplicates, one differs from another in a property only, and one in its
        session only. The clocks of some devices run ahead, and some send no valid time.
        """
        original = self._original(number)
        rng = Random(f"{self.seed}/{event}/{original}")
        person = rng.randrange(self.profiles or 1)
        sent = self.profile(person, flags)
        profile = {"objectId": self.key(person), "platform": rng.choice(_MODELS)[0]}
        for name in ("identity", "all_identities", "email", "name", "phone", "profileData", "events"):
            if name in sent:
                profile[name] = sent[name]
        if person % 3 == 0:
            profile["push_token"] = self._push_token(person, 0)
        if flags.app:
            profile.update(os_version="10", app_version="1.1.7", make="xiaomi", model="M2006C3MII")
        properties: dict[str, Any] = {
            "Amount": rng.choice((59.99, 100, "100", 0, True)),
            "CT Session Id": str(self._session(event, number) - rng.randrange(1800)),
            "\u00e9t\u00e9 \u2603": rng.choice(("", "\U0001f600", None)),
        }
        if number % 40 == 20:
            properties["Amount"] = "a neighbour's"
        if event == "Charged":
            properties["Items"] = [{"SKU": f"S{rng.randrange(99)}", "Quantity": 1}, {"SKU": "S0"}]
        record: dict[str, Any] = {
            "profile": profile,
            "ts": self.ts(event, number),
            "event_props": properties if original % 13 else {},
        }
        if original % 3 == 0 or number % 40 == 30:
            record["session_props"] = {"utm_source": "google-play" if number % 40 == 30 else "x"}
        return record

    def event_truth(
        self,
        event: str,
        first: int,
        last: int,
        flags: Flags = ALL_FLAGS,
        now: datetime | None = None,
    ) -> Iterator[dict[str, Any]]:
        """What a complete read must return: {"time": ISO 8601 in UTC or None, "record": ...}."""
        for number in self.raised(event, first, last, now):
            yield self.occurrence(event, number, flags)

    def occurrence(self, event: str, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """What a complete read must return for an occurrence."""
        record = self.event(event, number, flags)
        moment: datetime | None = self.moment(event, number)
        if record["ts"] in UNREADABLE:
            moment = None
        elif self._runs_ahead(number):
            moment = self.of_local(datetime.strptime(str(record["ts"]), "%Y%m%d%H%M%S"))
        elif moment:
            moment = self.of_local(self._local(moment))
        ts = None if record["ts"] is None else str(record["ts"])
        record = {**record, "profile": with_text_ids(record["profile"]), "ts": ts}
        return {"time": moment and moment.strftime("%Y-%m-%dT%H:%M:%SZ"), "record": record}

    def ts(self, event: str, number: int) -> Any:
        """The `ts` of an occurrence: 14 digits of local time, except for a few that are not valid."""
        original = self._original(number)
        if original % 101 == 6:
            return UNREADABLE[original // 101 % len(UNREADABLE)]
        local = self._local(self.moment(event, number))
        if self._runs_ahead(number):
            local += timedelta(days=400)
        return int(local.strftime("%Y%m%d%H%M%S"))

    def _session(self, event: str, number: int) -> int:
        """When an occurrence happened by its device's clock, in epoch seconds."""
        ahead = timedelta(days=400) if self._runs_ahead(number) else timedelta()
        return int((self.moment(event, number) + ahead).timestamp())

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(pytz.timezone(self.timezone)).replace(tzinfo=None)

    def of_local(self, local: datetime) -> datetime:
        """Converts a local time to UTC. The first counts of two; one that clocks skip counts by the clocks before."""
        zone = pytz.timezone(self.timezone)
        instants = {zone.localize(local, is_dst=dst).astimezone(timezone.utc) for dst in (True, False)}
        real = [instant for instant in instants if instant.astimezone(zone).replace(tzinfo=None) == local]
        return min(real) if real else max(instants)

    def _runs_ahead(self, number: int) -> bool:
        return self._original(number) % 97 == 5

    @staticmethod
    def _original(number: int) -> int:
        """The occurrence of which this one is a full or partial copy, else itself."""
        return number - {7: 1, 8: 2, 20: 1, 30: 1}.get(number % 40, 0)

    def _shift(self, event: str) -> int:
        return self.seed * 31 + crc32(event.encode())

    def _push_token(self, number: int, device: int) -> str:
        return f"token-{self.seed:x}-{number:08d}-{device}"

    def _properties(self, number: int, rng: Random) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "Customer Type": rng.choice(("Gold", "Silver", 3, True)),
            "last.score": rng.choice((308, 30.5, "308", None, -1)),
            "citt\u00e0": rng.choice(("Milano", "\u6771\u4eac", "")),
            "tags": ["a", 1, None] if number % 6 == 0 else [],
        }
        if number % 9 == 0:
            properties["nested \u2603"] = {"a.b": {"c d": [1, {"e": 2}]}}
        if self.padding:
            properties["padding"] = f"{number:x}" * (self.padding // len(f"{number:x}"))
        return properties

    def _devices(self, number: int, rng: Random, flags: Flags) -> list[dict[str, Any]]:
        # If the profile has no ID, its key is the first one of its devices.
        first_id = f"dev-{number}" if number % 2 == 0 else self.key(number)
        devices: list[dict[str, Any]] = [{"platform": "Web"}] if number % 8 == 5 else []
        for index in range(1 + number % 2):
            platform, make, model = rng.choice(_MODELS)
            device = {
                "platform": platform,
                "objectId": first_id if index == 0 else f"dev-{number}-b",
            }
            if flags.app and make:
                device.update(os_version="10.2", app_version="6.1.3", make=make, model=model)
            if number % 3 == 0:
                device["push_token"] = self._push_token(number, index)
            devices.append(device)
        return devices


def with_text_ids(person: dict[str, Any]) -> dict[str, Any]:
    """A person as a read must return it: IDs that the API returns as numbers are text."""
    texts: dict[str, Any] = {name: str(person[name]) for name in ("identity", "phone") if person.get(name) is not None}
    if person.get("all_identities"):
        texts["all_identities"] = [str(identity) for identity in person["all_identities"]]
    return {**person, **texts}


@lru_cache(maxsize=10_000)
def midnight(day: date, zone: str) -> datetime:
    """When a day begins in a time zone, in UTC."""
    return pytz.timezone(zone).localize(datetime.combine(day, time())).astimezone(timezone.utc)


@lru_cache(maxsize=2000)
def _occurrences_by_day(account: Account, event: str) -> dict[int, list[int]]:
    shares = account.event_shares
    times = account.events // shares[event] if event in shares else event.endswith("0") * 1
    by_day: dict[int, list[int]] = {}
    for number in range(times):
        original = account._original(number)
        day = (original * 7919 + account._shift(event)) % account.days
        by_day.setdefault(day, []).append(number)
    return by_day


def _as_date(day: int) -> date:
    return date(day // 10000, day // 100 % 100, day % 100)
