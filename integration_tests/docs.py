"""`make docs-test`: what the documents tell users to type with PyAirbyte, typed.

Not run, for there is no Docker engine and no Airbyte here: docker build and push (`make image-test`
builds the Dockerfile with buildah), the clicks in Airbyte, its API, and Terraform.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.helpers.connector import ROOT
from source_clevertap.sandbox import Account, Sandbox


def test_given_the_example_of_pyairbyte_when_typed_then_it_delivers_every_event(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    config = tmp_path / "config.json"
    variables = {**os.environ, "AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1"}
    with Sandbox(Account(profiles=60, events=400)) as sandbox:
        config.write_text(json.dumps(sandbox.config(additional_event_names=["Charged"])))
        command = [sys.executable, str(ROOT / "examples/pyairbyte_events.py"), str(config)]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"App Launched": 400, "Charged": 133}
    warehouse = duckdb.connect(str(tmp_path / "events.duckdb"), read_only=True)
    assert warehouse.sql("SELECT count(DISTINCT event_id) FROM main.events").fetchone() == (533,)
