"""The last step of `make image-test`: spec, check and read in the image that was just built.

Also: what its layers hold, and a read with a root file system that cannot be written to.
"""

import gzip
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from integration_tests.helpers.connector import ROOT, Output, assert_is_all
from source_clevertap.sandbox import Account, Sandbox

IMAGE = "localhost/source-clevertap:dev"
PLANTED = b"planted-passcode-1f6b"  # by image-test, beside the sources


def buildah(*args: str) -> str:
    return subprocess.run(["buildah", *args], capture_output=True, text=True, check=True).stdout.strip()


def layers(folder: Path) -> int:
    """How many layers there are; none holds what was planted."""
    blobs = [path.read_bytes() for path in (folder / "blobs" / "sha256").iterdir()]
    unpacked = [gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob for blob in blobs]
    assert any(b"manifest.yaml" in content for content in unpacked)
    assert not any(PLANTED in content for content in unpacked)
    return sum(blob[:2] == b"\x1f\x8b" for blob in blobs)


def read_only(container: str, folder: str, command: list[str], environment: dict[str, str]) -> Output:
    """A read as the image's user, with a root that cannot be written to but for /dev/shm."""
    root = Path(buildah("mount", container))
    for place in ("dev/shm", "secrets"):
        (root / place).mkdir(parents=True, exist_ok=True)
    at, variables = shlex.quote(str(root)), [f"{name}={value}" for name, value in environment.items()]
    chroot = ["exec", "chroot", "--userspec=airbyte", str(root), "env", "-i", *variables, *command]
    script = [
        *("set -e", f"mount --bind {at} {at}", f"mount -o remount,ro,bind {at}"),
        f"mount -t tmpfs none {at}/dev/shm",  # noqa: S108
        f"mount --bind {shlex.quote(folder)} {at}/secrets",
        f"! touch {at}/airbyte/x 2>/dev/null",
        shlex.join(chroot),
    ]
    unshared = ["unshare", "--mount", "sh", "-c", "; ".join(script)]
    done = subprocess.run(unshared, capture_output=True, text=True, check=False)
    return Output(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """Runs the image's own entry point as its own user; fails on any difference."""
    configured = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    environment = dict(entry.split("=", 1) for entry in configured["Env"])
    assert configured["Entrypoint"] == environment["AIRBYTE_ENTRYPOINT"].split()
    assert configured["User"] == "airbyte"
    container = buildah("from", IMAGE)

    def run(*args: str) -> Output:
        command = ["buildah", "run", "--volume", f"{folder}:/secrets:ro", container, "--"]
        done = subprocess.run([*command, *configured["Entrypoint"], *args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return Output(done.returncode, done.stdout, done.stderr)

    with tempfile.TemporaryDirectory() as folder, Sandbox(Account(profiles=6000), not_ready=1) as sandbox:
        Path(folder).chmod(0o755)
        Path(folder, "config.json").write_text(json.dumps(sandbox.config()))
        catalog = (ROOT / "integration_tests" / "configured_catalog.json").read_text()
        Path(folder, "catalog.json").write_text(catalog)
        assert run("spec").spec["connectionSpecification"]["title"] == "CleverTap"
        assert run("check", "--config", "/secrets/config.json").status["status"] == "SUCCEEDED"
        read = run("read", "--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json")
        assert_is_all(read, sandbox)
        options = ["--config", "/secrets/config.json", "--catalog", "/secrets/catalog.json"]
        command = ["sh", "-c", 'cd /airbyte/integration_code; exec "$@"', "-", *configured["Entrypoint"]]
        assert_is_all(read_only(container, folder, [*command, "read", *options], environment), sandbox)
    who = buildah("run", container, "--", "id", "-un")
    assert who == "airbyte"
    print(f"image: spec, check and read of {len(read.records)} records as user {who}: ok")
    print("image: the same read with a read-only root: ok")
    print(f"image: nothing secret in its {layers(Path(sys.argv[1]))} layers: ok")


if __name__ == "__main__":
    main()
