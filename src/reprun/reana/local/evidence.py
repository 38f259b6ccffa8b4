"""What a finished run leaves for its tests: status, files, logs and times of the jobs."""

from __future__ import annotations

import datetime as dt
import io
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reprun.bounded import limits
from reprun.documents.record import StepRecord
from reprun.reana.local.specification import Files
from reprun.workflow.beneath import Beneath
from reprun.workflow.steps import SNAKEMAKE_DIRECTORY

BLOCK = 512
"""Unit of `st_blocks`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as REANA's sentences ask for it."""

    name: str
    """The step's name; a serial step without one has an empty name on REANA too."""
    log: str
    started: dt.datetime
    finished: dt.datetime

    @property
    def minutes(self) -> float:
        """How long it took."""
        return (self.finished - self.started).total_seconds() / 60


@dataclass(frozen=True)
class Evidence:
    """A run that has ended."""

    status: str
    """`finished` or `failed`, as REANA says it."""
    workspace: Path
    outputs: Files
    jobs: Sequence[Job]
    engine_log: str | None
    """What Snakemake said; None for serial workflows, where only REANA's own engine says more."""
    started: dt.datetime
    finished: dt.datetime

    @cached_property
    def files(self) -> dict[str, int]:
        """The size of each file of the workspace; a link is none, wherever it leads."""
        return {
            path.relative_to(self.workspace).as_posix(): path.lstat().st_size
            for path in self._paths()
            if stat.S_ISREG(path.lstat().st_mode)
        }

    @cached_property
    def directories(self) -> frozenset[str]:
        """The directories of the workspace."""
        return frozenset(
            path.relative_to(self.workspace).as_posix()
            for path in self._paths()
            if stat.S_ISDIR(path.lstat().st_mode)
        )

    @cached_property
    def workspace_bytes(self) -> int:
        """The room the workspace takes on disk, directories too: REANA asks `du -s`."""
        return sum(path.lstat().st_blocks * BLOCK for path in (self.workspace, *self._paths()))

    @contextmanager
    def open(self, name: str) -> Iterator[io.BufferedReader]:
        """Open a file of the workspace. Raises OutputMissingError for what is no file."""
        with Beneath(self.workspace) as workspace, workspace.open(name) as stream:
            yield stream

    def digest(self, name: str) -> str:
        """Return `sha256:<hex>` of a file of the workspace."""
        with Beneath(self.workspace) as workspace:
            return workspace.digest(name)

    def jobs_of(self, name: str) -> list[Job]:
        """Return the jobs of a step."""
        return [job for job in self.jobs if job.name == name]

    def _paths(self) -> Iterator[Path]:
        for path in sorted(self.workspace.rglob("*")):
            if path.relative_to(self.workspace).parts[0] != SNAKEMAKE_DIRECTORY:
                yield path


def job_of(record: StepRecord, name: str) -> Job:
    """Return a job from the record of its step."""
    log, said = Path(record.log), b""
    if log.is_file():
        with log.open("rb") as stream:
            said = stream.read(limits.LOG_BYTES.value)
    return Job(
        name=name,
        log=said.decode(errors="replace"),
        started=record.started,
        finished=record.started + dt.timedelta(seconds=record.wall_seconds),
    )
