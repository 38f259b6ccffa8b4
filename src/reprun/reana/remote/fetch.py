"""What a workflow left on its server: fetched, compared with its digests, and evaluated."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.digests import short
from reprun.documents.record import REPORTS, write_record
from reprun.errors import IntegrityError, OutputMissingError, StepFailedError
from reprun.progress import Progress
from reprun.reana.remote.client import Client
from reprun.reana.remote.export import DIGESTS, read_digests
from reprun.reana.remote.record import failed_job, jobs_of, record_of
from reprun.reana.remote.submission import Keeper, Submission
from reprun.runs.cell import Cell
from reprun.runs.remembering import Remembering, remember_run, remembered
from reprun.runs.run import RunOutcome, judge_cell
from reprun.wording import listed
from reprun.workflow.rerun import Everything


def fetch_and_judge(keeper: Keeper, cell: Cell, client: Client, progress: Progress) -> RunOutcome:
    """Bring the logs and outputs of a workflow that has ended, and evaluate what it made.

    Raises StepFailedError with the end of the failing step's log where it did not finish,
    OutputMissingError and IntegrityError where its outputs are not there or not whole.
    """
    with Remembering(cell.selection.results, progress) as memory:
        with remembered(cell.selection, cell, memory):
            outcome = _fetched_and_judged(keeper, cell, client, progress)
        remember_run(cell.selection, cell, memory, ran=True)
    return outcome


def _fetched_and_judged(
    keeper: Keeper, cell: Cell, client: Client, progress: Progress
) -> RunOutcome:
    submission = keeper.submission
    logs = client.logs(submission.remote)
    status = submission.status or str(client.status(submission.remote)["status"])
    logs_directory = cell.run_directory / "logs"
    shutil.rmtree(logs_directory, ignore_errors=True)
    logs_directory.mkdir(parents=True, exist_ok=True)
    jobs = jobs_of(logs)
    for job in jobs:
        (cell.run_directory / job.log).write_text(job.text, encoding="utf-8")
    (logs_directory / "engine.txt").write_text(
        str(logs.get("workflow_logs") or ""), encoding="utf-8"
    )
    for name in REPORTS:
        # Until this run is judged there is no verdict: an old one would pass for its own.
        (cell.run_directory / name).unlink(missing_ok=True)
    if cell.outputs.exists():
        shutil.rmtree(cell.outputs)
    digests: Mapping[str, str] = {}
    if status == "finished":
        digests = _download(submission, cell, client, progress)
    record = record_of(cell, submission, jobs, digests, status)
    write_record(record, cell.run_directory)
    if status != "finished":
        keeper.note(phase="fetched", status=status)
        raise _why_failed(cell, submission, jobs_of(logs), status, logs)
    report = judge_cell(cell, record, progress)
    keeper.note(phase="fetched", status=status)
    return RunOutcome(
        report, record, cell.run_directory, Everything("it was submitted"), cell.lock_changes
    )


def _download(
    submission: Submission, cell: Cell, client: Client, progress: Progress
) -> Mapping[str, str]:
    """Download the declared outputs and hold them against the digests made on the cluster."""
    there = client.files(submission.remote)
    wanted = (DIGESTS, *cell.plan.targets)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise OutputMissingError(
            f"{submission.label} finished but left no {listed(missing)}",
            hint=cell.selection.command("reana logs"),
        )
    arrivals = _Arrivals(client, submission.remote, there, cell)
    with progress.task("downloading", sum(there[name] for name in wanted)) as task:
        arrivals.read_digests(cell.plan.targets)
        for name in cell.plan.targets:
            if not arrivals.take(name):
                # It, or the list of digests itself, was damaged on the way.
                progress.say(f"note: {name} was damaged on its way; downloading it again")
                arrivals.read_digests(cell.plan.targets)
                if not arrivals.take(name):
                    raise arrivals.damaged(name, cell.selection.command("reana fetch"))
            task.advance(there[name])
    return arrivals.digests


class _Arrivals:
    """Files as they arrive, compared with the sizes and digests that the cluster tells."""

    def __init__(self, client: Client, remote: str, sizes: Mapping[str, int], cell: Cell) -> None:
        self._client = client
        self._remote = remote
        self._sizes = sizes
        self._directory = cell.outputs
        self._parts = cell.run_directory
        self._expected: Mapping[str, str] = {}
        self.digests: dict[str, str] = {}

    def read_digests(self, needed: Sequence[str]) -> None:
        """Fetch the list of digests; raise IntegrityError if it names not all that is needed."""
        place = self._directory / DIGESTS
        self._client.download(self._remote, DIGESTS, place, self._parts)
        self._expected = read_digests(text_of(place, limits.JSON_BYTES))
        if absent := [name for name in needed if name not in self._expected]:
            raise IntegrityError(
                f"{DIGESTS} of the cluster names no digest of {listed(absent)}",
                place=str(place),
            )

    def take(self, name: str) -> bool:
        """Fetch a file; remove it again and return False if it is not what the cluster has."""
        target = self._directory / name
        got = self._client.download(self._remote, name, target, self._parts)
        self.digests[name] = got.sha256
        if got.size == self._sizes[name] and got.sha256 == self._expected[name]:
            return True
        target.unlink()
        return False

    def damaged(self, name: str, fetch: str) -> IntegrityError:
        """Return the error of a file that does not arrive whole."""
        return IntegrityError(
            f"{name} arrives with sha256 {short(self.digests[name])}, and on the cluster it has "
            f"{short(self._expected[name])} and {self._sizes[name]} bytes",
            hint=f"{fetch}   # once more",
        )


def _why_failed(
    cell: Cell, submission: Submission, jobs: list[Any], status: str, logs: Mapping[str, Any]
) -> Exception:
    job = failed_job(jobs)
    hint = cell.selection.command("reana logs")
    if status == "failed" and job is not None:
        end = "".join(f"\n    {line}" for line in job.last_lines)
        return StepFailedError(
            f"step {job.name} failed on REANA ({submission.label}); the end of its log:{end}",
            place=str(cell.run_directory / job.log),
            hint=hint,
        )
    said = str(logs.get("workflow_logs") or "").splitlines()[-12:]
    end = "".join(f"\n    {line}" for line in said if line.strip())
    return StepFailedError(f"{submission.label} is {status}{':' if end else ''}{end}", hint=hint)
