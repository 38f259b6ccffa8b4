"""The command line: exit codes, usage errors, and what it costs to ask for help."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from reprun import errors
from reprun.cli import main as cli
from reprun.cli import options as cli_options
from reprun.documents.analysis import Tier
from reprun.documents.project import Project
from reprun.documents.selection import select
from reprun.errors import InterruptedRunError, ReprunError, SpecificationError
from reprun.runs import run
from reprun.runs.request import RunRequest
from tests.hints import dry_commands, hold_to_what_it_advises
from tests.projects import mark_project
from tests.unit import builders

GOOD = "bin,value\na,1\nb,2\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


Reprun = Callable[..., Answer]


@pytest.fixture
def reprun(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Reprun:
    """Run the command line in this process, and type what it advises where that costs nothing."""

    def reprun(*arguments: str) -> Answer:
        answer = typed(*arguments)

        def advised(words: list[str]) -> tuple[int, str]:
            again = typed(*words)
            return again.code, again.out + again.err

        hold_to_what_it_advises(answer.out + answer.err, advised)
        return answer

    def typed(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["reprun", *arguments])
        handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
        code = ended.value.code
        assert code is None or isinstance(code, int)
        out, err = capsys.readouterr()
        return Answer(code or 0, out, err)

    return reprun


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, str]:
    texts = {"good": GOOD, "same": GOOD, "near": GOOD.replace("2", "2.0001"), "empty": ""}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text(text)
    return {name: str(tmp_path / name / "t.csv") for name in texts}


# -- help and version -------------------------------------------------------------------------


def test_help_names_every_command_and_the_exit_codes(reprun: Reprun) -> None:
    answer = reprun("--help")
    assert answer.code == 0
    for command in (
        "new",
        "cite",
        "run",
        "compare",
        "bless",
        "lock",
        "list",
        "show",
        "doctor",
        "images",
    ):
        assert f"\n  {command} " in answer.out
    assert "Exit codes: 0 reproduced" in answer.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["--no-such-option"],
        ["run"],
        ["run", "cms-h4l", "--cores", "0"],
        ["run", "cms-h4l", "--cores", "two"],
        ["run", "cms-h4l", "--engine", "podmann"],
        ["run", "cms-h4l", "--format", "xml"],
        ["show", "cms-h4l", "extra"],
        ["bless", "cms-h4l"],
        ["compare", "one"],
    ],
)
def test_usage_errors(reprun: Reprun, arguments: list[str]) -> None:
    answer = reprun(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert "Usage: " in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("name", ["conditions", "data", "images", "reana"])
def test_the_help_of_a_group_names_commands_that_exist(name: str) -> None:
    program = get_command(cli.program())
    assert isinstance(program, TyperGroup)
    group = program.commands[name]
    assert isinstance(group, TyperGroup)
    named = re.split(r", | and ", (group.help or "").partition(": ")[2].removesuffix("."))
    if "more" in named:
        named.remove("more")
        assert set(named) < set(group.commands)
    else:
        assert named == list(group.commands)


def test_no_arguments_show_the_help(reprun: Reprun) -> None:
    answer = reprun()
    assert answer.code == 2
    assert "Usage: " in answer.out + answer.err


# -- errors -----------------------------------------------------------------------------------


def test_an_unknown_analysis(reprun: Reprun) -> None:
    for command in (["run"], ["show"], ["lock"], ["bless", "--reason", "x"]):
        answer = reprun(*command, "cms-h4")
        assert answer.code == 2
        assert answer.err == (
            "reprun: there is no analysis 'cms-h4'. Did you mean 'cms-h4l'?\n  try: reprun list\n"
        )


@pytest.mark.parametrize("name", ["variant", "data"])
def test_an_unknown_variant_or_dataset(reprun: Reprun, name: str) -> None:
    answer = reprun("run", "cms-h4l", f"--{name}", "none")
    assert answer.code == 2
    assert "cms-h4l has no " in answer.err
    assert "try: reprun show cms-h4l" in answer.err


@pytest.mark.parametrize("text", ["bins", "=1", ""])
def test_a_parameter_that_is_none(reprun: Reprun, text: str) -> None:
    answer = reprun("run", "cms-h4l", "-p", text)
    assert answer.code == 2
    assert "write NAME=VALUE" in answer.err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x=1", 1),
        ("x=1.5", 1.5),
        ("x=true", True),
        ("x=text", "text"),
        ('x="1"', "1"),
        ("x=a=b", "a=b"),
        ("x=", ""),
        ("x=[1]", "[1]"),
        ("x=null", "null"),
        ("x=NaN", "NaN"),
        ("x=Infinity", "Infinity"),
        ("x=1e999", "1e999"),
    ],
)
def test_parameters(text: str, value: object) -> None:
    found = cli_options.parameters_of([text])
    assert found == {"x": value}
    assert type(found["x"]) is type(value)


@pytest.mark.parametrize("kind", [ReprunError, *ReprunError.__subclasses__()])
def test_every_error_ends_with_its_code(
    reprun: Reprun, monkeypatch: pytest.MonkeyPatch, kind: type[ReprunError]
) -> None:
    def fail(*_: object) -> None:
        raise kind("what", place="where", hint="do this")

    monkeypatch.setattr(run, "run", fail)
    answer = reprun("run", "cms-h4l")
    assert answer == Answer(kind.exit_code, "", "reprun: what\n  at:  where\n  try: do this\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_with_130(
    reprun: Reprun, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), number)
        signal.pause()

    monkeypatch.setattr(run, "run", interrupted)
    assert reprun("run", "cms-h4l") == Answer(130, "", "reprun: interrupted\n")


def test_what_the_user_asked_for_reaches_the_run(
    reprun: Reprun, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def note(request: RunRequest, *_: object) -> None:
        asked.append(request)
        raise SpecificationError("enough")

    monkeypatch.setattr(run, "run", note)
    options = "--variant root-6.40 --data csv --max-events 7 -p x=1 --parameter y=b --engine docker"
    options += " --cores 3 --results r"
    reprun("run", "cms-dimuon", *options.split(), "--update-lock", "--again")
    reprun("run", "cms-dimuon")
    project = Project.find()
    assert asked == [
        RunRequest(
            select(
                project,
                "cms-dimuon",
                variant="root-6.40",
                dataset="csv",
                tier=Tier("max_events", 7),
                results=Path("r"),
            ),
            parameters={"x": 1, "y": "b"},
            engine="docker",
            cores=3,
            update_lock=True,
            again=True,
        ),
        RunRequest(select(project, "cms-dimuon"), parameters={}),
    ]


# -- comparing files: 0, 1, 4 and 5 -----------------------------------------------------------


def test_equal_files(reprun: Reprun, tables: dict[str, str], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    answer = reprun("compare", tables["good"], tables["same"], "--html", str(page))
    assert (answer.code, answer.err) == (0, "")
    assert "identical" in answer.out
    assert page.read_text().startswith("<!doctype html>")


def test_different_files(reprun: Reprun, tables: dict[str, str]) -> None:
    answer = reprun("compare", tables["good"], tables["near"])
    assert (answer.code, answer.err) == (1, "")
    assert reprun("compare", tables["good"], tables["near"], "--relative", "0.001").code == 0


def test_a_report_as_json(reprun: Reprun, tables: dict[str, str]) -> None:
    answer = reprun("compare", tables["good"], tables["near"], "--format", "json")
    assert answer.code == 1
    assert json.loads(answer.out)["schema_version"] == 1


@pytest.mark.parametrize("relative", ["1", "nan", "1.5", "-0.1"])
def test_a_tolerance_of_everything_is_refused(
    reprun: Reprun, tables: dict[str, str], relative: str
) -> None:
    answer = reprun("compare", tables["good"], tables["near"], "--relative", relative)
    assert answer.code == 2
    assert answer.out == ""


def test_files_that_cannot_be_compared(reprun: Reprun, tables: dict[str, str]) -> None:
    answer = reprun("compare", tables["good"], "/nowhere/t.csv")
    assert (answer.code, answer.out) == (4, "")
    assert "t.csv does not exist" in answer.err
    assert reprun("compare", tables["empty"], tables["good"]).code == 4


@pytest.mark.parametrize(
    ("typed", "advised"),
    [
        (["run", "cms-h4k"], ["list"]),
        (["run", "cms-h4l", "--data", "nope"], ["show", "cms-h4l"]),
        (["run", "cms-h4l", "--variant", "nope"], ["show", "cms-h4l"]),
        (["matrix", "nothing"], ["list"]),
        (["lint", "nothing"], ["list"]),
        (["cite", "nothing"], ["list"]),
        (["explain", "nonsense"], ["explain"]),
        (["clean", "nothing"], ["clean"]),
        (["images", "show", "nothing"], ["images", "list"]),
        (["images", "diff", "columnar", "nothing"], ["images", "list"]),
        (["conditions", "show", "nothing"], ["conditions", "list"]),
        (["conditions", "get", "nothing"], ["conditions", "list"]),
        (["data", "fetch", "nothing"], ["list"]),
        (["compare", "README.md", "README.md"], ["compare", "--help"]),
    ],
)
def test_what_is_advised_can_be_typed(
    reprun: Reprun, typed: list[str], advised: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was printed: it ends well, and says something else than the error did."""
    monkeypatch.chdir(cli_options.__file__.rpartition("/src/")[0])
    answer = reprun(*typed)
    assert answer.code != 0
    assert list(dry_commands(answer.err)) == [advised]


def test_advice_that_leads_nowhere_is_found() -> None:
    for code, said in ((2, "reprun: other"), (70, ""), (0, "x\nreprun: no")):
        with pytest.raises(AssertionError, match="reprun list"):
            hold_to_what_it_advises("reprun: no\n  try: reprun list", lambda _: (code, said))  # noqa: B023
    hold_to_what_it_advises("reprun: no\n  try: reprun list", lambda _: (0, "rows"))


# -- looking ----------------------------------------------------------------------------------


def test_list(reprun: Reprun, tmp_path: Path) -> None:
    answer = reprun("list", "--results", str(tmp_path), "--format", "json")
    assert answer.code == 0
    row = next(row for row in json.loads(answer.out)["analyses"] if row["name"] == "cms-h4l")
    assert row["verdict"] == "not run here"
    assert "cms-h4l" in reprun("list", "--results", str(tmp_path)).out


def test_results_of_the_current_directory_that_are_not_used_are_noted(
    reprun: Reprun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = mark_project(tmp_path / "home")
    monkeypatch.setenv("REPRUN_PROJECT", str(home))
    monkeypatch.chdir(tmp_path)
    assert reprun("list").err == ""
    record = tmp_path / "results" / "demo" / "columnar" / "record.json"
    record.parent.mkdir(parents=True)
    record.touch()
    note = f"note: results/ here is not used, results are in {home}/results; --results results"
    assert reprun("list").err.startswith(note)
    assert reprun("list", "--results", "results").err == ""
    for name in ("one", "two"):
        directory = home / "examples" / name
        directory.mkdir(parents=True)
        (directory / "analysis.yaml").write_text(builders.ANALYSIS.replace("demo", name))
    assert reprun("run", "*").err.count("is not used") == 1
    monkeypatch.chdir(record.parent)
    assert reprun("list").err == ""


def test_list_shows_an_analysis_that_cannot_be_read(
    reprun: Reprun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "examples" / "broken").mkdir(parents=True)
    (tmp_path / "examples" / "broken" / "analysis.yaml").write_text("name: [")
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    (row,) = json.loads(reprun("list", "--format", "json").out)["analyses"]
    assert row["verdict"] == "cannot be read"
    assert "not valid YAML" in row["title"]


def test_show(reprun: Reprun) -> None:
    answer = reprun("show", "cms-h4l")
    assert answer.code == 0
    for part in ("columnar", "embedded", "results/yields.csv", "compare *", "10.7483/OPENDATA"):
        assert part in answer.out


def test_doctor_without_any_engine(
    reprun: Reprun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reprun.engines import choose  # noqa: PLC0415

    def none(*_: Any) -> None:
        raise errors.EngineError("not installed", hint="apt-get install it")

    monkeypatch.setattr(choose, "make_engine", none)
    monkeypatch.setenv("REPRUN_STORE", str(tmp_path))
    answer = reprun("doctor")
    assert answer.code == 3
    assert answer.out.count("try: apt-get install it") == 2


def test_show_for_machines(reprun: Reprun, tmp_path: Path) -> None:
    shown = json.loads(
        reprun("show", "cms-h4l", "--format", "json", "--results", str(tmp_path)).out
    )
    assert shown["name"] == "cms-h4l"
    assert shown["datasets"]["embedded"]["files"][0]["path"] == "data/candidates.csv"
    assert set(shown["verdicts"]) == set(shown["variants"])


def test_list_has_a_verdict_for_each_variant(
    reprun: Reprun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = tmp_path / "examples" / "demo"
    example.mkdir(parents=True)
    (tmp_path / "images").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    (example / "analysis.yaml").write_text(
        "schema_version: 1\nname: demo\ntitle: " + "long words of a title " * 6 + "\n"
        "experiment: CMS\ndphep_level: '2'\noutputs: {tables: [t.csv]}\n"
        "variants: {columnar: {image: columnar}, root-6.40: {image: root}, other: {image: o}}\n"
        "compare: [{match: '*', kind: count}]\n"
    )
    results = tmp_path / "results"
    for number, (cell, variant, status, tier) in enumerate(
        (
            ("columnar.small", "columnar", "failed", None),
            ("columnar.large", "columnar", "finished", None),
            ("root-6.40.small.max-events-9", "root-6.40", "interrupted", "max-events-9"),
        )
    ):
        record = builders.record(
            variant=variant,
            status=status,
            tier=tier,
            finished=builders.NOON + dt.timedelta(minutes=number),
        )
        (results / "demo" / cell).mkdir(parents=True)
        (results / "demo" / cell / "record.json").write_text(record.model_dump_json())
    (row,) = json.loads(reprun("list", "--results", str(results), "--format", "json").out)[
        "analyses"
    ]
    assert row["verdicts"] == {
        "columnar": "no reference",  # the last of two runs succeeded, and nothing judged it
        "root-6.40": "interrupted (max-events-9)",
        "other": "not run here",
    }
    assert row["verdict"] == "interrupted (root-6.40.small.max-events-9)"
    lines = reprun("list", "--results", str(results)).out.splitlines()
    assert max(map(len, lines)) <= 100
    for told in ("no reference", "interrupted (max-events-9)", "not run here"):
        assert any(told in line for line in lines)


def test_a_project_for_reana_replaces_nothing_of_the_user(reprun: Reprun, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path, tmp_path / "file"):
        answer = reprun("reana", "export", "demo", "--directory", str(place))
        assert answer.code == 2
        assert f"{place} is not an empty directory\n" in answer.err
    assert (tmp_path / "file").read_text() == "mine"


def test_an_interruption_that_python_drops_comes_again() -> None:
    class Dropping:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    def interrupted_once() -> None:
        Dropping()  # what its end raises is dropped
        for _ in range(1000):
            time.sleep(0.01)

    with pytest.raises(InterruptedRunError), cli._signals_interrupt_a_run():
        interrupted_once()
