"""Neither the passcode nor a record's content comes into a log or an error, at debug level either."""

import json
import sys
from pathlib import Path

import pytest

from source_clevertap.run import SourceClevertap
from unit_tests.conftest import CleverTap, Output
from unit_tests.mock_server.config import PASSCODE, config
from unit_tests.mock_server.response_builder import Response, fail, page

pytestmark = pytest.mark.cdk

PRIVATE = "peter@personal.example"
PERSONAL = {"objectId": "o1", "email": PRIVATE, "ts": PRIVATE, "event_props": {"iban": PRIVATE}}
RESPONSES_WITH_RECORDS: dict[str, Response] = {
    "success": page(PERSONAL),
    "fail with records": {"json": {"status": "fail", "error": "no", "code": 7, "records": [PERSONAL]}},
    "half a page": {"text": f'{{"status": "success", "records": [{{"email": "{PRIVATE}"'},
}


def forms(secret: str) -> tuple[str, ...]:
    """A secret as it was typed, as it is printed within headers, and that within JSON."""
    printed = repr(secret)[1:-1]
    return secret, printed, repr(repr(secret))[2:-2], json.dumps(printed)[1:-1]


def all_but_records(output: Output, capfd: pytest.CaptureFixture[str]) -> str:
    if sys.__stdout__:
        sys.__stdout__.flush()  # airbyte-cdk 7.23.8 prints its log there
    captured = capfd.readouterr()
    lines = [line for line in captured.out.splitlines() if '"RECORD"' not in line]
    return "".join([*output.all_but_records, *lines, captured.err])


@pytest.mark.parametrize("passcode", ["Sesame-1", "Se'sa\"me{{7}}", "Se\\sa/me<&>"])
@pytest.mark.parametrize("name", RESPONSES_WITH_RECORDS)
@pytest.mark.parametrize(("stream", "debug"), [("profiles", False), ("events", True)])
def test_given_any_response_when_read_then_no_log_or_error_has_secrets_or_records(
    clevertap: CleverTap, capfd: pytest.CaptureFixture[str], passcode: str, name: str, stream: str, debug: bool
) -> None:
    typed = config(passcode=passcode, max_wait_minutes=0.1, slice_days=3650)

    output = clevertap.read(stream, typed, [RESPONSES_WITH_RECORDS[name]], debug=debug)

    printed = all_but_records(output, capfd)
    assert bool(output.errors) == (name != "success")
    assert ("Making outbound API request" in printed) == debug
    assert [secret for secret in (PRIVATE, *forms(passcode)) if secret in printed] == []


def test_given_a_refusal_when_read_then_its_own_words_are_cut_short(clevertap: CleverTap) -> None:
    output = clevertap.read_profiles(config(), [fail("x" * 5000, 77)])

    assert 300 <= len(output.error[1]) < 700


def test_given_a_configuration_when_read_then_it_is_not_written_to_disk(tmp_path: Path) -> None:
    assert SourceClevertap(config=config()).configure(config(), str(tmp_path))["passcode"] == PASSCODE
    assert list(tmp_path.iterdir()) == []
