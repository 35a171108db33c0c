"""What can befall the machine that the connector runs on: each as a real process, debug log and all.

A read then either has all rows, by key and content, or fails with an error that says why; and nothing
secret is printed, to be seen in `ps`, or sent to anyone but the sandbox.
"""

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from integration_tests.helpers import tables
from integration_tests.helpers.connector import (
    Output,
    by_key,
    occurrences,
    run,
    started,
    true_occurrences,
)
from integration_tests.stress.proxy import HOST, proxy, trusted
from integration_tests.stress.row import Row
from integration_tests.stress.sequences import PERSONAL
from source_clevertap.sandbox import Account, Sandbox

STREAMS = ("profiles", "events")
ALL = (*STREAMS, *tables.STREAMS)
DAY = 24 * 3600
ACCOUNT = Account(profiles=400, events=1500, passcode="Sesame {{ 7 * 7 }}")
UNREACHABLE = "transient_error", "could not be reached"
Wrong = Iterator[tuple[str, str]]
TRUE_HOST = {"base_url": f"https://{HOST}"}


def _whole(sandbox: Sandbox, output: Output, streams: tuple[str, ...] = STREAMS) -> Wrong:
    """Whether all of the account came, as a success."""
    if output.exit_code:
        yield "unclear", f"ended with {output.exit_code}: {output.error} {output.stderr[-300:]}"
        return
    account = sandbox.account
    if occurrences(output.events) != true_occurrences(account, ["App Launched"]):
        yield "lost", f"{len(output.events)} events came, not those of the account"
    truth = {row["key"]: row["record"] for row in account.truth("App Launched", 20220101, 20260212)}
    if by_key(output.profiles) != truth:
        yield "lost", f"{len(output.profiles)} profiles came, not those of the account"
    for stream in set(streams) - set(STREAMS):
        if tables.keyed(stream, output.by_stream[stream]) != tables.truth(stream, account):
            yield "lost", f"{stream}: {len(output.by_stream[stream])} rows, not those of the account"


def _fails(output: Output, expected: tuple[str, str]) -> Wrong:
    kind, words = output.error
    if not output.exit_code or kind != expected[0] or expected[1] not in words:
        yield "unclear", f"exit {output.exit_code}, {output.error}, not {expected}"
    if output.records:
        yield "unclear", f"{len(output.records)} records came"


def _secrets(sandbox: Sandbox, *outputs: Output) -> Wrong:
    for output in outputs:
        for secret in (sandbox.account.passcode, *PERSONAL):
            if secret in output.all_but_records:
                yield "leaked", f"'{secret}' was printed"


def closed_by_the_reader(sandbox: Sandbox, row: Row) -> Wrong:
    """Whoever reads the output goes away after some lines."""
    lines: list[str] = []
    with started("read", sandbox.config(), streams=STREAMS, debug=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while sum('"RECORD"' in line for line in lines) < 100:
            lines.append(process.stdout.readline())
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(60)
        output = Output(process.returncode, "".join(lines), stderr)
    if not output.exit_code:
        yield "lost", "it ended as a success, though nobody read its records"
    yield from _secrets(sandbox, output)
    again = run("read", sandbox.config(), streams=STREAMS, state=output.state or None)
    row.tried["rows"] += len(again.records)
    kept = list(io.StringIO(output.stdout))
    last = max((place for place, line in enumerate(kept) if '"STATE"' in line), default=-1)
    both = "".join(kept[: last + 1]) + again.stdout
    yield from _whole(sandbox, Output(again.exit_code, both, again.stderr))


def slow_reader(sandbox: Sandbox, row: Row) -> Wrong:
    """The destination takes long for each of its batches."""
    lines: list[str] = []
    with started("read", sandbox.config(), streams=STREAMS) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if len(lines) % 200 == 0:
                time.sleep(0.5)
        stderr = process.communicate()[1]
        output = Output(process.returncode, "".join(lines), stderr)
    row.tried["rows"] += len(output.records)
    yield from _whole(sandbox, output)


def full_disk(sandbox: Sandbox, row: Row) -> Wrong:
    """Nothing can be written to any file; then four bytes, with which Python looks for a place."""
    output = run("read", sandbox.config(), streams=STREAMS, debug=True, variables={"FILE_BYTES": "0"})
    yield from _fails(output, ("transient_error", "set TMPDIR"))
    yield from _secrets(sandbox, output)
    output = run("read", sandbox.config(), streams=ALL, variables={"FILE_BYTES": "4"})
    row.tried["rows"] += len(output.records)
    yield from _whole(sandbox, output, ALL)
    yield from _secrets(sandbox, output)


def no_such_host(sandbox: Sandbox, row: Row) -> Wrong:
    """DNS knows no such name (here: the proxy's, for CleverTap's are not to be asked)."""
    variables = dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "http://proxy.invalid:3128")
    config = sandbox.config(**TRUE_HOST)
    output = run("read", config, speed=1000, debug=True, variables=variables)
    yield from _fails(output, UNREACHABLE)
    yield from _secrets(sandbox, output)
    checked = run("check", config, speed=1000, variables=variables)
    if UNREACHABLE[1] not in checked.status.get("message", ""):
        yield "unclear", f"check says {checked.status}"


def untrusted_certificate(sandbox: Sandbox, row: Row) -> Wrong:
    """Somebody on the way shows a certificate of his own: nothing is sent to him."""
    with tempfile.TemporaryDirectory() as folder, proxy(sandbox.port, Path(folder)) as variables:
        output = run("read", sandbox.config(**TRUE_HOST), speed=1000, debug=True, variables=variables)
    yield from _fails(output, ("config_error", "is not trusted"))
    yield from _secrets(sandbox, output)
    if sandbox.requests:
        yield "leaked", f"{len(sandbox.requests)} requests went through"


def proxy_that_is_trusted(sandbox: Sandbox, row: Row) -> Wrong:
    """A company's proxy with a certificate authority of its own, to CleverTap's true address."""
    with tempfile.TemporaryDirectory() as name, proxy(sandbox.port, Path(name)) as variables:
        variables |= trusted(Path(name))
        output = run("read", sandbox.config(**TRUE_HOST), streams=STREAMS, debug=True, variables=variables)
    row.tried["rows"] += len(output.records)
    yield from _whole(sandbox, output)
    yield from _secrets(sandbox, output)


def proxy_that_breaks(sandbox: Sandbox, row: Row) -> Wrong:
    """The proxy drops connections in the middle of answers."""
    with tempfile.TemporaryDirectory() as name, proxy(sandbox.port, Path(name), breaks=5) as variables:
        variables |= trusted(Path(name))
        output = run("read", sandbox.config(**TRUE_HOST), streams=STREAMS, variables=variables)
    row.tried["rows"] += len(output.records)
    yield from _whole(sandbox, output)


def proxy_that_refuses(sandbox: Sandbox, row: Row) -> Wrong:
    """The proxy wants a sign-in first."""
    with tempfile.TemporaryDirectory() as name, proxy(sandbox.port, Path(name), refuses=True) as via:
        output = run("read", sandbox.config(**TRUE_HOST), speed=1000, debug=True, variables=via)
    yield from _fails(output, UNREACHABLE)
    yield from _secrets(sandbox, output)


def clock_jumps(sandbox: Sandbox, row: Row) -> Wrong:
    """The clock jumps a day, forward or back, in the middle of a sync."""
    sandbox.latency = 0.3  # so that it lasts longer than the three seconds until the jump
    for jump in (DAY, -DAY):
        variables, config = {"CLOCK_JUMP": str(jump)}, sandbox.config(slice_days=100)
        output = run("read", config, streams=STREAMS, speed=1, variables=variables)
        row.tried["rows"] += len(output.records)
        yield from _whole(sandbox, output)


def seen_by_others(sandbox: Sandbox, row: Row) -> Wrong:
    """What `ps` and /proc tell of the process while it reads."""
    passcode = sandbox.account.passcode
    with started("read", sandbox.config(), streams=STREAMS) as process:
        assert process.stdout is not None
        while '"RECORD"' not in process.stdout.readline():
            pass
        listed = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=False).stdout
        proc = Path(f"/proc/{process.pid}")
        for name in ("cmdline", "environ", "comm") if proc.exists() else ():
            listed += (proc / name).read_text(errors="replace")
        if "source_clevertap" not in listed:
            yield "unclear", "the process is not listed"
        if passcode in listed:
            yield "leaked", "the passcode is listed"


def crash_of_ours(sandbox: Sandbox, row: Row) -> Wrong:
    """A bug of ours with the passcode and a record in hand: the traceback names neither."""
    bug = (
        "import sys, source_clevertap.run as run\n"
        "run.register_components()\n"
        "del sys.argv[1:4]\n"
        "keys = sys.modules[run.COMPONENTS_MODULE].EventTransformation\n"
        "def transform(self, record, config=None, **more):\n"
        "    secret = config['passcode']\n"
        "    return record['there is no such field']\n"
        "keys.transform = transform\n"
        "run.run()\n"
    )
    prefix = (sys.executable, "-c", bug)
    output = run("read", sandbox.config(), streams=("events",), debug=True, prefix=prefix)
    if not output.exit_code or output.error[0] != "system_error":
        yield "unclear", f"exit {output.exit_code}, {output.error}"
    yield from _secrets(sandbox, output)


FAULTS: tuple[Callable[[Sandbox, Row], Wrong], ...] = (
    *(closed_by_the_reader, slow_reader, full_disk, no_such_host, untrusted_certificate),
    *(proxy_that_is_trusted, proxy_that_breaks, proxy_that_refuses, clock_jumps, seen_by_others),
    crash_of_ours,
)


def machine(number: int) -> Row:
    """Fault `number`."""
    row, fault = Row("machine"), FAULTS[number]
    row.tried["faults"] = 1
    what = fault.__name__.replace("_", " ")
    with Sandbox(ACCOUNT, not_ready=1) as sandbox:
        try:
            row.wrong += [(kind, f"{what}: {words}") for kind, words in fault(sandbox, row)]
        except subprocess.TimeoutExpired:
            row.wrong.append(("hung", what))
    return row
