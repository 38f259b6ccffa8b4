"""What snapshots of conditions hold, read in a sandbox.

The database, mask or table of a snapshot is whatever its author made; its digest says only that
it is still that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import JsonValue

from reprun.conditions.answers import contents, in_force, naming, table_row
from reprun.conditions.compare import Files, differences, index_of
from reprun.conditions.snapshot import Snapshot
from reprun.documents.reading import Document
from reprun.progress import Progress
from reprun.runs.asked import asked
from reprun.runs.question import Answer
from reprun.store.store import Store

PROGRAM = "reprun.runs.looking_up"


What = Literal["contents", "in force", "row", "differences"]


class LookUp(Document):
    """What is asked of snapshots, of which only the first file is read."""

    what: What
    snapshots: tuple[Snapshot, ...]
    """One; two for their differences."""
    run: int = 0
    lumi: int = 0
    record: str | None = None
    row: str = ""
    luminosity: float | None = None
    """In 1/fb."""


class LookedUp(Answer):
    """What they hold."""

    rows: tuple[Mapping[str, JsonValue], ...] | None = None
    lines: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A snapshot, and where its files are on this machine, verified."""

    snapshot: Snapshot
    files: Files = field(default_factory=dict)


def found_in(question: LookUp, opened: list[Opened]) -> LookedUp:
    """Look it up in this process; raises what the functions of `conditions.answers` raise."""
    snapshot, files = opened[0].snapshot, opened[0].files
    match question.what:
        case "contents":
            return LookedUp(rows=tuple(contents(snapshot, files)))
        case "in force":
            rows = in_force(snapshot, files, question.run, question.lumi, question.record)
            return LookedUp(rows=tuple(rows))
        case "row":
            row: dict[str, Any] = table_row(snapshot, files, question.row, question.luminosity)
            return LookedUp(rows=(row,))
        case "differences":
            second = opened[1]
            lines = differences(snapshot, files, second.snapshot, second.files)
            return LookedUp(lines=tuple(lines))


def look_up(question: LookUp, opened: list[Opened], store: Store, progress: Progress) -> LookedUp:
    """Look it up in a sandbox; where none can be made, a note says so.

    Raises what `found_in` raises, naming files as their snapshots do.
    """
    with _naming(opened):
        if not all(one.files for one in opened):
            return found_in(question, opened)
        given = {
            f"{number}/{one.snapshot.files[0].path}": index_of(one.snapshot, one.files)
            for number, one in enumerate(opened)
        }
        with asked(PROGRAM, question, LookedUp, given, store, subject="the conditions") as found:
            for note in found.notes:
                progress.say(f"note: {note}")
            return found.answer


@contextmanager
def _naming(opened: list[Opened]) -> Iterator[None]:
    with ExitStack() as held:
        for one in opened:
            held.enter_context(naming(one.snapshot, one.files))
        yield
