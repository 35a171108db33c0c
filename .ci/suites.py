"""Runs the suites of `make test` one after the other, and prints a line for each at the end.

python .ci/suites.py [--all|--slow] [SUITE...]: those of a newcomer, or those named. --all: every suite and test.
--slow: the longer tests alone.
"""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST = ["-m", "pytest", "-n", "2"]
SUITES = ("lint", "unit", "integration")
CDKS = ("old-cdk", "cloud-cdk", "python313")  # CI runs them, too
SLOW = ("integration",)  # those with longer tests
FOLDERS = {"old-cdk": ".venv-old-cdk", "cloud-cdk": ".venv-cloud-cdk", "python313": ".venv-313"}
OLD_CDKS = ("old-cdk", "cloud-cdk")  # 7.10.0 and 7.23.8
# The environments of older CDKs do not have the packages of these.
NOT_ON_OLD_CDK = [f"--ignore=integration_tests/test_{name}.py" for name in ("machine", "sync")]


def commands(suite: str, tests: str) -> list[list[str]]:
    """The commands of a suite; none if it cannot run here."""
    python, marked = sys.executable, ["-m", tests]
    if suite == "lint":
        ruff = [python, "-m", "ruff"]
        return [
            [*ruff, "check", "-q", "."],
            [*ruff, "format", "-q", "--check", "."],
            [python, "-m", "mypy"],
        ]
    if suite in ("unit", "integration"):
        return [[python, *PYTEST, *marked, f"{suite}_tests"]]
    cdk = [*PYTEST, "-m", f"cdk and ({tests})" if tests else "cdk", "-o", f"cache_dir=.cache/{suite}"]
    cdk += NOT_ON_OLD_CDK if suite in OLD_CDKS else ["unit_tests"]
    if suite == "python313" and sys.version_info[:2] == (3, 13):
        return []  # the suites before it were on that
    python = environment(suite)
    return [[python, *cdk]] if python else []


def environment(lock: str) -> str:
    """The Python of an environment, installed if it has to be; "" where no Python here can make it.

    An installation that fails ends the run: a suite is never skipped for that.
    """
    for python in (sys.executable, *pythons("3.13"), *pythons("3.12"), *pythons("3.11")):
        found = version(python)
        if found == (3, 13) or (lock in OLD_CDKS and (3, 10) <= found <= (3, 13)):
            subprocess.run([python, "requirements/install.py", lock], cwd=ROOT, check=True)
            return str(ROOT / FOLDERS[lock] / "bin" / "python")
    return ""


def pythons(minor: str) -> list[str]:
    """Where this machine may have a Python of a version."""
    found = [f"/usr/bin/python{minor}", f"/usr/local/bin/python{minor}"]
    found += map(str, Path.home().glob(f".pyenv/versions/{minor}*/bin/python{minor}"))
    return [python for python in found if Path(python).exists()]


def version(python: str) -> tuple[int, ...]:
    """Such as (3, 13); () where it cannot make an environment, for it has no venv."""
    asked = "import ensurepip, sys, venv; print(*sys.version_info[:2])"
    told = subprocess.run([python, "-c", asked], capture_output=True, text=True).stdout
    return tuple(map(int, told.split()))


def run(command: list[str]) -> tuple[int, str]:
    """Runs a command, its output shown as it comes. Returns its exit code and last words."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    tail, spoke, ended = b"", [time.monotonic()], threading.Event()

    def wait() -> None:  # mypy says nothing for a minute
        while not ended.wait(5):
            if time.monotonic() - spoke[0] > 15:
                spoke[0] = time.monotonic()
                print(f"  {' '.join(command[1:4])} is running", flush=True)

    threading.Thread(target=wait, daemon=True).start()
    while chunk := process.stdout.read1(4096):
        spoke[0] = time.monotonic()
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        tail = (tail + chunk)[-2000:]
    ended.set()
    return process.wait(), tail.decode(errors="replace")


def main() -> None:
    """Runs them, and ends with 1 if one failed."""
    tests = "" if "--all" in sys.argv else "slow" if "--slow" in sys.argv else "not slow"
    named = [name for name in sys.argv[1:] if not name.startswith("--")]
    told, failed = [], False
    for name in named or (SLOW if tests == "slow" else SUITES if tests else (*SUITES, *CDKS)):
        print(f"--- {name}", flush=True)
        codes: list[int] = []
        counts: list[str] = []
        to_run, started = commands(name, tests), time.monotonic()
        for command in to_run:
            code, tail = run(command)
            codes.append(code)
            last = tail.strip().rpartition("\n")[2]
            counts += re.findall("[0-9]+ (?:passed|failed|errors?|skipped)", last)
        failed |= any(codes)
        words = ", ".join(counts) or ("passed" if to_run else "on no other Python here")
        verdict = "FAILED" if any(codes) else "ok" if to_run else "skipped"
        told.append(f"{name:12} {verdict:8} {time.monotonic() - started:5.0f} s  {words}")
    print("\n" + "\n".join(told))
    sys.exit(failed)


if __name__ == "__main__":
    main()
