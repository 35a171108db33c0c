"""requirements/install.py looks at the Python before anything is installed."""

import runpy
import sys

import pytest

from source_clevertap.run import definition_file

FILE = str(definition_file("manifest.yaml").parent / "requirements" / "install.py")


@pytest.mark.parametrize(
    ("version", "has_venv", "words"),
    [
        ((3, 9, 18), True, "Python 3.9 is too old: use 3.10 to 3.14, for example make ... PYTHON="),
        ((3, 15, 0), True, "Python 3.15 is too new: use 3.10 to 3.14, for example make ... PYTHON="),
        ((3, 13, 5), False, "This Python has no venv. On Debian and Ubuntu type: apt install python3.13-venv"),
        ((3, 14, 9), True, None),
    ],
)
def test_given_a_python_when_it_will_not_do_then_one_line_says_what_to_type(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], has_venv: bool, words: str | None
) -> None:
    install = runpy.run_path(FILE)
    monkeypatch.setattr(sys, "version_info", version)
    if not has_venv:
        monkeypatch.setitem(sys.modules, "ensurepip", None)

    problem = install["python_problem"](install["NEWEST"])

    assert problem is None if words is None else problem.startswith(words)


def test_given_a_command_that_fails_when_it_ends_then_one_line_has_its_error() -> None:
    command = [sys.executable, "-c", "print('Collecting x\\nERROR: No x.\\nmore'); raise SystemExit(1)"]
    with pytest.raises(
        SystemExit, match=r"^The installation failed: ERROR: No x[.] When this is mended, try again[.]$"
    ):
        runpy.run_path(FILE)["call"](command)


@pytest.mark.parametrize(
    ("happens", "words"), [(KeyboardInterrupt(), "^\nInterrupted"), (OSError(28, "full"), "full[.]")]
)
def test_given_an_interruption_or_a_full_disk_when_installing_then_it_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, happens: BaseException, words: str
) -> None:
    def chdir(_: object) -> None:
        raise happens

    monkeypatch.setattr("os.chdir", chdir)
    monkeypatch.setattr("sys.argv", ["install.py", "sync"])
    with pytest.raises(SystemExit, match=words):
        runpy.run_path(FILE, run_name="__main__")
