"""What is remembered of a submission: `reana.json` in its run directory, never the token.

It is written before each step that changes something on the server, so that a command that was
cut off finds out what became of it.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from reprun.documents.reading import Document, read_written
from reprun.documents.selection import Selection
from reprun.files import write_atomically
from reprun.runs.cell import Cell
from reprun.wording import quoted

STATE = "reana.json"
PROJECT = "project"
SUFFIX = ".reana"
"""What the run directory of a submission is called besides that of a run here."""
Phase = Literal["named", "created", "uploaded", "started", "ended", "fetched"]
PHASES: tuple[Phase, ...] = ("named", "created", "uploaded", "started", "ended", "fetched")


def remote_directory(selection: Selection) -> Path:
    """Return the run directory of a submission, beside that of a run here."""
    here = selection.run_directory
    return here.with_name(here.name + SUFFIX)


class PlannedRule(Document):
    """What the record of a rule's job needs to know besides what REANA tells."""

    command: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int
    memory_mb: int | None


class Submission(Document):
    """One workflow on a server."""

    schema_version: Literal[1] = 1
    server: str
    name: str
    """How we call it: unique, so that a lost answer to `create` can be looked for."""
    workflow_id: str | None = None
    workflow_name: str | None = None
    """How the server calls it: the name with the run number."""
    phase: Phase = "named"
    status: str | None = None
    """What the server said last."""
    inputs: str
    """Digest of all inputs of the cell that was sent."""
    images: Mapping[str, str]
    """What the cluster pulls, by digest, for each image of the cell."""
    uploaded: tuple[str, ...] = ()
    rules: Mapping[str, PlannedRule] = {}
    changes: tuple[str, ...] = ()
    created: dt.datetime
    server_version: str = ""

    @property
    def remote(self) -> str:
        """What to ask the server for."""
        return self.workflow_id or self.name

    @property
    def label(self) -> str:
        """What people see."""
        return self.workflow_name or self.name

    def reached(self, phase: Phase) -> bool:
        """Tell whether a phase lies behind."""
        return PHASES.index(self.phase) >= PHASES.index(phase)


def write_submission(submission: Submission, run_directory: Path) -> None:
    """Write it down."""
    text = submission.model_dump_json(indent=1) + "\n"
    write_atomically(run_directory / STATE, text.encode())


def read_submission(run_directory: Path) -> Submission | None:
    """Return what was submitted from here; None if nothing was.

    Raises SpecificationError for a file that cannot be read: a run on the server may hang on it.
    """
    path = run_directory / STATE
    return read_written(
        Submission,
        path,
        problem="cannot read what was submitted from here",
        hint=f"reprun reana list   # the server's list; then: rm {quoted(path)}",
    )


def new_name(cell: Cell) -> str:
    """Return a name of our own for a workflow. REANA's must not hold a dot."""
    parts = [cell.selection.analysis.name, cell.run_directory.name.removesuffix(SUFFIX)]
    name = "-".join(parts).replace(".", "-")
    return f"{name}-{secrets.token_hex(4)}"


class Keeper:
    """The submission as it is now; each change is written before anything else happens."""

    def __init__(self, submission: Submission, run_directory: Path) -> None:
        self.submission = submission
        self._place = run_directory
        write_submission(submission, run_directory)

    def note(self, **changes: Any) -> None:
        self.submission = self.submission.model_copy(update=changes)
        write_submission(self.submission, self._place)
