"""Runs the connector as Airbyte does, through its command line, and sorts what it prints."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ADDED_FIELDS = ("object_id", "event_name")  # the connector's; the rest is CleverTap's

Json = dict[str, Any]


@dataclass
class Output:
    """What one run printed: exit code, records by stream, and the other messages by type."""

    exit_code: int
    stdout: str
    stderr: str
    records: list[Json] = field(default_factory=list)
    logs: list[Json] = field(default_factory=list)
    errors: list[Json] = field(default_factory=list)
    status: Json = field(default_factory=dict)
    spec: Json = field(default_factory=dict)
    catalog: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in self.stdout.splitlines():
            message = json.loads(line)
            match message["type"]:
                case "RECORD":
                    self.records.append(message["record"]["data"])
                case "LOG":
                    self.logs.append(message["log"])
                case "TRACE" if message["trace"]["type"] == "ERROR":
                    self.errors.append(message["trace"]["error"])
                case "CONNECTION_STATUS":
                    self.status = message["connectionStatus"]
                case "SPEC":
                    self.spec = message["spec"]
                case "CATALOG":
                    self.catalog = message["catalog"]

    @property
    def error(self) -> tuple[str, str]:
        """Failure type and text of the first error (the last is the CDK's summary), or two ''."""
        first = self.errors[0] if self.errors else {}
        return first.get("failure_type", ""), first.get("message", "")

    @property
    def all_but_records(self) -> str:
        lines = self.stdout.splitlines()
        return "\n".join([line for line in lines if '"type":"RECORD"' not in line] + [self.stderr])


def run(
    command: str,
    config: Mapping[str, Any] | None = None,
    *options: str,
    speed: float = 100,
    debug: bool = False,
    timeout: float = 240,
    cwd: Path | None = None,
) -> Output:
    """Runs spec, check, discover or read.

    speed: how much faster than real its clock runs. cwd: its working directory, else an empty one.
    """
    with tempfile.TemporaryDirectory() as folder:
        args = [sys.executable, "-m", "source_clevertap", command, *options]
        if config is not None:
            path = Path(folder) / "config.json"
            path.write_text(json.dumps(config))
            args += ["--config", str(path)]
        if command == "read" and "--catalog" not in options:
            args += ["--catalog", str(ROOT / "integration_tests" / "configured_catalog.json")]
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'integration_tests' / 'fast_clock'}{os.pathsep}{ROOT}",
            "FAST_CLOCK": str(speed),
            **({"LOG_LEVEL": "DEBUG"} if debug else {}),
        }
        done = subprocess.run(
            args,
            env=environment,
            cwd=cwd or folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
        )
    return Output(done.returncode, done.stdout, done.stderr)


def as_sent(record: Mapping[str, Any]) -> Json:
    """A record without what the connector added to it."""
    return {name: value for name, value in record.items() if name not in ADDED_FIELDS}


def by_key(records: list[Json]) -> dict[str, Json]:
    """CleverTap's part of each record by its key: what a destination that dedupes would keep."""
    return {record["object_id"]: as_sent(record) for record in records}
