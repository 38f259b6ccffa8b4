"""Which objects of a run are blessed, where not all are: `bless --only`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from reprun.compare.select import names_by_map
from reprun.errors import OutputMissingError, SpecificationError, did_you_mean
from reprun.report.model import Report
from reprun.wording import listed

FAILED = "FAILED"
"""What did not pass when the run was compared."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a reference changes."""

    taken: frozenset[str]
    """Objects that come from the run."""
    removed: frozenset[str]
    """Those that the run did not make, by the names that maps give them."""
    dropped: frozenset[str]
    """What goes of the old reference, by its own names: what is replaced and what is removed."""


def chosen_objects(
    only: Sequence[str],
    report: Report | None,
    made: Collection[str],
    old: Collection[str],
    maps: Mapping[str, str],
) -> Chosen:
    """Return what `FAILED` and globs mean among the objects of a run and of the old reference.

    `report` is that of the run; where FAILED is asked for there is one. Raises SpecificationError
    for a glob that matches none.
    """
    before = names_by_map(old, tuple(maps.items()))
    known = {*made, *before}
    names: set[str] = set()
    dropped: set[str] = set()
    for each in only:
        if each == FAILED:
            assert report is not None
            failed = [item for item in report.items if not item.passes]
            names.update(item.name for item in failed)
            renamed = {item.renamed_from for item in failed if item.renamed_from is not None}
            dropped.update(before[name] for name in renamed if name in before)
            continue
        matching = {name for name in known if fnmatchcase(name, each)}
        if not matching:
            raise SpecificationError(
                f"--only {each}: no object of the run or the reference matches"
                f"{did_you_mean(each, known)}",
                hint="the globs are those of a shell: '*' also matches '/'",
            )
        names |= matching
    if odd := sorted(names - known):
        raise OutputMissingError(f"neither the run nor the reference has {listed(odd)}")
    return Chosen(
        taken=frozenset(names.intersection(made)),
        removed=frozenset(names.difference(made)),
        dropped=frozenset(dropped | {before[name] for name in names if name in before}),
    )
