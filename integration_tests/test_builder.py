"""The manifest server, which is the Connector Builder's own backend, with our two files and with no_code's one."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from integration_tests.helpers.connector import ALL_STREAMS, FAST_CLOCK, MANIFEST, NO_CODE, Json, came, held
from integration_tests.test_faults import CAN_SPLIT
from source_clevertap.sandbox import Account, Fault, Sandbox

pytestmark = pytest.mark.cdk

COMPONENTS = MANIFEST.with_name("components.py").read_text(encoding="utf-8")
OURS, NO_CODES = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (MANIFEST, NO_CODE))
INJECTED = {
    "__injected_components_py": COMPONENTS,
    "__injected_components_py_checksums": {"md5": hashlib.md5(COMPONENTS.encode()).hexdigest()},  # noqa: S324
}
MONTH_END = 20220130  # one window of events


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=300, events=9000), not_ready=3) as running:  # which is CleverTap's normal answer
        yield running


@contextmanager
def manifest_server(**variables: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = str(Path(sys.executable).with_name("manifest-server"))
    inherited = {name: value for name, value in os.environ.items() if name != "AIRBYTE_ENABLE_UNSAFE_CODE"}
    clock = {"PYTHONPATH": str(FAST_CLOCK), "FAST_CLOCK": "50", "FAST_MONOTONIC": "50"}
    process = subprocess.Popen(
        [server, "start", "--port", str(port)], env=inherited | clock | variables, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(300):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1/manifest/"
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def builder() -> Iterator[str]:
    with manifest_server(AIRBYTE_ENABLE_UNSAFE_CODE="true") as url:
        yield url


def asked(url: str, manifest: Json, **more: Any) -> Json:
    response = requests.post(url, json={"manifest": manifest, **more}, timeout=60)
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def read_stream(builder: str, sandbox: Sandbox, stream: str, manifest: Json = OURS, **settings: Any) -> Json:
    components = {"custom_components_code": COMPONENTS} if manifest is not NO_CODES else {}
    limits = {"record_limit": 1000, "slice_limit": 5, "page_limit": 20}
    config = sandbox.config(**settings)
    return asked(f"{builder}test_read", manifest, config=config, stream_name=stream, **limits, **components)


def pages_of(read: Json) -> list[Json]:
    return [page for one_slice in read["slices"] for page in one_slice["pages"]]


def without_empty_strings(node: Any) -> Any:
    """A manifest as the web app saves it."""
    if isinstance(node, dict):
        return {key: without_empty_strings(value) for key, value in node.items() if value != ""}
    return [without_empty_strings(each) for each in node] if isinstance(node, list) else node


@pytest.fixture(scope="module")
def saved(builder: str) -> Json:
    resolved = asked(f"{builder}resolve", OURS)["manifest"]
    assert [stream["name"] for stream in resolved["streams"]] == [*ALL_STREAMS]
    manifest: Json = without_empty_strings(resolved)
    return manifest


@pytest.mark.parametrize("stream", ALL_STREAMS)
def test_given_a_saved_manifest_when_a_stream_is_test_read_then_it_is_complete(
    builder: str, sandbox: Sandbox, saved: Json, stream: str
) -> None:
    last = 20260212 if stream == "profiles" else MONTH_END

    read = read_stream(builder, sandbox, stream, saved, end_date=last)

    pages = pages_of(read)
    records, sent = [r for page in pages for r in page["records"]], [page["request"] for page in pages]
    expected = held(stream, sandbox.account, last=last)
    assert expected
    assert came(stream, records) == expected, read["logs"]
    if stream in ("profiles", "events"):  # a POST, and GETs of which each page was ready at the fourth
        assert [request["http_method"] for request in sent] == ["POST", *["GET"] * (len(sent) - 1)]
        assert json.loads(sent[0]["body"])["event_name"] == "App Launched"
        assert len(sent) % 4 == 1
        assert len({request["url"] for request in sent[1:]}) == len(sent) // 4
        assert json.loads(pages[-1]["response"]["body"])["status"] == "success"
    assert all("127.0.0.1" in request["url"] for request in sent)
    assert {log["level"] for log in read["logs"]} <= {"INFO"}
    assert sandbox.account.passcode not in json.dumps(read["logs"])


def test_given_a_configuration_when_checked_and_discovered_then_the_server_answers_as_the_command(
    builder: str, sandbox: Sandbox
) -> None:
    config = {**sandbox.config(), **INJECTED}
    checked = asked(f"{builder}check", OURS, config=config)
    refused = asked(f"{builder}check", OURS, config={**config, "start_date": 20220230})
    offered = asked(f"{builder}discover", OURS, config=config)["catalog"]["streams"]

    assert checked["success"], checked
    words = "Configuration: start_date and end_date must be dates" if CAN_SPLIT else "Error: "  # older CDKs say "None"
    assert words in refused["message"]
    assert [stream["name"] for stream in offered] == [*ALL_STREAMS]


def test_given_a_page_that_is_never_ready_when_test_read_then_the_log_says_why(builder: str) -> None:
    with Sandbox(faults=(Fault("not_ready", None),)) as broken:
        logs = [log["message"] for log in read_stream(builder, broken, "profiles")["logs"]]

    expected = "Stream profiles, event 'App Launched', 2022-01-01 to 2026-02-12: "
    words = "try again in a few minutes or read a shorter range of dates. (Gave up after 1 minutes.)"
    assert any(expected in log and words in log for log in logs), logs


def test_given_a_builder_where_no_code_may_run_when_test_read_then_only_the_manifest_without_it_is_read(
    sandbox: Sandbox,
) -> None:
    account = sandbox.account
    ours: Json = {"manifest": OURS, "stream_name": "profiles", "custom_components_code": COMPONENTS}
    with Sandbox(account) as ready, manifest_server() as url:
        refused = requests.post(f"{url}test_read", json={**ours, "config": ready.config()}, timeout=60)
        checked = asked(f"{url}check", NO_CODES, config=ready.config())
        names = [stream for stream in ALL_STREAMS if stream in NO_CODES["schemas"]]
        reads = {name: read_stream(url, ready, name, NO_CODES, end_date=MONTH_END) for name in names}

    assert refused.status_code >= 400
    assert "slices" not in refused.text
    assert checked["success"], checked
    assert all(page["request"]["url"].startswith(ready.url) for read in reads.values() for page in pages_of(read))
    assert account.passcode not in str([read["logs"] for read in reads.values()])
    for stream, read in reads.items():
        records = [record for page in pages_of(read) for record in page["records"]]
        assert came(stream, records, no_code=True) == held(stream, account, last=MONTH_END, no_code=True), stream
