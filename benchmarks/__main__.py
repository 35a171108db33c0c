"""Prints how fast the connector reads: every way to read the same sandbox, alternating, all in one run.

Rates depend on the machine; the ratios are what counts. The sandbox runs in a process of its own,
its pages built before the first request. Then two tables about events: how well the three requests
are kept in flight where an answer takes half a second, and what 500 events cost that hold next to
nothing; and the memory that the keys of events take.
"""

import argparse
import contextlib
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.stock import stock_manifest
from integration_tests.connector import catalog
from source_clevertap.run import COMPONENTS_MODULE, definition_file, register_components
from source_clevertap.sandbox import Account, Sandbox

ROOT = definition_file("manifest.yaml").parent
BIN = Path(sys.executable).parent
PORT = 8924
URL = f"http://127.0.0.1:{PORT}"
PADDING = 1400  # makes a profile about 2 KB
US = [sys.executable, "-m", "source_clevertap", "read"]
OUR_IMAGE_ENTRY = [
    str(BIN / "source-declarative-manifest"), "read",
    "--manifest-path", str(ROOT / "manifest.yaml"), "--components-path", str(ROOT / "components.py"),
]  # fmt: skip
PACKAGE, IMAGE_ENTRY = "source-clevertap, package", "source-clevertap, manifest-only"


@dataclass
class Runs:
    """The runs of one contender: seconds, CPU seconds and peak memory (MB) of its process."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def add(self, command: list[str], records: int) -> None:
        """Runs the command once; fails unless it printed that many records."""
        environment = {**os.environ, "AIRBYTE_ENABLE_UNSAFE_CODE": "true", "PYTHONPATH": str(ROOT)}
        started = time.monotonic()
        reader = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        count = subprocess.Popen(
            ["grep", "-c", '^."type":"RECORD"'], stdin=reader.stdout, stdout=subprocess.PIPE
        )
        assert reader.stdout is not None
        reader.stdout.close()
        _, status, usage = os.wait4(reader.pid, 0)
        self.seconds.append(time.monotonic() - started)
        printed = int(count.communicate()[0])
        if status or printed != records:
            raise SystemExit(f"{command[:3]}: status {status}, {printed} records of {records}")
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.memory.append(usage.ru_maxrss / 1024)


def stats() -> dict[str, int]:
    """What the sandbox has counted so far."""
    with urllib.request.urlopen(f"{URL}/_sandbox/stats") as answer:  # noqa: S310
        counted: dict[str, int] = json.loads(answer.read())
    return counted


@contextlib.contextmanager
def sandbox(stream: str, *options: str, **changes: object) -> Iterator[tuple[list[str], str]]:
    """A sandbox process. Yields the options of a read of the stream, and the configuration's path."""
    server = subprocess.Popen(
        [str(BIN / "source-clevertap-sandbox"), "--port", str(PORT), "--not-ready", "0", "--prebuild",
         *options],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "config": Sandbox(port=PORT).config(**changes),
                "catalog": catalog(stream),
            }
            for name, content in files.items():
                Path(folder, name).write_text(json.dumps(content))
            for _ in range(1200):
                with contextlib.suppress(OSError):
                    stats()
                    break
                time.sleep(0.1)
            paths = [part for name in files for part in (f"--{name}", str(Path(folder, name)))]
            yield paths, str(Path(folder, "config"))
    finally:
        server.kill()
        server.wait()


def rates(args: argparse.Namespace) -> None:
    """Runs the contenders in turn and prints the table."""
    names = ("bare loop", "stock components", "plain CDK stream", IMAGE_ENTRY, PACKAGE)
    contenders = {name: Runs() for name in names}
    size = ["--padding", str(PADDING), "--profiles"]
    with (
        sandbox("profiles", *size, str(args.profiles)) as (options, config),
        tempfile.TemporaryDirectory() as folder,
    ):
        stock = Path(folder, "stock.yaml")
        stock.write_text(yaml.safe_dump(stock_manifest()))
        stock_entry = [str(BIN / "source-declarative-manifest"), "read", "--manifest-path", str(stock)]
        for _ in range(args.runs):
            contenders["bare loop"].add(
                [sys.executable, str(Path(__file__).with_name("bare_loop.py")), config], args.profiles
            )
            contenders["stock components"].add([*stock_entry, *options], args.profiles)
            plain = [sys.executable, "-m", "benchmarks.plain_stream", "read", *options]
            contenders["plain CDK stream"].add(plain, args.profiles)
            contenders[IMAGE_ENTRY].add([*OUR_IMAGE_ENTRY, *options], args.profiles)
            contenders[PACKAGE].add([*US, *options], args.profiles)
    few = Runs()
    with sandbox("profiles", *size, str(args.profiles // 10)) as (options, _):
        few.add([*US, *options], args.profiles // 10)

    account = Account(padding=PADDING)
    mean = int(statistics.mean(len(json.dumps(account.profile(n))) for n in range(1000)))
    print(f"{args.profiles:,} profiles of about {mean:,} bytes; medians of {args.runs} runs")
    print()
    print(f"{'':32} {'records/s':>10} {'seconds':>22} {'CPU s':>7} {'peak MB':>8}")
    for name, runs in contenders.items():
        middle = statistics.median(runs.seconds)
        spread = f"{middle:.1f} ({min(runs.seconds):.1f}-{max(runs.seconds):.1f})"
        cpu, memory = statistics.median(runs.cpu), max(runs.memory)
        print(f"{name:32} {args.profiles / middle:10,.0f} {spread:>22} {cpu:7.1f} {memory:8.0f}")
    times = {name: statistics.median(runs.seconds) for name, runs in contenders.items()}
    ours = times[PACKAGE]
    print(f"\n{PACKAGE}: {times['stock components'] / ours:.1f} times as fast as stock components,")
    print(f"{times['plain CDK stream'] / ours:.1f} times as fast as a plain CDK stream,", end=" ")
    print(f"{ours / times['bare loop']:.1f} times the time of the bare loop.")
    print(f"{IMAGE_ENTRY}: {times['stock components'] / times[IMAGE_ENTRY]:.1f} times stock components.")
    most = max(contenders[PACKAGE].memory)
    print(f"Its peak memory: {few.memory[0]:.0f} MB at {args.profiles // 10:,} profiles,", end=" ")
    print(f"{most:.0f} MB at {args.profiles:,}.")


def three_in_flight() -> None:
    """Prints how near a read of events comes to what half a second for each of three answers allows.

    Its pages are short, so that the answers are what is waited for; full ones are in the first table.
    """
    windows, pages, rows, latency = 12, 60, 92, 0.5
    events = windows * pages * rows
    size = ["--profiles", "1000", "--events", str(events), "--days", str(windows * 10)]
    slow = ["--latency", str(latency), "--page-rows", str(rows)]
    runs = Runs()
    with sandbox("events", *size, *slow, end_date=20220430, slice_days=10) as (options, _):
        runs.add([*US, *options], events)
        counted = stats()
    ideal = counted["pages"] * latency / 3
    each = f"{counted['pages']} pages of {rows}, {latency} s each"
    print(f"\n{events:,} events in {windows} windows, {each}:")
    print(f"{runs.seconds[0]:.1f} s from start to end, {runs.seconds[0] / ideal:.2f} times the ideal of")
    print(f"pages x latency / 3 = {ideal:.1f} s; most requests in flight: {counted['max_in_flight']}")


def next_to_nothing() -> None:
    """Prints what many events cost that hold hardly a row: the first sync, and the one after it."""
    rare, latency, days = 486, 0.1, 30  # the sandbox has 14 besides
    size = ["--profiles", "100", "--events", "0", "--rare", str(rare), "--days", str(days)]
    settings = {"all_events": True, "end_date": 20220130}
    print(f"\n500 events x {days} days, {latency} s an answer, a row in one event of ten:")
    state: list[str] = []
    with (
        sandbox("events", *size, "--latency", str(latency), **settings) as (options, _),
        tempfile.TemporaryDirectory() as folder,
    ):
        for name in ("first sync", "next sync"):
            before, started = stats()["requests"], time.monotonic()
            done = subprocess.run([*US, *options, *state], check=True, capture_output=True, text=True)
            seconds, requests = time.monotonic() - started, stats()["requests"] - before
            messages = [json.loads(line) for line in done.stdout.splitlines()]
            rows = sum(message["type"] == "RECORD" for message in messages)
            print(f"{name:12} {rows:4} rows {requests:6,} requests {seconds:7.1f} s", end="")
            print(f" ({requests * latency / 3:.1f} s by three requests at a time)")
            last = [message["state"] for message in messages if message["type"] == "STATE"][-1]
            Path(folder, "state").write_text(json.dumps([last]))
            state = ["--state", str(Path(folder, "state"))]


def twins() -> None:
    """Prints the memory that telling twins apart takes while an export is open."""
    register_components()
    occurrence = sys.modules[COMPONENTS_MODULE].occurrence
    counted: dict[int, object] = {}
    print("\nTelling twins apart, in one export:")
    before = megabytes()
    for number in range(1, 3_000_001):
        occurrence(counted, hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest())
        if number % 1_000_000 == 0:
            print(f"{number:10,} events {megabytes() - before:4.0f} MB")


def megabytes() -> float:
    """This process's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> None:
    """Runs everything, or the parts named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("parts", nargs="*", choices=["rates", "flight", "sparse", "twins", []])
    args = parser.parse_args()
    if not args.parts or "rates" in args.parts:
        rates(args)
    if not args.parts or "flight" in args.parts:
        three_in_flight()
    if not args.parts or "sparse" in args.parts:
        next_to_nothing()
    if not args.parts or "twins" in args.parts:
        twins()


main()
