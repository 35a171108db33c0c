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

from integration_tests.connector import ROOT, by_key
from source_clevertap.sandbox import Account, Fault, Sandbox

MANIFEST = yaml.safe_load((ROOT / "manifest.yaml").read_text(encoding="utf-8"))
COMPONENTS = (ROOT / "components.py").read_text(encoding="utf-8")
INJECTED = {
    "__injected_components_py": COMPONENTS,
    "__injected_components_py_checksums": {"md5": hashlib.md5(COMPONENTS.encode()).hexdigest()},  # noqa: S324
}
CATALOG = (ROOT / "integration_tests" / "configured_catalog.json").read_text()
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Account(profiles=300)) as running:
        yield running


def environment(unsafe_code: bool) -> dict[str, str]:
    hidden = ("AIRBYTE_ENABLE_UNSAFE_CODE", "PYTHONPATH")
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return inherited | ({"AIRBYTE_ENABLE_UNSAFE_CODE": "true"} if unsafe_code else {})


def builder(command: str, config: Json, folder: Path, unsafe_code: bool = True) -> Json:
    """Sends one request to airbyte_cdk.connector_builder. Returns the message that it prints."""
    settings = {
        **config,
        **INJECTED,
        "__injected_declarative_manifest": MANIFEST,
        "__command": command,
        "__test_read_config": {"max_streams": 1, "max_slices": 5, "max_pages_per_slice": 5},
    }
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "catalog.json").write_text(CATALOG)
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
        [str(server), "start", "--port", str(port)],
        env=environment(unsafe_code),
        stdout=subprocess.DEVNULL,
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


def records_and_requests(test_read: Json) -> tuple[list[Json], list[Json]]:
    (one_slice,) = test_read["slices"]
    pages = one_slice["pages"]
    return [r for p in pages for r in p["records"]], [p["request"] for p in pages]


def assert_is_a_whole_read(test_read: Json, sandbox: Sandbox) -> None:
    records, requests = records_and_requests(test_read)
    truth = sandbox.account.truth("App Launched", 20220101, 20260212)
    assert by_key(records) == {row["key"]: row["record"] for row in truth}
    assert [request["http_method"] for request in requests] == ["POST", "GET"]
    assert json.loads(requests[0]["body"])["event_name"] == "App Launched"
    assert "?cursor=" in requests[1]["url"]
    pages = test_read["slices"][0]["pages"]
    assert json.loads(pages[1]["response"]["body"])["status"] == "success"
    assert sandbox.account.passcode not in json.dumps(test_read["logs"])


def test_the_builder_resolves_the_manifest(sandbox: Sandbox, tmp_path: Path) -> None:
    message = builder("resolve_manifest", sandbox.config(), tmp_path)

    (stream,) = message["record"]["data"]["manifest"]["streams"]
    assert stream["name"] == "profiles"


def test_the_builder_test_reads_profiles(sandbox: Sandbox, tmp_path: Path) -> None:
    message = builder("test_read", sandbox.config(), tmp_path)

    assert_is_a_whole_read(message["record"]["data"], sandbox)


def test_the_builder_refuses_components_where_they_are_not_allowed(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    message = builder("test_read", sandbox.config(), tmp_path, unsafe_code=False)

    assert "record" not in message
    assert "AIRBYTE_ENABLE_UNSAFE_CODE" in json.dumps(message["trace"]["error"])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("not_ready", "In a test read, or if a sync gave up, try again in some minutes"),
        ("throttled", "three requests at a time"),
        ("truncated", "no page of an export"),
        ("reset", "no page of an export"),
        ("incorrect_usage", "Incorrect Usage"),
    ],
)
def test_a_test_read_that_fails_says_why(tmp_path: Path, fault: str, words: str) -> None:
    with Sandbox(faults=(Fault(fault, None),)) as broken:
        message = builder("test_read", broken.config(), tmp_path)

    logs = [log["message"] for log in message["record"]["data"]["logs"]]
    expected = "Stream profiles, event 'App Launched', 20220101 to 20260212: CleverTap"
    assert any(expected in log and words in log for log in logs), logs


def test_the_manifest_server_resolves_checks_discovers_and_test_reads(sandbox: Sandbox) -> None:
    config = {**sandbox.config(), **INJECTED}
    with manifest_server() as url:
        resolved = post(f"{url}/resolve", {"manifest": MANIFEST})
        checked = post(f"{url}/check", {"manifest": MANIFEST, "config": config})
        refused = post(
            f"{url}/check", {"manifest": MANIFEST, "config": {**config, "start_date": 20220230}}
        )
        discovered = post(f"{url}/discover", {"manifest": MANIFEST, "config": config})
        test_read = post(
            f"{url}/test_read",
            {
                "manifest": MANIFEST,
                "config": sandbox.config(),
                "stream_name": "profiles",
                "custom_components_code": COMPONENTS,
                "record_limit": 1000,
            },
        )

    assert resolved[0] == 200
    assert resolved[1]["manifest"]["streams"][0]["name"] == "profiles"
    assert checked[1]["success"], checked
    assert refused[0] == 200
    assert "Configuration: start_date 20220230" in refused[1]["message"]
    assert discovered[1]["catalog"]["streams"][0]["name"] == "profiles"
    assert test_read[0] == 200, test_read
    assert_is_a_whole_read(test_read[1], sandbox)


def test_the_manifest_server_refuses_components_where_they_are_not_allowed(
    sandbox: Sandbox,
) -> None:
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
