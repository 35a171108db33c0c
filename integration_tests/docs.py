"""`make docs-test`: what the documents tell users to type, typed, with PyAirbyte.

Not run, for there is no Docker engine and no Airbyte here: docker build and push (`make image-test`
builds the Dockerfile with buildah), the clicks in Airbyte, its API, and Terraform.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.helpers.connector import ROOT, held
from source_clevertap.sandbox import Account, Sandbox

ACCOUNT = Account(profiles=60, events=400)
READ = """if True:
    import json, sys
    from pathlib import Path
    import airbyte
    config, manifest = json.loads(Path("config.json").read_text()), Path(sys.argv[1])
    source = airbyte.get_source("source-clevertap", config, source_manifest=manifest)
    source.select_streams(["profiles"])
    result = source.read(cache=airbyte.caches.DuckDBCache(db_path="some.duckdb"))
    print(sorted(row["profile_id"] for row in result["profiles"]))
"""


def typed(folder: Path, config: object, *commands: tuple[str, ...]) -> list[str]:
    """What commands printed, of which each must succeed, in a folder with a config.json."""
    (folder / "config.json").write_text(json.dumps(config))
    offline = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    printed = []
    for command in commands:
        variables = {**os.environ, **offline, "PATH": path}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        printed.append(done.stdout)
    return printed


def test_given_the_example_of_pyairbyte_when_typed_then_it_delivers_every_event(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    example = ROOT / "examples/pyairbyte_events.py"
    with Sandbox(ACCOUNT) as sandbox:
        config = sandbox.config(additional_event_names=["Charged"])
        (printed,) = typed(tmp_path, config, (sys.executable, str(example), "config.json"))

    assert json.loads(printed.splitlines()[-1]) == {"App Launched": 400, "Charged": 133}
    warehouse = duckdb.connect(str(tmp_path / "events.duckdb"), read_only=True)
    assert warehouse.sql("SELECT count(DISTINCT event_id) FROM main.events").fetchone() == (533,)


def test_given_the_settings_of_the_readme_when_its_commands_are_typed_then_they_work(tmp_path: Path) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    with Sandbox(ACCOUNT) as sandbox:
        ours = {"account_id": ACCOUNT.account_id, "passcode": ACCOUNT.passcode, "base_url": sandbox.url}
        commands = [("source-clevertap", name, "--config", "config.json") for name in ("check", "discover")]
        checked, catalog = typed(tmp_path, {**json.loads(example), **ours}, *commands)

    assert "SUCCEEDED" in checked
    assert catalog.count('"supported_sync_modes"') == 11


@pytest.mark.parametrize("manifest", ["manifest.yaml", "no_code/manifest.yaml"])
def test_given_a_manifest_alone_when_pyairbyte_reads_by_it_then_every_profile_comes(
    manifest: str, tmp_path: Path
) -> None:
    with Sandbox(ACCOUNT) as sandbox:
        (printed,) = typed(tmp_path, sandbox.config(), (sys.executable, "-c", READ, str(ROOT / manifest)))

    assert printed.splitlines()[-1] == str(sorted(held("profiles", ACCOUNT)))
