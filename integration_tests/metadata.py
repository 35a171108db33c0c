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

warnings.simplefilter("ignore")

from airbyte_ops_mcp.connector_ops.utils import Connector  # noqa: E402
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS  # noqa: E402

ROOT = Path(__file__).parent.parent
FILES = ("manifest.yaml", "components.py", "metadata.yaml", "icon.svg", "README.md", "pyproject.toml", "Dockerfile")
NETWORK = "needs the network"
ONLY_IF_CONTRIBUTED = {  # what a contribution to Airbyte's catalogue would change: CONTRIBUTING.md
    "Manifest-only connectors must use `source-declarative-manifest` as their base image",
    "Python connectors must not use a Dockerfile and must declare their base image in metadata.yaml file",
}


def main() -> int:
    """Prints a line a check. Returns 1 if one fails that a contribution would not change."""
    wrong = 0
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
        for check in ENABLED_CHECKS:
            if check.name.startswith("Links"):
                continue  # it asks each address
            told, message = outcome(check)
            if told == "failed" and check.name in ONLY_IF_CONTRIBUTED:
                told = "only if contributed"
            wrong += told == "failed"
            print(f"{told:20} {check.name}" + (f": {message}" if told == "failed" else ""))
    return int(wrong > 0)


def outcome(check: object) -> tuple[str, str]:
    """What a check says; documentation checks are run although they skip this kind of connector."""
    subject = Connector("source-clevertap")
    is_documentation = "documentation" in type(check).__module__
    try:
        result = check._run(subject) if is_documentation else check.run(subject)  # type: ignore[attr-defined]
    except Exception as error:
        return (NETWORK if "Connection" in type(error).__name__ else "failed"), type(error).__name__
    return result.status.name.lower(), result.message or ""


sys.exit(main())
