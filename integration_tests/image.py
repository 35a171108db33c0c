"""The last step of `make image-test`: spec, check and read in the image that was just built."""

import json
import subprocess
import tempfile
from pathlib import Path

from integration_tests.connector import ROOT, Output, assert_is_all, everything
from source_clevertap.sandbox import Account, Sandbox

IMAGE = "localhost/source-clevertap:dev"


def buildah(*args: str) -> str:
    return subprocess.run(["buildah", *args], capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Runs the image's own entry point as its own user; fails on any difference."""
    configured = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    environment = dict(entry.split("=", 1) for entry in configured["Env"])
    assert configured["Entrypoint"] == environment["AIRBYTE_ENTRYPOINT"].split()
    assert configured["User"] == "airbyte"
    container = buildah("from", IMAGE)

    def run(*args: str) -> Output:
        command = ["buildah", "run", "--volume", f"{folder}:/secrets:ro", container, "--"]
        done = subprocess.run(
            [*command, *configured["Entrypoint"], *args], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return Output(done.returncode, done.stdout, done.stderr)

    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(Account(profiles=6000), not_ready=1) as sandbox,
    ):
        Path(folder).chmod(0o755)
        Path(folder, "config.json").write_text(json.dumps(everything(sandbox)))
        catalog = (ROOT / "integration_tests" / "configured_catalog.json").read_text()
        Path(folder, "catalog.json").write_text(catalog)
        assert run("spec").spec["connectionSpecification"]["title"] == "CleverTap"
        assert run("check", "--config", "/secrets/config.json").status["status"] == "SUCCEEDED"
        read = run("read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json")
        assert_is_all(read, sandbox)
    who = buildah("run", container, "--", "id", "-un")
    print(f"image: spec, check and read of {len(read.records)} records as user {who}: ok")


if __name__ == "__main__":
    main()
