"""The streams campaigns and campaign_reports: windows, and reports that are not there yet."""

import json

import freezegun
import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.response_builder import Answer, fail
from unit_tests.mock_server.tables import (
    bodies,
    report,
    reports,
    settings,
)

pytestmark = pytest.mark.cdk


@freezegun.freeze_time("2022-03-01T20:00:00Z")
def test_given_no_end_when_campaigns_are_read_then_windows_go_twelve_months_ahead(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    # In Kolkata it is the second of March already.
    open_end = settings(end_date=None, timezone="Asia/Kolkata")
    read_table("campaigns", [{"json": {"status": "success"}}], open_end)

    sent = bodies(clevertap)
    assert sent[:2] == [{"from": 20220101, "to": 20220131}, {"from": 20220201, "to": 20220303}]
    assert sent[-1]["to"] == 20230302
    assert len(sent) == 14


NO_REPORT: list[Answer] = [
    {"status_code": 409},
    fail("This target has no result as of yet", 500, 500),
    {"json": {"status": "success", "error": "This target hasn't been completed", "code": 200}},
    {"json": {"status": "fail", "error": "This target hasn't been completed"}},
]


def test_given_reports_when_read_then_each_has_its_campaign_and_all_that_was_sent(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    output = read_table("campaign_reports", reports(report(sent=8, new={"a": 1}), report()), settings())

    assert sorted(rows(output), key=lambda row: row["campaign_id"]) == [
        {"campaign_id": "10", "result": {"sent": 8, "new": {"a": 1}}},
        {"campaign_id": "11", "result": {}},
    ]
    asked = [json.loads(r.text) for r in clevertap.request_history if "result.json" in r.url]
    assert sorted(body["id"] for body in asked) == [10, 11]


@pytest.mark.parametrize("form", NO_REPORT)
def test_given_no_report_yet_when_read_then_it_is_skipped_at_once(
    read_table: Read, waits: list[float], form: Answer
) -> None:
    output = read_table("campaign_reports", reports(form, report(sent=1), form), settings())

    assert first_error(output) == ("", "")
    assert rows(output) == [{"campaign_id": "11", "result": {"sent": 1}}]
    assert waits == []


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (fail("Invalid campaign id", 400, 400), "system_error", "Invalid campaign id"),
        (fail("An unknown error occurred", 500, 500), "transient_error", "internal error"),
        ({"json": {"status": "success"}}, "transient_error", "invalid response"),
        ({"json": {"status": "success", "result": [1]}}, "transient_error", "invalid response"),
        ({"json": {"status": "partial", "req_id": 1}}, "transient_error", "still preparing"),
        (fail("Invalid Credentials", 401, 401), "config_error", "credentials or region"),
    ],
)
def test_given_a_report_that_fails_otherwise_when_read_then_it_says_so(
    read_table: Read, answer: Answer, kind: str, words: str
) -> None:
    output = read_table("campaign_reports", reports(answer), settings(max_wait_minutes=1))

    assert first_error(output)[0] == kind
    assert first_error(output)[1].startswith("Stream campaign_reports, id 10: ")
    assert words in first_error(output)[1]
