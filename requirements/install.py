"""Installs a lock into a virtual environment: `python requirements/install.py sync`.

The Makefile runs it with the user's own Python, before anything is installed. It looks at that Python
first and, where it will not do, says in one line what to type. An environment that another Python made
is made anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import threading

OLDEST, NEWEST = (3, 10), (3, 14)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCKS = {  # name of a lock: its environment, the newest Python, what it holds, about how many MB
    "sync": (".venv", NEWEST, "the connector, the sandbox, and DuckDB", 600),
    "dev": (".venv", NEWEST, "what the tests need", 900),
    "old-cdk": (".venv-old-cdk", (3, 13), "airbyte-cdk 7.10.0 for the tests", 500),
    "cloud-cdk": (".venv-cloud-cdk", (3, 13), "airbyte-cdk 7.23.8 for the tests", 500),
    "python313": (".venv-313", (3, 13), "the tests' packages for Python 3.13", 900),
    "pyairbyte": (".venv-pyairbyte", (3, 12), "PyAirbyte", 1000),
    "quickhouse": (".venv-quickhouse", NEWEST, "quickhouse, which the benchmark compares with", 100),
    "report": (".venv-report", (3, 13), "dbt with DuckDB, and the charts of the report", 300),
    "dbt": (".venv-dbt", (3, 13), "dbt with all the warehouses for its tests", 1000),
    "audit": (".venv-audit", NEWEST, "the tools of the audit", 100),
    "metadata": (".venv-metadata", (3, 12), "Airbyte's own checks", 1200),
}
FILES = {"python313": "dev"}
EDITABLE = ("sync", "dev", "pyairbyte")


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in LOCKS:
        sys.exit("usage: python requirements/install.py " + "|".join(LOCKS))
    name = sys.argv[1]
    folder, newest, what, megabytes = LOCKS[name]
    problem = python_problem(newest)
    if problem:
        sys.exit(problem)
    os.chdir(ROOT)
    lock = os.path.join("requirements", FILES.get(name, name) + ".txt")
    made_by, wanted = os.path.join(folder, ".python"), os.path.realpath(sys.executable) + sys.version
    stamp, digest = os.path.join(folder, ".installed-" + name), digest_of(lock, "pyproject.toml")
    if read(made_by) != wanted:
        shutil.rmtree(folder, ignore_errors=True)
    if read(stamp) == digest:
        return
    print(f"Installing {what} into {folder} (about {megabytes} MB, a few minutes).")
    sys.stdout.flush()
    if not os.path.exists(folder):
        call([sys.executable, "-m", "venv", folder])
    pip(folder, ["--require-hashes", "-r", lock], count_of(lock))
    if name in EDITABLE:
        pip(folder, ["--no-deps", "--no-build-isolation", "-e", "."], 0)
    write(made_by, wanted)
    write(stamp, digest)


def python_problem(newest):
    """Why this Python will not do, and what to type; None if it will."""
    version, span = sys.version_info[:2], "3.10 to {}.{}".format(*newest)
    if not OLDEST <= version <= newest:
        found = "{}.{} is too {}".format(*version, "old" if version < OLDEST else "new")
        return f"Python {found}: use {span}, for example make ... PYTHON=python3.12"
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "This Python has no venv. On Debian and Ubuntu type: apt install python{}.{}-venv".format(*version)
    return None


def pip(folder, arguments, count):
    """Runs pip install, and shows that it lives: a line every ten packages, or one that changes."""
    command = [os.path.join(folder, "bin", "python"), "-m", "pip", "install", "--progress-bar", "off"]
    done, changes = 0, sys.stdout.isatty()

    def look(line):
        nonlocal count, done
        words = line.split()
        if words[:1] == ["Ignoring"]:
            count -= 1
        elif words[:1] in (["Collecting"], ["Processing"]) or words[:2] == ["Requirement", "already"]:
            done += 1
            if count and (changes or done % 10 == 0):
                show(f"  {min(done, count)} of {count} packages", changes)
        elif words[:2] == ["Installing", "collected"] and count:
            show(f"  {done} of {count} packages fetched; unpacking them", changes)

    call(command + ["--disable-pip-version-check"] + arguments, look)
    if changes and count:
        print("")


def call(command, look=str):
    """Runs a command, and hands each line that it prints to a function. Ends with its error, one line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    lines, ended = [], threading.Event()

    def wait():  # pip says nothing while it unpacks
        while not ended.wait(15):
            show("  pip is running", sys.stdout.isatty())

    threading.Thread(target=wait, daemon=True).start()
    for line in process.stdout:
        lines.append(line.strip())
        look(line)
    ended.set()
    if process.wait():
        errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:] or ["no reason is given"]
        sys.exit(f"The installation failed: {errors[0].rstrip('.')}. When this is mended, try again.")


def show(text, changes):
    sys.stdout.write(f"\r{text:60}" if changes else text + "\n")
    sys.stdout.flush()


def count_of(lock):
    return sum("==" in line and not line.startswith((" ", "#")) for line in read(lock).splitlines())


def digest_of(*paths):
    return hashlib.sha256("".join(read(path) for path in paths).encode()).hexdigest()


def read(path):
    if not os.path.exists(path):
        return ""
    with open(path) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next try continues.")
    except OSError as error:
        sys.exit(f"The installation failed: {error}. When this is mended, try again.")
