"""The local backend: Snakemake plans and schedules, our executor plugin runs the steps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, assert_never

import yaml

from reprun.documents.record import StepRecord
from reprun.engines.base import Ending
from reprun.errors import BackendError, InterruptedRunError, ReprunError, SpecificationError
from reprun.progress import Progress, announced, report_command
from reprun.wording import quoted
from reprun.workflow.cells import CellWorkflow, write_cells
from reprun.workflow.events import EventReader, error_of
from reprun.workflow.rerun import OUT_OF_DATE, Everything, Rules, Steps

POLL_SECONDS = 0.05
GRACE_SECONDS = 20
LOG = "snakemake.log"
LAST_LINES = 12
MATRIX = Path(__file__).with_name("matrix.smk")
CONFIGURATION = "config.yaml"


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """What the backend needs to run a workflow."""

    workspace: Path
    run_directory: Path
    snakefile: str
    images: Sequence[Path]
    """The directories of the catalogue in which every image of the workflow is locked."""
    config: Mapping[str, Any]
    targets: Sequence[str]
    engine: str
    cores: int
    rerun: Steps = OUT_OF_DATE
    mounts: Sequence[tuple[Path, str]] = ()
    """Directories of this machine and where every step sees them, read-only."""
    network: bool = False
    image_map: Mapping[str, str] = field(default_factory=dict)
    """What runs in the place of images as the Snakefile names them; "" for rules that name none."""


@dataclass(frozen=True, slots=True)
class WorkflowOutcome:
    """What came of it: the steps that ran, and why it stopped if it did."""

    command: tuple[str, ...]
    steps: tuple[StepRecord, ...]
    error: ReprunError | None


def snakemake_version() -> str:
    """Return the version of Snakemake, without importing it."""
    return metadata.version("snakemake")


def run_workflow(request: WorkflowRequest, progress: Progress) -> WorkflowOutcome:
    """Run a workflow to its end.

    Ctrl-C and SIGTERM (raised by the caller as InterruptedRunError, or KeyboardInterrupt)
    reach Snakemake as SIGINT: its containers are killed and what they had half-written is
    removed before this returns with an InterruptedRunError in the outcome.
    """
    events = request.run_directory / "events.jsonl"
    own = [
        *("--snakefile", request.snakefile),
        *("--reprun-images", *map(str, request.images)),
        *("--reprun-logs", str(request.run_directory / "logs")),
        *("--rerun-triggers", "mtime", "input", "params", "code"),
    ]
    if request.mounts:
        mounts = [[str(source), target] for source, target in request.mounts]
        own += ["--reprun-mounts", json.dumps(mounts)]
    if request.network:
        own.append("--reprun-network")
    if request.image_map:
        own += ["--reprun-image-map", json.dumps(dict(request.image_map))]
    match request.rerun:
        case Everything():
            own.append("--forceall")
        case Rules(names=names):
            own += ["--forcerun", *names] if names else []
        case _:
            assert_never(request.rerun)
    # As a file: `--config` refuses names of one letter. It takes all that follows up to the next
    # option, so targets stand behind `--`.
    config = request.run_directory / "config.json"
    config.write_text(json.dumps(dict(request.config)), encoding="utf-8")
    own += ["--configfile", str(config), "--", *request.targets]
    command = snakemake_command(request.engine, request.cores, request.workspace, events) + own
    log = request.run_directory / LOG
    end = _run(command, request.workspace, events, log, progress)
    error = end.stopped or end.follower.refused.get("")
    steps = end.follower.steps[""]
    if error is None and end.exit_code != 0 and all(step.succeeded for step in steps):
        error = planning_error(log, request.snakefile)
    return WorkflowOutcome(tuple(command), tuple(steps), error)


def run_workflows(
    requests: Mapping[str, WorkflowRequest], home: Path, progress: Progress
) -> Mapping[str, WorkflowOutcome]:
    """Run several workflows, called by what people know them as, in one Snakemake.

    `home` holds all their workspaces; engine and cores are those of the first. One that fails
    stops no other. Where the workflows cannot even be planned together (one Snakefile that
    does not load spoils the plan of all), each runs on its own: only the faulty one fails then.
    Interrupts act as for `run_workflow`.
    """
    cells = {label: _cell(f"c{n}", one, home) for n, (label, one) in enumerate(requests.items())}
    labels = {cell.name: label for label, cell in cells.items()}
    matrix = home / "matrix"
    matrix.mkdir(parents=True, exist_ok=True)
    events, listing, log = matrix / "events.jsonl", matrix / "cells.json", matrix / LOG
    write_cells(list(cells.values()), listing)
    first = next(iter(requests.values()))
    own = [
        *("--snakefile", str(MATRIX)),
        *("--reprun-cells", str(listing)),
        *("--reprun-logs", str(matrix)),
        *("--rerun-triggers", "mtime", "input"),
        "--keep-going",
    ]
    forced = [
        f"{cells[label].name}_{rule}"
        for label, one in requests.items()
        if isinstance(one.rerun, Rules)  # of Everything the workspace is empty
        for rule in one.rerun.names
    ]
    own += ["--forcerun", *forced] if forced else []
    own += ["--config", f"cells={json.dumps(str(listing))}"]
    command = snakemake_command(first.engine, first.cores, home, events) + own
    end = _run(command, home, events, log, progress, labels)
    if end.stopped is None and end.exit_code != 0 and not end.follower.planned:
        return {label: run_workflow(one, progress) for label, one in requests.items()}
    found = {}
    for label, one in requests.items():
        name = cells[label].name
        steps = tuple(end.follower.steps[name])
        error = end.stopped or end.follower.refused.get(name)
        found[label] = WorkflowOutcome(tuple(command), steps, error)
        shutil.copyfile(log, one.run_directory / LOG)
    return found


def _cell(name: str, request: WorkflowRequest, home: Path) -> CellWorkflow:
    # A module is given all of its configuration: Snakemake ignores its `configfile:` then.
    written = request.workspace / CONFIGURATION
    known = yaml.safe_load(written.read_text(encoding="utf-8")) if written.is_file() else None
    return CellWorkflow(
        name=name,
        prefix=request.workspace.relative_to(home).as_posix(),
        snakefile=request.workspace / request.snakefile,
        config={**(known if isinstance(known, dict) else {}), **request.config},
        targets=request.targets,
        images=request.images,
        logs=request.run_directory / "logs",
        mounts=request.mounts,
        network=request.network,
    )


@dataclass(frozen=True, slots=True)
class _End:
    """How a Snakemake ended."""

    exit_code: int
    follower: _Follower
    stopped: InterruptedRunError | BackendError | None
    """Who stopped it before its own end: the user, or somebody with a signal."""


def _run(
    command: Sequence[str],
    directory: Path,
    events: Path,
    log: Path,
    progress: Progress,
    labels: Mapping[str, str] | None = None,
) -> _End:
    events.unlink(missing_ok=True)
    with log.open("wb") as stream:
        process = subprocess.Popen(
            announced(command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=directory,
            start_new_session=True,  # Ctrl-C reaches us alone; we pass it on once
            preexec_fn=_take_interrupts,  # noqa: PLW1509 - no thread runs yet
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        follower = _Follower(EventReader(events), progress, labels or {})
        stopped: InterruptedRunError | BackendError | None = None
        try:
            with progress.task("running the steps", None, "steps") as bar:
                while process.poll() is None:
                    bar.advance(follower.look())
                    time.sleep(POLL_SECONDS)
        except (KeyboardInterrupt, InterruptedRunError):
            _stop(process)
            stopped = InterruptedRunError(
                "interrupted; containers are gone, finished steps are kept",
                hint="type the same command again to go on",
            )
        except BaseException:
            _stop(process)
            raise
        follower.look()
    events.unlink(missing_ok=True)
    return _End(process.returncode, follower, stopped or killed_error(process.returncode, log))


def _take_interrupts() -> None:
    """Undo what a shell does to commands in the background (and nohup, and cron): they ignore
    SIGINT, and so would Snakemake, which we stop with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Follower:
    """Turns events into progress and collects the steps of each cell."""

    def __init__(self, reader: EventReader, progress: Progress, labels: Mapping[str, str]) -> None:
        self._reader = reader
        self._progress = progress
        self._labels = labels
        self._steps = 0
        self._ended = 0
        self.planned = False
        self.steps: dict[str, list[StepRecord]] = defaultdict(list)
        self.refused: dict[str, ReprunError] = {}

    def look(self) -> int:
        """Take in what is new; return how many steps have ended since the last look."""
        before = self._ended
        for event in self._reader.new():
            match event["event"]:
                case "command":
                    report_command(event["typed"])
                case "planned":
                    self.planned = True
                    self._steps = event["steps"]
                case "ended":
                    self._take(event["cell"], StepRecord.model_validate(event["step"]))
                case "refused":
                    self.refused.setdefault(event["cell"], error_of(event))
        return self._ended - before

    def _take(self, cell: str, step: StepRecord) -> None:
        self.steps[cell].append(step)
        self._ended += 1
        stopped = step.ending == Ending.CANCELLED
        state = "done" if step.succeeded else "stopped" if stopped else "FAILED"
        whose = f"{self._labels[cell]}: " if cell in self._labels else ""
        self._progress.say(
            f"[{self._ended}/{self._steps}] {whose}{step.rule} {state} in {step.wall_seconds:.1f} s"
        )


def snakemake_command(engine: str, cores: int, directory: Path, events: Path | None) -> list[str]:
    """Return what starts Snakemake on our executor, without what differs between uses."""
    command = [
        *(sys.executable, "-m", "snakemake"),
        *("--directory", str(directory)),
        *("--cores", str(cores)),
        *("--executor", "reprun"),
        *("--reprun-engine", engine),
        "--reprun-checked",
        *("--reprun-parent", str(os.getpid())),
        "--rerun-incomplete",
        "--nolock",  # each run directory is locked by us, by a lock that a kill releases
        *("--latency-wait", "0"),
    ]
    return command + (["--reprun-events", str(events)] if events else [])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop Snakemake as Ctrl-C does; kill its process group if it does not obey."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def killed_error(exit_code: int, log: Path) -> BackendError | None:
    """Return the error of a Snakemake that a signal ended: no fault of the Snakefile."""
    if exit_code >= 0:
        return None
    return BackendError(
        f"Snakemake was killed by {signal.Signals(-exit_code).name} before it finished",
        place=str(log),
        hint="dmesg | tail   # out of memory? The same command continues where it stopped",
    )


def planning_error(log: Path, snakefile: str) -> SpecificationError:
    """Return what Snakemake could not make of the Snakefile, from the end of its log."""
    noise = ("Assuming unrestricted", "Using shell", "Provided cores", "host:", "Building DAG")
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.strip() and not line.startswith(noise)
    ]
    said = "".join(f"\n    {line}" for line in lines[-LAST_LINES:])
    return SpecificationError(
        f"Snakemake refuses {snakefile}:{said}", place=str(log), hint=f"less {quoted(log)}"
    )
