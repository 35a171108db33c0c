"""`make metadata-test`: Airbyte's own checks of metadata.yaml and docs/clevertap.md.

The files are laid out as in Airbyte's repository. The documentation checks are meant for other kinds of
connectors; they are run all the same.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

warnings.simplefilter("ignore")

from airbyte_ops_mcp.connector_ops.utils import Connector  # noqa: E402
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS  # noqa: E402

ROOT = Path(__file__).parent.parent
FILES = ("manifest.yaml", "components.py", "metadata.yaml", "icon.svg", "README.md", "pyproject.toml", "Dockerfile")
ONLY_IF_CONTRIBUTED = {  # what a contribution to Airbyte's catalogue would change: CONTRIBUTING.md
    "Manifest-only connectors must use `source-declarative-manifest` as their base image",
    "Python connectors must not use a Dockerfile and must declare their base image in metadata.yaml file",
}


def outcome(check: Any) -> str:
    """What a check says."""
    run = check._run if "documentation" in type(check).__module__ else check.run
    try:
        result = run(Connector("source-clevertap"))
    except Exception as error:
        return "needs the network" if "Connection" in type(error).__name__ else f"failed: {type(error).__name__}"
    if check.name in ONLY_IF_CONTRIBUTED:
        return "only if contributed"
    return f"{result.status.name.lower()}: {result.message or ''}"


with tempfile.TemporaryDirectory() as folder:
    connector = Path(folder, "airbyte-integrations", "connectors", "source-clevertap")
    documents = Path(folder, "docs", "integrations", "sources")
    connector.mkdir(parents=True)
    documents.mkdir(parents=True)
    for name in FILES:
        shutil.copy(ROOT / name, connector)
    shutil.copy(ROOT / "docs" / "clevertap.md", documents)
    subprocess.run(["git", "init", "-q", folder], check=True)
    os.chdir(folder)
    told = {check.name: outcome(check) for check in ENABLED_CHECKS if not check.name.startswith("Links")}  # they ask
print("\n".join(f"{name}: {words}" for name, words in told.items()))
sys.exit(any(words.startswith("failed") for words in told.values()))
