"""A sandbox in a process of its own, and one run of a command against it, measured from outside."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration_tests.helpers.connector import catalog
from source_clevertap.run import definition_file
from source_clevertap.sandbox import Sandbox

ROOT = definition_file("manifest.yaml").parent
BIN = Path(sys.executable).parent
PORT = 8924
URL = f"http://127.0.0.1:{PORT}"
IMAGE = dict(  # what the image sets
    re.findall(r"(MALLOC_\w+)=(\w+)", (ROOT / "Dockerfile").read_text())
)
RECORD = b'\n{"type":"RECORD"'
MILLION = 1_000_000


@dataclass
class Run:
    """One run. Times in seconds from its start, CPU in seconds, memory in MB."""

    seconds: float
    cpu: float
    memory: float
    records: int
    first_record: float | None
    millions: list[float] = field(default_factory=list)  # when each million was complete


def measure(command: list[str], records: int | None = None, stall: float = 0, **variables: str) -> Run:
    """Runs a command; fails unless it succeeds and prints that many records (None: does not look).

    stall: for how many seconds nobody reads what it prints, from its first record on.
    """
    ours = {"AIRBYTE_ENABLE_UNSAFE_CODE": "true", "PYTHONPATH": str(ROOT), **variables}
    environment = {**os.environ, **ours}
    started = time.monotonic()
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    assert reader.stdout is not None
    printed, first, tail = 0, None, b"\n"
    millions: list[float] = []
    while piece := os.read(reader.stdout.fileno(), 1 << 20):
        tail += piece
        printed += tail.count(RECORD)
        tail = tail[1 - len(RECORD) :]
        if printed and first is None:
            first = time.monotonic() - started
            time.sleep(stall)
        while printed >= MILLION * (len(millions) + 1):
            millions.append(time.monotonic() - started)
    _, status, usage = os.wait4(reader.pid, 0)
    reader.returncode = status  # Popen has not seen it end
    seconds = time.monotonic() - started
    if status or records not in (None, printed):
        raise SystemExit(f"{command[:3]}: status {status}, {printed} records of {records}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(seconds, cpu, usage.ru_maxrss / 1024, printed, first, millions)


def stats() -> dict[str, int]:
    """What the sandbox has counted so far."""
    with urllib.request.urlopen(f"{URL}/_sandbox/stats") as answer:  # noqa: S310
        counted: dict[str, int] = json.loads(answer.read())
    return counted


@contextlib.contextmanager
def sandbox(stream: str, *options: str, prebuild: bool = True, **changes: Any) -> Iterator[tuple[list[str], str]]:
    """A sandbox that makes its records before it answers, or (prebuild=False) as they are asked for.

    Yields the options of a read of the stream, and the configuration's path.
    """
    server = subprocess.Popen(
        [str(BIN / "source-clevertap-sandbox"), "--port", str(PORT), "--not-ready", "0",
         *["--prebuild"] * prebuild, *options],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as folder:
            files = {"config": Sandbox(port=PORT).config(**changes), "catalog": catalog(stream)}
            for name, content in files.items():
                Path(folder, name).write_text(json.dumps(content))
            while server.poll() is None:
                with contextlib.suppress(OSError):
                    stats()
                    break
                time.sleep(0.1)
            paths = [part for name in files for part in (f"--{name}", str(Path(folder, name)))]
            yield paths, str(Path(folder, "config"))
    finally:
        server.kill()
        server.wait()
