"""A row of the table that `make stress` prints."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

COUNTED = ("lost", "stale", "duplicated", "leaked", "hung", "unclear")


@dataclass
class Row:
    """A part. tried: what, and how often. wrong: what was found, by kind, each in words.

    lost: a success with a row missing. stale: an older copy in the destination than the newest that was read.
    duplicated: a row that the account does not hold, or one key
    twice in a sync that met no fault. leaked: a secret, or a record's content, in a log, a message or a
    request to another host. hung: no end. unclear: an error of the wrong type or without its reason, or
    more memory, files or requests in flight than there should be. seconds: of all processes.
    """

    part: str
    tried: Counter[str] = field(default_factory=Counter)
    wrong: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0
    note: str = ""

    def __add__(self, other: "Row") -> "Row":
        return Row(
            self.part,
            self.tried + other.tried,
            self.wrong + other.wrong,
            self.seconds + other.seconds,
            self.note or other.note,
        )

    def __str__(self) -> str:
        counts = Counter(kind for kind, _ in self.wrong)
        tried = ", ".join([*(f"{count:,} {what}" for what, count in self.tried.items()), self.note])
        told = "".join(f"{counts[kind]:>11}" for kind in COUNTED)
        return f"{self.part:10}{told}{self.seconds:>7.0f} s  {tried.rstrip(', ')}"


Part = Callable[..., Row]
Unit = tuple[Any, ...]  # the arguments of a part


def timed(part: Part, unit: Unit) -> Row:
    """The row of a unit, with the seconds that it took."""
    started = time.monotonic()
    row = part(*unit)
    row.seconds = time.monotonic() - started
    return row
