"""The local backend: Snakemake plans and schedules, our executor plugin runs the steps."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from reprun.backends.events import EventReader, error_of
from reprun.engines.base import Ending
from reprun.errors import InterruptedRunError, ReprunError, SpecificationError
from reprun.progress import Progress
from reprun.record import StepRecord

POLL_SECONDS = 0.05
GRACE_SECONDS = 20
LOG = "snakemake.log"
LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class WorkflowRequest:
    """What the backend needs to run a workflow."""

    workspace: Path
    run_directory: Path
    snakefile: str
    images: Path
    """The catalogue in which every image of the workflow is locked."""
    config: Mapping[str, str | int | float | bool]
    targets: Sequence[str]
    engine: str
    cores: int
    force_all: bool = False
    force_rules: Sequence[str] = ()
    mounts: Sequence[tuple[Path, str]] = ()
    """Directories of this machine and where every step sees them, read-only."""
    network: bool = False


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
    events.unlink(missing_ok=True)
    command = _command(request, events)
    with (request.run_directory / LOG).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=request.workspace,
            start_new_session=True,  # Ctrl-C reaches us alone; we pass it on once
            preexec_fn=_take_interrupts,  # noqa: PLW1509 - no thread runs yet
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        follower = _Follower(EventReader(events), progress)
        interrupted: ReprunError | None = None
        try:
            with progress.task("running the steps", None, "steps") as bar:
                while process.poll() is None:
                    bar.advance(follower.look())
                    time.sleep(POLL_SECONDS)
        except (KeyboardInterrupt, InterruptedRunError):
            _stop(process)
            interrupted = InterruptedRunError(
                "interrupted; containers are gone, finished steps are kept",
                hint="type the same command again to go on",
            )
        except BaseException:
            _stop(process)
            raise
        follower.look()
    events.unlink(missing_ok=True)
    error = interrupted or follower.refused
    if error is None and process.returncode != 0:
        failed = [step for step in follower.steps if not step.succeeded]
        if not failed:
            error = _planning_error(request.run_directory / LOG, request.snakefile)
    return WorkflowOutcome(tuple(command), tuple(follower.steps), error)


def _take_interrupts() -> None:
    """Undo what a shell does to commands in the background (and nohup, and cron): they ignore
    SIGINT, and so would Snakemake, which we stop with it.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class _Follower:
    """Turns events into progress and collects the steps."""

    def __init__(self, reader: EventReader, progress: Progress) -> None:
        self._reader = reader
        self._progress = progress
        self._planned = 0
        self.steps: list[StepRecord] = []
        self.refused: ReprunError | None = None

    def look(self) -> int:
        """Take in what is new; return how many steps have ended since the last look."""
        before = len(self.steps)
        for event in self._reader.new():
            match event["event"]:
                case "planned":
                    self._planned = event["steps"]
                case "ended":
                    step = StepRecord.model_validate(event["step"])
                    self.steps.append(step)
                    stopped = step.ending == Ending.CANCELLED
                    state = "done" if step.succeeded else "stopped" if stopped else "FAILED"
                    self._progress.say(
                        f"[{len(self.steps)}/{self._planned}] {step.rule} {state} "
                        f"in {step.wall_seconds:.1f} s"
                    )
                case "refused":
                    self.refused = error_of(event)
        return len(self.steps) - before


def _command(request: WorkflowRequest, events: Path) -> list[str]:
    config = [f"{key}={json.dumps(value)}" for key, value in request.config.items()]
    command = [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", request.snakefile),
        *("--directory", str(request.workspace)),
        *("--cores", str(request.cores)),
        *("--executor", "reprun"),
        *("--reprun-engine", request.engine),
        "--reprun-checked",
        *("--reprun-images", str(request.images)),
        *("--reprun-events", str(events)),
        *("--reprun-logs", str(request.run_directory / "logs")),
        *("--reprun-parent", str(os.getpid())),
        "--rerun-incomplete",
        "--nolock",  # the run directory is locked by us, by a lock that a kill releases
        *("--rerun-triggers", "mtime", "input", "params", "code"),
        *("--latency-wait", "0"),
    ]
    if request.mounts:
        mounts = [[str(source), target] for source, target in request.mounts]
        command += ["--reprun-mounts", json.dumps(mounts)]
    if request.network:
        command.append("--reprun-network")
    if request.force_all:
        command.append("--forceall")
    elif request.force_rules:
        command += ["--forcerun", *request.force_rules]
    # --config takes all that follows up to the next option, so targets stand behind `--`.
    return [*command, "--config", *config, "--", *request.targets]


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop Snakemake as Ctrl-C does; kill its process group if it does not obey."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _planning_error(log: Path, snakefile: str) -> SpecificationError:
    """Return what Snakemake could not make of the Snakefile."""
    noise = ("Assuming unrestricted", "Using shell", "Provided cores", "host:", "Building DAG")
    lines = [
        line
        for line in log.read_text(errors="replace").splitlines()
        if line.strip() and not line.startswith(noise)
    ]
    said = "".join(f"\n    {line}" for line in lines[-LAST_LINES:])
    return SpecificationError(
        f"Snakemake refuses {snakefile}:{said}", place=str(log), hint=f"less {log}"
    )
