"""What a blessing would change: the last run compared with the reference that it replaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun.documents.record import RunRecord
from reprun.documents.selection import Selection
from reprun.errors import (
    InputsGoneError,
    IntegrityError,
    NothingToCompareError,
    OutputMissingError,
    SpecificationError,
)
from reprun.progress import Progress
from reprun.report.model import ReportItem
from reprun.runs.blessed import read_blessing
from reprun.runs.chosen_objects import Chosen
from reprun.runs.elsewhere import whole_reference
from reprun.runs.evaluated import evaluated
from reprun.runs.judge import question_of
from reprun.runs.reference import reference_digests
from reprun.runs.rewritten import Written
from reprun.store.store import Store

IDENTICAL = "identical"
NOT_COMPARED = (
    *(NothingToCompareError, OutputMissingError, SpecificationError),
    *(InputsGoneError, IntegrityError),
)
"""What an old reference may be that a new one replaces all the same."""


@dataclass(frozen=True, slots=True)
class Change:
    """An object that a blessing changes, adds or removes."""

    name: str
    verdict: str
    """Of the run against the old reference; `extra` is new, `missing` is removed."""
    before: float | None
    """The integral; null where it is not another, and for tables."""
    after: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a blessing would do."""

    objects: int
    """In the new reference."""
    identical: int
    ignored: int
    """Objects that a rule leaves out of the comparison: they may change unseen."""
    changes: tuple[Change, ...]
    empty: tuple[str, ...]
    """Objects that hold nothing: their agreement will prove nothing."""
    notes: tuple[str, ...] = ()
    kept: int = 0
    """Objects that stay as they are, whatever the run made of them."""


def preview(
    selection: Selection,
    record: RunRecord,
    written: Written,
    outputs: Path,
    store: Store,
    progress: Progress,
    *,
    chosen: Chosen | None = None,
    kept: int = 0,
) -> Preview:
    """Return what changes when a run becomes the reference, or what is `chosen` of it.

    `kept` objects stay. An old reference that cannot be compared says so in a note: then every
    object is new.
    """
    made = written.made
    reference = selection.reference
    try:
        reference_digests(reference)
        blessing = read_blessing(reference)
        question = question_of(selection, record, blessing)
        with whole_reference(reference, store, progress) as before:
            report = evaluated(question, outputs, before, store).found.report
    except NOT_COMPARED as error:
        notes = (f"not compared with the reference of before: {error.message}",)
        new = tuple(
            Change(name, "extra", None, integral, "")
            for name, integral in made.integrals.items()
            if chosen is None or name in chosen.taken
        )
        empty = tuple(name for name in made.empty if chosen is None or name in chosen.taken)
        many = made.objects if chosen is None else len(chosen.taken) + kept
        return Preview(many, 0, 0, new, empty, notes if reference.is_dir() else (), kept)
    names = None if chosen is None else chosen.taken | chosen.removed
    items = [item for item in report.items if names is None or item.name in names]
    return Preview(
        objects=made.objects if chosen is None else len(chosen.taken) + kept,
        identical=sum(item.verdict == IDENTICAL for item in items),
        ignored=sum(names is None or one.name in names for one in report.ignored),
        changes=tuple(_changes(items, made.integrals)),
        empty=tuple(name for name in made.empty if names is None or name in names),
        kept=kept,
    )


def _changes(
    items: Iterable[ReportItem], integrals: Mapping[str, float | None]
) -> Iterator[Change]:
    for item in items:
        if item.verdict == IDENTICAL:
            continue
        after, before = item.integrals or (integrals.get(item.name), None)
        yield Change(item.name, item.verdict, before, after, item.sentence)
