"""Prints how fast the connector reads, beside other ways to read the same sandbox, in one run.

Rates depend on the machine; the ratios are what counts. The sandbox is a process of its own, its
pages built before the first request. README.md in this folder says what each part shows.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import yaml
from aiohttp import web
from airbyte_cdk.sources.types import StreamSlice

from benchmarks.measure import BIN, IMAGE, MILLION, ROOT, Run, measure, sandbox, stats
from benchmarks.stock import stock_manifest
from integration_tests.helpers.connector import catalog
from source_clevertap.run import COMPONENTS_MODULE, register_components
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import EVENTS, Flags

HERE = Path(__file__).parent
FLAGS = Flags(events=False)  # as the connector reads events; quickhouse cannot leave the summary out
US = [str(BIN / "source-clevertap"), "read"]
OUR_MANIFEST = [
    str(BIN / "source-declarative-manifest"), "read",
    "--manifest-path", str(ROOT / "manifest.yaml"), "--components-path", str(ROOT / "components.py"),
]  # fmt: skip
PLAIN = [sys.executable, "-m", "benchmarks.plain_stream", "read"]
BARE = [sys.executable, str(HERE / "bare_loop.py")]
QUICKHOUSE_PYTHON = ROOT / ".venv-quickhouse/bin/python"
FETCH, BARE_LOOP, STOCK = "sandbox, fetched only", "bare loop", "stock components"
PLAIN_STREAM, QUICKHOUSE = "plain CDK stream", "quickhouse, to CSV"
PACKAGE, MANIFEST_ONLY = "source-clevertap", "the same, manifest-only entry"


@dataclass
class Scenario:
    """What is read: records of a stream, padded to a size, from one export or from three.

    records: about so many where there are three exports, whose events fewer profiles raised.
    """

    stream: str
    records: int
    padding: int = 0
    latency: float = 0
    exports: int = 1
    without: tuple[str, ...] = ()

    def contenders(self, options: list[str], config: str, folder: str) -> dict[str, list[str]]:
        """The command of each."""
        stock = Path(folder, "stock.yaml")
        stock.write_text(yaml.safe_dump(stock_manifest()))
        stock_entry = [*OUR_MANIFEST[:2], "--manifest-path", str(stock)]
        commands = {
            FETCH: [*BARE, self.stream, config, "--fetch-only"],
            BARE_LOOP: [*BARE, self.stream, config],
            STOCK: [*stock_entry, *options],
            PLAIN_STREAM: [*PLAIN, *options],
            MANIFEST_ONLY: [*OUR_MANIFEST, *options],
            PACKAGE: [*US, *options],
        }
        if self.stream == "events":
            del commands[STOCK]  # it has no keys for events
            quickhouse = [str(QUICKHOUSE_PYTHON), str(HERE / "quickhouse_events.py"), config]
            commands[QUICKHOUSE] = [*quickhouse, str(self.records)]
        return {name: command for name, command in commands.items() if name not in self.without}


SCENARIOS = {
    "20k": Scenario("profiles", 20_000, 1400),
    "200k": Scenario("profiles", 200_000, 1400),
    "1m": Scenario("profiles", MILLION, 1400, without=(STOCK,)),
    "small": Scenario("profiles", 200_000, 0),
    "large": Scenario("profiles", 200_000, 5400, without=(STOCK,)),
    "events": Scenario("events", 400_000),
    "slow": Scenario("profiles", 100_000, 1400, latency=0.5, without=(FETCH, BARE_LOOP)),
    "three": Scenario("profiles", 200_000, 1400, exports=3, without=(STOCK,)),
    "slow-three": Scenario(*("profiles", 100_000, 1400, 0.5, 3), without=(FETCH, BARE_LOOP, STOCK)),
}


def rates(scenario: Scenario, args: argparse.Namespace) -> None:
    """Runs the contenders in turn and prints the table."""
    changes: dict[str, Any] = {}
    profiles = scenario.records
    if scenario.exports == 3:  # all profiles, every third, every fifth
        changes["profile_event_names"] = ["App Launched", "Charged", "Added To Cart"]
        profiles = scenario.records * 15 // 23
    size = ["--padding", str(scenario.padding), "--latency", str(scenario.latency)]
    if scenario.stream == "profiles":
        size += ["--profiles", str(profiles)]
        records = sum(-(-profiles // every) for every in ((1, 3, 5) if scenario.exports == 3 else (1,)))
    else:
        size += ["--profiles", "1000", "--events", str(scenario.records)]
        records = scenario.records
    measured: dict[str, list[Run]] = {}
    with (
        sandbox(scenario.stream, *size, **changes) as (options, config),
        tempfile.TemporaryDirectory() as folder,
    ):
        if scenario.stream == "events":
            measure(scenario.contenders(options, config, folder)[QUICKHOUSE])  # builds its records
        for _ in range(args.runs):
            for name, command in scenario.contenders(options, config, folder).items():
                prints = name not in (FETCH, QUICKHOUSE)
                run = measure(command, records if prints else None)
                measured.setdefault(name, []).append(run)
    account = Account(padding=scenario.padding)
    made = (
        account.profile(n) if scenario.stream == "profiles" else account.event("App Launched", n, FLAGS)
        for n in range(1000)
    )  # fmt: skip
    mean = statistics.mean(len(json.dumps(record)) for record in made) / 1000
    of = f"{records:,} {scenario.stream} of about {mean:.1f} KB"
    print(f"\n{of}, {scenario.exports} export{'s' * (scenario.exports > 1)}, ", end="")
    print(f"{scenario.latency:g} s an answer; medians of {args.runs} runs")
    print(f"{'':30} {'records/s':>9} {'(slowest-fastest)':>19} {'CPU s':>7} {'peak':>5} {'first':>6}")
    print(f"{'':30} {'':9} {'':19} {'/100k':>7} {'MB':>5} {'rec. s':>6}")
    for name, done in measured.items():
        speeds = sorted(records / run.seconds for run in done)
        spread = f"({speeds[0]:,.0f}-{speeds[-1]:,.0f})"
        cpu = statistics.median(run.cpu for run in done) * 100_000 / records
        first = [run.first_record for run in done if run.first_record is not None]
        print(f"{name:30} {statistics.median(speeds):9,.0f} {spread:>19} {cpu:7.2f}", end="")
        print(f" {max(run.memory for run in done):5.0f}", end="")
        print(f" {statistics.median(first):6.2f}" if first else f" {'-':>6}")
    seconds = {name: statistics.median(run.seconds for run in done) for name, done in measured.items()}
    for name in (PACKAGE, MANIFEST_ONLY):
        told = [f"{seconds[other] / seconds[name]:.2f} times as fast as {other}"
                for other in (STOCK, PLAIN_STREAM, QUICKHOUSE) if other in seconds]  # fmt: skip
        if BARE_LOOP in seconds:
            told.append(f"{seconds[name] / seconds[BARE_LOOP]:.2f} times the time of the {BARE_LOOP}")
        print(f"{name}: {', '.join(told)}.")
    sys.stdout.flush()


def all_rates(args: argparse.Namespace) -> None:
    """The table of each scenario."""
    for scenario in SCENARIOS.values():
        rates(scenario, args)


def in_flight(args: argparse.Namespace) -> None:
    """Prints how near a read of events comes to three answers at a time, each of half a second or one.

    With short pages the answers are all that is waited for. Full ones come faster than a core converts
    them, unless an answer takes longer.
    """
    print("\nEvents in 12 windows; the ideal is three requests at a time, and nothing else:")
    for rows, pages, latency in ((92, 35, 0.5), (4991, 15, 1.0), (4991, 30, 0.5)):
        windows = 12
        events = windows * pages * rows * 49 // 50  # days differ a little: so all windows have as many pages
        size = ["--profiles", "1000", "--events", str(events), "--days", str(windows * 10)]
        slow = ["--latency", str(latency), "--page-rows", str(rows)]
        with sandbox("events", *size, *slow, end_date=20220430, slice_days=10) as (options, _config):
            run = measure([*US, *options], events)
            counted = stats()
        ideal = counted["requests"] * latency / 3
        print(f"{events:9,} events, {counted['requests']:5,} answers of {latency} s,", end=" ")
        print(f"{rows:5,} rows a page: {run.seconds:6.1f} s, {100 * ideal / run.seconds:.0f} % of", end=" ")
        print(f"the ideal ({ideal:.1f} s); {counted['max_in_flight']} in flight", flush=True)


def memory(args: argparse.Namespace) -> None:
    """Prints the peak memory of a tenth and of all of a million large profiles, by three exports.

    The tenth a second time, by a consumer that reads nothing for a minute.
    """
    print("\nPeak memory, profiles of about 6 KB from three exports of the same size:")
    for profiles in (MILLION // 30, MILLION // 3):
        size = ["--padding", "5400", "--profiles", str(profiles * 7)]
        names = {"profile_event_names": ["2024", "True", "None"]}  # every 7th each
        with sandbox("profiles", *size, prebuild=False, **names) as (options, config):
            measure([*BARE, "profiles", config, "--fetch-only"])  # builds the records
            run, plain = measure([*US, *options], **IMAGE), measure([*US, *options])
            stalled = None if profiles == MILLION // 3 else measure([*US, *options], stall=60, **IMAGE)
        print(f"{run.records:9,} {run.memory:5.0f} MB as the image sets malloc,", end=" ")
        print(f"{plain.memory:5.0f} MB with the system's own settings", flush=True)
        if stalled:
            print(f"{stalled.records:9,} {stalled.memory:5.0f} MB, read by nobody for a minute", flush=True)


def odd_values(args: argparse.Namespace) -> None:
    """Prints the peak memory of three exports with pages of 30 MB that have one odd value each."""
    print("\nPeak memory, three exports with pages of 30 MB (600 numbers a profile), one value on each page:")
    numbers = {f"n{n}": 10 + n % 90 for n in range(600)}
    odd = {
        "not odd": b"1", "NUL": rb'"\u0000"', "half a surrogate pair": rb'"\ud83d"', "beyond 64 bits": b"1" * 21,
        "not UTF-8": b'"\xe9"', "not UTF-8, among emojis": '"\U0001f600"'.encode() + b',"o":"\xe9"',
    }  # fmt: skip
    for name, value in odd.items():

        def change(request: Any, page: Any, value: bytes = value) -> web.Response | None:
            for record in page.get("records", ()):
                record["profileData"] = numbers
            if page.get("records"):
                page["records"][0]["odd"] = "ODD"
            return web.Response(body=orjson.dumps(page).replace(b'"ODD"', value), content_type="application/json")

        with Sandbox(Account(profiles=70_000), change=change) as running, tempfile.TemporaryDirectory() as folder:
            files = {
                "config": running.config(profile_event_names=["2024", "True", "None"]),
                "catalog": catalog("profiles"),
            }
            options = []
            for file, content in files.items():
                Path(folder, file).write_text(json.dumps(content))
                options += [f"--{file}", str(Path(folder, file))]
            run = measure([*US, *options], 30_000, **IMAGE)
        print(f"{name:25} {run.memory:5.0f} MB {run.seconds:6.1f} s", flush=True)


def soak(args: argparse.Namespace) -> None:
    """Prints the speed of each million of five million profiles."""
    profiles = next(n for n in range(10**6, 10**7, 10**4) if _raised(n) >= 5 * MILLION)
    print(f"\nFive million profiles from {len(EVENTS)} exports, by the million:")
    with sandbox("profiles", "--profiles", str(profiles), profile_event_names=list(EVENTS)) as (
        options,
        _,
    ):
        run = measure([*US, *options], _raised(profiles))
    for number, (before, then) in enumerate(zip([0, *run.millions], run.millions, strict=False), 1):
        print(f"{number:2} {MILLION / (then - before):9,.0f} records/s")
    print(f"peak {run.memory:.0f} MB", flush=True)


def _raised(profiles: int) -> int:
    """How many profiles the exports of all events bring."""
    return sum(-(-profiles // every) for every in EVENTS.values())


def next_to_nothing(args: argparse.Namespace) -> None:
    """Prints what many events cost that hold hardly a row: the first sync, and the one after it."""
    rare, latency, days = 486, 0.1, 30  # the sandbox has 14 besides
    size = ["--profiles", "100", "--events", "0", "--rare", str(rare), "--days", str(days)]
    settings: dict[str, Any] = {"all_events": True, "end_date": 20220130}
    print(f"\n500 events x {days} days, {latency} s an answer, a row in one event of ten:")
    state: list[str] = []
    with (
        sandbox("events", *size, "--latency", str(latency), **settings) as (options, _config),
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


def duplicates(args: argparse.Namespace) -> None:
    """Prints the memory that counting duplicate events takes while an export is open."""
    register_components()
    components = sys.modules[COMPONENTS_MODULE]
    transformation = components.EventTransformation(config={"account_id": "A"})
    window = StreamSlice(
        partition={"event_name": "E"}, cursor_slice={"start_time": "2026-01-01", "end_time": "2026-01-01"}
    )
    print("\nCounting duplicate events, in one export:")
    before = megabytes()
    for number in range(1, 3_000_001):
        transformation.transform({"event_props": {"n": number}}, stream_slice=window)
        if number % 1_000_000 == 0:
            print(f"{number:10,} events {megabytes() - before:4.0f} MB")


def megabytes() -> float:
    """This process's memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "rates": all_rates,
    **{name: partial(rates, scenario) for name, scenario in SCENARIOS.items()},
    "flight": in_flight,
    "memory": memory,
    "odd": odd_values,
    "soak": soak,
    "sparse": next_to_nothing,
    "duplicates": duplicates,
}


def main() -> None:
    """Runs the parts named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("parts", nargs="*", metavar=f"part ({', '.join(PARTS)})")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    for part in args.parts or ("rates", "flight", "memory", "odd", "soak", "sparse", "duplicates"):
        PARTS[part](args)


main()
