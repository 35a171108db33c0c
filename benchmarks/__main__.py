"""Prints one table: every way to read the same sandbox, alternating, all in one run.

Rates depend on the machine; the ratios are what counts. The sandbox runs in a process of its own,
its pages built before the first request.
"""

import argparse
import contextlib
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
from source_clevertap.run import definition_file
from source_clevertap.sandbox import Account, Sandbox

ROOT = definition_file("manifest.yaml").parent
CATALOG = ROOT / "integration_tests" / "configured_catalog.json"
BIN = Path(sys.executable).parent
PADDING = 1400  # makes a profile about 2 KB


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


@contextlib.contextmanager
def sandbox(profiles: int) -> Iterator[tuple[list[str], str]]:
    """A sandbox process. Yields the options of a read, and the path of its configuration."""
    server = subprocess.Popen(
        [str(BIN / "source-clevertap-sandbox"), "--port", "8924", "--profiles", str(profiles),
         "--padding", str(PADDING), "--not-ready", "0", "--prebuild"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    config = Sandbox(Account(profiles=profiles), port=8924).config()
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "config.json")
            path.write_text(json.dumps(config))
            for _ in range(1200):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(f"{config['base_url']}/_sandbox/stats")  # noqa: S310
                    break
                time.sleep(0.1)
            yield ["--config", str(path), "--catalog", str(CATALOG)], str(path)
    finally:
        server.kill()
        server.wait()


def main() -> None:
    """Runs the contenders in turn and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    us = [sys.executable, "-m", "source_clevertap", "read"]
    contenders = {"bare loop": Runs(), "stock components": Runs(), "source-clevertap": Runs()}
    with sandbox(args.profiles) as (options, config), tempfile.TemporaryDirectory() as folder:
        stock = Path(folder, "stock.yaml")
        stock.write_text(yaml.safe_dump(stock_manifest()))
        stock_entry = [str(BIN / "source-declarative-manifest"), "read", "--manifest-path", str(stock)]
        for _ in range(args.runs):
            contenders["bare loop"].add(
                [sys.executable, str(Path(__file__).with_name("bare_loop.py")), config], args.profiles
            )
            contenders["stock components"].add([*stock_entry, *options], args.profiles)
            contenders["source-clevertap"].add([*us, *options], args.profiles)
    few = Runs()
    with sandbox(args.profiles // 10) as (options, _):
        few.add([*us, *options], args.profiles // 10)

    account = Account(padding=PADDING)
    size = int(statistics.mean(len(json.dumps(account.profile(n))) for n in range(1000)))
    print(f"{args.profiles:,} profiles of about {size:,} bytes; medians of {args.runs} runs")
    print()
    print(f"{'':18} {'records/s':>10} {'seconds':>22} {'CPU s':>7} {'peak MB':>8}")
    for name, runs in contenders.items():
        middle = statistics.median(runs.seconds)
        spread = f"{middle:.1f} ({min(runs.seconds):.1f}-{max(runs.seconds):.1f})"
        cpu, memory = statistics.median(runs.cpu), max(runs.memory)
        print(f"{name:18} {args.profiles / middle:10,.0f} {spread:>22} {cpu:7.1f} {memory:8.0f}")
    times = {name: statistics.median(runs.seconds) for name, runs in contenders.items()}
    ours = times["source-clevertap"]
    faster = times["stock components"] / ours
    print(f"\nsource-clevertap is {faster:.1f} times as fast as stock components")
    print(f"and takes {ours / times['bare loop']:.1f} times the time of the bare loop.")
    most = max(contenders["source-clevertap"].memory)
    print(f"Its peak memory: {few.memory[0]:.0f} MB at {args.profiles // 10:,} profiles,", end=" ")
    print(f"{most:.0f} MB at {args.profiles:,}.")


main()
