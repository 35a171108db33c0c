"""The account that `make sync` reads by default: a small shop.

The account of the tests (account.py) is deliberately hostile; this one is plausible.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from random import Random
from typing import Any, ClassVar
from zlib import crc32

from source_clevertap.sandbox.account import ALL_FLAGS, NOT_EXPORTABLE, Account, Flags, midnight
from source_clevertap.sandbox.server import Sandbox
from source_clevertap.sandbox.tables import campaign_id

FIRST_DAY, DAYS = date(2026, 7, 1), 1500
USERS_A_DAY, LAUNCHES_A_DAY = 10, 60
FIRST_NAMES = (
    "Aarav",
    "Ananya",
    "Priya",
    "Rohan",
    "Zoë",
    "Aisha",
    "Kabir",
    "Meera",
    "Wei",
    "José",
    "Neha",
    "Tom",
)
LAST_NAMES = ("Sharma", "Patel", "Reddy", "Iyer", "Khan", "Nair", "Silva", "Chen", "O'Neil", "Das")
CITIES = ("Mumbai", "Bengaluru", "Delhi", "Pune", "Chennai", "Kochi")
PRODUCTS = (  # name, category, price
    ("Linen Shirt", "Fashion", 1499.0),
    ("Running Shoes", "Sports", 4299.0),
    ("Yoga Mat", "Sports", 899.0),
    ("Espresso Cups", "Home", 1150.0),
    ("Desk Lamp", "Home", 2199.5),
    ("Headphones", "Electronics", 6990.0),
)
CAMPAIGNS = ("Weekend offer", "New arrivals", "Back in stock", "Festive sale", "We miss you")
DEVICES = (
    ("Android", "Samsung", "SM-A546"),
    ("Android", "Xiaomi", "M2006C3MII"),
    ("iOS", "Apple", "iPhone14,2"),
)


@dataclass(frozen=True)
class DemoAccount(Account):
    """Users who sign up, look at products and buy some, ten new ones a day. Nothing has happened after `as_of`."""

    profiles: int = USERS_A_DAY * DAYS
    events: int = LAUNCHES_A_DAY * DAYS
    first_day: date = FIRST_DAY
    days: int = DAYS
    as_of: datetime = field(default_factory=lambda: datetime.now(timezone.utc))

    event_shares: ClassVar[Mapping[str, int]] = {
        "App Launched": 1,
        "Product Viewed": 1,
        "Added To Cart": 4,
        "Charged": 10,
    }
    user_properties: ClassVar[tuple[str, ...]] = ("City", "Customer Type")
    campaign_days: ClassVar[int] = 7
    message_days: ClassVar[int] = 7  # each campaign sends one

    def schema(self) -> list[str]:
        """The events, including those that CleverTap raises itself and does not export."""
        return [*self.event_shares, *NOT_EXPORTABLE]

    def profile(self, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """A user. Six of seven have logged in."""
        rng = Random(f"{self.seed}/user/{number}")
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        platform, make, model = rng.choice(DEVICES)
        record: dict[str, Any] = {"objectId": self.key(number)}
        if self.logged_in(number):
            email = f"{first}.{last}{number}@example.com".lower().replace("'", "")
            identity = self.profile_id(number)
            record |= {"identity": identity, "all_identities": [identity, email], "email": email}
            record |= {"name": f"{first} {last}", "phone": f"+9198{number:08d}"}
        if flags.profile:
            record["profileData"] = {
                "City": rng.choice(CITIES),
                "Customer Type": rng.choice(("Gold", "Silver", "New")),
            }
        if flags.events:
            record["events"] = {
                event: {"count": len(seen), "first_seen": min(seen), "last_seen": max(seen)}
                for event, seen in _activity(self).get(number, {}).items()
            }
        device = {"platform": platform, "objectId": self.key(number)}
        if flags.app:
            device |= {"os_version": "14", "app_version": "3.2.0", "make": make, "model": model}
        record["platformInfo"] = [device]
        return record

    def profile_id(self, number: int) -> str:
        """The primary key that the connector must use."""
        return f"U{100_000 + number}" if self.logged_in(number) else self.key(number)

    @staticmethod
    def logged_in(number: int) -> bool:
        """Whether the user has an identity."""
        return number % 7 != 0

    def moment(self, event: str, number: int) -> datetime:
        """Mostly in the evening."""
        hours = Random(f"{event}/{number}").triangular(6, 23.9, 20)
        return midnight(self.day(event, number), self.timezone) + timedelta(seconds=int(hours * 3600))

    def event(self, event: str, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """An event of a user who had signed up by then."""
        rng = Random(f"{self.seed}/{event}/{number}")
        sent = self.profile(self._user(event, number, rng), flags)
        device = sent.pop("platformInfo")[0]
        product, category, price = rng.choice(PRODUCTS)
        properties: dict[str, Any] = {
            "CT Session Id": str(int(self.moment(event, number).timestamp()) - rng.randint(5, 900)),
            "CT Source": "Mobile",
        }
        if event in ("Product Viewed", "Added To Cart"):
            properties |= {"Product": product, "Category": category, "Price": price}
        if event == "Charged":
            items = [
                {"Product": p, "Category": c, "Price": n, "Quantity": rng.randint(1, 2)}
                for p, c, n in rng.sample(PRODUCTS, rng.randint(1, 3))
            ]
            amount = sum(item["Price"] * item["Quantity"] for item in items)  # type: ignore[operator]
            properties |= {
                "Amount": amount,
                "Currency": "INR",
                "Payment Mode": rng.choice(("UPI", "Card")),
                "Items": items,
            }
        campaign = self._campaign(event, number)
        if campaign is not None:
            properties["wzrk_id"] = f"{campaign_id(campaign)}_{self._start(campaign):%Y%m%d}"
        return {"profile": sent | device, "ts": self.ts(event, number), "event_props": properties}

    def ts(self, event: str, number: int) -> int:
        """Local time; the clocks of all devices are right."""
        return int(self._local(self.moment(event, number)).strftime("%Y%m%d%H%M%S"))

    def _user(self, event: str, number: int, rng: Random | None = None) -> int:
        """A user whose first day is not after the event's."""
        rng = rng or Random(f"{self.seed}/{event}/{number}")
        until = (self.day(event, number) - self.first_day).days
        day = until - min(int(rng.expovariate(0.1)), until)
        place = (day - self._shift("App Launched")) * pow(7919, -1, self.days) % self.days
        return place + rng.randrange(USERS_A_DAY) * self.days

    def raised(self, event: str, first: int, last: int, now: datetime | None = None) -> list[int]:
        """Numbers of the occurrences of `event` from day `first` to `last` that arrive by `now`."""
        return super().raised(event, first, last, min(now or self.as_of, self.as_of))

    def active(self, event: str, first: int, last: int) -> Iterator[int]:
        """Numbers of the users who raised `event` from day `first` to `last`."""
        yield from sorted({self._user(event, number) for number in self.raised(event, first, last)})

    def adapted(self, table: str, number: int, row: Any) -> Any:
        """The row of a campaign, message or event, with counts that agree with the events."""
        name = f"{CAMPAIGNS[number % len(CAMPAIGNS)]} {number}"
        is_over = self._start(number) <= self._local(self.as_of)
        sent = USERS_A_DAY * (self.message_days * number + 1) * is_over
        clicked = _clicks(self)[number]
        counts = {"sent": sent, "viewed": clicked + (sent - clicked) // 3, "clicked": clicked}
        match table:
            case "event_schema":
                times = len(self.raised(row["name"], 19700101, 99991231))
                return {"name": row["name"], "status": "Active", "eventCount": times}
            case "user_properties":
                return {**row, "dataType": "String"}
            case "campaigns":
                return {**row, "name": name, "status": "completed" if is_over else "pending"}
            case "campaign_reports":
                return counts if is_over else 0
        start = f"{self._start(number):%d %b, %Y %H:%M:%S}"
        return {**row, **counts, "message_name": name, "start_date": start, "labels": None, "status": "Completed"}

    def _start(self, campaign: int) -> datetime:
        """When a campaign starts, in local time, as in tables.campaigns."""
        return datetime.combine(self.first_day + timedelta(campaign * self.campaign_days), time(10, 30))

    def _campaign(self, event: str, number: int) -> int | None:
        """The campaign that made a user launch the app: the latest one, for some."""
        if event != "App Launched" or crc32(f"campaign/{number}".encode()) % 16:
            return None
        campaign = (self.day(event, number) - self.first_day).days // self.campaign_days
        has_started = self._start(campaign) <= self._local(self.moment(event, number))
        return campaign if campaign and has_started else None

    @staticmethod
    def _original(number: int) -> int:
        return number

    def _runs_ahead(self, number: int) -> bool:
        return False


@lru_cache(maxsize=4)
def _activity(account: DemoAccount) -> dict[int, dict[str, list[int]]]:
    """When each user raised each event, in epoch seconds."""
    seen: dict[int, dict[str, list[int]]] = {}
    for event in account.event_shares:
        for number in account.raised(event, 19700101, 99991231):
            moments = seen.setdefault(account._user(event, number), {}).setdefault(event, [])
            moments.append(int(account.moment(event, number).timestamp()))
    return seen


@lru_cache(maxsize=4)
def _clicks(account: DemoAccount) -> Counter[int | None]:
    """How many launches each campaign led to."""
    launches = account.raised("App Launched", 19700101, 99991231)
    return Counter(account._campaign("App Launched", number) for number in launches)


@contextmanager
def demo(**options: Any) -> Iterator[dict[str, Any]]:
    """Starts a sandbox with this account, and yields the settings to read it."""
    account = DemoAccount()
    with Sandbox(account, **options) as sandbox:
        yield sandbox.config(
            start_date=int(f"{FIRST_DAY:%Y%m%d}"),
            end_date=None,
            additional_event_names=[name for name in account.event_shares if name != "App Launched"],
        )
