"""The same two files, from the wheel and from the entry point of the manifest-only image."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from integration_tests.helpers.connector import ROOT, Output, assert_is_all
from source_clevertap.sandbox import Account, Sandbox

CATALOG = str(ROOT / "integration_tests" / "configured_catalog.json")


def launch(command: list[str], folder: Path, **environment: str) -> Output:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env={**inherited, **environment}, capture_output=True, text=True)
    return Output(done.returncode, done.stdout, done.stderr)


@pytest.mark.skipif(not importlib.util.find_spec("hatchling"), reason="builds with hatchling")
def test_the_wheel_reads_with_the_files_bundled_in_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    for name in ("manifest.yaml", "components.py"):
        assert (site / "source_clevertap" / name).read_bytes() == (ROOT / name).read_bytes()

    with Sandbox(Account(profiles=300)) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(sandbox.config()))
        run = "import sys; sys.path.insert(0, sys.argv.pop(1)); import source_clevertap.run as r; r.run()"
        read = ["read", "--config", "config.json", "--catalog", CATALOG]
        output = launch([sys.executable, "-c", run, str(site), *read], tmp_path)

    assert_is_all(output, sandbox)


def test_the_entry_point_of_the_manifest_only_image_reads(tmp_path: Path) -> None:
    entry = str(Path(sys.executable).with_name("source-declarative-manifest"))
    with Sandbox(Account(profiles=300)) as sandbox:
        (tmp_path / "config.json").write_text(json.dumps(sandbox.config()))
        output = launch(
            [entry, "read", "--config", "config.json", "--catalog", CATALOG,
             "--manifest-path", str(ROOT / "manifest.yaml"),
             "--components-path", str(ROOT / "components.py")],
            tmp_path,
            AIRBYTE_ENABLE_UNSAFE_CODE="true",
        )  # fmt: skip

    assert_is_all(output, sandbox)
