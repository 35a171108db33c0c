"""The streams campaigns and campaign_reports: windows, and reports that are not there yet."""

import json
from typing import Any

import freezegun
import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.response_builder import Response, fail
from unit_tests.mock_server.streams import campaigns, report, reports, settings

pytestmark = pytest.mark.cdk


@freezegun.freeze_time("2022-03-01T20:00:00Z")
def test_given_no_end_when_campaigns_are_read_then_windows_go_twelve_months_ahead(clevertap: CleverTap) -> None:
    # In Kolkata it is the second of March already.
    open_end = settings(end_date=None, timezone="Asia/Kolkata")

    output = clevertap.read_in_turn("campaigns", [{"json": {"status": "success"}}], open_end)

    assert not output.errors
    assert clevertap.windows()[:2] == [(20220101, 20220131), (20220201, 20220303)]
    assert clevertap.windows()[-1][1] == 20230302
    assert len(clevertap.windows()) == 14


@pytest.mark.parametrize(
    "missing",
    [
        {"status_code": 409, "json": {}},
        fail("This target has no result as of yet", 500, 500),
        {"json": {"status": "success", "error": "This target hasn't been completed", "code": 200}},
        {"json": {"status": "fail", "error": "This target hasn't been completed"}},
    ],
)
def test_given_reports_when_read_then_each_has_its_campaign_and_those_not_there_yet_are_skipped(
    clevertap: CleverTap, missing: Response
) -> None:
    responses = reports(missing, report(sent=8, new={"a": 1}), missing, report())

    output = clevertap.read_in_turn("campaign_reports", responses, settings())

    assert not output.errors
    assert sorted(output.records, key=lambda record: str(record["campaign_id"])) == [
        {"campaign_id": "11", "result": {"sent": 8, "new": {"a": 1}}},
        {"campaign_id": "13", "result": {}},
    ]
    asked = [json.loads(r.text)["id"] for r in clevertap.request_history if "result.json" in r.url]
    assert sorted(asked) == [10, 11, 12, 13]
    assert clevertap.waits == []


@pytest.mark.parametrize(
    ("response", "kind", "words"),
    [
        (fail("Invalid campaign id", 400, 400), "system_error", "Invalid campaign id"),
        ({"json": {"status": "success", "result": [1]}}, "transient_error", "invalid response"),
        ({"json": {"status": "partial", "req_id": 1}}, "transient_error", "still preparing"),
    ],
)
def test_given_a_report_that_fails_otherwise_when_read_then_it_says_so(
    clevertap: CleverTap, response: Response, kind: str, words: str
) -> None:
    output = clevertap.read_in_turn("campaign_reports", reports(response), settings(max_wait_minutes=1))

    assert output.error[0] == kind
    assert output.error[1].startswith("Stream campaign_reports, id 10: ")
    assert words in output.error[1]


@pytest.mark.parametrize("number", [1457432766, "1611057133_20210119", "0x10", "None", "1_000", "007", "it's", "1e5"])
def test_given_a_campaign_of_any_id_when_its_report_is_read_then_it_is_sent_as_it_came(
    clevertap: CleverTap, number: Any
) -> None:
    output = clevertap.read_in_turn("campaign_reports", [campaigns(number), report(sent=1)], settings())

    assert output.records == [{"campaign_id": str(number), "result": {"sent": 1}}]
    assert json.loads(clevertap.request_history[-1].text)["id"] == number
