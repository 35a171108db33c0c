"""`make docs-test`: what the documents tell users to type, typed, with PyAirbyte.

Not run, for there is no Docker engine and no Airbyte here: docker build and push (`make image-test`
builds the Dockerfile with buildah), the clicks in Airbyte, its API, and Terraform.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.helpers.connector import ROOT
from source_clevertap.sandbox import Account, Sandbox

BIN = Path(sys.executable).parent
ACCOUNT = Account(profiles=60, events=400)
README = (ROOT / "README.md").read_text()


def typed(command: str, folder: Path, **variables: str) -> str:
    """What a command printed; fails unless it succeeds."""
    offline = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", **variables}
    done = subprocess.run(
        shlex.split(command),
        cwd=folder,
        env={**os.environ, **offline, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def settings(sandbox: Sandbox, folder: Path, **changes: Any) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(sandbox.config(**changes)))
    return path


def test_the_example_of_pyairbyte_delivers_every_event(tmp_path: Path) -> None:
    example = ROOT / "examples/pyairbyte_events.py"
    with Sandbox(ACCOUNT) as sandbox:
        config = settings(sandbox, tmp_path, additional_event_names=["Charged"])
        printed = typed(f"{sys.executable} {example} {config}", tmp_path)

    duckdb = pytest.importorskip("duckdb")
    assert json.loads(printed.splitlines()[-1]) == {"App Launched": 400, "Charged": 133}
    warehouse = duckdb.connect(str(tmp_path / "events.duckdb"), read_only=True)
    ids = warehouse.sql("SELECT count(DISTINCT event_id) FROM main.events").fetchone()
    assert ids == (533,)
    assert len([line for line in example.read_text().splitlines() if line]) < 15


def test_the_commands_by_hand_work_with_the_settings_of_the_readme(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", README, re.S)
    with Sandbox(ACCOUNT) as sandbox:
        ours = {"account_id": ACCOUNT.account_id, "passcode": ACCOUNT.passcode, "base_url": sandbox.url}
        config = tmp_path / "config.json"
        config.write_text(json.dumps({**json.loads(example), **ours}))
        assert '"SPEC"' in typed("source-clevertap spec", tmp_path)
        assert "SUCCEEDED" in typed(f"source-clevertap check --config {config}", tmp_path)
        catalog = typed(f"source-clevertap discover --config {config}", tmp_path)
    assert catalog.count('"supported_sync_modes"') == 11


@pytest.mark.parametrize("manifest", ["manifest.yaml", "no_code/manifest.yaml"])
def test_pyairbyte_reads_by_a_manifest_alone(manifest: str, tmp_path: Path) -> None:
    read = """if True:
        import json, sys
        from pathlib import Path
        import airbyte
        config, manifest = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
        source = airbyte.get_source("source-clevertap", config, source_manifest=manifest)
        source.select_streams(["profiles"])
        result = source.read(cache=airbyte.caches.DuckDBCache(db_path="some.duckdb"))
        print(sorted(row["profile_id"] for row in result["profiles"]))
    """
    with Sandbox(ACCOUNT) as sandbox:
        command = [sys.executable, "-c", read, str(settings(sandbox, tmp_path)), str(ROOT / manifest)]
        printed = typed(shlex.join(command), tmp_path, AIRBYTE_ENABLE_UNSAFE_CODE="true")

    truth = ACCOUNT.truth("App Launched", 20220101, 20260212)
    assert printed.splitlines()[-1] == str(sorted(row["key"] for row in truth))


def test_every_file_that_the_documents_point_to_is_there() -> None:
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
