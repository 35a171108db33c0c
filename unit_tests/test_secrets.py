"""Neither the passcode nor a record's content comes into a log or an error, at debug level either."""

from typing import Any

import pytest
import requests

from unit_tests.conftest import Read, first_error
from unit_tests.mock_server.config import config
from unit_tests.mock_server.response_builder import fail, opened, page

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
    "records of a wrong type": {"json": {"status": "success", "records": [[PERSONAL]]}},
    "connection error": {"exc": requests.exceptions.ConnectionError},
}


@pytest.mark.parametrize("passcode", PASSCODES)
@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(
    ("stream", "debug"), [("profiles", False), ("profiles", True), ("events", True)]
)
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

    told = "".join(str(m) for m in (*output.logs, *output.trace_messages, *output.state_messages))
    captured = capfd.readouterr()
    told += "".join(x for x in captured.out.splitlines() if '"RECORD"' not in x) + captured.err
    assert told
    assert (first_error(output) != ("", "")) == (name != "success")
    assert "peter@personal" not in told
    assert "XX99PRIVATE" not in told
    for form in (passcode, repr(passcode)[1:-1], repr(repr(passcode))[2:-2]):
        assert form not in told


def test_given_a_refusal_when_read_then_its_own_words_are_cut_short(read_profiles: Read) -> None:
    output = read_profiles(config(), [fail("x" * 5000, 77)])

    assert 300 <= len(first_error(output)[1]) < 700
