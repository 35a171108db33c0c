"""What can befall the machine that the connector runs on: each as a real process, debug log and all."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.helpers.connector import Output, assert_is_all, run, started
from integration_tests.helpers.proxy import HOST, proxy
from integration_tests.stress.sequences import PERSONAL
from source_clevertap.sandbox import Account, Sandbox

STREAMS = ("profiles", "events")
EVERY_STATE = {"FAST_TIME": "1e6"}  # a state message for each window that ends, not one every ten minutes
ACCOUNT = Account(profiles=400, events=1500, passcode="Sesame {{ 7 * 7 }}")
# Of the package, whose arguments are the command's: a bug with the passcode and a record in hand.
BUG = """if True:
    import sys, source_clevertap.run as run
    run.register_components()
    del sys.argv[1:4]
    def transform(self, record, config=None, **more):
        secret = config['passcode']
        return record['there is no such field']
    sys.modules[run.COMPONENTS_MODULE].EventTransformation.transform = transform
    run.run()
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(ACCOUNT, not_ready=1) as running:
        yield running


def assert_is_complete(output: Output) -> None:
    """All of the account came, as a success, and nothing secret was printed."""
    assert_is_all(output, ACCOUNT, STREAMS)
    assert_tells_no_secret(output)


def assert_fails(output: Output, kind: str, words: str) -> None:
    assert (output.exit_code, output.error[0], output.records) == (1, kind, [])
    assert words in output.error[1]
    assert_tells_no_secret(output)


def assert_tells_no_secret(output: Output) -> None:
    assert [secret for secret in (ACCOUNT.passcode, *PERSONAL) if secret in output.all_but_records] == []


def test_given_a_read_that_is_killed_at_a_state_when_read_from_there_then_every_record_came(sandbox: Sandbox) -> None:
    lines: list[str] = []
    with started("read", sandbox.config(), streams=STREAMS, debug=True, variables=EVERY_STATE) as process:
        assert process.stdout is not None
        while sum('"type":"STATE"' in line for line in lines) < 5:
            lines.append(process.stdout.readline())
            assert lines[-1]
        process.kill()
    killed = Output(process.returncode, "".join(lines), "")
    again = run("read", sandbox.config(), streams=STREAMS, debug=True, state=killed.state)

    assert killed.exit_code == -9
    assert 0 < len(again.events) < 1500
    assert_is_complete(Output(again.exit_code, killed.stdout + again.stdout, again.stderr))


def test_given_a_reader_that_goes_away_when_read_then_the_process_ends_as_a_failure() -> None:
    account = Account(profiles=60_000, events=10, padding=2000, passcode=ACCOUNT.passcode)
    with Sandbox(account) as sandbox, started("read", sandbox.config(), debug=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while '"RECORD"' not in process.stdout.readline():
            pass
        process.stdout.close()
        stderr = process.stderr.read()

        assert process.wait(60)
        assert len(sandbox.requests) < 13  # of 13 pages and the POST
    assert_tells_no_secret(Output(process.returncode, "", stderr))


def test_given_a_full_disk_when_read_then_the_error_says_so(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(), streams=STREAMS, debug=True, variables={"FILE_BYTES": "0"})

    assert_fails(output, "transient_error", "set TMPDIR")


def test_given_room_for_four_bytes_when_read_then_they_are_enough(sandbox: Sandbox) -> None:
    """With them Python looks for a place for temporary files."""
    assert_is_complete(run("read", sandbox.config(), streams=STREAMS, debug=True, variables={"FILE_BYTES": "4"}))


def by_proxy(sandbox: Sandbox, authority: Path, trusts: bool, **options: Any) -> Output:
    """Reads from CleverTap's true address, by a proxy that ends TLS by itself."""
    with proxy(sandbox.port, authority, **options) as variables:
        variables |= {"REQUESTS_CA_BUNDLE": str(authority)} if trusts else {}
        config = sandbox.config(base_url=f"https://{HOST}")
        return run("read", config, streams=STREAMS, speed=1000, debug=True, variables=variables)


def test_given_a_trusted_proxy_that_breaks_connections_when_read_then_every_record_comes(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    assert_is_complete(by_proxy(sandbox, tmp_path / "authority.pem", trusts=True, breaks=5))


@pytest.mark.parametrize(
    ("refuses", "kind", "words"),
    [(False, "config_error", "is not trusted"), (True, "transient_error", "could not be reached")],
)
def test_given_a_proxy_that_is_not_trusted_or_refuses_when_read_then_nothing_is_sent(
    sandbox: Sandbox, tmp_path: Path, refuses: bool, kind: str, words: str
) -> None:
    output = by_proxy(sandbox, tmp_path / "authority.pem", trusts=False, refuses=refuses)

    assert_fails(output, kind, words)
    assert sandbox.requests == []


def test_given_a_bug_of_ours_when_read_then_its_traceback_has_no_secret(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(), streams=("events",), debug=True, prefix=(sys.executable, "-c", BUG))

    assert_fails(output, "system_error", "")
    assert "KeyError" in str(output.errors)
