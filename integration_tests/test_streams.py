"""Every stream over HTTP, by key and content, against the sandbox."""

from collections import Counter
from datetime import datetime, timedelta, timezone

import pytest

from integration_tests.helpers.connector import ALL_STREAMS, Json, assert_is_all, run
from integration_tests.helpers.in_process import Clock, sync
from integration_tests.helpers.tables import KEYS, SCHEMAS, keyed, truth
from source_clevertap.sandbox import Account, Sandbox

ACCOUNT = Account(profiles=60, events=400)


PYTHON: dict[str, type | tuple[type, ...]] = {
    **{"string": str, "integer": int, "object": dict, "array": list},
    "number": (int, float),
}


@pytest.mark.cdk
@pytest.mark.parametrize("options", [{}, {"variables": {"CLEVERTAP_BATCHES": "false"}}, {"manifest_only": True}])
def test_given_all_streams_when_read_then_each_is_as_the_account_has_it_three_requests_at_a_time(options: Json) -> None:
    with Sandbox(ACCOUNT, latency=0.02, not_ready=1) as sandbox:
        output = run("read", sandbox.config(), streams=ALL_STREAMS, **options)

        assert_is_all(output, ACCOUNT)
    assert not [log for log in output.logs if log["level"] == "WARN"]
    assert 2 <= sandbox.max_in_flight <= 3
    assert output.completed == {*ALL_STREAMS}
    for stream, fields in KEYS.items():
        keys = [tuple(record[field] for field in fields) for record in output.by_stream[stream]]
        assert len(keys) == len(set(keys)), stream
    counted: Counter[str] = Counter()  # what the platform compares with the records that arrived
    for state in output.states:
        counted[state["stream"]["stream_descriptor"]["name"]] += int(state["sourceStats"]["recordCount"])
    assert counted == {name: len(found) for name, found in output.by_stream.items()}
    for stream in ALL_STREAMS:  # every column is declared and has one type
        kinds = {}
        for name, definition in SCHEMAS[stream]["properties"].items():
            (kinds[name],) = {*([t] if isinstance(t := definition["type"], str) else t)} - {"null"}
        for record in output.by_stream[stream]:
            assert record.keys() <= kinds.keys(), stream
            for name, value in record.items():
                assert value is None or isinstance(value, PYTHON[kinds[name]]), (stream, name, value)


def test_given_reports_whose_counts_move_when_synced_again_then_they_come_until_they_rest() -> None:
    with Sandbox(ACCOUNT) as sandbox:
        start = int((datetime.now(timezone.utc) - timedelta(120)).strftime("%Y%m%d"))
        settings = sandbox.config(start_date=start, end_date=None)
        first = sync(Clock(sandbox), settings, ("message_reports",))
        later = datetime.now(timezone.utc) + timedelta(15)
        sandbox.clock_offset = 15 * 86400
        second = run("read", settings, streams=("message_reports",), state=first.state)
        full = truth("message_reports", ACCOUNT, first=start, last=99991231, now=later)

    kept = keyed("message_reports", [*first.records, *second.records])
    today = {record["message_id"] for record in first.records}
    assert {key: record for key, record in full.items() if key[0] in today} == kept
    assert 0 < len(second.records) < len(first.records)
    assert any(record not in first.records for record in second.records)
