"""The Connector Builder's own backend with our two files, a fresh process for each proof.

Once as the module that older platforms call, once as the manifest server, over HTTP.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration_tests.helpers import tables
from integration_tests.helpers.connector import ROOT, by_key, catalog, occurrences, true_occurrences
from integration_tests.test_faults import CAN_SPLIT
from source_clevertap.sandbox import Account, Fault, Sandbox

pytestmark = pytest.mark.cdk

FAST_CLOCK = ROOT / "integration_tests" / "helpers" / "fast_clock"
MANIFEST = yaml.safe_load((ROOT / "manifest.yaml").read_text(encoding="utf-8"))
COMPONENTS = (ROOT / "components.py").read_text(encoding="utf-8")
INJECTED = {
    "__injected_components_py": COMPONENTS,
    "__injected_components_py_checksums": {"md5": hashlib.md5(COMPONENTS.encode()).hexdigest()},  # noqa: S324
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=300, events=9000), not_ready=3) as running:  # which is CleverTap's normal answer
        yield running


MONTH_END = 20220130
MONTH = {"end_date": MONTH_END}  # one window of events


def environment(unsafe_code: bool) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != "AIRBYTE_ENABLE_UNSAFE_CODE"}
    clock = {"PYTHONPATH": str(FAST_CLOCK), "FAST_CLOCK": "50", "FAST_MONOTONIC": "50"}
    return inherited | clock | ({"AIRBYTE_ENABLE_UNSAFE_CODE": "true"} if unsafe_code else {})


def builder(command: str, config: Json, folder: Path, unsafe_code: bool = True, stream: str = "profiles") -> Json:
    """Sends one request to airbyte_cdk.connector_builder. Returns the message that it prints."""
    settings = {
        **config,
        **INJECTED,
        "__injected_declarative_manifest": MANIFEST,
        "__command": command,
        "__test_read_config": {"max_streams": 1, "max_slices": 5, "max_pages_per_slice": 5},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "catalog.json").write_text(json.dumps(catalog(stream)))
    done = subprocess.run(
        [sys.executable, "-m", "airbyte_cdk.connector_builder.main", "read", "--config", "config.json",
         "--catalog", "catalog.json"],
        cwd=folder, env=environment(unsafe_code), capture_output=True, text=True,
    )  # fmt: skip
    message: Json = json.loads(done.stdout.splitlines()[-1])
    return message


@contextmanager
def manifest_server(unsafe_code: bool = True) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Path(sys.executable).with_name("manifest-server")
    process = subprocess.Popen(
        [str(server), "start", "--port", str(port)], env=environment(unsafe_code), stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1/manifest"
    finally:
        process.kill()
        process.wait()


def post(url: str, body: Json) -> tuple[int, Json]:
    request = urllib.request.Request(  # noqa: S310
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, {"text": error.read().decode()}


def without_empty_strings(node: Any) -> Any:
    """A manifest as the web app saves it."""
    if isinstance(node, dict):
        return {key: without_empty_strings(value) for key, value in node.items() if value != ""}
    return [without_empty_strings(each) for each in node] if isinstance(node, list) else node


def pages_of(test_read: Json) -> list[Json]:
    return [page for one_slice in test_read["slices"] for page in one_slice["pages"]]


def assert_is_complete(test_read: Json, sandbox: Sandbox, stream: str) -> None:
    """All records came; of an export by a POST, and GETs of which each page was ready at the fourth."""
    pages = pages_of(test_read)
    records, requests = [r for page in pages for r in page["records"]], [page["request"] for page in pages]
    if stream == "profiles":
        truth = sandbox.account.truth("App Launched", 20220101, 20260212)
        assert by_key(records) == {row["key"]: row["record"] for row in truth}
    elif stream == "events":
        assert occurrences(records) == true_occurrences(sandbox.account, ["App Launched"], last=MONTH_END)
    else:
        expected = tables.truth(stream, sandbox.account, last=MONTH_END)
        assert expected
        assert tables.keyed(stream, records) == expected, test_read["logs"]
    if stream in ("profiles", "events"):
        assert [request["http_method"] for request in requests] == ["POST", *["GET"] * (len(requests) - 1)]
        assert json.loads(requests[0]["body"])["event_name"] == "App Launched"
        assert len(requests) % 4 == 1
        assert len({request["url"] for request in requests[1:]}) == len(requests) // 4
        assert json.loads(pages[-1]["response"]["body"])["status"] == "success"
    assert all("127.0.0.1" in request["url"] for request in requests)
    assert {log["level"] for log in test_read["logs"]} <= {"INFO"}
    assert sandbox.account.passcode not in json.dumps(test_read["logs"])


def test_given_the_builder_when_it_resolves_the_manifest_then_all_streams_are_there(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    message = builder("resolve_manifest", sandbox.config(), tmp_path)

    streams = message["record"]["data"]["manifest"]["streams"]
    names = [s["name"] for group in streams for s in group.get("streams", [group])]
    assert names == ["profiles", "events", *tables.STREAMS]


@pytest.mark.parametrize("stream", ["profiles", "events", "message_reports", "daily_event_counts"])
def test_given_the_builder_when_a_stream_is_test_read_then_it_is_complete(
    sandbox: Sandbox, tmp_path: Path, stream: str
) -> None:
    config = sandbox.config(**({} if stream == "profiles" else MONTH))

    message = builder("test_read", config, tmp_path, stream=stream)

    assert_is_complete(message["record"]["data"], sandbox, stream)


def test_given_all_events_when_test_read_then_the_first_of_them_come(sandbox: Sandbox, tmp_path: Path) -> None:
    config = sandbox.config(all_events=True, **MONTH)
    message = builder("test_read", config, tmp_path, stream="events")

    assert len(message["record"]["data"]["slices"]) == 5  # the limit
    pages = pages_of(message["record"]["data"])
    assert len({record["event_name"] for page in pages for record in page["records"]}) > 1


def test_given_components_that_are_not_allowed_when_test_read_then_the_builder_says_so(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    message = builder("test_read", sandbox.config(), tmp_path, unsafe_code=False)

    assert "record" not in message
    assert "AIRBYTE_ENABLE_UNSAFE_CODE" in json.dumps(message["trace"]["error"])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("not_ready", "try again in a few minutes or read a shorter range of dates. (Gave up after 1 minutes.)"),
        ("throttled", "three concurrent requests"),
        ("truncated", "invalid response"),
        ("reset", "invalid response"),
        ("incorrect_usage", "Incorrect Usage"),
    ],
)
def test_given_a_fault_when_test_read_then_the_log_says_why(tmp_path: Path, fault: str, words: str) -> None:
    with Sandbox(faults=(Fault(fault, None),)) as broken:
        message = builder("test_read", broken.config(), tmp_path)

    logs = [log["message"] for log in message["record"]["data"]["logs"]]
    expected = "Stream profiles, event 'App Launched', 2022-01-01 to 2026-02-12: "
    assert any(expected in log and words in log for log in logs), logs


def test_given_the_manifest_server_when_it_is_asked_then_it_resolves_checks_discovers_and_test_reads(
    sandbox: Sandbox,
) -> None:
    config = {**sandbox.config(), **INJECTED}
    with manifest_server() as url:
        resolved = post(f"{url}/resolve", {"manifest": MANIFEST})
        checked = post(f"{url}/check", {"manifest": MANIFEST, "config": config})
        refused = post(f"{url}/check", {"manifest": MANIFEST, "config": {**config, "start_date": 20220230}})
        discovered = post(f"{url}/discover", {"manifest": MANIFEST, "config": config})
        saved = without_empty_strings(resolved[1]["manifest"])
        test_reads = {
            stream: post(
                f"{url}/test_read",
                {
                    "manifest": saved,
                    "config": sandbox.config(**dates),
                    "stream_name": stream,
                    "custom_components_code": COMPONENTS,
                    "record_limit": 1000,
                },
            )
            for stream, dates in (("profiles", {}), *((name, MONTH) for name in ("events", *tables.STREAMS)))
        }

    assert resolved[0] == 200
    assert len(resolved[1]["manifest"]["streams"]) == 2 + len(tables.STREAMS)
    assert checked[1]["success"], checked
    assert refused[0] == 200
    words = "Configuration: start_date and end_date must be dates" if CAN_SPLIT else "Error: "  # older CDKs say "None"
    assert words in refused[1]["message"]
    offered = [s["name"] for s in discovered[1]["catalog"]["streams"]]
    assert offered == ["profiles", "events", *tables.STREAMS]
    for stream, test_read in test_reads.items():
        assert test_read[0] == 200, test_read
        assert_is_complete(test_read[1], sandbox, stream)


def test_given_components_that_are_not_allowed_when_test_read_then_the_server_refuses_them(sandbox: Sandbox) -> None:
    with manifest_server(unsafe_code=False) as url:
        status, answer = post(
            f"{url}/test_read",
            {
                "manifest": MANIFEST,
                "config": sandbox.config(),
                "stream_name": "profiles",
                "custom_components_code": COMPONENTS,
            },
        )

    assert status >= 400
    assert "slices" not in answer
