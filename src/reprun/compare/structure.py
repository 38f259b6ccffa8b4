"""Structure: may two objects be compared at all?

Checked before any number and without statistics, in the order rank, axes, flow bins, labels,
storage, sumw2; of tables also their facts. Names of objects are the key and titles are for
people: neither counts, but the unit that an axis has in its title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reprun.errors import did_you_mean
from reprun.histograms import Axis, DataObject, Histogram, Table
from reprun.wording import shortened

LONGEST_FACT = 200
"""Characters shown of a fact that differs."""
EDGE_ULPS = 4
"""How many units in the last place of its largest edge two axes may differ by.

Writers derive the edges of an even axis from other formulas; a shift that physics can see is
more than 1e10 times larger.
"""


def structure_difference(monitored: DataObject, reference: DataObject) -> str | None:
    """Return what makes two objects not comparable, as a phrase after the name; None if nothing."""
    if isinstance(monitored, Histogram) and isinstance(reference, Histogram):
        return _histograms(monitored, reference)
    if (
        isinstance(monitored, Table)
        and isinstance(reference, Table)
        and monitored.class_name == reference.class_name
    ):
        return _tables(monitored, reference)
    return f"is a {monitored.class_name}, reference a {reference.class_name}"


def edges_differ_in_rounding(monitored: DataObject, reference: DataObject) -> bool:
    """Say whether two objects of one structure have edges that differ within `EDGE_ULPS`."""
    pairs = zip(monitored.axes, reference.axes, strict=True)
    return any(not np.array_equal(one.edges, other.edges) for one, other in pairs)


def _histograms(monitored: Histogram, reference: Histogram) -> str | None:
    if len(monitored.axes) != len(reference.axes):
        return f"has {len(monitored.axes)} axes, reference {len(reference.axes)}"
    for letter, one, other in zip("xyz", monitored.axes, reference.axes, strict=False):
        if one is not other and (found := _axes(one, other)):
            return f"{letter} axis {found}"
    if monitored.storage != reference.storage:
        return f"is a {monitored.class_name}, reference a {reference.class_name}"
    if (monitored.sumw2 is None) != (reference.sumw2 is None):
        if monitored.sumw2 is None:
            return "has no stored sumw2, the reference has"
        return "has stored sumw2, the reference has none"
    return _facts(monitored.facts, reference.facts)


def _axes(monitored: Axis, reference: Axis) -> str | None:
    if monitored.bins != reference.bins:
        return f"has {monitored.bins} bins, reference {reference.bins}"
    one, other = monitored.edges, reference.edges
    scale = max(np.abs(one).max(), np.abs(other).max())
    apart = np.flatnonzero(np.abs(one - other) > EDGE_ULPS * np.spacing(scale))
    if apart.size:
        first = int(apart[0])
        return (
            f"has edge {first} at {one[first]:.10g}, reference {other[first]:.10g} "
            f"({apart.size} of {len(one)} edges differ)"
        )
    for flow in ("underflow", "overflow"):
        if getattr(monitored, flow) != getattr(reference, flow):
            has = "has" if getattr(monitored, flow) else "lacks"
            return f"{has} an {flow} bin, unlike the reference"
    if monitored.unit and reference.unit and monitored.unit != reference.unit:
        return f"is in {monitored.unit}, reference in {reference.unit}"
    if monitored.labels != reference.labels:
        return _labels(monitored.labels, reference.labels)
    return None


def _labels(monitored: Sequence[str] | None, reference: Sequence[str] | None) -> str:
    if monitored is None or reference is None:
        return "has no labels, the reference has" if reference else "has labels, unlike reference"
    pairs = enumerate(zip(monitored, reference, strict=True), start=1)
    place, (one, other) = next((n, pair) for n, pair in pairs if pair[0] != pair[1])
    return f"has label '{one}' on bin {place}, reference '{other}'"


def _facts(monitored: Mapping[str, str], reference: Mapping[str, str]) -> str | None:
    """Return the first fact that differs."""
    for name in sorted(monitored.keys() | reference.keys()):
        one, other = monitored.get(name), reference.get(name)
        if one != other:
            said = f"is '{shortened(one, LONGEST_FACT)}'" if one is not None else "is not there"
            before = f"'{shortened(other, LONGEST_FACT)}'" if other is not None else "has none"
            return f"{name} {said}, reference {before}"
    return None


def _tables(monitored: Table, reference: Table) -> str | None:
    if len(monitored.axes) != len(reference.axes):
        return f"has {len(monitored.axes)} axes, reference {len(reference.axes)}"
    for letter, axis, its_axis in zip("xyz", monitored.axes, reference.axes, strict=False):
        if axis is not its_axis and (found := _axes(axis, its_axis)):
            return f"{letter} axis {found}"
    return _facts(monitored.facts, reference.facts) or _headings(monitored, reference)


def _headings(monitored: Table, reference: Table) -> str | None:
    for noun, one, other in (
        ("row", monitored.rows, reference.rows),
        ("column", monitored.columns, reference.columns),
    ):
        # The rows of bins are named by their edges, which the axes have vouched for.
        if one == other or (noun == "row" and monitored.axes and len(one) == len(other)):
            continue
        lacking = [name for name in other if name not in one]
        added = [name for name in one if name not in other]
        if lacking:
            return f"lacks the {noun} '{lacking[0]}'{did_you_mean(lacking[0], added)}"
        if added:
            return f"has a {noun} '{added[0]}' that the reference lacks"
        return f"has its {noun}s in another order than the reference"
    return None
