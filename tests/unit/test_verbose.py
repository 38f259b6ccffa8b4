"""`--verbose`: outside commands, and where the value of each option came from."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from reprun.cli import main as cli
from reprun.cli.console import commands_on_stderr
from reprun.cli.environment import VARIABLES, page
from reprun.cli.verbose import ShowsItsOptions, effective_options
from reprun.errors import ReprunError
from reprun.progress import announced, listening
from reprun.runs import run

SOURCE = Path(__file__).resolve().parents[2] / "src"
SECRET = "do-not-print-me"


# -- outside commands -----------------------------------------------------------------------------


def test_a_command_is_shown_as_one_would_type_it(capsys: pytest.CaptureFixture[str]) -> None:
    with commands_on_stderr():
        assert announced(["runc", "run", "two words"]) == ["runc", "run", "two words"]
        announced([shutil.which("true") or "", "--version"])
        announced(["/nowhere/true"])
        announced(["xrdcp", f"root://me:{SECRET}@host//f?authz={SECRET}"])
        announced(["git", "\x1b[2J"])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "+ runc run 'two words'",
        "+ true --version",
        "+ /nowhere/true",
        "+ xrdcp 'root://…@host//f?…'",
        "+ git '\\x1b[2J'",
    ]


def test_nobody_hears_of_a_command_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    announced(["runc"])
    with commands_on_stderr():
        pass
    announced(["runc"])
    assert capsys.readouterr() == ("", "")


def test_commands_that_the_threads_of_the_steps_start_are_heard_of_here() -> None:
    heard: list[str] = []
    with listening(heard.append):
        thread = threading.Thread(target=announced, args=(["runc", "run", "x"],))
        thread.start()
        thread.join()
    assert heard == ["runc run x"]


# -- options --------------------------------------------------------------------------------------


@pytest.fixture
def said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Any:
    """Run the program with the work cut off; return the lines on standard error."""
    for variable in VARIABLES:
        if variable.option:
            monkeypatch.delenv(variable.name, raising=False)
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path))

    def fail(*_: object) -> None:
        raise ReprunError("enough")

    monkeypatch.setattr(run, "run", fail)

    def said(*arguments: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["reprun", *arguments])
        with pytest.raises(SystemExit):
            cli.main()
        out, err = capsys.readouterr()
        assert out == ""
        return list(err.splitlines())

    return said


def test_where_each_option_came_from(
    said: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REPRUN_MIRRORS", f"https://me:{SECRET}@mirror/x")
    monkeypatch.setenv("REPRUN_REGISTRY_LOGIN", f"me:{SECRET}")
    lines = said("-v", "run", "cms-h4l", "--cores", "2", "-p", "a=1", "-p", "b=2")
    for line in (
        "analysis: cms-h4l (command line)",
        "engine: auto (default)",
        "cores: 2 (command line)",
        "parameter: a=1, b=2 (command line)",
        "variant: not set (default)",
        "again: no (default)",
        f"store: {tmp_path} (REPRUN_STORE)",
        "mirrors: https://…@mirror/x (REPRUN_MIRRORS)",
        "registry-login: set, not shown (REPRUN_REGISTRY_LOGIN)",
        "reprun: enough",
    ):
        assert line in lines
    assert SECRET not in "\n".join(lines)
    assert said("run", "cms-h4l") == ["reprun: enough"]


def test_the_command_line_is_stronger_than_the_environment() -> None:
    def context(source: str, value: str | None) -> Any:
        parameter = SimpleNamespace(name="server", opts=["--server"], param_type_name="option")
        return SimpleNamespace(
            command=SimpleNamespace(params=[parameter]),
            params={"server": value},
            get_parameter_source=lambda _: SimpleNamespace(name=source),
        )

    environment = {"REANA_SERVER_URL": "https://one", "REANA_ACCESS_TOKEN": SECRET}
    given = list(effective_options(context("COMMANDLINE", "https://two"), environment))
    assert given[0] == "server: https://two (command line)"
    assert not [line for line in given if "https://one" in line or SECRET in line]
    chosen = list(effective_options(context("DEFAULT", None), environment))
    assert chosen[0] == "server: https://one (REANA_SERVER_URL)"
    unset = list(effective_options(context("DEFAULT", None), {}))
    assert unset[0] == "server: not set (default)"


def commands_of(group: TyperGroup, *above: str) -> Iterator[tuple[str, object]]:
    """Yield (how it is typed, command) of a group, and of the groups in it."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands_of(command, *above, name)
        else:
            yield " ".join((*above, name)), command


def test_every_command_shows_where_its_options_came_from() -> None:
    program = get_command(cli.program())
    assert isinstance(program, TyperGroup)
    commands = dict(commands_of(program))
    # Of the program, of a group, and of what is added to a group.
    assert {"run", "data fetch", "images build", "images push", "reana status"} <= set(commands)
    silent = [
        name for name, command in commands.items() if not isinstance(command, ShowsItsOptions)
    ]
    assert silent == []


def test_a_command_that_does_not_would_be_found() -> None:
    group = TyperGroup(name="x", commands={"silent": TyperCommand("silent")})
    ((name, command),) = commands_of(TyperGroup(name="reprun", commands={"x": group}))
    assert name == "x silent"
    assert not isinstance(command, ShowsItsOptions)


def test_a_command_of_a_group_says_where_its_options_came_from(said: Any) -> None:
    lines = said("--verbose", "data", "fetch", "no-such-analysis", "--parallel", "2")
    assert "analysis: no-such-analysis (command line)" in lines
    assert "parallel: 2 (command line)" in lines
    assert "data: not set (default)" in lines


# -- the table of variables -----------------------------------------------------------------------


def variables_in(text: str) -> Iterator[str]:
    """Yield what a module may read from the environment: its constants in capitals."""
    if not any(word in text for word in ("os.environ", "getenv", "environment.get(")):
        return
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Constant) else None
        if isinstance(value, str) and VARIABLE.fullmatch(value):
            yield value


VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{3,}|(http|https|no)_proxy")
# Constants that look like one in modules that read the environment, but are not read from it:
# set for another program, or not of the environment at all.
OTHERS = {
    *("APT_CONFIG", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"),
    *("COMMANDLINE", "FAILED", "HEAD", "POST"),
    *("GIT_ALLOW_PROTOCOL", "GIT_OPTIONAL_LOCKS"),
}


def test_every_variable_that_is_read_is_in_the_table() -> None:
    found = {
        name for path in SOURCE.rglob("*.py") for name in variables_in(path.read_text("utf-8"))
    }
    known = {variable.name for variable in VARIABLES}
    assert found - OTHERS <= known
    # Those that only libraries and other programs read.
    assert known - found <= {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}


def test_a_variable_that_is_missing_would_be_found() -> None:
    assert list(variables_in("import os\nx = os.environ.get('REPRUN_NEW')\n")) == ["REPRUN_NEW"]
    assert list(variables_in("V = 'REPRUN_NEW'\nx = os.getenv(V)\n")) == ["REPRUN_NEW"]
    assert list(variables_in("V = 'REPRUN_NEW'\n")) == []


def test_the_page_names_each_once_and_no_value() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(VARIABLES) == len({variable.name for variable in VARIABLES})
    assert "Never printed or written." in page()
    assert os.environ.get("HOME", "/none") not in "".join(rows)


# -- what no verdict covers -----------------------------------------------------------------------


@pytest.mark.parametrize("asked", [[], ["--verbose"]])
def test_what_is_left_out_of_a_verdict_is_said_to_who_asks(
    asked: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "yields.csv"
    file.write_text("process,events\nsignal,4\n")
    monkeypatch.setattr(sys, "argv", ["reprun", *asked, "compare", str(file), str(file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ("left out: titles, drawing options" in said) == bool(asked)
    assert "the files agree" in said
