"""Runs the connector as Airbyte does, through its command line, and sorts what it prints."""

import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import requests

from integration_tests.helpers import tables
from source_clevertap.sandbox import Account, Sandbox
from source_clevertap.sandbox.account import Flags

# The background jobs of a shell ignore Ctrl-C, and the processes that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[2]
NO_CODE = ROOT / "no_code" / "manifest.yaml"
MANIFEST = ROOT / "manifest.yaml"
FAST_CLOCK = ROOT / "integration_tests" / "helpers" / "fast_clock"
ALL_STREAMS = ("profiles", "events", *tables.STREAMS)
ADDED_FIELDS = {  # the connector's; the rest is CleverTap's
    "profiles": ("profile_id", "event_name", "active_through"),
    "events": ("event_id", "event_name", "event_time", "object_id", "identity", "profile_id", "date"),
}

Json = dict[str, Any]


@dataclass
class Output:
    """What one run printed: exit code, records (of all streams, and by stream), and the rest by type.

    streams: the stream of each record. by_stream: the records of each stream.

    committed: how many records came before the last state message: what a destination is sure to
    have kept if the run was killed.
    """

    exit_code: int
    stdout: str
    stderr: str
    records: list[Json] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    by_stream: dict[str, list[Json]] = field(default_factory=lambda: defaultdict(list))
    states: list[Json] = field(default_factory=list)
    committed: int = 0
    logs: list[Json] = field(default_factory=list)
    errors: list[Json] = field(default_factory=list)
    completed: set[str] = field(default_factory=set)
    status: Json = field(default_factory=dict)
    spec: Json = field(default_factory=dict)
    catalog: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        for line in io.StringIO(self.stdout):  # (splitlines would split at more than line feeds)
            if not line.endswith("\n"):  # killed while it wrote
                break
            message = json.loads(line)
            match message["type"]:
                case "RECORD":
                    self.records.append(message["record"]["data"])
                    self.streams.append(message["record"]["stream"])
                    self.by_stream[message["record"]["stream"]].append(message["record"]["data"])
                case "STATE":
                    self.states.append(message["state"])
                    self.committed = len(self.records)
                case "LOG":
                    self.logs.append(message["log"])
                case "TRACE" if message["trace"]["type"] == "ERROR":
                    self.errors.append(message["trace"]["error"])
                case "TRACE" if message["trace"].get("stream_status", {}).get("status") == "COMPLETE":
                    self.completed.add(message["trace"]["stream_status"]["stream_descriptor"]["name"])
                case "CONNECTION_STATUS":
                    self.status = message["connectionStatus"]
                case "SPEC":
                    self.spec = message["spec"]
                case "CATALOG":
                    self.catalog = message["catalog"]

    @property
    def profiles(self) -> list[Json]:
        """The records of the stream profiles."""
        return self.by_stream["profiles"]

    @property
    def events(self) -> list[Json]:
        """The records of the stream events."""
        return self.by_stream["events"]

    @property
    def state(self) -> list[Json]:
        """What the next sync starts from: the last state of each stream."""
        last = {state["stream"]["stream_descriptor"]["name"]: state for state in self.states}
        return list(last.values())

    @property
    def error(self) -> tuple[str, str]:
        """Failure type and text of the first error (the last is the CDK's summary), or two ''."""
        first = self.errors[0] if self.errors else {}
        return first.get("failure_type", ""), first.get("message", "")

    @property
    def all_but_records(self) -> str:
        lines = self.stdout.split("\n")
        return "\n".join([line for line in lines if '"type":"RECORD"' not in line] + [self.stderr])


def catalog(*streams: str) -> Json:
    """A configured catalog of these streams."""
    return {
        "streams": [
            {
                "stream": {"name": name, "json_schema": {}, "supported_sync_modes": ["full_refresh", "incremental"]},
                "sync_mode": "incremental",
                "destination_sync_mode": "append_dedup",
            }
            for name in streams
        ]
    }


def written(folder: str, **contents: Any) -> list[str]:
    """The arguments of files with these contents; of None there is none."""
    args: list[str] = []
    for name, content in contents.items():
        if content is not None:
            path = Path(folder) / f"{name}.json"
            path.write_text(json.dumps(content))
            args += [f"--{name}", str(path)]
    return args


@contextmanager
def started(
    command: str,
    config: Mapping[str, Any] | None = None,
    *options: str,
    streams: tuple[str, ...] = ("profiles",),
    state: list[Json] | None = None,
    speed: float = 100,
    debug: bool = False,
    cwd: Path | None = None,
    no_code: bool = False,
    manifest_only: bool = False,
    prefix: tuple[str, ...] = (),
    module: str = "source_clevertap",
    variables: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """A process of spec, check, discover or read, for the caller to read from. It ends with the block.

    no_code: by no_code/manifest.yaml and the CDK's own entry point, instead of our command. manifest_only: by
    manifest.yaml, components.py and the CDK's entry point, as what the Builder has published.
    state: that of an earlier run's Output. speed: how much faster than real its clock runs. cwd: its
    working directory, else an empty one. prefix: a command that runs it. module: that is run. variables: of its
    environment.
    """
    with tempfile.TemporaryDirectory() as folder:
        args = [*prefix, sys.executable, "-m", module, *filter(None, [command]), *options]
        if no_code or manifest_only:
            entry = str(Path(sys.executable).with_name("source-declarative-manifest"))
            args = [sys.executable, entry, command, "--manifest-path", str(NO_CODE if no_code else MANIFEST), *options]
            args += [] if no_code else ["--components-path", str(MANIFEST.with_name("components.py"))]
        args += written(folder, config=config, state=state, catalog=catalog(*streams) if command == "read" else None)
        environment = {
            **os.environ,
            **{"PYTHONPATH": f"{FAST_CLOCK}{os.pathsep}{ROOT}", "AIRBYTE_ENABLE_UNSAFE_CODE": "true"},
            **{"FAST_CLOCK": str(speed), "FAST_MONOTONIC": str(speed)},
            **({"LOG_LEVEL": "DEBUG"} if debug else {}),
            **(variables or {}),
        }
        process = subprocess.Popen(
            args,
            env=environment,
            cwd=cwd or folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",  # a process that is killed may end within a letter
            start_new_session=True,  # to be killed with its processes
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def run(command: str, config: Mapping[str, Any] | None = None, *options: str, **more: Any) -> Output:
    """Runs it to its end; `started` says how."""
    with started(command, config, *options, **more) as process:
        stdout, stderr = process.communicate(timeout=240)
        return Output(process.returncode, stdout, stderr)


def ask(sandbox: Sandbox, method: str, target: str, body: Any = None, passcode: str = "") -> requests.Response:
    """The sandbox's response to a request."""
    names = ("X-CleverTap-Account-Id", "X-CleverTap-Passcode")
    headers = dict(zip(names, (sandbox.account.account_id, passcode or sandbox.account.passcode), strict=True))
    return requests.request(method, sandbox.url + target, json=body, headers=headers, timeout=30)


def as_sent(record: Mapping[str, Any], stream: str) -> Json:
    """A record without what the connector added to it."""
    return {name: value for name, value in record.items() if name not in ADDED_FIELDS[stream]}


Occurrences = Counter[tuple[str, str | None, str]]


def occurrences(records: Iterable[Json], dedupes: bool = True) -> Occurrences:
    """How often each event came, by name, time and content, after a destination that dedupes or not."""
    kept = {record["event_id"]: record for record in records}.values() if dedupes else records
    return Counter((r["event_name"], r.get("event_time"), _canonical(as_sent(r, "events"))) for r in kept)


def true_occurrences(
    account: Account,
    events: Iterable[str],
    first: int,
    last: int,
    now: datetime | None = None,
    flags: Flags = Flags(events=False),  # noqa: B008
) -> Occurrences:
    """The same of what the account holds."""
    return Counter(
        _true_occurrence(account, event, number, flags)
        for event in events
        for number in account.raised(event, first, last, now)
    )


@lru_cache(maxsize=20_000)
def _true_occurrence(account: Account, event: str, number: int, flags: Flags) -> tuple[str, str | None, str]:
    row = account.occurrence(event, number, flags)
    return event, row["time"], _canonical(row["record"])


def came(stream: str, records: list[Json], no_code: bool = False) -> Any:
    """What a destination that dedupes has of a stream: of the exports CleverTap's part of each record."""
    if stream == "profiles":
        return {record["profile_id"]: as_sent(record, stream) for record in records}
    if stream == "events":
        return occurrences(records, dedupes=not no_code)  # of which equal events have one key, and no time
    return tables.keyed(stream, records)


def held(
    stream: str,
    account: Account,
    events: Iterable[str] = ("App Launched",),
    first: int = 20220101,
    last: int = 20260212,
    no_code: bool = False,
    **more: Any,
) -> Any:
    """The same of what the account holds. more: flags, and of events `now`."""
    if stream == "profiles":
        rows = (row for event in events for row in account.truth(event, first, last, **more))
        return {row["key"]: row["record"] for row in rows}
    if stream == "events":
        counts = true_occurrences(account, events, first, last, **more)
        return Counter((event, None, record) for event, _, record in counts.elements()) if no_code else counts
    truth = tables.truth(stream, account, events, first, last)
    return tables.spread(truth) if no_code else truth


def assert_is_all(output: Output, account: Account, streams: Iterable[str] = ALL_STREAMS, **more: Any) -> None:
    """Of the event App Launched, or as `held` takes more, the streams came exactly as the account has them."""
    assert output.exit_code == 0, output.stderr or output.error
    for stream in streams:
        expected = held(stream, account, **more)
        assert expected, stream
        assert came(stream, output.by_stream[stream], more.get("no_code", False)) == expected, stream


def _canonical(record: Json) -> str:
    # The CDK prints no null at the top of a record.
    return json.dumps({k: v for k, v in record.items() if v is not None}, sort_keys=True)
