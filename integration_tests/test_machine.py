"""What can befall the machine that the connector runs on: each as a real process, debug log and all."""

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from integration_tests.helpers.connector import Output, assert_is_all, run, started
from integration_tests.helpers.proxy import HOST, proxy
from integration_tests.stress.sequences import PERSONAL
from source_clevertap.sandbox import Account, Sandbox

STREAMS = ("profiles", "events")
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


def test_given_a_full_disk_when_read_then_the_error_says_so_and_four_bytes_are_enough(sandbox: Sandbox) -> None:
    full, four = (
        run("read", sandbox.config(), streams=STREAMS, debug=True, variables={"FILE_BYTES": room}) for room in "04"
    )

    assert_fails(full, "transient_error", "set TMPDIR")
    assert_is_complete(four)  # Python writes them where it looks for a place for temporary files


def test_given_a_proxy_that_breaks_connections_when_trusted_then_every_record_comes_and_otherwise_nothing_is_sent(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """It ends TLS by itself, before CleverTap's true address."""
    authority = tmp_path / "authority.pem"
    with proxy(sandbox.port, authority, breaks=5) as variables:
        read = partial(run, "read", sandbox.config(base_url=f"https://{HOST}"), streams=STREAMS, speed=1000, debug=True)

        assert_is_complete(read(variables={**variables, "REQUESTS_CA_BUNDLE": str(authority)}))
        sandbox.requests.clear()
        assert_fails(read(variables=variables), "config_error", "is not trusted")
        assert sandbox.requests == []


def test_given_a_bug_of_ours_when_read_then_its_traceback_has_no_secret(sandbox: Sandbox) -> None:
    output = run("read", sandbox.config(), streams=("events",), debug=True, prefix=(sys.executable, "-c", BUG))

    assert_fails(output, "system_error", "")
    assert "KeyError" in str(output.errors)
