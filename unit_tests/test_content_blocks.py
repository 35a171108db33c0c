"""The stream content_blocks: pages, and accounts without the feature."""

import pytest
import requests_mock

from unit_tests.conftest import Read, first_error, rows
from unit_tests.mock_server.response_builder import Answer, fail
from unit_tests.mock_server.tables import BLOCK, answers_of, settings

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
]
REFUSED: list[Answer] = [
    fail("Invalid Credentials", 401, 401),
    fail("Your IP is not in the allow list", 403, 403),
    {"status_code": 403, "json": {"status": "fail", "message": "Not available in your plan"}},
    {"status_code": 403, "text": "<html>Forbidden</html>"},
]


@pytest.mark.parametrize("answer", OFF)
@pytest.mark.parametrize("pages_before", [0, 1])
def test_given_a_feature_that_is_off_when_read_then_the_stream_fails_and_says_what_to_do(
    read_table: Read, answer: Answer, pages_before: int
) -> None:
    output = read_table("content_blocks", [*answers_of("content_blocks")[:pages_before], answer], settings())

    kind, message = first_error(output)
    assert kind == "config_error"
    assert message.startswith("Stream content_blocks: The feature is not enabled for this account")
    assert "Leave the stream out" in message


@pytest.mark.parametrize("answer", REFUSED)
def test_given_any_other_refusal_when_read_then_the_stream_fails_in_clevertaps_words(
    read_table: Read, answer: Answer
) -> None:
    output = read_table("content_blocks", [answer], settings())

    kind, message = first_error(output)
    assert kind == "config_error"
    assert "credentials or region" in message
    words = answer.get("json", {}).get("error") or answer.get("json", {}).get("message") or "403"
    assert f"({words})" in message
