"""The steps of the last run, by the names that people call them, and what each printed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reprun.bounded import limits
from reprun.documents.reading import WORDS
from reprun.documents.record import RunRecord, StepRecord, read_record, unread_record
from reprun.documents.selection import Selection
from reprun.errors import OutputMissingError, SpecificationError, did_you_mean
from reprun.wording import listed, quoted, size_of
from reprun.workflow.beneath import Beneath
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


@dataclass(frozen=True, slots=True)
class Log:
    """The end of what a step printed."""

    text: str
    path: Path
    left_out: int
    """Bytes that stand before it in the file."""

    @property
    def cut(self) -> str:
        """Say what is left out, and where it is; empty where nothing is."""
        if not self.left_out:
            return ""
        return f"[{size_of(self.left_out)} before this are left out: less {quoted(self.path)}]"


def log_of(selection: Selection, step: StepRecord) -> Log:
    """Return the end of what a step printed, from its file in the run directory.

    Raises OutputMissingError where it is gone, is no file, or lies elsewhere.
    """
    path = Path(selection.run_directory, step.log)
    try:
        with Beneath(selection.run_directory) as directory, directory.open(step.log) as stream:
            left_out = max(0, stream.seek(0, os.SEEK_END) - limits.SHOWN_LOG_BYTES.value)
            stream.seek(left_out)
            said = stream.read(limits.SHOWN_LOG_BYTES.value)
    except (OutputMissingError, OSError) as error:
        reason = error.message if isinstance(error, OutputMissingError) else error.strerror
        raise OutputMissingError(
            f"cannot read the log of step {step.name}: {reason}",
            place=str(path),
            hint=f"{selection.command('run', '--again')}   # or: ls {quoted(path.parent)}",
        ) from error
    return Log(said.decode(errors="replace"), path, left_out)
