"""An error of a run names the files of the analysis that it lacks, and the line to write."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reprun.documents.selection import Selection
from reprun.errors import BackendError, MissingFilesError, ReprunError, StepFailedError
from reprun.runs.undeclared import with_undeclared
from tests.unit import builders

GIVEN = {"Snakefile", "code/fit.py"}


@pytest.fixture
def selection(tmp_path: Path) -> Selection:
    for name in (
        "Snakefile",
        "code/fit.py",
        "data/x.txt",
        "data/y:1.txt",
        "cuts.py",
        "reference/t",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return replace(builders.selection(), directory=tmp_path)


def missing(*paths: str) -> MissingFilesError:
    return MissingFilesError("refused", paths=paths, needed_by="rule t", place="log", hint="less")


def test_a_file_of_the_analysis_is_named_with_the_line(selection: Selection) -> None:
    error = with_undeclared(missing("data/x.txt"), selection, GIVEN)
    assert error.message == (
        "rule t needs data/x.txt, which is in the directory of the analysis, but analysis.yaml "
        "names it neither as code nor as data"
    )
    document = selection.directory / "analysis.yaml"
    assert error.hint == f"code: [code, data/x.txt]   # in {document}"


def test_a_name_is_quoted_where_yaml_needs_it(selection: Selection) -> None:
    error = with_undeclared(missing("data/y:1.txt", "cuts.py"), selection, GIVEN)
    assert error.hint is not None
    assert error.hint.startswith('code: [code, "data/y:1.txt", cuts.py]   # in ')
    assert "but analysis.yaml names them neither" in error.message


def test_of_many_files_the_directories_are_named(selection: Selection) -> None:
    names = [f"data/{number}.txt" for number in range(9)]
    for name in names:
        (selection.directory / name).touch()
    error = with_undeclared(missing(*names, "data"), selection, GIVEN)
    assert "needs data/0.txt, data/1.txt, data/2.txt and 7 more, which are in" in error.message
    assert str(error.hint).startswith("code: [code, data]   # in ")


STEPS = {
    "cat: data/x.txt: No such file or directory": "data/x.txt",
    "python3: can't open file '/work/cuts.py': [Errno 2] No such file or directory": "cuts.py",
    "OSError: file /work/data/x.txt not found": "data/x.txt",
    "Error: file data/x.txt does not exist": "data/x.txt",
    "cat: data/gone.txt: No such file or directory": None,
    "python3: can't open file '/work/code/fit.py': Permission denied": None,
    "ld: undefined reference to main, not found": None,
    "read data/x.txt: 3 events": None,
    "cat: /etc/data/../../x: No such file": None,
}


@pytest.mark.parametrize("line", STEPS)
def test_a_step_that_looked_for_a_file_says_why_it_is_not_there(
    selection: Selection, line: str
) -> None:
    failed = StepFailedError(f"step t failed: exit code 1\n    {line}", place="log", hint="less")
    error = with_undeclared(failed, selection, GIVEN)
    if STEPS[line] is None:
        assert error is failed
        return
    assert isinstance(error, StepFailedError)
    assert error.message.startswith(failed.message)
    assert f"\n    {STEPS[line]} is in the directory of the analysis, but" in error.message
    assert str(error.hint).startswith(f"code: [code, {STEPS[line]}]")


@pytest.mark.parametrize(
    "error", [missing("gone.txt"), missing("code/fit.py"), BackendError("data/x.txt not found")]
)
def test_other_errors_stay_as_they_are(selection: Selection, error: ReprunError) -> None:
    assert with_undeclared(error, selection, GIVEN) is error
