"""What the streams of one response a slice have in common: complete responses, failures, columns."""

import freezegun
import pytest

from unit_tests.conftest import CleverTap
from unit_tests.mock_server.response_builder import Response
from unit_tests.mock_server.streams import RESPONSES, STREAMS, TODAY, responses_of, settings

pytestmark = pytest.mark.cdk


@freezegun.freeze_time(TODAY, tick=True)
@pytest.mark.parametrize("stream", STREAMS)
def test_given_a_response_when_read_then_its_records_come_once(clevertap: CleverTap, stream: str) -> None:
    output = clevertap.read_in_turn(stream, responses_of(stream), settings())

    assert not output.errors
    assert output.records == RESPONSES[stream][1]
    assert len(clevertap.request_history) == len(responses_of(stream))


@pytest.mark.parametrize(
    ("stream", "response"),
    [
        ("event_schema", {"json": {"events": {"name": "A"}}}),
        ("event_schema", {"json": {"status": "success"}}),
        ("campaigns", {"json": {"status": "success", "targets": {}}}),
        ("message_reports", {"json": {"status": "success", "reports": [{"message id": 1}]}}),
        ("daily_event_counts", {"json": {"status": "success"}}),
        ("daily_event_counts", {"json": {"daily": {"20220101": 1}}}),
        ("daily_event_counts", {"json": {"status": "success", "daily": [1]}}),
        ("daily_event_counts", {"json": {"status": "partial", "req_id": None}}),
    ],
)
def test_given_what_is_no_complete_response_when_read_then_it_fails_as_transient(
    clevertap: CleverTap, stream: str, response: Response
) -> None:
    output = clevertap.read_in_turn(stream, [response], settings(max_wait_minutes=1))

    kind, message = output.error
    assert kind == "transient_error", message
    assert message.startswith(f"Stream {stream}")
    assert "Gave up after 1 minutes" in message
    assert output.records == []
