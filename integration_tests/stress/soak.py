"""Long runs: a year of daily syncs on a clock of their own, and one sync of millions of events."""

import contextlib
import gc
import hashlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from benchmarks import measure
from integration_tests.helpers.connector import as_sent, occurrences, started, true_occurrences
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.row import Row
from integration_tests.stress.sequences import Destination
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import Flags

EVENTS = ("App Launched", "Charged", "Added To Cart")
EVERY = 1 + 1 / 3 + 1 / 5  # how many events of all three there are for one of the first
GROWTH = 1.25  # of memory, from the first half of a run to the second
SOME_FAULTS = ("throttled:9", "error_500:9", "truncated:9", "reset:9", "open-too_many:9")
SLICE_DAYS = 30  # the connector's own
ZONE = timezone(timedelta(hours=5, minutes=30))


def _resident(pid: int) -> int:
    """Memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def _open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _flat(what: str, first: float, second: float, slack: float) -> Iterator[tuple[str, str]]:
    """slack: what may come on top, for a stream that begins in the second half of a short run."""
    if second > first * GROWTH + slack:
        yield "unclear", f"{what}: {first:.0f} in the first half, {second:.0f} in the second"


# ---------------------------------------------------------------- a sync a day


def days(count: int, recipe: str) -> Row:
    """A sync a day, in one process, each from the state of the one before."""
    row, destination = Row("days"), Destination()
    landed: dict[str, int] = {}  # by event_id: digests, for what is kept here is no growth of the syncs'
    account = Account(profiles=100, events=40 * count, first_day=date(2022, 1, 1), days=count)
    memory: list[int] = []
    files: list[int] = []
    pid = os.getpid()
    for batch in range(0, count, 10):
        with Sandbox(account, not_ready=1) as sandbox:  # a new one: what it remembers grows
            for day in range(batch, min(batch + 10, count)):
                at = datetime(2022, 1, 1, 3, tzinfo=ZONE) + timedelta(day)
                sandbox.clock_offset = at.timestamp() - time.time()
                config = sandbox.config(end_date=None, additional_event_names=list(EVENTS[1:]))
                state = list(destination.state.values())
                output = sync(Clock(sandbox), config, ("events",), state)
                destination.take(output, 0)
                landed |= {r["event_id"]: _digest(*occurrences([r])) for r in output.records}
                row.tried.update(days=1, syncs=1, rows=len(output.records))
                if output.exit_code:
                    row.wrong.append(("unclear", f"{at:%Y-%m-%d}: {output.error}"))
        gc.collect()
        memory.append(_resident(pid))
        files.append(_open_files(pid))
    last = int(f"{at:%Y%m%d}")
    truth = Counter(map(_digest, true_occurrences(account, EVENTS, last=last, now=at).elements()))
    came = Counter(landed.values())
    for kind, rows in (("lost", truth - came), ("duplicated", came - truth)):
        if rows:
            row.wrong.append((kind, f"{rows.total()} events, beside {truth.total()} true ones"))
    half = len(memory) // 2
    row.wrong += _flat("MB", max(memory[1:half], default=memory[0]), max(memory[half:]), 5)
    row.wrong += _flat("open files", max(files[:half] or files), max(files[half:]), 2)
    return row


# ---------------------------------------------------------------- millions of events


def _number(text: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def _digest(*parts: Any) -> int:
    return _number(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS))


class Held(NamedTuple):
    """Events that an account holds: how many, the sum of their digests, how many keys they have.

    Keys are fewer than events where two are equal in device, `ts` and properties, and their `ts` does
    not say in which window they lie: it is no time, or was set by a clock that runs ahead.
    """

    number: int = 0
    total: int = 0
    keys: int = 0

    @classmethod
    def of(cls, account: Account, event: str) -> "Held":
        """All of an event."""
        count = total = 0
        astray: dict[int, Counter[int]] = defaultdict(Counter)  # what is equal: how many a window
        for number in account.raised(event, 20220101, 20260212):
            row = account.occurrence(event, number, Flags(events=False))
            record = {name: value for name, value in row["record"].items() if value is not None}
            count, total = count + 1, total + _digest(event, record)
            day = account.day(event, number)
            if str(record.get("ts"))[:8] != f"{day:%Y%m%d}":
                parts = {name: record.get(name) for name in ("ts", "event_props")}
                equal = _digest(record["profile"]["objectId"], parts)
                astray[equal][(day - account.first_day).days // SLICE_DAYS] += 1
        merged = sum(sum(c.values()) - max(c.values()) for c in astray.values())
        return cls(count, total, count - merged)


def millions(count: int, recipe: str) -> Row:
    """One sync of `count` events, and profiles beside them, while CleverTap stumbles now and then."""
    row = Row("millions")
    row.tried["syncs"] = 1
    first = int(count / EVERY)
    account = Account(profiles=20_000, events=first)
    options = ["--profiles", "20000", "--events", str(first), "--not-ready", "1", "--latency", "0.05"]
    options += [part for fault in SOME_FAULTS for part in ("--fault", fault)]
    memory: list[int] = []
    files: list[int] = []
    seen: set[int] = set()
    came = total = 0
    with (
        ProcessPoolExecutor(1) as pool,
        measure.sandbox("events", *options, prebuild=False),
    ):
        truths = [pool.submit(Held.of, account, event) for event in EVENTS]
        config = Sandbox(account, port=measure.PORT).config(additional_event_names=list(EVENTS[1:]))
        with started("read", config, streams=("events", "profiles"), speed=20) as process:
            assert process.stdout is not None
            with _watched(process.pid, memory, files) as reading:
                for line in process.stdout:
                    if not line.startswith('{"type":"RECORD","record":{"stream":"events"'):
                        continue
                    reading.set()
                    came += 1
                    data = orjson.loads(line)["record"]["data"]
                    seen.add(_number(data["event_id"].encode()))
                    total += _digest(data["event_name"], as_sent(data, "events"))
            exit_code = process.wait(60)
        counted = measure.stats()
        held = Held(*map(sum, zip(*(truth.result() for truth in truths), strict=True)))
    row.tried["rows"] = came
    row.note = f"{max(memory)} MB, {max(files)} files, {counted['max_in_flight']} in flight at most"
    if exit_code:
        row.wrong.append(("unclear", f"exit {exit_code}"))
    elif Held(came, total, len(seen)) != held:
        told = f"{came} events with {len(seen)} keys, the account {held.number} with {held.keys}"
        row.wrong.append(("lost", f"{told}; contents {'as' if total == held.total else 'not as'} there"))
    if counted["max_in_flight"] > 3:
        row.wrong.append(("unclear", f"{counted['max_in_flight']} requests in flight"))
    half = len(memory) // 2
    row.wrong += _flat("MB", max(memory[:half]), max(memory[half:]), 80)
    row.wrong += _flat("open files", max(files[:half]), max(files[half:]), 8)
    return row


@contextlib.contextmanager
def _watched(pid: int, memory: list[int], files: list[int]) -> Iterator[threading.Event]:
    """Notes what a process holds, twice a second, from the event on that is yielded."""
    reading, done = threading.Event(), threading.Event()

    def look() -> None:
        while not done.wait(0.5):
            if reading.is_set():
                with contextlib.suppress(OSError, IndexError):  # it has ended
                    memory.append(_resident(pid))
                    files.append(_open_files(pid))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    yield reading
    done.set()
    watcher.join()
