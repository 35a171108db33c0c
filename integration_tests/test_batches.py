"""The package reads exports in batches; what it prints is the same as without."""

import json
import re

import pytest

from integration_tests.helpers.connector import Json, Output, run
from source_clevertap.sandbox import Account, Fault, Sandbox

STREAMS = ("profiles", "events", "daily_event_counts", "message_reports", "content_blocks", "campaigns")
FAULTS: dict[str, tuple[Fault, ...]] = {
    "none": (),
    "all events": (),  # some are refused
    "a page not ready": (Fault("not_ready", 5, 1),),
    "third pages refused": (Fault("unauthorized", None, 2),),  # at once: no patience, no clock
}


def told(output: Output) -> Json:
    """What must not depend on batches: all but emitted_at, the order of threads, and durations."""
    counted: Json = {}
    order: dict[str, list[str]] = {}
    for line in output.stdout.split("\n")[:-1]:
        message = json.loads(line)
        if message["type"] == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            counted[name] = counted.get(name, 0) + message["state"]["sourceStats"]["recordCount"]
        name = message.get("record", {}).get("stream")
        if message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            name, kind = status["stream_descriptor"]["name"], status["status"]
            order.setdefault(name, []).append(kind)
        elif name and order.setdefault(name, [])[-1:] != ["records"]:
            order[name].append("records")
    states = [  # a state holds how long the sync took
        re.sub('"lookback_window": [0-9]+', "", json.dumps(state["stream"])) for state in output.state
    ]
    rows = {name: sorted(json.dumps(record) for record in records) for name, records in output.by_stream.items()}
    logged = sorted(log["message"] for log in output.logs if log["message"].startswith("Read "))
    errors = sorted(error["failure_type"] for error in output.errors)  # texts name port and cursor
    return {
        "exit code": output.exit_code,
        "rows": rows,
        "states": sorted(states),
        "counted": counted,
        "order": order,
        "logged": logged,
        "errors": errors,
    }


@pytest.mark.cdk
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_printed_is_the_same_without_batches(name: str) -> None:
    seen = []
    for variables in ({}, {"CLEVERTAP_BATCHES": "false"}):
        account = Account(profiles=1000, events=1000)
        with Sandbox(account, faults=FAULTS[name], page_rows=400) as sandbox:
            config = sandbox.config(all_events=name == "all events")
            first = run("read", config, streams=STREAMS, variables=variables)
            again = run("read", config, streams=STREAMS, variables=variables, state=first.state)
            seen.append((told(first), told(again)))

    assert seen[0] == seen[1]
    assert seen[0][0]["rows"]["events"]
