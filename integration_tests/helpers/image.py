"""The last step of `make image-test`: spec, check and read in the image just built, and what its layers hold."""

import gzip
import json
import shlex
import shutil
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


def read_only(container: str, folder: str, command: list[str], environment: list[str]) -> Output:
    """A run as the image's user, with a root that cannot be written to but for /dev/shm."""
    root = Path(buildah("mount", container))
    for place in ("dev/shm", "secrets"):
        (root / place).mkdir(parents=True, exist_ok=True)
    at = shlex.quote(str(root))
    script = [
        *("set -e", f"mount --bind {at} {at}", f"mount -o remount,ro,bind {at}"),
        f"mount -t tmpfs none {at}/dev/shm",  # noqa: S108
        f"mount --bind {shlex.quote(folder)} {at}/secrets",
        f"! touch {at}/airbyte/x 2>/dev/null",
        shlex.join(["exec", "chroot", "--userspec=airbyte", str(root), "env", "-i", *environment, *command]),
    ]
    unshared = ["unshare", "--mount", "sh", "-c", "; ".join(script)]
    done = subprocess.run(unshared, capture_output=True, text=True, check=False)
    return Output(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """Runs the image's own entry point as its own user; fails on any difference."""
    configured = json.loads(buildah("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]
    entry, container = configured["Entrypoint"], buildah("from", IMAGE)
    assert f"AIRBYTE_ENTRYPOINT={' '.join(entry)}" in configured["Env"]
    assert configured["User"] == "airbyte"
    with tempfile.TemporaryDirectory() as folder, Sandbox(Account(profiles=6000), not_ready=1) as sandbox:
        Path(folder).chmod(0o755)
        Path(folder, "config.json").write_text(json.dumps(sandbox.config()))
        shutil.copy(ROOT / "integration_tests" / "configured_catalog.json", folder)
        files = ("--config", "/secrets/config.json", "--catalog", "/secrets/configured_catalog.json")
        run = ("run", "--volume", f"{folder}:/secrets:ro", container, "--")
        assert '"title":"CleverTap"' in buildah(*run, *entry, "spec")
        assert '"SUCCEEDED"' in buildah(*run, *entry, "check", *files[:2])
        assert buildah(*run, "id", "-un") == "airbyte"
        command = ["sh", "-c", 'cd /airbyte/integration_code; exec "$@"', "-", *entry, "read", *files]
        read = read_only(container, folder, command, configured["Env"])
        assert_is_all(read, sandbox.account)
    print(f"image: spec, check, and as its user with a read-only root a read of {len(read.records)} records: ok")
    print(f"image: nothing secret in its {layers(Path(sys.argv[1]))} layers: ok")


if __name__ == "__main__":
    main()
