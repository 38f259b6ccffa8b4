"""The matrix around the backend: whose error is whose, and what is decided once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reprun.digests import sha256_bytes, sha256_file, short
from reprun.documents.project import Project, read_project
from reprun.documents.selection import select
from reprun.engines.base import EngineStatus
from reprun.errors import (
    BackendError,
    EngineError,
    ExitCode,
    InterruptedRunError,
    RegistryError,
    ReprunError,
    SpecificationError,
    StepFailedError,
    ToolError,
)
from reprun.history import rows as history
from reprun.history.database import FILE, looked_into, opened
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.report.matrix import MatrixReport
from reprun.runs import cell_images as cell_images_module
from reprun.runs import matrix as matrix_module
from reprun.runs import run as run_module
from reprun.runs import workspace as workspace_module
from reprun.runs.lock import compute_lock, write_lock
from reprun.runs.matrix import MatrixRequest, exit_code, run_matrix
from reprun.store.store import Store
from reprun.workflow.planned import WorkflowPlan
from reprun.workflow.snakemake import WorkflowOutcome, WorkflowRequest
from tests.engines.fake import FakeEngine
from tests.hostile_documents import YAML, names
from tests.projects import mark_project
from tests.unit import builders

ANALYSIS = """\
schema_version: 1
name: {name}
title: A demonstration
experiment: none
code: []
dphep_level: "1"
variants:
  old: {{image: old}}
  new: {{image: new}}
outputs:
  tables: [a.csv]
compare:
  - {{match: "*", kind: count}}
"""
TABLE = "row,value\nx,1\n"
ALL = {"one/old", "one/new", "two/old", "two/new"}


@dataclass
class Engine(FakeEngine):
    """An engine that may be absent, or refuse some images."""

    absent: bool = False
    refused: dict[str, ReprunError] = field(default_factory=dict)

    def self_check(self) -> EngineStatus:
        if self.absent:
            raise EngineError("fake is not installed")
        return super().self_check()

    def prepare(self, image: Image) -> None:
        super().prepare(image)
        if image.name in self.refused:
            raise self.refused[image.name]


@dataclass
class Host:
    """What the matrix meets on this machine; what is set here goes wrong."""

    home: Path
    engine: Engine = field(default_factory=Engine)
    absent: dict[str, Exception] = field(default_factory=dict)
    """What bringing an image ends with, by its name."""
    ended: dict[str, ReprunError] = field(default_factory=dict)
    """What the backend gives back for a cell."""
    ran: list[set[str]] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)

    def ensure(self, image: Image, *_: object) -> Image:
        if image.name in self.absent:
            raise self.absent[image.name]
        return image

    def run_workflows(
        self, requests: Mapping[str, WorkflowRequest], *_: object
    ) -> Mapping[str, WorkflowOutcome]:
        self.ran.append(set(requests))
        for label, request in requests.items():
            if label not in self.ended:
                (request.workspace / "a.csv").write_text(TABLE)
            elif place := self.ended[label].place:
                Path(place).parent.mkdir(parents=True, exist_ok=True)
                Path(place).write_text("why")
        return {label: self.outcome(label) for label in requests}

    def outcome(self, label: str) -> WorkflowOutcome:
        """Return that of the one step of a cell."""
        if label in self.ended:
            return WorkflowOutcome((), None, self.ended[label])
        step = builders.step(inputs={}, outputs={"a.csv": sha256_bytes(TABLE.encode())})
        return WorkflowOutcome((step,), WorkflowPlan(steps=(builders.planned(step),)), None)

    def matrix(self, **asked: Any) -> MatrixReport:
        request = MatrixRequest(results=self.home / "results", **asked)
        project = read_project(self.home / "project")
        return run_matrix(request, project, Store(self.home / "store"), Silent())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Two analyses in two images each, on a fake engine."""
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))
    monkeypatch.setattr(
        "reprun.images.catalogue.catalogue.Catalogue.locked",
        lambda _, name: builders.image(name, "1" if name == "old" else "2"),
    )
    host = Host(tmp_path)

    def counted(*arguments: Any, **options: Any) -> object:
        host.decided.append(arguments[0].run_directory.name)
        return workspace_module.decide(*arguments, **options)

    for module in (cell_images_module, workspace_module):
        monkeypatch.setattr(module, "ensure", host.ensure)
    monkeypatch.setattr(cell_images_module, "is_stored", lambda *_: False)
    monkeypatch.setattr(matrix_module, "decide", counted)
    monkeypatch.setattr(matrix_module, "run_workflows", host.run_workflows)
    monkeypatch.setattr(
        run_module, "choose_engine", lambda *_: (host.engine, host.engine.self_check())
    )
    (tmp_path / "project" / "images").mkdir()
    for name in ("one", "two"):
        directory = tmp_path / "project" / "examples" / name
        (directory / "reference").mkdir(parents=True)
        (directory / "analysis.yaml").write_text(ANALYSIS.format(name=name))
        (directory / "Snakefile").write_text("")
        (directory / "reference" / "a.csv").write_text(TABLE)
        write_lock(compute_lock(select(read_project(tmp_path / "project"), name)), directory)
    return host


def states(matrix: MatrixReport) -> dict[str, str]:
    return {cell.name: cell.state for cell in matrix.cells}


def all_but(good: str = "reproduced", **others: str) -> dict[str, str]:
    """Return the state of every cell, by variant."""
    return {cell: others.get(cell.partition("/")[2], good) for cell in ALL}


def test_each_cell_is_decided_once_and_each_image_prepared_once(host: Host) -> None:
    assert states(host.matrix()) == all_but()
    assert sorted(host.decided) == ["new", "new", "old", "old"]
    assert sorted(image.name for image in host.engine.prepared) == ["new", "old"]
    assert host.ran == [ALL]
    again = host.matrix()
    assert states(again) == all_but()
    assert not any(cell.ran for cell in again.cells)
    assert len(host.decided) == 8
    assert host.ran == [ALL]
    assert {cell.ran for cell in host.matrix(again=True).cells} == {True}


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ToolError("locking Debian packages needs apt"), "not run"),
        (RegistryError("registry r answered HTTP 500"), "failed"),
        (EngineError("the engine says no"), "failed"),
    ],
)
def test_an_image_that_is_not_available_spoils_its_own_cells_alone(
    host: Host, error: ReprunError, state: str
) -> None:
    host.absent["old"] = error
    found = host.matrix()
    assert states(found) == all_but(old=state)
    assert host.ran == [{"one/new", "two/new"}]
    assert {cell.sentence for cell in found.cells if cell.variant == "old"} == {error.message}
    assert exit_code(found) == error.exit_code


def test_an_image_that_the_engine_refuses_spoils_its_own_cells_alone(host: Host) -> None:
    host.engine.refused["old"] = EngineError("the daemon refuses image old")
    assert states(host.matrix()) == all_but(old="failed")
    assert host.ran == [{"one/new", "two/new"}]


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("deep"), KeyError("x"), OSError()])
def test_what_nobody_foresaw_spoils_its_own_cells_alone(
    host: Host, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.absent["old"] = error
    found = host.matrix()
    assert states(found) == all_but(old="failed")
    assert exit_code(found) == ExitCode.UNFORESEEN
    (hint,) = {cell.hint for cell in found.cells if cell.name == "one/old"}
    assert hint == "reprun --verbose run one"

    def failing(project: Project, name: str, **given: Any) -> object:
        if name == "two":
            raise error
        return select(project, name, **given)

    monkeypatch.setattr(matrix_module, "select", failing)
    host.absent.clear()
    assert states(host.matrix()) == {
        "one/old": "reproduced", "one/new": "reproduced", "two/?": "failed",
    }  # fmt: skip


@pytest.mark.parametrize("name", names(YAML))
def test_an_analysis_that_asks_for_too_much_spoils_its_own_cells_alone(
    host: Host, name: str
) -> None:
    (host.home / "project/examples/two/analysis.yaml").write_text(YAML[name])
    found = host.matrix()
    assert states(found) == {
        "one/old": "reproduced", "one/new": "reproduced", "two/?": "failed",
    }  # fmt: skip
    assert exit_code(found) == ExitCode.SPECIFICATION


def test_what_ends_one_cell_in_the_backend_ends_no_other(host: Host) -> None:
    host.ended["one/old"] = EngineError("could not start the container")
    host.ended["two/new"] = BackendError("Snakemake was killed")
    found = host.matrix()
    assert states(found) == all_but() | {"one/old": "failed", "two/new": "failed"}
    assert exit_code(found) == 3


def test_a_cell_that_failed_leads_to_its_log(host: Host) -> None:
    logs = host.home / "results/one/old/logs"
    elsewhere = host.home / "other.log"
    host.ended["one/old"] = StepFailedError("step a failed", place=str(logs / "a b-1.log"))
    host.ended["two/new"] = StepFailedError("step a failed", place=str(elsewhere))
    found = host.matrix()
    log_of = {f"{cell.analysis}/{cell.variant}": cell.log for cell in found.cells}
    assert log_of == dict.fromkeys(ALL) | {"one/old": "../one/old/logs/a b-1.log"}
    page = (host.home / "results/matrix/index.html").read_text()
    assert page.count('href="../one/old/logs/a%20b-1.log"') == 1
    assert "other.log" not in page


def test_a_cell_that_failed_leads_to_a_page_of_its_own(host: Host) -> None:
    """Which is that of this run: what an earlier one wrote is gone."""
    host.matrix()
    host.ended["one/old"] = StepFailedError("step a failed: exit code 1", hint="less a.log")
    host.absent["new"] = ToolError("locking needs apt")
    found = {f"{cell.analysis}/{cell.variant}": cell for cell in host.matrix(again=True).cells}
    assert found["one/old"].report == "../one/old/report.html"
    assert found["one/old"].link == "../one/old/report.html"
    assert found["one/new"].report is None
    run = host.home / "results/one/old"
    page = (run / "report.html").read_text()
    assert "no verdict: step a failed: exit code 1" in page
    assert "<code>less a.log</code>" in page
    assert not (run / "report.json").exists()
    matrix = (host.home / "results/matrix/index.html").read_text()
    assert matrix.count('href="../one/old/report.html"') == 2


def test_no_engine_at_all_ends_it_where_something_has_to_run(host: Host) -> None:
    host.matrix()
    host.engine.absent = True
    assert states(host.matrix()) == all_but()  # nothing has to
    with pytest.raises(EngineError, match="fake is not installed"):
        host.matrix(again=True)


def test_nothing_that_could_run_needs_no_engine(host: Host) -> None:
    host.engine.absent = True
    host.absent = dict.fromkeys(("old", "new"), ToolError("locking needs apt"))
    found = host.matrix()
    assert states(found) == all_but("not run")
    assert exit_code(found) == ExitCode.HOST


def test_a_cell_that_cannot_run_is_allowed_to_where_somebody_said_so(host: Host) -> None:
    host.absent["old"] = ToolError("locking needs apt")
    assert exit_code(host.matrix()) == ExitCode.HOST
    found = host.matrix(allowed_not_to_run=("*/old",))
    assert exit_code(found) == 0
    assert {cell.allowed for cell in found.cells if cell.state == "not run"} == {"--allow-not-run"}
    for name in ("one", "two"):
        place = host.home / "project" / "examples" / name / "analysis.yaml"
        text = place.read_text()
        place.write_text(text.replace("{image: old}", "{image: old, optional: not public}"))
    found = host.matrix()
    assert exit_code(found) == 0
    assert {cell.allowed for cell in found.cells if cell.state == "not run"} == {"not public"}
    # What one has to have runs, or fails the matrix, whatever analysis.yaml says.
    assert exit_code(host.matrix(required=("one/old",))) == ExitCode.HOST
    assert exit_code(host.matrix(required=("*/new",))) == 0


@pytest.mark.parametrize("option", ["required", "allowed_not_to_run"])
def test_a_glob_that_matches_no_cell_is_refused(host: Host, option: str) -> None:
    with pytest.raises(SpecificationError, match=r"no cell of the matrix is called 'on'.*'one'"):
        host.matrix(**{option: ("on",)})


def test_what_is_required_is_among_the_cells_asked_for(host: Host) -> None:
    with pytest.raises(SpecificationError, match="'two' is required and not among the cells"):
        host.matrix(cells=("one",), required=("two",))


def test_a_matrix_of_some_cells_leaves_the_page_of_all(host: Host) -> None:
    host.matrix()
    home = host.home / "results" / "matrix"
    before = (home / "index.html").read_bytes()
    host.matrix(cells=("one",))
    assert (home / "index.html").read_bytes() == before
    assert "two" not in (home / "part.html").read_text()
    assert sorted(path.name for path in (home / "cells").iterdir()) == [
        f"{name}.{image}.{ending}"
        for name in ("one", "two")
        for image in ("new", "old")
        for ending in ("html", "json")
    ]
    assert {path.name for path in home.iterdir()} == {
        "cells",
        "index.html",
        "matrix.json",
        "part-cells",
        "part.html",
        "part.json",
    }
    assert 'href="../part.html"' in (home / "part-cells" / "one.new.html").read_text()


def test_a_verdict_that_was_kept_says_of_which_day_it_is(host: Host) -> None:
    assert not any("unchanged" in cell.sentence for cell in host.matrix().cells)
    kept = host.matrix()
    assert kept.sentence == "reproduced: 4 cells (4 unchanged since earlier runs)"
    for cell in kept.cells:
        assert cell.finished is not None
        day = f"{cell.finished:%Y-%m-%d}"
        assert cell.sentence.startswith(f"reproduced on {day}, unchanged since: ")


def test_a_cell_without_reference_has_not_failed(host: Host) -> None:
    directory = host.home / "project" / "examples" / "one"
    shutil.rmtree(directory / "reference")
    write_lock(compute_lock(select(read_project(host.home / "project"), "one")), directory)
    found = host.matrix()
    assert {name: states(found)[name] for name in ("one/old", "two/old")} == {
        "one/old": "no reference",
        "two/old": "reproduced",
    }
    assert exit_code(found) == ExitCode.NOTHING_TO_COMPARE
    assert "reprun bless one" in str(found.cells[0].hint)


def rows_of(host: Host) -> list[tuple[str, str, str | None, bool]]:
    """Return the rows of the history: cell, state, verdict, and whether steps ran."""
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        found = [
            (night.at, night.id, cell.name, night.state, night.verdict, night.ran)
            for cell in history.cells(database)
            for night in history.nights(database, cell)
        ]
    return [row[2:] for row in sorted(found)]


def test_every_cell_leaves_a_row_each_night(host: Host) -> None:
    host.matrix()
    host.matrix()
    first, second = rows_of(host)[:4], rows_of(host)[4:]
    assert sorted(first) == [(name, "compared", "reproduced", True) for name in sorted(ALL)]
    assert sorted(second) == [(name, "compared", "reproduced", False) for name in sorted(ALL)]


def test_a_row_seals_the_report_that_lies_there(host: Host) -> None:
    host.matrix()
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        for cell in history.cells(database):
            (night,) = history.nights(database, cell)
            record, report = history.seals(database, night)
            directory = host.home / "results" / cell.analysis / cell.variant
            assert record is not None
            assert report is not None
            assert record.digest == sha256_file(directory / "record.json")
            assert report.digest == sha256_file(directory / "report.json")
            assert history.objects(database, night.report)[0].passes
            (code,) = [f for f in history.factors(database, night.record) if f.kind == "code"][:1]
            assert history.text(database, code.digest) == b""  # the Snakefile is empty


def test_what_failed_and_what_could_not_run_have_rows_without_a_verdict(host: Host) -> None:
    host.matrix()
    host.ended["one/old"] = StepFailedError("step a failed")
    host.absent["new"] = ToolError("locking needs apt")
    host.matrix(again=True)
    assert sorted(rows_of(host)[4:]) == [
        ("one/new", "not run", None, False),
        ("one/old", "failed", None, True),
        ("two/new", "not run", None, False),
        ("two/old", "compared", "reproduced", True),
    ]
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        (cell,) = [cell for cell in history.cells(database) if cell.name == "one/old"]
        good, bad = history.nights(database, cell)
    # The record of the run that failed, and none of the run before.
    assert None not in (good.record, bad.record)
    assert good.record != bad.record
    assert (good.record, bad.report) != (None, good.report)


def test_the_matrix_says_since_when_a_cell_is_red_and_what_changed(host: Host) -> None:
    host.matrix()
    place = host.home / "project" / "examples" / "one"
    (place / "analysis.yaml").write_text(
        (place / "analysis.yaml").read_text().replace("code: []", "code: [fill.py]")
    )
    (place / "fill.py").write_text("fill()\n")
    (place / "reference" / "a.csv").write_text(TABLE.replace("1", "2"))
    write_lock(compute_lock(select(read_project(host.home / "project"), "one")), place)
    found = host.matrix()
    red = {cell.name: cell.red for cell in found.cells}
    today = f"{found.started:%Y-%m-%d}"
    assert red == {
        "one/new": red["one/old"],
        "one/old": f"red since {today}; between the last good run and that one: reference "
        f"({reference_digests(host, 'one/old')})",
        "two/new": None,
        "two/old": None,
    }
    assert str(red["one/old"]) in (host.home / "results/matrix/index.html").read_text()
    assert host.matrix().cells[0].red == found.cells[0].red


def reference_digests(host: Host, name: str) -> str:
    """Return both digests of the reference of a cell, as a sentence has them."""
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        (cell,) = [cell for cell in history.cells(database) if cell.name == name]
        found = [
            short(factor.digest)
            for night in history.nights(database, cell)
            for factor in history.factors(database, night.record)
            if factor.kind == "reference"
        ]
    return " → ".join(found[:2])


@pytest.mark.parametrize("harm", ["read-only", "damaged", "locked"])
def test_a_history_that_cannot_be_written_changes_no_verdict(
    host: Host, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reprun.history.database.PATIENCE_SECONDS", 0.01)
    path = host.home / "results" / FILE
    path.parent.mkdir()
    if harm == "damaged":
        path.write_bytes(b"x" * 9000)
    elif harm == "read-only":
        path.mkdir()  # what a read-only file is to everybody, root included
    with ExitStack() as stack:
        if harm == "locked":
            stack.enter_context(stack.enter_context(opened(path)).transaction())
        said: list[str] = []
        monkeypatch.setattr(Silent, "say", lambda _, message: said.append(message))
        assert states(host.matrix()) == all_but()
    (note,) = [line for line in said if "history" in line]
    assert note.startswith("note: this run is missing in the history: ")
    assert note.endswith("its verdict stands")


def test_a_matrix_that_was_killed_has_rows_that_say_so(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        """What nothing catches, as nothing catches SIGKILL."""

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(matrix_module, "run_workflows", killed)
        with pytest.raises(KilledError):
            host.matrix()
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        assert {each.cell.name for each in history.begun(database)} == ALL
    # Its process is this one, which lives: the next matrix must not take its runs for dead.
    assert states(host.matrix()) == all_but()
    assert {row[1:3] for row in rows_of(host)} == {("compared", "reproduced")}
    monkeypatch.setattr("reprun.runs.remembering.is_gone", lambda _: True)
    assert states(host.matrix()) == all_but()
    found = rows_of(host)
    assert sorted(found[:4]) == [(name, "interrupted", None, True) for name in sorted(ALL)]
    assert len(found) == 12
    with looked_into(host.home / "results" / FILE) as database:
        assert database is not None
        assert history.begun(database) == []


def test_an_interrupted_matrix_leaves_rows_without_a_verdict(host: Host) -> None:
    host.ended["one/old"] = InterruptedRunError("interrupted")
    with pytest.raises(InterruptedRunError):
        host.matrix()
    assert {row[1:3] for row in rows_of(host)} == {("interrupted", None)}
    host.ended.clear()
    assert states(host.matrix(again=True)) == all_but()


@pytest.mark.parametrize("where", ["absent", "ended"])
def test_an_interruption_ends_it(host: Host, where: str) -> None:
    stopped = InterruptedRunError("interrupted")
    key: Callable[[str], str] = str if where == "ended" else (lambda cell: cell.partition("/")[2])
    getattr(host, where)[key("one/old")] = stopped
    with pytest.raises(InterruptedRunError):
        host.matrix()
