"""Whether a workflow has run: by the records of its steps, never by what a program reports.

A pure function of the plan, the records and the digests of the files as they are now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from reprun.documents.record import StepRecord
from reprun.errors import BackendError
from reprun.wording import listed
from reprun.workflow.planned import PlannedStep, WorkflowPlan

NowDigest = Callable[[str], str | None]
"""Returns the digest of a file as it is now; None for a directory, or where nothing is."""


def last_of_each(records: Iterable[StepRecord]) -> dict[str, StepRecord]:
    """Return the last record of every step: one that was tried again counts by its last try."""
    return {record.key: record for record in records}


def failed_of(records: Iterable[StepRecord]) -> list[StepRecord]:
    """Return the record of every step that failed in its last try."""
    return [record for record in last_of_each(records).values() if not record.succeeded]


def not_run(plan: WorkflowPlan, records: Iterable[StepRecord]) -> Iterator[PlannedStep]:
    """Yield every planned step without a record of one of its very commands that succeeded."""
    found = last_of_each(records)
    for step in plan.steps:
        record = found.get(step.key)
        if record is None or not record.succeeded or not step.may_run(record.command):
            yield step


def not_made(targets: Iterable[str], records: Iterable[StepRecord]) -> Iterator[str]:
    """Yield every target that no recorded step declares to write."""
    made = {path for record in records if record.succeeded for path in record.outputs}
    for target in targets:
        if target not in made:
            yield target


def inconsistencies(
    plan: WorkflowPlan, records: Iterable[StepRecord], now: NowDigest
) -> Iterator[str]:
    """Yield a sentence for every file that is not what the steps that wrote and read it saw.

    So a file is the same for the step that made it, for all that read it, and now. What a step
    writes into a directory that another one declared is not seen: directories have no digest.
    """
    found = last_of_each(records)
    temporary = {path for step in plan.steps for path in step.temporary}
    makers = {path: record for record in found.values() for path in record.outputs}
    for path, maker in makers.items():
        made = maker.outputs[path]
        if made is not None and path not in temporary and now(path) != made:
            yield f"{path} was changed after step {maker.rule} had written it"
    for record in found.values():
        for path, read in record.inputs.items():
            made_by = makers.get(path)
            wrote = made_by.outputs[path] if made_by is not None else now(path)
            if read is not None and wrote is not None and read != wrote:
                yield f"step {record.rule} read another {path} than there is now"


def lack_of_steps(
    plan: WorkflowPlan | None, records: Iterable[StepRecord], log: str, again: str
) -> BackendError | None:
    """Return the error of a workflow of which not every step has run, though nothing failed."""
    if plan is None:
        return BackendError("Snakemake ended without a plan", place=log, hint=again)
    if waiting := list(dict.fromkeys(step.rule for step in not_run(plan, records))):
        return BackendError(
            f"Snakemake ended well without running {listed(waiting)}", place=log, hint=again
        )
    return None
