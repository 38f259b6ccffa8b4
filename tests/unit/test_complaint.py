"""What Snakemake says was wrong becomes one error, with the files it misses."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.errors import (
    ExitCode,
    MissingFilesError,
    ReprunError,
    SpecificationError,
    StepFailedError,
)
from reprun.workflow.complaint import (
    MOST_LINES,
    complaint_of,
    error_of,
    in_directory,
    undeclared,
)

HEAD = """\
Assuming unrestricted shared filesystem usage.

SNAKEMAKE
=========
  Snakefile: /run/reprun/workspace/Snakefile
Building DAG of jobs...
"""
MISSING = """\
MissingInputException in rule t in file "/run/reprun/workspace/Snakefile", line 2:
Missing input files for rule t:
    output: out/t.csv
    wildcards: n=a
    affected files:
        data/a b.txt
        data/y.txt
"""
NO_INCLUDE = """\
FileNotFoundError in file "/run/reprun/workspace/Snakefile", line 1:
[Errno 2] No such file or directory: '/run/reprun/workspace/rules/a.smk'
"""
NO_MODULE = """\
ModuleNotFoundError in file "/run/reprun/workspace/Snakefile", line 3:
No module named 'tools.cuts'
"""
NO_NAME = """\
NameError in file "/run/reprun/workspace/Snakefile", line 3:
name 'x' is not defined
"""
LOGS: dict[str, tuple[str, tuple[str, ...]]] = {
    "an input": (MISSING, ("data/a b.txt", "data/y.txt")),
    "an input behind a checkpoint": (f"Updating …\n{MISSING}", ("data/a b.txt", "data/y.txt")),
    "an include": (NO_INCLUDE, ("rules/a.smk",)),
    "a module": (NO_MODULE, ("tools/cuts.py", "tools/cuts/__init__.py")),
    "no file": (NO_NAME, ()),
}


def error(tmp_path: Path, text: str, *, planned: bool = False) -> ReprunError:
    log = tmp_path / "snakemake.log"
    log.write_text(HEAD + text)
    return error_of(log, "Snakefile", ("/run/reprun/workspace",), planned=planned)


@pytest.mark.parametrize("case", LOGS)
def test_the_files_that_are_missing(tmp_path: Path, case: str) -> None:
    text, paths = LOGS[case]
    found = error(tmp_path, text)
    assert found.exit_code == ExitCode.SPECIFICATION
    assert isinstance(found, MissingFilesError) == bool(paths)
    if isinstance(found, MissingFilesError):
        assert found.paths == paths
    assert "/run/reprun" not in found.message
    assert "Building DAG" not in found.message


def test_a_missing_input_is_a_sentence(tmp_path: Path) -> None:
    assert error(tmp_path, MISSING).message == (
        "rule t needs data/a b.txt, data/y.txt, which no rule makes and the run is not given"
    )


NO_COLON = """\
Traceback (most recent call last):

  File "/run/reprun/workspace/Snakefile", line 3

SyntaxError: Expected name or colon after rule or checkpoint keyword. The word rule has a meaning.
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (NO_COLON, "Expected name or colon after rule or checkpoint keyword"),
        (NO_NAME, "name 'x' is not defined"),
    ],
)
def test_a_fault_is_a_sentence_with_the_line_of_the_users_file(
    tmp_path: Path, text: str, said: str
) -> None:
    found = error(tmp_path, text)
    assert found.message == f"Snakemake refuses Snakefile, line 3: {said}"
    in_directory(found, Path("/home/me/it's mine"))
    assert found.place == "/home/me/it's mine/Snakefile:3"
    assert found.hint is not None
    assert found.hint.endswith("""+3 '/home/me/it'"'"'s mine/Snakefile'""")


def test_an_error_that_is_elsewhere_stays_there(tmp_path: Path) -> None:
    found = error(tmp_path, MISSING)
    place = found.place
    in_directory(found, Path("/home/me"))
    assert found.place == place


def test_what_snakemake_says_of_itself_is_left_out() -> None:
    head = (
        "Config file config.yaml is extended by additional config specified via the command line.\n"
        "\nSNAKEMAKE\n=========\n  Date: 2026-11-29 13:26:30\n  Workflow ID: 664838ba\n"
        "  Host: here\n  User: me\n  Version: 9.22.0\n  Run directory: /run/reprun/workspace\n"
        "  Config file(s): [PosixPath('/run/reprun/control/config.json')]\n  Config MD5: 13fe0c\n"
        "  Command: " + "x" * 900
    )
    assert complaint_of(f"{head}\n{HEAD}it stopped\n").lines == ("it stopped",)


def test_the_first_error_is_the_cause() -> None:
    text = (
        "Traceback (most recent call last):\n  File x, line 1\n"
        "SyntaxError: Expected name or colon.\n\n"
        "During handling of the above exception, another exception occurred:\n\n"
        "Traceback (most recent call last):\nKeyError: 1\n"
    )
    assert complaint_of(HEAD + text).lines == ("SyntaxError: Expected name or colon.",)


def test_what_snakemake_finds_wrong_with_a_step_is_a_step_that_failed(tmp_path: Path) -> None:
    text = (
        'WorkflowError in rule ens in file "/run/reprun/workspace/Snakefile", line 6:\n'
        "Detected unexpected empty output files.\n"
        "Removing output files of failed job ens since they might be corrupted:\nens\n"
        "WorkflowError:\nAt least one job did not complete successfully.\n"
    )
    found = error(tmp_path, text, planned=True)
    assert isinstance(found, StepFailedError)
    assert found.message == (
        "Snakemake refuses what a step left:\n"
        '    WorkflowError in rule ens in file "Snakefile", line 6:\n'
        "    Detected unexpected empty output files."
    )
    assert type(error(tmp_path, text)) is SpecificationError


def test_a_log_without_an_error_shows_its_end() -> None:
    text = HEAD + "".join(f"line {number}\n" for number in range(50))
    assert complaint_of(text).lines == tuple(f"line {n}" for n in range(50 - MOST_LINES, 50))
    assert complaint_of("").lines == ()


def test_a_snakefile_that_ends_snakemake_says_nothing_else(tmp_path: Path) -> None:
    assert error(tmp_path, "").message == (
        "Snakefile ended Snakemake without a word, as a call of exit() in it does"
    )


def test_a_fault_of_a_rule_names_both_its_line_and_the_rule(tmp_path: Path) -> None:
    text = (
        'CyclicGraphException in rule a in file "/run/reprun/workspace/rules/b.smk", line 47:\n'
        "Cyclic dependency on rule a.\n"
    )
    found = error(tmp_path, text)
    assert found.message == (
        "Snakemake refuses rules/b.smk, line 47 (rule a): Cyclic dependency on rule a."
    )
    assert found.place == "rules/b.smk:47"


def test_tabs_are_blanks(tmp_path: Path) -> None:
    text = "AmbiguousRuleException:\nRules a and b are ambiguous.\n\ta: \n\tb: x\n"
    assert "\t" not in error(tmp_path, text).message


def test_a_general_error_is_not_the_cause() -> None:
    text = "WorkflowError:\nAt least one job did not complete successfully.\n"
    assert complaint_of(text).kind == ""


def test_what_a_directory_has_and_a_run_does_not(tmp_path: Path) -> None:
    for name in ("data/x.txt", "code/y.py", "z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    looked_for = [
        "data/x.txt",
        "./z",
        "data",
        "code/y.py",
        "code",
        "gone",
        "/etc/passwd",
        "../x",
        "",
    ]
    found = list(undeclared(looked_for, tmp_path, {"code/y.py"}))
    assert found == ["data/x.txt", "z", "data"]


def test_the_line_of_a_snakefile_that_is_none_is_said(tmp_path: Path) -> None:
    inner = '  File "/lib/snakemake/parser.py", line 181, in error\n    raise SyntaxError(msg)\n\n'
    last = '  File "/run/reprun/workspace/Snakefile", line 4\n\nSyntaxError: Expected a name\n'
    text = f"Traceback (most recent call last):\n\n{inner}{last}"
    assert error(tmp_path, text).message == "Snakemake refuses Snakefile, line 4: Expected a name"
    assert 'File "' not in error(tmp_path, text.replace("/run/reprun/workspace", "/lib")).message
