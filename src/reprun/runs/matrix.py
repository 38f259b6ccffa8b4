"""The preservation matrix: every analysis in every variant, each evaluated on its own."""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never

from reprun import __version__
from reprun.documents.project import Project
from reprun.documents.record import REPORT_HTML, RunRecord, read_record
from reprun.documents.selection import select
from reprun.engines.base import EngineStatus
from reprun.engines.choose import EngineChoice
from reprun.engines.confinement import confinement
from reprun.errors import (
    ExitCode,
    InterruptedRunError,
    ReprunError,
    SpecificationError,
    did_you_mean,
    unforeseen,
)
from reprun.files import make_directory, sweep, write_atomically
from reprun.images.rootfs.sealed import Verified
from reprun.progress import Progress
from reprun.report.marks import State
from reprun.report.matrix import (
    CellReport,
    MatrixReport,
    matrix_json,
    matrix_sentence,
)
from reprun.report.model import Report
from reprun.runs.cell import Cell, load_cell
from reprun.runs.cell_images import with_images
from reprun.runs.directory import alone, refuse_links, take_over
from reprun.runs.remembering import Remembering, state_of
from reprun.runs.request import RunRequest
from reprun.runs.run import checked_engine, judge_cell, prepared, stored_report
from reprun.runs.site import data_of, write_site
from reprun.runs.workspace import (
    Prepared,
    VerifiedImages,
    decide,
    finish,
    prepare_workspace,
)
from reprun.store import collection
from reprun.store.store import Store
from reprun.wording import quoted
from reprun.workflow.rerun import Nothing, Rerun, Steps
from reprun.workflow.snakemake import WorkflowOutcome, run_workflows

HOME = "matrix"
PAGE, DOCUMENT = "index.html", "matrix.json"
PAGE_OF_SOME, DOCUMENT_OF_SOME = "part.html", "part.json"
"""Of a matrix of some cells: the page of all stays as it was."""


@dataclass(frozen=True, slots=True)
class MatrixRequest:
    """What the user asked for."""

    cells: Sequence[str] = ()
    """Globs of `analysis` or `analysis/variant`; all if there is none."""
    required: Sequence[str] = ()
    """Globs of cells that have to run, also where analysis.yaml says that they are optional."""
    allowed_not_to_run: Sequence[str] = ()
    """Globs of cells that spoil nothing where they cannot run."""
    engine: EngineChoice = "auto"
    cores: int | None = None
    results: Path | None = None
    """The directory of results that the user named. Default: that of the project."""
    trust_snakefile: bool = False
    again: bool = False
    relock_images: bool = False


@dataclass(slots=True)
class _Slot:
    """One cell on its way through the matrix."""

    analysis: str
    variant: str
    image: str
    title: str = ""
    allowed: str | None = None
    """Why nothing is spoiled where it cannot run."""
    request: RunRequest | None = None
    """None where analysis.yaml cannot be read."""
    cell: Cell | None = None
    last: RunRecord | None = None
    rerun: Rerun | None = None
    """What of it has to run, decided once it is loaded."""
    held: int | None = None
    """The descriptor that holds its run directory."""
    prepared: Prepared | None = None
    record: RunRecord | None = None
    report: Report | None = None
    error: ReprunError | None = None

    @property
    def name(self) -> str:
        return f"{self.analysis}/{self.variant}"


def run_matrix(
    request: MatrixRequest, project: Project, store: Store, progress: Progress
) -> MatrixReport:
    """Run every cell as far as anything has changed, judge each, and write the page.

    One cell that fails, or cannot run here, hides no other: its error is in its place. Raises
    EngineError when something has to run and no engine works at all, SpecificationError when a
    glob matches no cell, and InterruptedRunError when the user stops it; what has finished is kept.
    """
    slots = _chosen(request, project)
    results = request.results or project.results
    home = results.resolve() / HOME
    refuse_links(home)
    with Remembering(results, progress) as memory, ExitStack() as held:
        try:
            for slot in slots:
                if slot.request is None:
                    continue
                with _errors_stay_in(slot):
                    _load(slot, request, held, store, progress)
            waiting = [slot for slot in slots if isinstance(slot.rerun, Steps) and not slot.error]
            if waiting:
                _run(waiting, request, held, memory, store, progress)
        except ReprunError as error:
            for slot in slots:
                if slot.cell or slot.error:
                    _remember(slot, memory, None if slot.report else error)
            raise
        for slot in slots:
            if slot.cell and slot.record and not slot.report:
                with _errors_stay_in(slot):
                    slot.report = judge_cell(slot.cell, slot.record, progress)
            _remember(slot, memory)
        cells = tuple(_report(slot, home, memory) for slot in slots)
    matrix = MatrixReport(
        generator=f"reprun {__version__}",
        started=memory.at,
        wall_seconds=(dt.datetime.now(dt.UTC) - memory.at).total_seconds(),
        sentence=matrix_sentence(cells),
        cells=cells,
    )
    make_directory(home)
    sweep(home)
    write_atomically(home / document_of(request), matrix_json(matrix).encode())
    data = {slot.name: data_of(slot.request.selection) for slot in slots if slot.request}
    write_site(matrix, home / page_of(request), data, results)
    return matrix


def _remember(slot: _Slot, memory: Remembering, stopped: ReprunError | None = None) -> None:
    """Write the row of a cell; `stopped` is what ended the matrix before the cell was judged."""
    memory.remember(
        slot.request.selection if slot.request else None,
        slot.cell,
        named=(slot.analysis, slot.variant, slot.image),
        error=slot.error or stopped,
        ran=slot.prepared is not None,
        stands=slot.record is not None,
    )


def page_of(request: MatrixRequest) -> str:
    """Return the name of the page that a matrix writes."""
    return PAGE_OF_SOME if request.cells else PAGE


def document_of(request: MatrixRequest) -> str:
    """Return the name of the JSON document that a matrix writes."""
    return DOCUMENT_OF_SOME if request.cells else DOCUMENT


def exit_code(matrix: MatrixReport) -> int:
    """Return the program's: 0 where all cells but those allowed not to run are reproduced."""
    match matrix.state:
        case "reproduced":
            return ExitCode.REPRODUCED
        case "not reproduced":
            return ExitCode.NOT_REPRODUCED
        case "no reference":
            return ExitCode.NOTHING_TO_COMPARE
        case "failed" | "not run" as state:
            open_cells = [cell for cell in matrix.cells if cell.allowed is None]
            codes = [cell.exit_code for cell in open_cells if cell.state == state]
            return max(codes, default=ExitCode.NOTHING_TO_COMPARE)
        case _:
            assert_never(matrix.state)


def _chosen(request: MatrixRequest, project: Project) -> list[_Slot]:
    """Return the cells asked for. Raises SpecificationError for a glob that matches none."""
    slots: list[_Slot] = []
    for name in project.analysis_names():
        try:
            default = select(project, name, results=request.results)
        except ReprunError as error:
            slots.append(_Slot(name, "?", "?", error=error))
            continue
        except Exception as error:  # noqa: BLE001 - as below
            told = unforeseen(error, hint=f"reprun --verbose show {quoted(name)}")
            slots.append(_Slot(name, "?", "?", error=told))
            continue
        for variant, declared in default.analysis.variants.items():
            asked = RunRequest(
                replace(default, variant=variant),
                engine=request.engine,
                cores=request.cores,
                again=request.again,
                relock_images=request.relock_images,
            )
            slot = _Slot(name, variant, declared.image, default.analysis.title, request=asked)
            slot.allowed = _allowed(slot, declared.optional, request)
            slots.append(slot)
    for glob in (*request.cells, *request.required, *request.allowed_not_to_run):
        if not any(_matches(slot, glob) for slot in slots):
            known = {slot.analysis for slot in slots} | {slot.name for slot in slots}
            raise SpecificationError(
                f"no cell of the matrix is called '{glob}'{did_you_mean(glob, known)}",
                hint="reprun list",
            )
    chosen = [slot for slot in slots if not request.cells or _matches_any(slot, request.cells)]
    for glob in request.required:
        if not any(_matches(slot, glob) for slot in chosen):
            raise SpecificationError(
                f"'{glob}' is required and not among the cells asked for",
                hint=f"reprun matrix {quoted(glob)} --require {quoted(glob)}",
            )
    return chosen


def _allowed(slot: _Slot, optional: str | None, request: MatrixRequest) -> str | None:
    """Return why a cell may be left out where it cannot run; None where it may not."""
    if _matches_any(slot, request.allowed_not_to_run):
        return "--allow-not-run"
    return None if _matches_any(slot, request.required) else optional


def _matches_any(slot: _Slot, globs: Sequence[str]) -> bool:
    return any(_matches(slot, glob) for glob in globs)


def _matches(slot: _Slot, glob: str) -> bool:
    return fnmatch.fnmatchcase(slot.name, glob) or fnmatch.fnmatchcase(slot.analysis, glob)


@contextmanager
def _errors_stay_in(slot: _Slot) -> Iterator[None]:
    """Let an error of this block belong to one cell, and end none of the others."""
    try:
        yield
    except InterruptedRunError:
        raise
    except ReprunError as error:
        slot.error = error
    except Exception as error:  # noqa: BLE001 - whatever it is, it hides no other cell
        slot.error = unforeseen(error, hint=f"reprun --verbose run {quoted(slot.analysis)}")


def _load(
    slot: _Slot, request: MatrixRequest, held: ExitStack, store: Store, progress: Progress
) -> None:
    """Load a cell, hold its run directory, decide what runs, take over a result that stands."""
    assert slot.request is not None
    cell = load_cell(slot.request, store)
    slot.held = held.enter_context(alone(cell.run_directory, store, progress))
    slot.cell = with_images(cell, relock=request.relock_images, store=store, progress=progress)
    take_over(cell.run_directory, store, progress)
    slot.last = read_record(cell.run_directory)
    slot.rerun = decide(slot.cell, slot.last, again=request.again)
    if isinstance(slot.rerun, Nothing):
        assert slot.last is not None
        slot.record = slot.last
        slot.report = stored_report(slot.cell, slot.last, progress)


def _run(
    waiting: Sequence[_Slot],
    request: MatrixRequest,
    held: ExitStack,
    memory: Remembering,
    store: Store,
    progress: Progress,
) -> None:
    """Prepare the cells, run them on the cores they share and record what came of each."""
    images = [image for slot in waiting if slot.cell for image in slot.cell.images.values()]
    engine, status = checked_engine(request.engine, images, store, progress)
    memory.begin((slot.request.selection, slot.image) for slot in waiting if slot.request)
    cores = request.cores or len(os.sched_getaffinity(0))
    confined = confinement(store, trusted=request.trust_snakefile, progress=progress)
    verified: dict[str, Verified | None] = {}
    for slot in waiting:
        with _errors_stay_in(slot):
            assert slot.cell is not None
            assert isinstance(slot.rerun, Steps)
            assert slot.held is not None
            for image in slot.cell.images.values():
                if image.name not in verified:
                    verified[image.name] = prepared(engine, image, store, progress)
            held.enter_context(collection.hold(store, slot.cell.data_digests()))
            slot.prepared = prepare_workspace(
                slot.cell, slot.last, slot.rerun, cores, slot.held, confined, store, progress
            )
    ready = {slot.name: slot.prepared for slot in waiting if slot.prepared}
    if not ready:
        return
    workflows = {name: prepared.workflow for name, prepared in ready.items()}
    outcomes = run_workflows(workflows, engine, cores, store, progress)
    _finish([slot for slot in waiting if slot.name in ready], outcomes, status, verified)


def _finish(
    slots: Sequence[_Slot],
    outcomes: Mapping[str, WorkflowOutcome],
    status: EngineStatus,
    verified: VerifiedImages,
) -> None:
    interrupted: InterruptedRunError | None = None
    for slot in slots:
        assert slot.prepared is not None
        try:
            with _errors_stay_in(slot):
                slot.record = finish(slot.prepared, status, verified, outcomes[slot.name])
        except InterruptedRunError as error:
            interrupted = error
    if interrupted is not None:
        raise interrupted


def _report(slot: _Slot, home: Path, memory: Remembering) -> CellReport:
    """Return a cell as the report shows it."""
    error, report = slot.error, slot.report
    cell = CellReport(
        analysis=slot.analysis,
        title=slot.title,
        variant=slot.variant,
        image=slot.image,
        dataset=slot.cell.selection.dataset if slot.cell else None,
        state="failed",
        sentence="",
        exit_code=0,
        ran=slot.prepared is not None,
        finished=slot.record.finished if slot.record else None,
        step_seconds=sum(step.wall_seconds for step in slot.record.steps) if slot.record else None,
    )
    if slot.request is not None and (error is not None or not report or not report.reproduced):
        cell = cell.model_copy(update={"red": memory.since(slot.request.selection)})
    if error is not None:
        state = _state_of(error)
        return cell.model_copy(
            update={
                "state": state,
                "allowed": slot.allowed if state == "not run" else None,
                "sentence": error.message,
                "hint": error.hint,
                "exit_code": int(error.exit_code),
                "report": None if error.page is None else os.path.relpath(error.page, home),
                "log": _log_of(slot, error, home),
            }
        )
    assert report is not None
    assert slot.cell is not None
    page = slot.cell.run_directory / REPORT_HTML
    return cell.model_copy(
        update={
            "state": report.status,
            "sentence": report.sentence,
            "exit_code": int(report.exit_code),
            "report": os.path.relpath(page, home),
            "hint": None if report.reproduced else report.hint or f"xdg-open {page}",
        }
    )


def _log_of(slot: _Slot, error: ReprunError, home: Path) -> str | None:
    """Return the log that an error names, if it is in the run directory of the cell."""
    if slot.cell is None or error.place is None:
        return None
    place = Path(error.place)
    inside = place.suffix == ".log" and place.is_relative_to(slot.cell.run_directory)
    return os.path.relpath(place, home) if inside and place.is_file() else None


def _state_of(error: ReprunError) -> State:
    match state_of(error):
        case "nothing to compare":
            return "no reference"
        case "not run":
            return "not run"
        case _:
            return "failed"
