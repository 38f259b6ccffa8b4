"""What people see: bars on a terminal, lines elsewhere, and errors with the next command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from reprun.cli import console
from reprun.cli.console import Lines, Terminal, progress_on_stderr, show_error
from reprun.errors import ReprunError
from reprun.progress import Silent


def test_lines_where_standard_error_is_no_terminal() -> None:
    assert isinstance(progress_on_stderr(), Lines)


def test_bars_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert isinstance(progress_on_stderr(), Terminal)


def test_a_task_in_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    with Lines().task("fetching", 4_000_000) as task:
        task.advance(1_000_000)
        now[0] = console.PLAIN_SECONDS
        task.advance(1_000_000)
        task.advance(1_000_000)
        now[0] = 12.34
    assert capsys.readouterr() == (
        "",
        "fetching …\nfetching: 2.0 MB of 4.0 MB\nfetching: done in 12.3 s\n",
    )


def test_a_task_of_things(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "PLAIN_SECONDS", 0.0)
    with Lines().task("steps", None, unit="step") as task:
        task.advance(1)
        task.advance(2)
    assert "steps: 1 step\nsteps: 3 steps\n" in capsys.readouterr().err


def test_a_task_that_fails_is_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with Lines().task("fetching", 1):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "done" not in capsys.readouterr().err


@pytest.mark.parametrize("unit", ["byte", "step"])
def test_a_bar_leaves_standard_output_alone(capsys: pytest.CaptureFixture[str], unit: str) -> None:
    terminal = Terminal()
    terminal.say("engine: [bold]runc[/bold] 1.1")
    with terminal.task("fetching [x]", 10, unit=unit) as task:
        task.advance(10)
    out, err = capsys.readouterr()
    assert out == ""
    assert "engine: [bold]runc[/bold] 1.1" in err  # names are not taken for mark-up


def test_steps_on_a_terminal_have_name_number_and_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    with Terminal().task("running the steps", None, unit="step") as task:
        task.advance(9)
        task.show("fit-" + "x" * 80, 29)
        task.show("", 29)
        task._bars.refresh()  # type: ignore[attr-defined]
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    line = next(line for line in re.split(r"[\r\n]", shown) if "fit-" in line)
    assert re.fullmatch(r"\S \[9/29\] fit-x+… 0:00:00", line.strip())
    assert len(line) <= 60


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Silent()
    silent.say("x")
    with silent.task("x", 1) as task:
        task.advance(1)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("place", "hint", "said"),
    [
        (None, None, "reprun: what\n"),
        ("file:3", None, "reprun: what\n  at:  file:3\n"),
        (None, "reprun list", "reprun: what\n  try: reprun list\n"),
        ("file:3", "reprun list", "reprun: what\n  at:  file:3\n  try: reprun list\n"),
    ],
)
def test_an_error_says_what_where_and_what_next(
    capsys: pytest.CaptureFixture[str], place: str | None, hint: str | None, said: str
) -> None:
    show_error(ReprunError("what", place=place, hint=hint))
    assert capsys.readouterr() == ("", said)


def test_an_error_names_the_page_that_shows_more(capsys: pytest.CaptureFixture[str]) -> None:
    error = ReprunError("what", hint="reprun list")
    error.page = Path("/results/report.html")
    show_error(error)
    said = "reprun: what\n  try: reprun list\n  see: /results/report.html\n"
    assert capsys.readouterr() == ("", said)


def test_colour_is_left_out_where_the_user_wants_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    Terminal()._console.print("[red]x[/red]")
    assert not re.search(r"\x1b\[[0-9;]*3\d", capsys.readouterr().err)
