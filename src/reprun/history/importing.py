"""The history of another machine, taken over without doubling and without trust.

A program in a sandbox reads a copy of the file; outside its entries are validated like any document
of a stranger and written as our own are. A run that is here already is left as it is.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.engines.base import MIB, Limits, Mount
from reprun.engines.box import HOME, Box
from reprun.engines.confinement import Confinement
from reprun.engines.trusted import Trusted
from reprun.errors import IntegrityError, NoSandboxError, OutputMissingError, SpecificationError
from reprun.files import scratch, storage_errors
from reprun.history import rows
from reprun.history.database import opened
from reprun.history.foreign import ENTRIES, PROBLEM, SOURCE
from reprun.history.model import Entry
from reprun.store.store import Store
from reprun.wording import quoted
from reprun.workflow.beneath import Beneath
from reprun.workflow.protocol import Problem

PROGRAM = "reprun.history.foreign"
LIMITS = Limits(
    cpus=2.0, memory_bytes=4096 * MIB, processes=16, tmp_bytes=256 * MIB, seconds=1800.0
)
LONGEST_ENTRY = 64_000_000
"""Bytes of one entry: a report of very many objects."""
AT_A_TIME = 100
"""Runs of one transaction: whoever runs meanwhile waits no longer."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did."""

    new: int
    known: int
    """Runs that were here already."""
    note: str = ""


def import_history(source: Path, history: Path, store: Store) -> Imported:
    """Take over the runs of a history file.

    Raises SpecificationError where there is no such file, and IntegrityError for one that is
    damaged, changed, or not what reprun makes; what was taken over before the fault stays.
    """
    if not source.is_file():
        raise SpecificationError(
            f"there is no history {source}",
            place=str(source),
            hint="reprun history import OTHER/results/history.sqlite",
        )
    if source.resolve() == history.resolve():
        raise SpecificationError(
            f"{source} is the history of these results itself", hint="reprun history"
        )
    if source.stat().st_size > limits.HISTORY_BYTES.value:
        raise SpecificationError(
            f"{source} is larger than {limits.HISTORY_BYTES.words}", place=str(source)
        )
    with scratch() as control:
        with storage_errors(control):
            _copy(source, control)
        note = _read(control, source, store)
        new = known = 0
        with opened(history) as database:
            found = _entries(control, source)
            while some := list(islice(found, AT_A_TIME)):
                with database.transaction():
                    added = sum(rows.add(database, each, origin=source.name) for each in some)
                new, known = new + added, known + len(some) - added
    return Imported(new, known, note)


def _copy(source: Path, control: Path) -> None:
    """Copy a history with what its journal holds of it."""
    for ending in ("", "-wal", "-journal"):
        part = source.with_name(f"{source.name}{ending}")
        if part.is_file():
            shutil.copyfile(part, control / f"{SOURCE}{ending}")


def _read(control: Path, source: Path, store: Store) -> str:
    """Have the copy read; return a note where that is outside of a sandbox."""
    note = ""
    try:
        _run(Box(store), control)
    except NoSandboxError as error:
        note = f"the file was read outside of a sandbox: {error.message}"
        _run(Trusted(), control)
    with Beneath(control) as directory:
        if directory.kind(PROBLEM) == "a file":
            with directory.open(PROBLEM) as stream:
                text = stream.read(limits.WRITTEN_BYTES.value)
            raise _refused(source, _problem(text))
        if directory.kind(ENTRIES) != "a file":
            raise _refused(source, "the program that reads it was killed")
    return note


def _run(confined: Confinement, control: Path) -> None:
    mount = Mount(control, f"{HOME}/control", read_only=False)
    confined.run(
        (PROGRAM, confined.seen(mount)),
        mounts=[mount],
        working_directory=mount.target,
        output=lambda _: None,
        cancel=threading.Event(),
        limits=LIMITS,
    )


def _problem(text: bytes) -> str:
    try:
        return Problem.model_validate_json(text).message
    except ValidationError:
        return "the program that reads it failed"


def _refused(source: Path, said: str) -> IntegrityError:
    return IntegrityError(
        f"{source.name} is not taken over: {said}",
        place=str(source),
        hint=f"sqlite3 {quoted(source)} 'PRAGMA integrity_check'",
    )


def _entries(control: Path, source: Path) -> Iterator[Entry]:
    """Yield what the program wrote, validated."""
    try:
        with Beneath(control) as directory, directory.open(ENTRIES) as stream:
            for _ in range(limits.HISTORY_RUNS.value):
                line = stream.readline(LONGEST_ENTRY)
                if not line:
                    return
                yield Entry.model_validate_json(line)
    except (OutputMissingError, ValidationError) as error:
        raise _refused(source, f"a run of it is not right: {str(error).splitlines()[0]}") from error
