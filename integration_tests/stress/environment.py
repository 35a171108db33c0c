"""What can befall the machine that the connector runs on: each as a real process, debug log and all.

A read then either has all records, by key and content, or fails with an error that says why; and nothing secret is
printed, or sent to anyone but the sandbox.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from integration_tests.helpers.connector import Output, by_key, occurrences, run, started, true_occurrences
from integration_tests.stress.proxy import HOST, proxy, trusted
from integration_tests.stress.row import Row
from integration_tests.stress.sequences import PERSONAL
from source_clevertap.sandbox import Account, Sandbox

STREAMS = ("profiles", "events")
ACCOUNT = Account(profiles=400, events=1500, passcode="Sesame {{ 7 * 7 }}")
UNREACHABLE = "transient_error", "could not be reached"
Wrong = Iterator[tuple[str, str]]


def _complete(sandbox: Sandbox, output: Output) -> Wrong:
    """Whether all of the account came, as a success."""
    if output.exit_code:
        yield "unclear", f"ended with {output.exit_code}: {output.error} {output.stderr[-300:]}"
        return
    account = sandbox.account
    truth = {row["key"]: row["record"] for row in account.truth("App Launched", 20220101, 20260212)}
    is_all = occurrences(output.events) == true_occurrences(account, ["App Launched"])
    if not is_all or by_key(output.profiles) != truth:
        yield "lost", f"{len(output.events)} events and {len(output.profiles)} profiles, not those of the account"


def _fails(output: Output, expected: tuple[str, str]) -> Wrong:
    kind, words = output.error
    if not output.exit_code or kind != expected[0] or expected[1] not in words or output.records:
        yield "unclear", f"exit {output.exit_code}, {len(output.records)} records, {output.error}, not {expected}"


def _read(sandbox: Sandbox, row: Row, expected: tuple[str, str] | None = None, **more: Any) -> Wrong:
    """Reads, and expects all records, or an error."""
    output = run("read", sandbox.config(), streams=STREAMS, debug=True, **more)
    row.tried["records"] += len(output.records)
    yield from _fails(output, expected) if expected else _complete(sandbox, output)
    yield from _secrets(sandbox, output)


def _secrets(sandbox: Sandbox, output: Output) -> Wrong:
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
    kept = list(io.StringIO(output.stdout))
    last = max((place for place, line in enumerate(kept) if '"STATE"' in line), default=-1)
    yield from _complete(sandbox, Output(again.exit_code, "".join(kept[: last + 1]) + again.stdout, again.stderr))


def full_disk(sandbox: Sandbox, row: Row) -> Wrong:
    """Nothing can be written to any file; then four bytes, with which Python looks for a place."""
    yield from _read(sandbox, row, ("transient_error", "set TMPDIR"), variables={"FILE_BYTES": "0"})
    yield from _read(sandbox, row, variables={"FILE_BYTES": "4"})


def _by_proxy(sandbox: Sandbox, row: Row, expected: tuple[str, str] | None, trusts: bool, **options: Any) -> Wrong:
    """Reads from CleverTap's true address, by a proxy that ends TLS by itself."""
    with tempfile.TemporaryDirectory() as name, proxy(sandbox.port, Path(name), **options) as variables:
        variables |= trusted(Path(name)) if trusts else {}
        config = sandbox.config(base_url=f"https://{HOST}")
        output = run("read", config, streams=STREAMS, speed=1000, debug=True, variables=variables)
    row.tried["records"] += len(output.records)
    yield from _fails(output, expected) if expected else _complete(sandbox, output)
    yield from _secrets(sandbox, output)
    if not trusts and sandbox.requests:
        yield "leaked", f"{len(sandbox.requests)} requests went through"


def proxy_with_a_certificate_that_is_not_trusted(sandbox: Sandbox, row: Row) -> Wrong:
    """Somebody on the way shows a certificate of his own: nothing is sent to him."""
    yield from _by_proxy(sandbox, row, ("config_error", "is not trusted"), trusts=False)


def proxy_that_is_trusted(sandbox: Sandbox, row: Row) -> Wrong:
    """A company's proxy with a certificate authority of its own; it drops some connections within responses."""
    yield from _by_proxy(sandbox, row, None, trusts=True, breaks=5)


def proxy_that_refuses(sandbox: Sandbox, row: Row) -> Wrong:
    """The proxy wants a sign-in first."""
    yield from _by_proxy(sandbox, row, UNREACHABLE, trusts=False, refuses=True)


def crash_of_ours(sandbox: Sandbox, row: Row) -> Wrong:
    """A bug of ours with the passcode and a record in hand: the traceback names neither."""
    bug = (
        "import sys, source_clevertap.run as run\n"
        "run.register_components()\n"
        "del sys.argv[1:4]\n"
        "def transform(self, record, config=None, **more):\n"
        "    secret = config['passcode']\n"
        "    return record['there is no such field']\n"
        "sys.modules[run.COMPONENTS_MODULE].EventTransformation.transform = transform\n"
        "run.run()\n"
    )
    prefix = (sys.executable, "-c", bug)
    output = run("read", sandbox.config(), streams=("events",), debug=True, prefix=prefix)
    yield from _fails(output, ("system_error", ""))
    yield from _secrets(sandbox, output)


FAULTS: tuple[Callable[[Sandbox, Row], Wrong], ...] = (
    *(closed_by_the_reader, full_disk, proxy_with_a_certificate_that_is_not_trusted),
    *(proxy_that_is_trusted, proxy_that_refuses, crash_of_ours),
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
