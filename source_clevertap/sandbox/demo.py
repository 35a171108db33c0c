"""The account that `make sync` reads by default: a small shop.

The account of the tests (account.py) is deliberately hostile; this one is plausible.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, ClassVar

from source_clevertap.sandbox.account import ALL_FLAGS, NOT_EXPORTABLE, Account, Flags, midnight
from source_clevertap.sandbox.server import Sandbox

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
DEVICES = (
    ("Android", "Samsung", "SM-A546"),
    ("Android", "Xiaomi", "M2006C3MII"),
    ("iOS", "Apple", "iPhone14,2"),
)


@dataclass(frozen=True)
class DemoAccount(Account):
    """Users who sign up, look at products and buy some, ten new ones a day."""

    profiles: int = USERS_A_DAY * DAYS
    events: int = LAUNCHES_A_DAY * DAYS
    first_day: date = FIRST_DAY
    days: int = DAYS

    event_shares: ClassVar[Mapping[str, int]] = {
        "App Launched": 1,
        "Product Viewed": 1,
        "Added To Cart": 4,
        "Charged": 10,
    }

    def schema(self) -> list[str]:
        """The events, including those that CleverTap raises itself and does not export."""
        return [*self.event_shares, *NOT_EXPORTABLE]

    def profile(self, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """A user. Six of seven have logged in."""
        rng = Random(f"{self.seed}/user/{number}")
        first, last = rng.choice(FIRST_NAMES), rng.choice(LAST_NAMES)
        platform, make, model = rng.choice(DEVICES)
        record: dict[str, Any] = {"objectId": self.key(number)}
        if number % 7:
            email = f"{first}.{last}{number}@example.com".lower().replace("'", "")
            identity = f"U{100_000 + number}"
            record |= {"identity": identity, "all_identities": [identity, email], "email": email}
            record |= {"name": f"{first} {last}", "phone": f"+9198{number:08d}"}
        if flags.profile:
            record["profileData"] = {
                "City": rng.choice(CITIES),
                "Customer Type": rng.choice(("Gold", "Silver", "New")),
            }
        if flags.events:
            seen = int(datetime(*FIRST_DAY.timetuple()[:3]).timestamp()) + number * 86400 // USERS_A_DAY
            record["events"] = {
                event: {
                    "count": rng.randint(1, 40),
                    "first_seen": seen,
                    "last_seen": seen + rng.randint(0, 10**6),
                }
                for event, every in self.event_shares.items()
                if number % every == 0
            }
        device = {"platform": platform, "objectId": self.key(number)}
        if flags.app:
            device |= {"os_version": "14", "app_version": "3.2.0", "make": make, "model": model}
        record["platformInfo"] = [device]
        return record

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
        return {"profile": sent | device, "ts": self.ts(event, number), "event_props": properties}

    def ts(self, event: str, number: int) -> int:
        """Local time; the clocks of all devices are right."""
        return int(self._local(self.moment(event, number)).strftime("%Y%m%d%H%M%S"))

    def _user(self, event: str, number: int, rng: Random) -> int:
        """A user whose first day (`active`) is not after the event's."""
        until = (self.day(event, number) - self.first_day).days
        day = until - min(int(rng.expovariate(0.1)), until)
        place = (day - self._shift("App Launched")) * pow(7919, -1, self.days) % self.days
        return place + rng.randrange(USERS_A_DAY) * self.days

    @staticmethod
    def _original(number: int) -> int:
        return number

    def _runs_ahead(self, number: int) -> bool:
        return False


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
