"""Snakemake in its sandbox, and the socket over which it asks for steps.

The sandbox holds the workspace, with everything given lying over it read-only, and a directory
with Snakemake's configuration and the socket. It has no network and nothing else of the user's.

Where none can be made and the user trusts the Snakefile, Snakemake is an ordinary process that
asks for steps in the same way. It reads the Snakefile from where no step can write, and finds
copies of everything given in the workspace.
"""

from __future__ import annotations

import concurrent.futures
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol, Self, assert_never

from reprun.engines.base import Bounded, ContainerResult, Ending, Mount
from reprun.engines.box import HOME
from reprun.engines.confinement import Confinement
from reprun.errors import (
    BackendError,
    NoSandboxError,
    ReprunError,
    unforeseen,
)
from reprun.files import scratch
from reprun.wording import quoted
from reprun.workflow.complaint import error_of
from reprun.workflow.protocol import Answer, Line, Plan, Problem, Run, listening
from reprun.workflow.supervisor import UNFORESEEN_HINT
from reprun.workflow.workspace import Given, Workspace

WORKSPACE = f"{HOME}/workspace"
CONTROL = f"{HOME}/control"
TRUST_HINT = (
    "reprun … --trust-snakefile   # the same command, for a Snakefile that may do what you may; "
    "or: apt-get install runc"
)
SOCKET = "socket"
CONFIGURATION = "config.json"
POLL_SECONDS = 0.05
PLANNING_SECONDS = 1800.0
"""How long Snakemake may take to its first plan: a Snakefile that hangs may stall no matrix."""
MOST_WAITING = 5000
"""Steps that Snakemake may have asked for and that have not ended."""
LOG_BYTES = 64 << 20
"""Bytes of Snakemake's log that are kept."""


class Overseer(Protocol):
    """Who answers Snakemake."""

    def take_plan(self, plan: Plan) -> bool:
        """Take what it has planned; return whether it goes on. Raises what is wrong with it."""

    def run(self, key: str) -> None:
        """Run a step it has planned; raise why it failed."""


@dataclass(frozen=True, slots=True)
class Driven:
    """How Snakemake ended: what its sandbox reports, and what it asked for that it may not."""

    result: ContainerResult
    fault: ReprunError | None
    planned: bool
    """Whether it had planned before."""
    places: tuple[str, ...]
    """Where Snakemake saw what the user knows by a path of the analysis."""

    def error(self, log: Path, snakefile: str) -> ReprunError | None:
        """Return why it did not end by itself, or did not plan; None where nothing is known."""
        if self.fault is not None:
            return self.fault
        hint = "the same command again continues where it stopped"
        match self.result.ending:
            case Ending.OUT_OF_MEMORY:
                return BackendError(
                    "Snakemake needed more memory than its sandbox has", place=str(log), hint=hint
                )
            case Ending.TIMED_OUT | Ending.CANCELLED:
                return None
            case Ending.EXITED:
                pass
            case _:
                assert_never(self.result.ending)
        if self.result.exit_code == KILLED:
            return BackendError(
                "Snakemake was killed before it finished", place=str(log), hint=hint
            )
        return self.complaint(log, snakefile) if self.result.exit_code else None

    def complaint(self, log: Path, snakefile: str) -> ReprunError:
        """Return what Snakemake says was wrong."""
        return error_of(log, snakefile, self.places, planned=self.planned)


KILLED = 128 + 9


def snakemake_version() -> str:
    """Return the version of Snakemake, without importing it."""
    return metadata.version("snakemake")


def drive(
    confined: Confinement,
    workspace: Workspace,
    snakefile: str,
    arguments: Sequence[str],
    config: Mapping[str, Any],
    targets: Sequence[str],
    log: Path,
    overseer: Overseer,
    *,
    cancel: threading.Event,
    workers: int,
    keeps: Sequence[int] = (),
) -> Driven:
    """Run Snakemake in the sandbox to its end, answering it.

    `arguments` are added to Snakemake's own; `cancel` ends the sandbox. Raises NoSandboxError
    where none can be made.
    """
    workspace.lay_out()
    with scratch() as control, _given(confined, workspace):
        mounts = [
            Mount(workspace.root, WORKSPACE, read_only=False),
            *workspace.given.mounts(WORKSPACE),
            Mount(control, CONTROL),
        ]
        work, own = confined.seen(mounts[0]), confined.seen(mounts[-1])
        # As a file: `--config` refuses names of one letter.
        (control / CONFIGURATION).write_text(json.dumps(dict(config)), encoding="utf-8")
        with listening(control / SOCKET) as listener, log.open("wb") as stream:
            command = [
                *("snakemake", "--executor", "reprun", "--reprun-socket", f"{own}/{SOCKET}"),
                *("--directory", work, "--configfile", f"{own}/{CONFIGURATION}"),
                *("--snakefile", _read_from(confined, workspace.given, snakefile)),
                *("--cores", str(workers), "--rerun-incomplete", "--latency-wait", "0"),
                # Run directories are locked by us, by a lock that a kill releases; and no
                # profile that lies about changes what runs.
                *("--nolock", "--profile", "none", "--workflow-profile", "none"),
                # It takes all that follows up to the next option, so targets stand behind `--`.
                *(*arguments, "--", *targets),
            ]
            take = Bounded(stream.write, LOG_BYTES)
            with concurrent.futures.ThreadPoolExecutor(1) as runs:
                ended = runs.submit(
                    confined.run,
                    command,
                    mounts=mounts,
                    working_directory=WORKSPACE,
                    output=take,
                    cancel=cancel,
                    keeps=keeps,
                )
                try:
                    with _Planning(cancel) as planning:
                        fault = _answer(listener, ended, overseer, workers, cancel, planning)
                    fault = fault or planning.fault(log)
                    places = (work, str(workspace.given.directory))
                    return Driven(ended.result(), fault, planning.made, places)
                except NoSandboxError as error:
                    error.hint = TRUST_HINT
                    raise
                except BaseException:
                    cancel.set()
                    raise


@contextmanager
def _given(confined: Confinement, workspace: Workspace) -> Iterator[None]:
    """Let Snakemake find everything given in the workspace: mounted there, or copied."""
    with nullcontext() if confined.mounts else workspace.copies():
        yield


def _read_from(confined: Confinement, given: Given, snakefile: str) -> str:
    """Return where Snakemake reads the Snakefile.

    Its directory is where Snakemake looks for modules first: on the host that may not be one
    in which a step can leave some.
    """
    if confined.mounts or snakefile not in given.digests:
        return snakefile
    return str(given.directory / snakefile)


def _answer(
    listener: socket.socket,
    ended: concurrent.futures.Future[ContainerResult],
    overseer: Overseer,
    workers: int,
    cancel: threading.Event,
    planning: _Planning,
) -> ReprunError | None:
    """Answer until Snakemake hangs up; return what it asked for against the protocol."""
    connection = _accepted(listener, ended)
    if connection is None:
        return None
    line = Line(connection)
    waiting = threading.BoundedSemaphore(MOST_WAITING)

    def run(key: str) -> None:
        try:
            _reply(line, partial(overseer.run, key), key)
        finally:
            waiting.release()

    with concurrent.futures.ThreadPoolExecutor(workers + 1) as pool:
        try:
            for request in line.requests():
                match request:
                    case Plan():
                        planning.done()
                        _reply(line, partial(overseer.take_plan, request), None)
                    case Run():
                        # Snakemake asks for as many as run at once, and a few more.
                        if not waiting.acquire(blocking=False):
                            raise BackendError("Snakemake asks for too many steps at once")
                        pool.submit(run, request.key)
                    case _:
                        assert_never(request)
        except ReprunError as error:
            cancel.set()
            return error
        finally:
            if not ended.done():
                with suppress(concurrent.futures.TimeoutError):
                    ended.result(1.0)
            line.close()
    return None


class _Planning:
    """Ends Snakemake when its first plan does not come in time."""

    def __init__(self, cancel: threading.Event) -> None:
        self._cancel = cancel
        self._late = False
        self.made = False
        """Whether a plan has come."""
        self._timer = threading.Timer(PLANNING_SECONDS, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        """Start to count."""
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to count."""
        self._timer.cancel()

    def done(self) -> None:
        """Take note that the plan has come."""
        self.made = True
        self._timer.cancel()

    def fault(self, log: Path) -> ReprunError | None:
        """Return what is wrong where it has not come."""
        if not self._late:
            return None
        return BackendError(
            f"Snakemake has made no plan within {PLANNING_SECONDS:.0f} seconds",
            place=str(log),
            hint=f"less {quoted(log)}   # does the Snakefile wait for something?",
        )

    def _end(self) -> None:
        self._late = True
        self._cancel.set()


def _reply(line: Line, act: Callable[[], bool | None], key: str | None) -> None:
    """Do what was asked for and send what came of it; nobody may be there to hear it."""
    try:
        answer = Answer(key=key, go_on=act() is not False)
    except ReprunError as error:
        answer = Answer(key=key, problem=Problem.of(error))
    except Exception as error:  # noqa: BLE001 - unanswered, Snakemake would wait for ever
        answer = Answer(key=key, problem=Problem.of(unforeseen(error, hint=UNFORESEEN_HINT)))
    with suppress(OSError):
        line.send(answer)


def _accepted(
    listener: socket.socket, ended: concurrent.futures.Future[ContainerResult]
) -> socket.socket | None:
    """Wait until Snakemake calls; None where it ends without."""
    listener.settimeout(POLL_SECONDS)
    while True:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            if ended.done():
                return None
            continue
        connection.settimeout(None)
        return connection
