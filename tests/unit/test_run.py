"""The run around the backend: what it starts from, what it records, when it does nothing."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprun.cli.run_output import outcome_text
from reprun.digests import sha256_file
from reprun.documents.analysis import tier_of
from reprun.documents.project import read_project
from reprun.documents.record import StepRecord, changed_reports, read_record
from reprun.documents.selection import select
from reprun.engines.base import EngineStatus
from reprun.errors import (
    InputsGoneError,
    IntegrityError,
    OutputMissingError,
    SpecificationError,
    StepFailedError,
    StorageError,
)
from reprun.history.database import FILE, looked_into
from reprun.history.rows import Night, cells, nights, seals
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.differ import Change
from reprun.images.model import Image
from reprun.images.relock import Relocked
from reprun.progress import Silent
from reprun.report.grid import plain_text
from reprun.runs import cell_images as cell_images_module
from reprun.runs import run as run_module
from reprun.runs import workspace as workspace_module
from reprun.runs.blessing import bless_last_run
from reprun.runs.candidate import Candidate
from reprun.runs.request import RunRequest
from reprun.runs.run import run
from reprun.store.store import Store
from reprun.workflow.planned import PlannedStep, WorkflowPlan
from reprun.workflow.rerun import Everything, Nothing, Rules
from reprun.workflow.snakemake import WorkflowOutcome, WorkflowRequest
from tests.engines.fake import FakeEngine
from tests.projects import mark_project
from tests.store_support import of_a_killed_process
from tests.unit import builders
from tests.unit.builders import ANALYSIS


class Backend:
    """A workflow of two rules, `a` and `b`, each writing its file unless it is there."""

    def __init__(self) -> None:
        self.requests: list[WorkflowRequest] = []
        self.failing: Sequence[str] = ()
        self.silent: Sequence[str] = ()

    def __call__(self, request: WorkflowRequest, *_: object) -> WorkflowOutcome:
        self.requests.append(request)
        steps: list[StepRecord] = []
        planned: list[PlannedStep] = []
        for number, rule in enumerate("ab"):
            output = request.workspace / f"{rule}.csv"
            log = request.run_directory / "logs" / rule
            fields: dict[str, Any] = {"rule": rule, "job": number, "log": str(log), "inputs": {}}
            step = builders.step(**fields, outputs={output.name: None})
            planned.append(builders.planned(step))
            forced = request.rerun.names if isinstance(request.rerun, Rules) else "ab"
            if (output.exists() and rule not in forced) or not all(one.succeeded for one in steps):
                continue
            if rule in self.failing:
                steps.append(step.model_copy(update={"exit_code": 1}))
                continue
            made: str | None = None
            if rule not in self.silent:
                output.write_text(f"row,value\nx,{request.config['bins']}\n")
                made = sha256_file(output)
            steps.append(step.model_copy(update={"outputs": {output.name: made}}))
        plan = request.plan or WorkflowPlan(steps=tuple(planned))
        return WorkflowOutcome(tuple(steps), plan, None)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Backend:
    backend = Backend()
    monkeypatch.setattr(run_module, "run_workflow", backend)
    return backend


@pytest.fixture
def start(
    tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., run_module.RunOutcome]:
    """Run the analysis on a fake engine, in an image that lies nowhere."""
    assert backend.requests == []
    directory = tmp_path / "project" / "examples" / "demo"
    for path, text in {
        "analysis.yaml": ANALYSIS,
        "Snakefile": "",
        "code/x.py": "",
        "reference/a.csv": "row,value\nx,10\n",
        "reference/b.csv": "row,value\nx,10\n",
    }.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    (tmp_path / "project" / "images").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path / "project")))

    def locked(_: object, name: str) -> Image:
        return builders.image(name)

    def chosen(*_: object) -> tuple[FakeEngine, EngineStatus]:
        engine = FakeEngine()
        return engine, engine.self_check()

    monkeypatch.setattr("reprun.images.catalogue.catalogue.Catalogue.locked", locked)
    for module in (cell_images_module, workspace_module):
        monkeypatch.setattr(module, "ensure", lambda image, *_: image)
    monkeypatch.setattr(cell_images_module, "is_stored", lambda *_: False)
    monkeypatch.setattr(run_module, "choose_engine", chosen)

    def start(**fields: Any) -> run_module.RunOutcome:
        given: dict[str, Any] = {"update_lock": True} | fields
        project = read_project(tmp_path / "project")
        tier = given.pop("tier", None)
        selection = select(project, "demo", tier=tier, results=tmp_path / "results")
        return run(RunRequest(selection, **given), Store(tmp_path / "store"), Silent())

    return start


Start = Callable[..., run_module.RunOutcome]


def workspace(tmp_path: Path) -> Path:
    return tmp_path / "results" / "demo" / "columnar" / "workspace"


def test_a_first_run_then_nothing(start: Start, backend: Backend) -> None:
    first = start()
    assert not isinstance(first.rerun, Nothing)
    assert first.report.reproduced
    assert first.rerun.reason == "it has not run here yet"
    again = start()
    assert again.rerun == Nothing("nothing changed")
    assert again.report == first.report.unchanged_since(first.record.finished)
    assert len(backend.requests) == 1


def test_a_changed_parameter_runs_everything_and_is_judged(start: Start, backend: Backend) -> None:
    start()
    changed = start(parameters={"bins": 11})
    assert changed.rerun.reason == "a parameter changed"
    assert isinstance(backend.requests[-1].rerun, Everything)
    assert not changed.report.reproduced


def test_a_run_of_everything_that_fails_leaves_no_older_output(
    start: Start, backend: Backend, tmp_path: Path
) -> None:
    """Typed again, it must not take over `b.csv` as the earlier parameter made it."""
    start()
    backend.failing = ["a"]
    with pytest.raises(StepFailedError):
        start(parameters={"bins": 11})
    assert not (workspace(tmp_path) / "b.csv").exists()
    record = read_record(workspace(tmp_path).parent)
    assert record is not None
    assert (record.status, record.outputs) == ("failed", {})
    assert [step.rule for step in record.steps] == ["a"]
    backend.failing = []
    outcome = start(parameters={"bins": 11})
    assert (workspace(tmp_path) / "b.csv").read_text() == "row,value\nx,11\n"
    assert {step.rule: step.kept for step in outcome.record.steps} == {"a": False, "b": False}


def test_a_failed_run_keeps_what_it_finished(
    start: Start, backend: Backend, tmp_path: Path
) -> None:
    backend.failing = ["b"]
    with pytest.raises(StepFailedError):
        start()
    backend.failing = []
    outcome = start()
    assert {step.rule: step.kept for step in outcome.record.steps} == {"a": True, "b": False}
    assert outcome.report.reproduced
    assert isinstance(backend.requests[-1].rerun, Rules)


def test_leftovers_of_an_unknown_run_are_not_taken_over(
    start: Start, backend: Backend, tmp_path: Path
) -> None:
    start()
    (workspace(tmp_path).parent / "record.json").write_text("of another version")
    (workspace(tmp_path) / "b.csv").write_text("row,value\nx,99\n")
    assert start().report.reproduced


@pytest.mark.parametrize("place", ["workspace", "outputs"])
def test_an_edited_output_runs_its_rule_alone(
    start: Start, backend: Backend, tmp_path: Path, place: str
) -> None:
    """Whether the file was edited that was compared, or the one that it was copied from."""
    start()
    (workspace(tmp_path).parent / place / "b.csv").write_text("row,value\nx,99\n")
    outcome = start()
    reason = "the output b.csv is gone or was edited"
    assert backend.requests[-1].rerun == Rules(reason, ("b",))
    assert outcome.report.reproduced


def test_an_output_that_is_missing(start: Start, backend: Backend, tmp_path: Path) -> None:
    backend.silent = ["b"]
    with pytest.raises(OutputMissingError, match=r"the output b\.csv does not exist"):
        start()
    record = read_record(workspace(tmp_path).parent)
    assert record is not None
    assert record.status == "failed"


def test_again_runs_everything(start: Start, backend: Backend) -> None:
    start()
    outcome = start(again=True)
    assert outcome.rerun.reason == "--again was given"
    assert isinstance(backend.requests[-1].rerun, Everything)


def test_two_runs_at_once_are_refused(start: Start, backend: Backend, tmp_path: Path) -> None:
    start()
    with (workspace(tmp_path).parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="another reprun is running this analysis here"):
            start()
    assert isinstance(start().rerun, Nothing)


def test_an_image_whose_inputs_are_gone_is_relocked_only_when_asked_for(
    start: Start, backend: Backend, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stand_in = replace(builders.image("columnar"), image_id="sha256:" + "9" * 64)
    other = Catalogue(tmp_path / "elsewhere")

    def gone(image: Image, *_: object) -> Image:
        if image == stand_in:
            return image
        raise InputsGoneError("1 of 60 inputs of columnar is gone: bash 5.2")

    def relock(name: str, *_: object) -> Relocked:
        assert name == "columnar"
        return Relocked(stand_in, other, (Change("deb", "bash", "5.2", "5.3"),))

    monkeypatch.setattr(cell_images_module, "ensure", gone)
    monkeypatch.setattr("reprun.images.relock.relock", relock)
    with pytest.raises(InputsGoneError, match="inputs of columnar is gone") as error:
        start()
    assert error.value.hint is not None
    assert "--relock-images" in error.value.hint
    assert backend.requests == []
    outcome = start(relock_images=True)
    (request,) = backend.requests
    assert request.config["image"] == stand_in.reference
    assert request.images == other.directories
    assert outcome.report.reproduced
    assert any("is a re-lock" in note and "bash 5.3" in note for note in outcome.report.notes)
    assert outcome.record.deviations == outcome.report.notes[:1]


def test_a_tier_runs_apart_and_is_held_against_its_own_reference(
    start: Start, tmp_path: Path, backend: Backend
) -> None:
    document = tmp_path / "project" / "examples" / "demo" / "analysis.yaml"
    document.write_text(ANALYSIS.replace("bins: 10", "bins: 10, max_events: 0"))
    tier = tier_of(100, None)
    first = start(tier=tier).report
    assert first.status == "no reference"
    assert "--max-events 100" in first.hint
    assert backend.requests[-1].config["max_events"] == 100
    selection = select(
        read_project(tmp_path / "project"), "demo", tier=tier, results=tmp_path / "results"
    )
    bless_last_run(
        selection, Store(tmp_path / "store"), Silent(), reason="its first", author="A. Nobody"
    )
    whole = document.parent / "reference"
    assert (whole / "max-events-100" / "a.csv").is_file()
    outcome = start(tier=tier)
    assert outcome.directory.name == "columnar.max-events-100"
    assert outcome.record.tier == "max-events-100"
    assert outcome.report.sentence.startswith("on the first 100 events: ")
    # All events still have a reference of their own, and blessing them again keeps the tier's.
    assert start().report.analysis.tier == ""
    selection = select(read_project(tmp_path / "project"), "demo", results=tmp_path / "results")
    bless_last_run(
        selection, Store(tmp_path / "store"), Silent(), reason="again", author="A. Nobody"
    )
    assert (whole / "max-events-100" / "a.csv").is_file()
    assert start(tier=tier).report.reproduced


def test_a_damaged_blessing_gets_the_command_that_makes_another(
    start: Start, tmp_path: Path
) -> None:
    place = tmp_path / "project" / "examples" / "demo" / "reference" / "blessed.json"
    place.write_text("{}")
    with pytest.raises(SpecificationError, match=r"blessed\.json cannot be read") as error:
        start()
    results = f"--results {tmp_path / 'results'}"
    assert error.value.hint == f'reprun bless demo {results} --reason "…"   # once you trust them'
    (tmp_path / "project" / ".git").mkdir()
    with pytest.raises(SpecificationError) as error:
        start()
    assert error.value.hint == f"git checkout -- {place}"


def test_another_seed_gives_other_events_and_the_same_seed_the_same(
    start: Start, tmp_path: Path
) -> None:
    document = tmp_path / "project" / "examples" / "demo" / "analysis.yaml"
    sampled = 'kind: sampled, tests: [yield], reason: "events are generated"'
    seeded = "seeds: [seed]\nparameters: {bins: 10, seed: 1}"
    text = ANALYSIS.replace("parameters: {bins: 10}", seeded)
    document.write_text(text.replace("kind: count", sampled))
    start()
    selection = select(read_project(tmp_path / "project"), "demo", results=tmp_path / "results")
    bless_last_run(selection, Store(tmp_path / "store"), Silent(), reason="x", author="A. Nobody")
    assert start(parameters={"bins": 11}).report.counts == {"changed": 2}
    assert start(parameters={"bins": 11, "seed": 2}).report.counts == {"compatible": 2}


def test_a_run_leaves_the_content_hash_of_each_object(start: Start, tmp_path: Path) -> None:
    """Those of the report, and of what a rule leaves out of the comparison too."""
    document = tmp_path / "project" / "examples" / "demo" / "analysis.yaml"
    rule = '{match: "b", kind: ignore, reason: "not seeded"}\n  - {match: "*"'
    document.write_text(ANALYSIS.replace('{match: "*"', rule))
    found = start()
    candidate = Candidate.model_validate_json((found.directory / "candidate.json").read_text())
    (item,) = found.report.items
    assert set(candidate.objects) == {"a", "b"}
    assert candidate.objects["a"] == item.monitored_hash
    assert str(candidate.objects["b"]).startswith("sha256:")
    assert found.record.reports.keys() <= {"report.json", "report.html", "candidate.json"}


@pytest.mark.parametrize("name", ["report.json", "report.html", "candidate.json"])
def test_a_report_that_was_changed_is_written_again_and_nothing_runs(
    start: Start, backend: Backend, tmp_path: Path, name: str
) -> None:
    first = start()
    path = first.directory / name
    right = path.read_bytes()
    record = read_record(first.directory)
    assert record is not None
    assert record.reports[name] == sha256_file(path)
    wrong = right.replace(b"reproduced", b"not reproduced") + b" "
    path.write_bytes(wrong)
    assert changed_reports(record, first.directory) == [name]
    assert start().report.status == first.report.status
    assert len(backend.requests) == 1
    assert path.read_bytes() != wrong
    again = read_record(first.directory)
    assert again is not None
    assert changed_reports(again, first.directory) == []


def test_no_kill_leaves_a_report_that_the_record_does_not_name(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = start().directory
    (directory / "report.json").write_text("changed")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for module, name in (("judge", "write_record"), ("judge", "write_atomically")):
        with monkeypatch.context() as patched:
            patched.setattr(f"reprun.runs.{module}.{name}", killed)
            with pytest.raises(KeyboardInterrupt):
                start()
        record = read_record(directory)
        assert record is not None
        assert changed_reports(record, directory) == []
        assert not (directory / "report.json").exists()


def test_what_a_killed_run_left_beside_the_lock_is_swept(start: Start, tmp_path: Path) -> None:
    analysis = tmp_path / "project" / "examples" / "demo"
    home = start().directory
    left = [analysis / of_a_killed_process(".analysis.lock.")]
    left += [home / of_a_killed_process(name) for name in (".view-", ".record.json.")]
    for path in left:
        path.touch()
    start()
    assert not any(path.exists() for path in left)


def rows_of(tmp_path: Path) -> list[Night]:
    """Return the rows that the runs left in the history."""
    with looked_into(tmp_path / "results" / FILE) as database:
        assert database is not None
        every = [night for cell in cells(database) for night in nights(database, cell)]
    return sorted(every, key=lambda night: night.id)


def test_every_run_leaves_a_row_however_it_ends(
    start: Start, tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    analysis = tmp_path / "project" / "examples" / "demo"
    start()
    start()
    (analysis / "code" / "x.py").write_text("changed")
    with pytest.raises(IntegrityError):
        start(update_lock=False)

    def broken(*_: object) -> None:
        raise KeyError("x")

    with monkeypatch.context() as patched:
        patched.setattr(run_module, "judge_cell", broken)
        with pytest.raises(KeyError):
            start()
    found = rows_of(tmp_path)
    assert [(night.state, night.verdict, night.ran) for night in found] == [
        ("compared", "reproduced", True),
        ("compared", "reproduced", False),
        ("failed", None, False),
        ("failed", None, False),
    ]
    assert "differs from its lock" in found[2].sentence
    assert found[2].record is None, "the record of an earlier run is not that of this one"
    assert found[0].record == found[1].record != found[3].record


def test_a_row_names_the_report_that_is_there(start: Start, tmp_path: Path) -> None:
    directory = start().directory
    (night,) = rows_of(tmp_path)
    with looked_into(tmp_path / "results" / FILE) as database:
        assert database is not None
        record, report = seals(database, night)
    assert record is not None
    assert report is not None
    assert record.digest == sha256_file(directory / "record.json")
    assert report.digest == sha256_file(directory / "report.json")


def test_no_row_takes_a_report_that_somebody_put_there(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = run_module.judge_cell

    def forged(cell: Any, record: Any, progress: Any) -> Any:
        report = real(cell, record, progress)
        path = cell.run_directory / "report.json"
        path.write_text(path.read_text().replace("identical", "IDENTICAL"))
        return report

    monkeypatch.setattr(run_module, "judge_cell", forged)
    start()
    (night,) = rows_of(tmp_path)
    assert (night.state, night.verdict, night.report) == ("failed", None, None)
    assert night.sentence.startswith("the report on the disk is not the one")


def test_a_run_says_since_when_it_is_red(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start().red is None
    analysis = tmp_path / "project" / "examples" / "demo"
    (analysis / "reference" / "a.csv").write_text("row,value\nx,11\n")
    outcome = start()
    assert not outcome.report.reproduced
    assert outcome.red is not None
    assert outcome.red.startswith("red since ")
    assert "that one: reference (" in outcome.red
    assert outcome.red in "".join(plain_text(part, 500) for part in outcome_text(outcome))
