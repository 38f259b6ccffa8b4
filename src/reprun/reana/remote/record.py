"""What REANA tells of the jobs it ran, and the run record made of it."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from reprun import __version__
from reprun.documents.record import EngineRecord, HostRecord, ImageRecord, RunRecord, StepRecord
from reprun.engines.base import MIB
from reprun.reana.remote.submission import Submission
from reprun.runs.cell import Cell

LAST_LINES = 15
_UNSAFE = re.compile(r"[^\w.-]+")
UNKNOWN = "not reported by REANA"


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the logs have it."""

    identity: str
    name: str
    status: str
    image: str
    command: str
    started: dt.datetime | None
    finished: dt.datetime | None
    text: str

    @property
    def log(self) -> str:
        """Where its log is kept, relative to the run directory."""
        return f"logs/{_UNSAFE.sub('_', self.name)}-{_UNSAFE.sub('_', self.identity)[:8]}.txt"

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The end of what it printed."""
        return tuple(line for line in self.text.splitlines() if line.strip())[-LAST_LINES:]


def jobs_of(logs: Mapping[str, Any]) -> list[Job]:
    """Return the jobs in the order in which they began; those that wait come last."""
    found = []
    for identity, job in (logs.get("job_logs") or {}).items():
        found.append(
            Job(
                identity=str(identity),
                name=str(job.get("job_name") or identity),
                status=str(job.get("status") or ""),
                image=str(job.get("docker_img") or ""),
                command=str(job.get("cmd") or ""),
                started=_time(job.get("started_at")),
                finished=_time(job.get("finished_at")),
                text=str(job.get("logs") or ""),
            )
        )
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(found, key=lambda job: job.started or latest)


def failed_job(jobs: Sequence[Job]) -> Job | None:
    """Return the first job that failed."""
    return next((job for job in jobs if job.status == "failed"), None)


def record_of(
    cell: Cell,
    submission: Submission,
    jobs: Sequence[Job],
    outputs: Mapping[str, str],
    status: str,
) -> RunRecord:
    """Return the record of a workflow that has ended.

    What REANA does not tell (processor, memory used, exit codes) is not made up: the host says
    so, and a failed job has exit code 1, as it has no other.
    """
    now = dt.datetime.now(dt.UTC)
    steps = [_step(job, number, submission, now) for number, job in enumerate(jobs)]
    state: Literal["finished", "failed", "interrupted"] = "failed"
    if status == "finished":
        state = "finished"
    elif status in ("stopped", "deleted"):
        state = "interrupted"
    image = cell.image
    where = f"{submission.label} on {submission.server}"
    pulled = ", ".join(submission.images.values())
    return RunRecord(
        reprun_version=__version__,
        snakemake_version="REANA's own (0.9: 7.32.4)",
        analysis=cell.selection.analysis.name,
        variant=cell.selection.variant,
        dataset=cell.selection.dataset,
        tier=cell.selection.tier.name if cell.selection.tier else None,
        status=state,
        started=submission.created,
        finished=now,
        command=tuple(sys.argv),
        inputs=cell.plan.inputs,
        engine=EngineRecord(name="REANA", version=submission.server_version or UNKNOWN),
        image=ImageRecord(name=image.name, image_id=image.image_id, manifest=image.manifest),
        host=HostRecord(
            system=f"REANA at {submission.server}",
            kernel=UNKNOWN,
            architecture=UNKNOWN,
            python=UNKNOWN,
            cpu=UNKNOWN,
            cpu_flags=(),
            cores=0,
            memory_bytes=0,
            cgroup_version=0,
        ),
        deviations=(
            *cell.deviations,
            f"the steps ran as {where}, where the server sets user, network and limits",
            f"the images were pulled there as {pulled}",
            *submission.changes,
        ),
        hermetic=False,
        steps=tuple(steps),
        outputs=dict(outputs),
    )


def _step(job: Job, number: int, submission: Submission, now: dt.datetime) -> StepRecord:
    planned = submission.rules.get(job.name)
    good = job.status == "finished"
    started = job.started or submission.created
    finished = job.finished or (now if job.started else started)
    endings = {"finished": "exited", "failed": "exited"}
    return StepRecord(
        rule=job.name,
        job=number,
        command=job.command or (planned.command if planned else ""),
        image=job.image,
        engine="REANA",
        inputs=dict.fromkeys(planned.inputs) if planned else {},
        outputs=dict.fromkeys(planned.outputs) if planned and good else {},
        ending=endings.get(job.status, "cancelled"),
        exit_code=0 if good else 1,
        started=started,
        wall_seconds=max((finished - started).total_seconds(), 0.0),
        cpus=planned.threads if planned else 0,
        memory_limit_bytes=(planned.memory_mb or 0) * MIB if planned else 0,
        log=job.log,
        last_lines=() if good else job.last_lines,
    )


def _time(text: object) -> dt.datetime | None:
    """Read a time of REANA, which is in UTC and does not say so."""
    with suppress(TypeError, ValueError):
        found = dt.datetime.fromisoformat(str(text))
        return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return None
