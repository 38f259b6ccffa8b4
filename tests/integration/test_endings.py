"""Every way to end has its documented code: lost outputs, signals, what nobody foresaw."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reprun.errors import ExitCode
from tests.integration.line import PROGRAM, TABLE, shell

FULL = "/dev/full"
OTHER = "row,value\nx,2\n"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a project and two tables that differ."""
    (tmp_path / "reprun.toml").write_text("schema_version = 1\n")
    (tmp_path / "one.csv").write_text(TABLE)
    (tmp_path / "other.csv").write_text(OTHER)
    return tmp_path


COMMANDS = {
    "version": "--version",
    "help": "--help",
    "help of a command": "run --help",
    "a list": "list",
    "a list for machines": "list --format json",
    "equal files": "compare one.csv one.csv",
    "different files": "compare one.csv other.csv",
    "different files for machines": "compare one.csv other.csv --format json",
    "for a server": "compare one.csv other.csv --format junit",
    "an error for machines": "show nothing --format json",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_full_output_is_no_verdict(here: Path, command: str) -> None:
    done = shell(here, f"$R {command} > {FULL}")
    assert done.returncode == ExitCode.HOST
    assert "reprun: cannot write to standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_closed_output_is_no_verdict(here: Path, command: str) -> None:
    done = shell(here, f"$R {command} >&-")
    assert done.returncode == ExitCode.HOST
    assert done.stderr.startswith("reprun: standard output is closed\n  try: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "places", [f"> {FULL} 2> {FULL}", f">&- 2> {FULL}", f"> {FULL} 2>&-", ">&- 2>&-"]
)
@pytest.mark.parametrize(
    "command", ["list", "compare one.csv other.csv", "show nothing", "--version"]
)
def test_nowhere_to_say_it_is_no_verdict_either(here: Path, command: str, places: str) -> None:
    done = shell(here, f"$R {command} {places}")
    assert done.returncode in (ExitCode.HOST, ExitCode.SPECIFICATION)
    assert done.returncode == ExitCode.HOST or command == "show nothing"
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(
    "command", ["show nothing", "compare one.csv nothing.csv", "run x --cores none"]
)
def test_an_error_that_cannot_be_said_is_a_full_place(here: Path, command: str) -> None:
    done = shell(here, f"$R {command} 2> {FULL}")
    assert (done.returncode, done.stdout) == (ExitCode.HOST, "")


def test_what_says_nothing_needs_no_place_to_say_it(here: Path) -> None:
    assert shell(here, f"$R compare one.csv one.csv 2> {FULL}").returncode == 0
    assert shell(here, "$R compare one.csv other.csv 2>&-").returncode == 1
    assert shell(here, "$R compare one.csv other.csv <&-").returncode == 1


def test_a_file_that_is_opened_does_not_take_the_place_of_a_closed_output(here: Path) -> None:
    done = shell(here, "$R compare one.csv other.csv --html page.html 2>&- <&-")
    assert done.returncode == 1
    assert (here / "page.html").read_text().startswith("<!")


def test_results_that_cannot_be_written_are_a_full_place(here: Path) -> None:
    (here / "results").write_text("a file")
    done = shell(here, "$R matrix")
    assert done.returncode == ExitCode.HOST
    assert "results/matrix: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


# -- what nobody foresaw ----------------------------------------------------------------------

RAISED = {
    "a bug": "ZeroDivisionError('x')",
    "a bug with a long text": "ValueError('x' * 10000 + '\\n' * 50)",
    "a bug without a text": "AssertionError()",
    "memory": "MemoryError()",
    "recursion": "RecursionError('maximum recursion depth exceeded')",
    "half of a character": "ValueError('\\ud800')",
    "an import": "ImportError('no module')",
    "a file that is gone": "FileNotFoundError(2, 'No such file', 'x')",
    "keys": "KeyError('x')",
    "an ending of an iteration": "StopIteration()",
    "a group": "ExceptionGroup('many', [ValueError('x')])",
}


def breaking(raised: str, *arguments: str) -> str:
    """Return a program that is reprun with an error in one command."""
    return (
        "import sys\n"
        "import reprun.runs.last_runs as history\n"
        "def fail(*_):\n"
        f"    raise {raised}\n"
        "history.listed = fail\n"
        f"sys.argv = ['reprun', *{list(arguments)!r}]\n"
        "from reprun.__main__ import main\n"
        "main()\n"
    )


def ended(here: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=here,
        env={**os.environ, "TMPDIR": str(here)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("raised", RAISED.values(), ids=list(RAISED))
def test_what_nobody_foresaw_has_a_code_of_its_own(here: Path, raised: str) -> None:
    done = ended(here, breaking(raised, "list"))
    assert (done.returncode, done.stdout) == (ExitCode.UNFORESEEN, "")
    assert "Traceback" not in done.stderr
    first, *others = done.stderr.splitlines()
    assert first.startswith(("reprun: an error in reprun itself: ", "reprun: not enough memory"))
    assert len(first) < 300
    (kept,) = here.glob("reprun-*.traceback")
    assert any(line.startswith(f"  try: less {kept}") for line in others)
    assert kept.read_text().startswith("reprun list\n")
    assert "Traceback (most recent call last):\n" in kept.read_text()


def test_the_traceback_is_printed_where_it_is_asked_for(here: Path) -> None:
    done = ended(here, breaking("ZeroDivisionError('x')", "--verbose", "list"))
    assert done.returncode == ExitCode.UNFORESEEN
    assert "\nZeroDivisionError: x\n" in done.stderr


def test_machines_get_it_as_well(here: Path) -> None:
    done = ended(here, breaking("ZeroDivisionError('x')", "list", "--format", "json"))
    assert done.returncode == ExitCode.UNFORESEEN
    assert '"exit_code": 70' in done.stdout


@pytest.mark.parametrize("number", [28, 122, 30, 13, 1, 5, 24])
def test_a_disk_that_refuses_is_the_host(here: Path, number: int) -> None:
    done = ended(here, breaking(f"OSError({number}, 'no', 'some/where')", "list"))
    assert (done.returncode, done.stdout) == (ExitCode.HOST, "")
    assert done.stderr.startswith("reprun: cannot use some/where: no\n  at:  some/where\n")


# -- signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("milliseconds", [*range(40, 400, 30)])
def test_a_signal_while_starting_ends_without_a_traceback(
    here: Path, number: signal.Signals, milliseconds: int
) -> None:
    done = subprocess.Popen(
        [PROGRAM, "list"], cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(milliseconds / 1000)
    done.send_signal(number)
    _, told = done.communicate(timeout=60)
    # Before the first line of the program runs, Python itself may say what it was importing.
    assert done.returncode in (ExitCode.INTERRUPTED, 0, -number) or "<frozen" in told
    assert "reprun/" not in told


WAITING = (
    "import sys, time, signal, pathlib\n"
    "import reprun.runs.last_runs as history\n"
    "def wait(*_):\n"
    "    try:\n"
    "        pathlib.Path('ready').touch()\n"
    "        time.sleep(60)\n"
    "    finally:\n"
    "        time.sleep(0.5)\n"
    "        pathlib.Path('cleaned').touch()\n"
    "history.listed = wait\n"
    "sys.argv = ['reprun', 'list']\n"
    "from reprun.__main__ import main\n"
    "main()\n"
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("gaps", [(), (0.0,), (0.05,), (0.2,), (0.1, 0.1, 0.1), (0.0,) * 9])
def test_signals_in_a_row_end_as_one(
    here: Path, number: signal.Signals, gaps: tuple[float, ...]
) -> None:
    done = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=here, stderr=subprocess.PIPE, text=True
    )
    while not (here / "ready").exists():
        time.sleep(0.01)
    done.send_signal(number)
    for gap in gaps:
        time.sleep(gap)
        done.send_signal(number)
    _, told = done.communicate(timeout=60)
    assert (done.returncode, told) == (ExitCode.INTERRUPTED, "reprun: interrupted\n")
    assert (here / "cleaned").exists()


def test_a_signal_when_all_is_said_ends_quietly(here: Path) -> None:
    for wait in (0.5, 0.6, 0.7):
        done = subprocess.Popen(
            [sys.executable, "-c", WAITING], cwd=here, stderr=subprocess.PIPE, text=True
        )
        while not (here / "ready").exists():
            time.sleep(0.01)
        (here / "ready").unlink()
        done.send_signal(signal.SIGTERM)
        time.sleep(wait)
        done.send_signal(signal.SIGTERM)
        _, told = done.communicate(timeout=60)
        assert done.returncode == ExitCode.INTERRUPTED
        assert told in ("reprun: interrupted\n", "")


# -- encodings --------------------------------------------------------------------------------

UTF8 = [
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C.UTF-8"},
    {"PYTHONIOENCODING": "utf-8"},
    {"PYTHONUTF8": "1"},
]
NARROW = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"PYTHONIOENCODING": "ascii:replace"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252:strict"},
    {"PYTHONIOENCODING": ":strict", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]  # fmt: skip


@pytest.mark.parametrize("variables", UTF8, ids=str)
def test_marks_are_marks_where_they_can_be(here: Path, variables: dict[str, str]) -> None:
    done = shell(here, "$R compare one.csv one.csv", **variables)
    assert "\n✓ the files agree" in done.stdout


@pytest.mark.parametrize("variables", NARROW, ids=str)
def test_marks_are_ascii_where_they_must_be(here: Path, variables: dict[str, str]) -> None:
    done = shell(here, "$R compare one.csv one.csv", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n+ the files agree" in done.stdout
    done = shell(here, "$R compare one.csv other.csv", **variables)
    assert (done.returncode, done.stderr) == (1, "")
    assert "\nx " in done.stdout
    assert "?" not in done.stdout
    assert shell(here, "$R --help", **variables).returncode == 0


@pytest.mark.parametrize("variables", [*UTF8, *NARROW], ids=str)
def test_json_holds_what_it_held(here: Path, variables: dict[str, str]) -> None:
    (here / "µ.csv").write_text("row,✓ → 😀\né,1\n", encoding="utf-8")
    done = shell(
        here, "$R compare µ.csv µ.csv --format json", **(variables | {"LC_CTYPE": "C.UTF-8"})
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    # Without UTF-8 Python does not know the name of the file; it is spelt out.
    assert variables.get("PYTHONUTF8") == "0" or "µ" in json.dumps(said, ensure_ascii=False)
