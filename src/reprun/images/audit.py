"""The nightly question to every image we can build: do its locks still give the same bytes?

Then the commands of `[check]` run in it (`engines/checks.py`).

Two answers are bad in different ways. *Inputs gone* means that an archive has dropped a locked
file: nothing is wrong here, and the same requirements are resolved again outside the project to see
that they can still be met. *Changed* means that the same inputs gave other bytes: a fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reprun.errors import InputsGoneError, IntegrityError, ReprunError, StepFailedError
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import compare
from reprun.images.lock import check_twice
from reprun.images.relock import relock
from reprun.progress import Progress
from reprun.store.store import Store


class Outcome(StrEnum):
    """What became of building an image from its locks."""

    SAME = "same"
    INPUTS_GONE = "inputs gone"
    CHANGED = "changed"
    CHECK_FAILED = "check failed"


@dataclass(frozen=True, slots=True)
class Audited:
    """One image and what was found."""

    name: str
    outcome: Outcome
    detail: str


def rebuildable(catalogue: Catalogue) -> list[str]:
    """Return the names of the images that are built here."""
    return [name for name in catalogue.names() if not catalogue.is_external(name)]


def audit(
    name: str, catalogue: Catalogue, store: Store, progress: Progress, sources: Sources
) -> Audited:
    """Fetch an image's inputs, build it twice, and compare both with its lock."""
    try:
        fetch(catalogue.definition(name), store, progress, sources)
    except InputsGoneError as error:
        return Audited(
            name,
            Outcome.INPUTS_GONE,
            f"{error.message}; {_built_again(name, catalogue, store, progress, sources)}",
        )
    try:
        built = check_twice(name, catalogue, store, progress)
        compare(built, catalogue.lock(name))
    except IntegrityError as error:
        return Audited(name, Outcome.CHANGED, error.message)
    parentage = catalogue.parentage(name)
    note = f"; {parentage.changed}" if parentage and parentage.changed else ""
    return Audited(name, Outcome.SAME, f"{built.image.image_id}{note}")


def exit_code(found: list[Audited]) -> int:
    """Return 6 when any image changed, else 4 when a check failed, 3 when inputs are gone, 0."""
    outcomes = {each.outcome for each in found}
    if Outcome.CHANGED in outcomes:
        return IntegrityError.exit_code
    if Outcome.CHECK_FAILED in outcomes:
        return StepFailedError.exit_code
    return InputsGoneError.exit_code if Outcome.INPUTS_GONE in outcomes else 0


def _built_again(
    name: str, catalogue: Catalogue, store: Store, progress: Progress, sources: Sources
) -> str:
    try:
        made = relock(name, catalogue, store, progress, sources)
        check_twice(name, made.catalogue, store, progress)
    except ReprunError as error:
        return f"and it cannot be locked again: {error.message}"
    return f"locked again it builds, the same twice: {made.sentence()}"
