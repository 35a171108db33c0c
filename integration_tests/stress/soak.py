"""Long runs: a year of daily syncs on a clock of their own, and one sync of millions of events."""

import contextlib
import gc
import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson

from benchmarks import measure
from integration_tests.helpers.connector import as_sent, occurrences, started, true_occurrences
from integration_tests.helpers.destination import Destination
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.stress.row import Row
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import Flags

EVENTS = ("App Launched", "Charged", "Added To Cart")
EVERY = 1 + 1 / 3 + 1 / 5  # how many events of all three there are for one of the first
GROWTH = 1.25  # of memory, from the first half of a run to the second
SOME_FAULTS = ("throttled:9", "error_500:9", "truncated:9", "reset:9", "open-too_many:9")
ZONE = timezone(timedelta(hours=5, minutes=30))


class Watch:
    """Memory, in MB, and open files of a process."""

    def __init__(self, pid: int) -> None:
        self.process, self.memory, self.files = Path(f"/proc/{pid}"), list[int](), list[int]()

    def look(self) -> None:
        with contextlib.suppress(OSError, IndexError):  # it has ended
            pages = int((self.process / "statm").read_text().split()[1])
            self.memory.append(pages * os.sysconf("SC_PAGE_SIZE") >> 20)
            self.files.append(len(list((self.process / "fd").iterdir())))

    def until(self, done: threading.Event) -> None:
        while not done.wait(0.5):
            self.look()

    def growth(self, slack: int) -> Iterator[tuple[str, str]]:
        """slack: MB that may come on top, for a stream that begins in the second half of a short run."""
        half = len(self.memory) // 2
        for what, seen, more in (("MB", self.memory, slack), ("open files", self.files, 8)):
            first, second = max(seen[:half] or seen), max(seen[half:])
            if second > first * GROWTH + more:
                yield "unclear", f"{what}: {first} in the first half, {second} in the second"


def _digest(*parts: Any) -> int:
    text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def days(count: int, recipe: str) -> Row:
    """A sync a day, in one process, each from the state of the one before."""
    row, destination, watch = Row("days"), Destination(), Watch(os.getpid())
    landed: dict[str, int] = {}  # by event_id: digests, for what is kept here is no growth of the syncs'
    account = Account(profiles=100, events=40 * count, first_day=date(2022, 1, 1), days=count)
    for batch in range(0, count, 10):
        with Sandbox(account, not_ready=1) as sandbox:  # a new one: what it remembers grows
            for day in range(batch, min(batch + 10, count)):
                at = datetime(2022, 1, 1, 3, tzinfo=ZONE) + timedelta(day)
                sandbox.clock_offset = at.timestamp() - time.time()
                config = sandbox.config(end_date=None, additional_event_names=list(EVENTS[1:]))
                output = sync(Clock(sandbox), config, ("events",), list(destination.state.values()))
                destination.take(output, 0)
                landed |= {r["event_id"]: _digest(*occurrences([r])) for r in output.records}
                row.tried.update(days=1, syncs=1, records=len(output.records))
                if output.exit_code:
                    row.wrong.append(("unclear", f"{at:%Y-%m-%d}: {output.error}"))
        gc.collect()
        watch.look()
    truth = true_occurrences(account, EVENTS, last=int(f"{at:%Y%m%d}"), now=at)
    expected, came = Counter(map(_digest, truth.elements())), Counter(landed.values())
    for kind, different in (("lost", expected - came), ("duplicated", came - expected)):
        if different:
            row.wrong.append((kind, f"{different.total()} events, beside {expected.total()} true ones"))
    row.wrong += watch.growth(slack=5)
    return row


def _held(account: Account, event: str) -> Counter[str]:
    """All of an event: how many, and the sum of their digests."""
    held: Counter[str] = Counter()
    for number in account.raised(event, 20220101, 20260212):
        record = account.occurrence(event, number, Flags(events=False))["record"]
        held.update(events=1, sum=_digest(event, {k: v for k, v in record.items() if v is not None}))
    return held


def millions(count: int, recipe: str) -> Row:
    """One sync of `count` events, and profiles beside them, while CleverTap stumbles now and then."""
    row, first = Row("millions"), int(count / EVERY)
    account, came, done = Account(profiles=20_000, events=first), Counter[str](), threading.Event()
    options = ["--profiles", "20000", "--events", str(first), "--not-ready", "1", "--latency", "0.05"]
    options += [part for fault in SOME_FAULTS for part in ("--fault", fault)]
    with ProcessPoolExecutor(1) as pool, measure.sandbox("events", *options, prebuild=False):
        truths = [pool.submit(_held, account, event) for event in EVENTS]
        config = Sandbox(account, port=measure.PORT).config(additional_event_names=list(EVENTS[1:]))
        with started("read", config, streams=("events", "profiles"), speed=20) as process:
            assert process.stdout is not None
            watch = Watch(process.pid)
            watcher = threading.Thread(target=watch.until, args=(done,), daemon=True)
            for line in process.stdout:
                if line.startswith('{"type":"RECORD","record":{"stream":"events"'):
                    if not came:
                        watcher.start()
                    data = orjson.loads(line)["record"]["data"]
                    came.update(events=1, sum=_digest(data["event_name"], as_sent(data, "events")))
            exit_code = process.wait(60)
            done.set()
        in_flight = measure.stats()["max_in_flight"]
        held = sum((truth.result() for truth in truths), Counter[str]())
    row.tried.update(syncs=1, records=came["events"])
    row.note = f"{max(watch.memory)} MB, {max(watch.files)} files, {in_flight} in flight at most"
    if exit_code or in_flight > 3:
        row.wrong.append(("unclear", f"exit {exit_code}, {in_flight} requests in flight"))
    elif came != held:
        row.wrong.append(("lost", f"{came['events']} events of {held['events']}, contents not as there"))
    row.wrong += watch.growth(slack=80)
    return row
