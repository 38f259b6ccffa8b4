"""The steps of the last run, by the names that people call them, and what each printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reprun.documents.reading import WORDS
from reprun.documents.record import RunRecord, StepRecord, read_record, unread_record
from reprun.documents.selection import Selection
from reprun.errors import OutputMissingError, SpecificationError, did_you_mean
from reprun.wording import listed, quoted
from reprun.workflow.evidence import last_of_each


def state_of_step(step: StepRecord) -> str:
    """Return how a step ended, in a few words."""
    if step.succeeded:
        return "kept from an earlier run" if step.kept else "done"
    return (
        f"failed: {step.fault or f'exit code {step.exit_code}'}"
        if (step.ending == "exited")
        else step.ending
    )


def last_record(selection: Selection) -> RunRecord:
    """Return the record of the last run; raise SpecificationError where none has steps."""
    directory = selection.run_directory
    record = read_record(directory)
    if record is not None and record.steps:
        return record
    unread = None if record else unread_record(directory)
    state = "has not run here"
    if record is not None:
        state = f"{record.status} in its last run before a step had run"
    elif unread is not None:
        state = f"has a record of its last run that is not read ({WORDS[unread]})"
    raise SpecificationError(
        f"{selection.analysis.name} {state}",
        place=str(directory),
        hint=selection.command("run"),
    )


def steps_called(selection: Selection, record: RunRecord, name: str | None) -> Sequence[StepRecord]:
    """Return the last try of each step of a rule or a name; of all steps for None.

    Raises SpecificationError, with the names there are, for any other.
    """
    steps = list(last_of_each(record.steps).values())
    found = [one for one in steps if name in (None, one.rule, one.name)]
    if not found:
        names = [one.name for one in steps]
        near = did_you_mean(name or "", [*names, *(one.rule for one in steps)])
        raise SpecificationError(
            f"the last run of {selection.analysis.name} has no step '{name}'{near or '.'} It has: "
            f"{listed(names, most=10)}",
            place=str(selection.run_directory),
            hint=selection.command("logs"),
        )
    return found


def log_of(selection: Selection, step: StepRecord) -> str:
    """Return what a step printed; raise OutputMissingError where its log is gone."""
    path = Path(selection.run_directory, step.log)
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise OutputMissingError(
            f"cannot read the log of step {step.name}: {error.strerror}",
            place=str(path),
            hint=f"{selection.command('run', '--again')}   # or: ls {quoted(path.parent)}",
        ) from error
