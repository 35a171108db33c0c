"""The stream content_blocks: pages, and accounts without the feature."""

import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.response_builder import Response, fail
from unit_tests.mock_server.streams import BLOCK, blocks, settings

pytestmark = pytest.mark.cdk


def test_given_pages_when_read_then_a_short_one_is_not_the_end(clevertap: CleverTap) -> None:
    pages = [blocks({**BLOCK, "id": n}) for n in range(3)]

    output = clevertap.read_in_turn("content_blocks", [*pages, blocks()], settings())

    assert [record["id"] for record in output.records] == [0, 1, 2]
    assert [int(request.qs["pagenumber"][0]) for request in clevertap.request_history] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (fail("Content blocks are not enabled on this account", 403, 403), "The feature is not enabled"),
        (fail("Catalog feature is not enabled for this account.", 401, 401), "Leave the stream out"),
        (fail("Your IP is not allowed", 403, 403), "credentials or region (Your IP is not allowed)"),
        ({"status_code": 403, "json": {"message": "Not in your plan"}}, "credentials or region (Not in your plan)"),
        ({"status_code": 403, "text": "<html>Forbidden</html>"}, "credentials or region (403)"),
    ],
)
def test_given_a_refusal_when_read_then_the_stream_fails_and_says_what_to_do(
    clevertap: CleverTap, response: Response, words: str
) -> None:
    output = clevertap.read_in_turn("content_blocks", [blocks(BLOCK), response], settings())

    kind, message = output.error
    assert kind == "config_error"
    assert message.startswith("Stream content_blocks: ")
    assert words in message
