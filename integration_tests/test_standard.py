"""Airbyte's standard connector tests, as `airbyte-cdk connector test`, against the sandbox."""

import importlib.metadata
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from integration_tests.helpers.connector import ROOT
from source_clevertap.sandbox import Account, Sandbox

pytestmark = pytest.mark.cdk

FILES = ("manifest.yaml", "components.py", "metadata.yaml", "acceptance-test-config.yml", "icon.svg")
WARNING = "airbyte_cdk.test.standard_tests.DiscoveredCatalogWarning"


def test_standard_connector_tests_pass(tmp_path: Path) -> None:
    connector = tmp_path / "source-clevertap"
    (connector / "secrets").mkdir(parents=True)
    (connector / "integration_tests").mkdir()
    for name in FILES:
        shutil.copy(ROOT / name, connector)
    for path in (ROOT / "integration_tests").glob("*.json"):
        shutil.copy(path, connector / "integration_tests")
    command = [str(Path(sys.executable).with_name("airbyte-cdk")), "connector", "test", "."]
    options = ["-rs", "-m", "not image_tests"]
    if importlib.metadata.version("airbyte-cdk") not in ("7.10.0", "7.23.8"):  # they have no such warning
        options.append(f"-Werror::{WARNING}")
    with Sandbox(Account(profiles=60)) as sandbox:
        (connector / "secrets" / "config.json").write_text(json.dumps(sandbox.config()))
        done = subprocess.run(
            [*command, *(f"--pytest-arg={option}" for option in options)], cwd=connector, capture_output=True, text=True
        )

    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " failed" not in done.stdout
