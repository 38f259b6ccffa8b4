"""`candidate.json`: what a run would make the reference, object by object, by content hash.

The hashes are those of `report.json`, which has them of what was compared; what a rule leaves out
of the comparison, or what fails before it is hashed, is in the candidate alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from reprun.digests import digest_of_mapping
from reprun.documents.reading import Document, read_written
from reprun.documents.record import CANDIDATE, RunRecord
from reprun.errors import IntegrityError
from reprun.histograms import Objects, content_hash
from reprun.wording import count_of, listed

Hashes = Mapping[str, str | None]
"""The content hash of each object, by name; null where no digest covers all of it."""


class Candidate(Document):
    """The objects of a run that is compared, and sealed by its record."""

    schema_version: Literal[1] = 1
    analysis: str
    variant: str
    dataset: str | None
    tier: str | None = None
    objects: Hashes
    """Content hash by name (docs/identity.md); null for what cannot be hashed."""


def hashes_of(objects: Objects) -> dict[str, str | None]:
    """Return the content hash of each object; of one that is not decoded, that of its parts."""
    decoded = {name: content_hash(thing) for name, thing in objects.items()}
    others = {
        name: digest_of_mapping(one.parts) if one.parts else None
        for name, one in objects.unread.items()
    }
    return {**decoded, **others}


def candidate_of(record: RunRecord, hashes: Hashes) -> Candidate:
    """Return the candidate that a run makes."""
    return Candidate(
        analysis=record.analysis,
        variant=record.variant,
        dataset=record.dataset,
        tier=record.tier,
        objects=hashes,
    )


def check_candidate(record: RunRecord, run_directory: Path, hashes: Hashes) -> bool:
    """Check what is to be blessed against the candidate of the run; False where it made none.

    Runs of before there were candidates made none. Raises IntegrityError for other objects than
    those of the candidate, and for one that is not there though the record names it.
    """
    if CANDIDATE not in record.reports:
        return False
    path = run_directory / CANDIDATE
    found = read_written(Candidate, path, problem=f"{CANDIDATE} cannot be read")
    if found is None:
        raise IntegrityError(f"{CANDIDATE} was removed after the run", place=str(path))
    names = sorted(found.objects.keys() | hashes.keys())
    absent = object()
    other = [n for n in names if found.objects.get(n, absent) != hashes.get(n, absent)]
    if other:
        raise IntegrityError(
            f"{count_of(len(other), 'object')} of the outputs "
            f"{'is' if len(other) == 1 else 'are'} not what the run was compared with: "
            f"{listed(other)}",
            place=str(path),
        )
    return True
