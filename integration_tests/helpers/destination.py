"""What a destination has of many syncs, by Airbyte's published rule for Append + Deduped."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from integration_tests.helpers.connector import Json, Output

KEYS = {  # of each stream, and its cursor
    "events": (("event_id",), "date"),
    "profiles": (("profile_id",), "active_through"),
    "message_reports": (("message_id",), "date"),
    "campaigns": (("id",), "synced_on"),
    "daily_event_counts": (("event_name", "date"), "date"),
}


@dataclass
class Destination:
    """Tables with Append + Deduped, and the state that is kept for the next sync.

    kept, newest: of each stream, by key, the account and the record: that with the highest cursor, and of equal ones
    the latest; and that which was read last.
    """

    kept: dict[str, dict[Any, tuple[str, Json]]] = field(default_factory=lambda: {stream: {} for stream in KEYS})
    newest: dict[str, dict[Any, tuple[str, Json]]] = field(default_factory=lambda: {stream: {} for stream in KEYS})
    state: dict[str, Json] = field(default_factory=dict)
    # By the machine's clock or the time zone: so do the cursors of profiles and campaigns, which are today.
    today_went_back: bool = False
    today: int = 0
    wrong_zone: bool = False  # of a sync: its event_times stay
    modes: set[str] = field(default_factory=set)  # of personal data, so far

    def take(self, output: Output, certain: int, account: str = "") -> None:
        """The first `certain` records and the states of a sync."""
        for stream, record in zip(output.streams[:certain], output.records, strict=False):
            names, cursor = KEYS[stream]
            key, table = tuple(record[name] for name in names), self.kept[stream]
            self.newest[stream][key] = account, record
            if key not in table or record[cursor] >= table[key][1][cursor]:
                table[key] = account, record
        for state in output.states:
            self.state[state["stream"]["stream_descriptor"]["name"]] = state

    def rows(self, stream: str, account: str = "") -> list[Json]:
        """The records of a table that are of an account; those that were read last, if cursors may have gone back."""
        tables = self.newest if self.today_went_back else self.kept
        return [record for of, record in tables[stream].values() if of == account]

    def stale(self) -> Iterator[tuple[str, str]]:
        """Keys of which an older copy is kept. (Of an event by a wrong clock only the window is known, which moves.)"""
        for stream, table in self.newest.items():
            for key, (account, record) in table.items():
                wrong_clock = stream == "events" and record["date"].replace("-", "") != str(record.get("ts"))[:8]
                if not wrong_clock and self.kept[stream][key] != (account, record):
                    yield "stale", f"{stream}: an older copy of {key} is kept than the newest that was read"
                    return


def cut(output: Output, share: float) -> Output:
    """What a reader has of an output that ended in the middle of a line."""
    lines = list(io.StringIO(output.stdout))
    return Output(-9, "".join(lines[: int(len(lines) * share)]), "")
