"""The stream content_blocks: pages, and accounts without the feature."""

import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.response_builder import Answer, fail
from unit_tests.mock_server.tables import (
    BLOCK,
    PAGED,
    STREAMS,
    answers_of,
    logged,
    settings,
)

pytestmark = pytest.mark.cdk


def test_given_pages_when_read_then_a_short_one_is_not_the_end(
    read_table: Read, clevertap: requests_mock.Mocker
) -> None:
    pages: list[Answer] = [{"json": {"contentBlocks": [{**BLOCK, "id": n}]}} for n in range(3)]

    output = read_table("content_blocks", [*pages, {"json": {"contentBlocks": []}}], settings())

    assert [row["id"] for row in rows(output)] == [0, 1, 2]
    assert [int(request.qs["pagenumber"][0]) for request in clevertap.request_history] == [1, 2, 3, 4]


OFF: list[Answer] = [
    fail("Content blocks are not enabled on this account", 403, 403),
    fail("Catalog feature is not enabled for this account.", 401, 401),
    fail("Forbidden", 403, 403),
    {"status_code": 403, "json": {"status": "fail", "message": "Not available in your plan"}},
]
NOT_OFF: list[Answer] = [
    fail("Invalid Credentials", 401, 401),
    fail("Account ID is not valid", 401, 401),
    fail("Authentication failed", 403, 403),
    fail("Invalid passcode", 403, 403),
    {"status_code": 403, "text": "<html>Forbidden</html>"},
    {"status_code": 401, "json": {"message": "Unauthorized"}},
]


@pytest.mark.parametrize("answer", OFF)
@pytest.mark.parametrize("stream", ["content_blocks"])
def test_given_a_feature_that_is_off_when_read_then_a_warning_says_so(
    read_table: Read, clevertap: requests_mock.Mocker, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings())

    assert first_error(output) == ("", "")
    assert rows(output) == []
    assert len(clevertap.request_history) == 1
    warning, _ = logged(output, "not enabled for this account")  # the CDK logs it, too
    assert warning.startswith(f"WARN: Stream {stream}: The feature")


@pytest.mark.parametrize("answer", NOT_OFF)
@pytest.mark.parametrize("stream", ["content_blocks"])
def test_given_wrong_credentials_when_read_then_it_is_no_feature_that_is_off(
    read_table: Read, stream: str, answer: Answer
) -> None:
    output = read_table(stream, [answer], settings())

    assert first_error(output)[0] == "config_error"
    assert "credentials or region" in first_error(output)[1]


def test_given_a_feature_that_goes_off_half_way_when_read_then_it_fails(read_table: Read) -> None:
    output = read_table("content_blocks", [*answers_of("content_blocks")[:1], OFF[0]], settings())

    assert first_error(output)[0] == "config_error"


@pytest.mark.parametrize("stream", [name for name in STREAMS if name not in PAGED])
def test_given_another_stream_when_it_is_refused_then_it_is_never_skipped(
    read_table: Read, stream: str
) -> None:
    for answer in OFF:
        output = read_table(stream, [answer], settings())

        assert first_error(output)[0] == "config_error", answer
