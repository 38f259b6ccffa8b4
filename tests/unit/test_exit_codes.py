"""The tables of exit codes in `--help` and the documentation are what the errors say today."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from tools.exit_codes import kinds, page, table, with_table
from typer.testing import CliRunner

from reprun.cli.main import program
from reprun.errors import ExitCode

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_published_is_of_today() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert with_table(readme) == readme, "type: make schemas"
    assert (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8") == page(), "type: make schemas"


def test_the_page_names_every_code_and_every_error() -> None:
    for code in ExitCode:
        assert f"\n| {code:d} | " in table()
    assert table() in page()
    for kind in kinds():
        assert f"\n| {kind.exit_code:d} | `{kind.__name__}` | {kind.__doc__} |" in page()


def test_each_error_is_explained_in_one_sentence() -> None:
    for kind in kinds():
        assert kind.__doc__ is not None
        assert kind.__doc__.endswith(".")
        assert kind.__doc__.count(". ") == 0
        assert "\n" not in kind.__doc__


def test_help_tells_every_code() -> None:
    shown = " ".join(CliRunner().invoke(program(), ["--help"]).output.split())
    for code in ExitCode:
        assert f"{code:d} {code.meaning}" in shown


def test_signals_have_the_codes_that_a_shell_reports() -> None:
    assert ExitCode.INTERRUPTED == 128 + signal.SIGINT
    assert ExitCode.PIPE_CLOSED == 128 + signal.SIGPIPE


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="/exit codes"):
        with_table("nothing here")
    stale = "before\n" + with_table(
        "<!-- exit codes: made by `make schemas` from src/reprun/errors.py -->\nold\n"
        "<!-- /exit codes -->"
    )
    assert "old" not in stale
    assert table() in stale
