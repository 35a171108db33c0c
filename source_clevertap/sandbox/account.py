"""The sandbox's account: profiles made from a seed, and the ground truth that tests compare with.

Nothing here is random twice: the same seed and number give the same profile on any machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any, NamedTuple
from zlib import crc32

FIRST_DAY = date(2022, 1, 1)
DAYS = 1400  # all activity lies in FIRST_DAY and the DAYS - 1 days after it

# Event name -> every n-th profile has raised it. The odd names are what Jinja makes into something
# else than text, or breaks at.
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
    """The query parameters that choose what a profile brings."""

    app: bool = True
    events: bool = True
    profile: bool = True


ALL_FLAGS = Flags()


@dataclass(frozen=True)
class Account:
    """profiles: how many. padding: bytes of extra property on each, for benchmarks."""

    profiles: int = 1000
    seed: int = 1
    timezone: str = "Asia/Kolkata"
    account_id: str = "SBX-123-4567"
    passcode: str = "sandbox-passcode"
    padding: int = 0

    def active(self, event: str, first: int, last: int) -> Iterator[int]:
        """Numbers of the profiles that raised `event` from day `first` to `last` (YYYYMMDD)."""
        low, high = (_as_date(day) - FIRST_DAY for day in (first, last))
        shift = self.seed * 31 + crc32(event.encode())
        for number in range(0, self.profiles, EVENTS[event]):
            if low.days <= (number * 7919 + shift) % DAYS <= high.days:
                yield number

    def profile(self, number: int, flags: Flags = ALL_FLAGS) -> dict[str, Any]:
        """A profile as the API sends it."""
        rng = Random(self.seed * 1_000_003 + number)
        key = self.key(number)
        record: dict[str, Any] = {}
        if number % 2 == 0:
            record["objectId"] = key
        if number % 10 < 7:  # the rest never logged in
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
                for event, every in EVENTS.items()
                if number % every == 0
            }
        record["platformInfo"] = self._devices(number, rng, flags)
        return record

    def key(self, number: int) -> str:
        """The object id of a profile: unique, and what the connector must use as its key."""
        return f"__g{self.seed:x}-{number:010d}"

    def truth(
        self, event: str, first: int, last: int, flags: Flags = ALL_FLAGS
    ) -> Iterator[dict[str, Any]]:
        """What a complete read must deliver: {"key": ..., "record": ...} for each profile."""
        for number in self.active(event, first, last):
            yield {"key": self.key(number), "record": self.profile(number, flags)}

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
        # Where the profile itself has no id, its key is the first one among its devices.
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
            devices.append(device)
        return devices


def _as_date(day: int) -> date:
    return date(day // 10000, day // 100 % 100, day % 100)
