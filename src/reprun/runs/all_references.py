"""Every reference of an analysis: those of its datasets, and of parts of the events, too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reprun.documents.analysis import load_analysis
from reprun.errors import NothingToCompareError
from reprun.progress import Progress
from reprun.runs.blessed import BLESSED
from reprun.runs.elsewhere import bring_reference
from reprun.runs.reference_log import LOG
from reprun.store.store import Store
from reprun.wording import quoted


def references_of(home: Path, called: str) -> list[Path]:
    """Return the directory of every reference of an analysis, of datasets and parts too.

    Raises NothingToCompareError where there is none.
    """
    analysis = load_analysis(home)
    tops = [home / name for name in analysis.all_references]
    below = (path.parent for top in tops for name in (BLESSED, LOG) for path in top.rglob(name))
    found = dict.fromkeys([*(top for top in tops if top.is_dir()), *sorted(below)])
    if not found:
        raise NothingToCompareError(
            f"{analysis.name} has no reference",
            place=str(tops[0]),
            hint=f'reprun bless {quoted(called)} --reason "…"',
        )
    return list(found)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a reference that are not in Git, and in the store now."""

    directory: str
    """Of the reference, below that of the analysis."""
    files: dict[str, str]
    """sha256 by name."""
    size: int
    """Bytes."""


def fetch_references(home: Path, called: str, store: Store, progress: Progress) -> list[Fetched]:
    """Bring every file that is not in Git into the store, and hash it.

    Raises as `references_of` and `bring_reference` do, and IntegrityError for rot in the store.
    """
    found = []
    for directory in references_of(home, called):
        files = bring_reference(directory, store, progress)
        size = sum(store.verify(digest).stat().st_size for digest in files.values())
        found.append(Fetched(directory.relative_to(home).as_posix(), files, size))
    return found
