"""What a file holds that `new` starts from, read in a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reprun.documents.reading import Document
from reprun.histograms.survey import Survey, survey
from reprun.progress import Progress
from reprun.runs.asked import asked
from reprun.runs.question import Answer
from reprun.store.store import Store
from reprun.wording import spelt_out

PROGRAM = "reprun.authoring.surveying"


class Wanted(Document):
    """What to look for in a file."""

    columns: tuple[str, ...] = ()
    tree: str | None = None


class Surveyed(Answer):
    """What a file holds."""

    survey: Survey | None = None


Look = Callable[[Path, Wanted], Survey]
"""Who looks into a file: this process, or a sandbox."""


def look(path: Path, wanted: Wanted) -> Survey:
    """Look into a file; raises what `survey` does."""
    return survey(path, columns=wanted.columns, tree=wanted.tree)


def in_sandbox(store: Store, progress: Progress) -> Look:
    """Return who looks into a file in a sandbox; where none can be made, a note says so."""

    def ask(path: Path, wanted: Wanted) -> Survey:
        if not path.is_file():
            return look(path, wanted)  # which says what there is
        given = {f"source/{spelt_out(path.name)}": path}
        with asked(PROGRAM, wanted, Surveyed, given, store, subject="the file") as found:
            for note in found.notes:
                progress.say(f"note: {note}")
            assert found.answer.survey is not None
            return found.answer.survey

    return ask
