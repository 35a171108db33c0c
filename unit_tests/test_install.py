"""requirements/install.py looks at the Python before anything is installed."""

import importlib.util
import runpy
import shutil
import subprocess
import sys
import types
from pathlib import Path

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
        (KeyboardInterrupt(), "\nInterrupted. The next try continues."),
        (OSError(28, "No space left on device", "x"), "The installation failed: No space left on device: x. When"),
        (["ERROR: No matching distribution found for x\n", "more\n"], "The installation failed: ERROR: No matching"),
    ],
)
def test_given_an_installation_that_cannot_be_completed_when_it_ends_then_one_line_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: BaseException | list[str], words: str
) -> None:
    def started(*_: object, **__: object) -> types.SimpleNamespace:
        if isinstance(happens, BaseException):
            raise happens
        return types.SimpleNamespace(stdout=happens, wait=lambda: 1)

    for name in ("requirements/install.py", "requirements/sync.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(sys, "argv", ["install.py", "sync"])
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(tmp_path / "requirements/install.py"), run_name="__main__")

    assert str(ended.value.code).startswith(words)
    assert len(str(ended.value.code).strip().splitlines()) == 1
