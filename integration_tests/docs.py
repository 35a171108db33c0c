"""`make docs-test`: what the documents tell users to type, typed, with PyAirbyte.

Not run, for there is no Docker engine and no Airbyte here: docker build and push (`make image-test`
builds the Dockerfile with buildah), the clicks in Airbyte, its API, and Terraform.
"""

import json
import os
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


def typed(folder: Path, config: object, *command: str) -> str:
    """The last line that Python printed, in a folder with a config.json; it must succeed."""
    (folder / "config.json").write_text(json.dumps(config))
    offline = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "AIRBYTE_ENABLE_UNSAFE_CODE": "true"}
    variables = {**os.environ, **offline, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


def test_given_the_example_of_pyairbyte_when_typed_then_it_delivers_every_event(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    example = ROOT / "examples/pyairbyte_events.py"
    with Sandbox(ACCOUNT) as sandbox:
        config = sandbox.config(additional_event_names=["Charged"])
        printed = typed(tmp_path, config, str(example), "config.json")

    assert json.loads(printed) == {"App Launched": 400, "Charged": 133}
    warehouse = duckdb.connect(str(tmp_path / "events.duckdb"), read_only=True)
    assert warehouse.sql("SELECT count(DISTINCT event_id) FROM main.events").fetchone() == (533,)


@pytest.mark.parametrize("manifest", ["manifest.yaml", "no_code/manifest.yaml"])
def test_given_a_manifest_alone_when_pyairbyte_reads_by_it_then_every_profile_comes(
    manifest: str, tmp_path: Path
) -> None:
    with Sandbox(ACCOUNT) as sandbox:
        printed = typed(tmp_path, sandbox.config(), "-c", READ, str(ROOT / manifest))

    assert printed == str(sorted(held("profiles", ACCOUNT)))
