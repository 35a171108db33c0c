"""requirements/install.py looks at the Python before anything is installed."""

import importlib.util
import os
import runpy
import sys
import types

import pytest

from source_clevertap.run import definition_file

ROOT = definition_file("manifest.yaml").parent


@pytest.fixture
def install() -> types.ModuleType:
    path = ROOT / "requirements" / "install.py"
    spec = importlib.util.spec_from_file_location("install", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ((3, 9, 18), "Python 3.9 is too old: use 3.10 to 3.14, for example make ... PYTHON="),
        ((3, 15, 0), "Python 3.15 is too new: use 3.10 to 3.14, for example make ... PYTHON="),
        ((3, 10, 0), None),
        ((3, 14, 9), None),
    ],
)
def test_given_a_python_when_it_is_too_old_or_too_new_then_one_line_says_what_to_type(
    install: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int],
    words: str | None,
) -> None:
    monkeypatch.setattr(sys, "version_info", version)

    problem = install.python_problem(install.NEWEST)

    assert problem is None if words is None else problem.startswith(words)


def test_given_a_python_without_venv_when_looked_at_then_one_line_says_what_to_type(
    install: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 13, 5))
    monkeypatch.setitem(sys.modules, "ensurepip", None)

    assert install.python_problem(install.NEWEST).endswith("type: apt install python3.13-venv")


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (KeyboardInterrupt(), "^\nInterrupted[.] The next try continues[.]$"),
        (OSError(28, "disk full"), "disk full[.] "),
    ],
)
def test_given_an_interruption_or_a_full_disk_when_it_ends_then_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, happens: BaseException, words: str
) -> None:
    def chdir(_: object) -> None:
        raise happens

    monkeypatch.setattr(os, "chdir", chdir)
    monkeypatch.setattr(sys, "argv", ["install.py", "sync"])
    with pytest.raises(SystemExit, match=words):
        runpy.run_path(str(ROOT / "requirements" / "install.py"), run_name="__main__")


def test_given_a_command_that_fails_when_it_ends_then_one_line_has_its_error(install: types.ModuleType) -> None:
    command = [sys.executable, "-c", "print('Collecting x\\nERROR: No x.\\nmore'); raise SystemExit(1)"]
    with pytest.raises(
        SystemExit, match=r"^The installation failed: ERROR: No x[.] When this is mended, try again[.]$"
    ):
        install.call(command)
