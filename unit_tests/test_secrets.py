"""Neither the passcode nor a record's content comes into a log or an error, at debug level either."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from airbyte_cdk.test.entrypoint_wrapper import EntrypointOutput

from source_clevertap.run import SourceClevertap
from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.config import PASSCODE, config
from unit_tests.mock_server.response_builder import Answer, fail, opened, page
from unit_tests.mock_server.tables import PAGED, STREAMS, WHOLE, partial, report, reports, settings

pytestmark = pytest.mark.cdk

PERSONAL = {
    "objectId": "o1",
    "email": "peter@personal.example",
    "profileData": {"iban": "XX99PRIVATE"},
    "ts": "peter@personal.example",
    "event_props": {"iban": "XX99PRIVATE"},
}
PASSCODES = ["Sesame-1", "Se'sa\"me{{7}}", "Se\\sa/me<&>"]
ANSWERS: dict[str, dict[str, Any]] = {
    "success": page(PERSONAL),
    "fail with records": {"json": {"status": "fail", "error": "no", "code": 7, "records": [PERSONAL]}},
    "code 2 with records": {"json": {"status": "fail", "code": 2, "records": [PERSONAL]}},
    "500 with records": {"status_code": 500, "json": {"records": [PERSONAL]}},
    "401 with records": {"status_code": 401, "json": {"records": [PERSONAL]}},
    "half a page": {"text": '{"status": "success", "records": [{"email": "peter@personal.example"'},
    "HTML": {"text": "<html>peter@personal.example XX99PRIVATE</html>"},
    "records of a wrong type": {"json": {"status": "success", "records": {"a": PERSONAL}}},
    "connection error": {"exc": requests.exceptions.ConnectionError},
}


def forms(secret: str) -> tuple[str, ...]:
    """A secret as it was typed, as it is printed within headers, and that within JSON."""
    printed = repr(secret)[1:-1]
    return secret, printed, repr(repr(secret))[2:-2], json.dumps(printed)[1:-1]


def all_but_records(output: EntrypointOutput, capfd: pytest.CaptureFixture[str]) -> str:
    told = "".join(str(m) for m in (*output.logs, *output.trace_messages, *output.state_messages))
    if sys.__stdout__:
        sys.__stdout__.flush()  # airbyte-cdk 7.23.8 prints its log there
    captured = capfd.readouterr()
    told += "".join(x for x in captured.out.splitlines() if '"RECORD"' not in x) + captured.err
    assert told
    return told


@pytest.mark.parametrize("passcode", PASSCODES)
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("stream", "debug"), [("profiles", False), ("profiles", True), ("events", True)])
def test_given_any_answer_when_read_then_no_log_or_error_tells_secrets_or_records(
    read_stream: Read,
    capfd: pytest.CaptureFixture[str],
    passcode: str,
    name: str,
    stream: str,
    debug: bool,
) -> None:
    answer = ANSWERS[name]
    settings = config(passcode=passcode, max_wait_minutes=0.1, slice_days=3650)

    output = read_stream(stream, settings, [answer], [opened()], debug=debug)

    told = all_but_records(output, capfd)
    assert (first_error(output) != ("", "")) == (name != "success")
    assert "peter@personal" not in told
    assert "XX99PRIVATE" not in told
    for form in forms(passcode):
        assert form not in told


@pytest.mark.parametrize("stream", [*STREAMS, "campaign_reports"])
@pytest.mark.parametrize("debug", [False, True])
def test_given_any_table_when_read_then_no_log_tells_secrets_and_none_but_debug_tells_rows(
    read_table: Read, capfd: pytest.CaptureFixture[str], stream: str, debug: bool
) -> None:
    private = "XX99PRIVATE"
    answers: list[Answer]
    if stream == "campaign_reports":
        answers = reports(report(x=private))
    else:
        content = copy.deepcopy(WHOLE[stream][0])
        answers = [{"json": content}, *({"json": page} for page in [PAGED.get(stream)] if page)]
        for value in content.values():
            for row in value if isinstance(value, list) else ():
                row["x"] = private
        if "counts" in stream:
            answers = [partial(), {"json": {**content, "x": private}}]
    refused: Answer = {"status_code": 500, "json": {"status": "fail", "x": private}}

    output = read_table(stream, [refused, *answers], settings(), debug=debug)

    told = all_but_records(output, capfd)
    assert len(rows(output)) > 0
    assert "Making outbound API request" in told or not debug
    assert PASSCODE not in told
    assert debug or private not in told


def test_given_a_refusal_when_read_then_its_own_words_are_cut_short(read_profiles: Read) -> None:
    output = read_profiles(config(), [fail("x" * 5000, 77)])

    assert 300 <= len(first_error(output)[1]) < 700


def test_given_a_configuration_when_read_then_it_is_not_written_to_disk(tmp_path: Path) -> None:
    settings = config()

    read = SourceClevertap(config=settings).configure(settings, str(tmp_path))

    assert read["passcode"] == PASSCODE
    assert list(tmp_path.iterdir()) == []
