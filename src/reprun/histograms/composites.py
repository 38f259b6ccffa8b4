"""Objects with several numbers a bin or point, as tables: profiles, efficiencies, graphs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from reprun.histograms.model import Axis, Floats, Histogram, Table

GRAPH_COLUMNS = ("x", "y", "x error low", "x error high", "y error low", "y error high")


def binned_table(
    name: str,
    class_name: str,
    axes: tuple[Axis, ...],
    columns: Mapping[str, Floats],
    *,
    entries: float | None = None,
    title: str = "",
    facts: Mapping[str, str] | None = None,
    sums: tuple[float, ...] = (),
) -> Table:
    """Return a table with a row for each bin, flow included; columns are shaped like the axes."""
    places = itertools.product(*(range(axis.bins + 2) for axis in axes))
    rows = tuple(
        ", ".join(axis.describe_bin(n) for axis, n in zip(axes, place, strict=True))
        for place in places
    )
    values = np.array([column.ravel() for column in columns.values()], dtype=np.float64).T
    return Table(
        name, rows, tuple(columns), values, class_name=class_name, axes=axes, entries=entries,
        title=title, facts=facts or {}, sums=sums,
    )  # fmt: skip


def efficiency_table(
    name: str,
    passed: Histogram,
    total: Histogram,
    title: str = "",
    facts: Mapping[str, str] | None = None,
) -> Table:
    """Return a TEfficiency: passed and total events, with sumw2 where stored."""
    columns = {"passed": passed.values, "total": total.values}
    if total.sumw2 is not None and passed.sumw2 is not None:
        # Unit weights are counts, whatever TEfficiency stores for them.
        weighted = any(not np.array_equal(side.values, side.variances) for side in (passed, total))
        if weighted:
            columns |= {"passed sumw2": passed.sumw2, "total sumw2": total.sumw2}
    return binned_table(
        name, "TEfficiency", total.axes, columns, entries=total.entries, title=title, facts=facts
    )


def points_table(
    name: str, class_name: str, columns: Sequence[str], values: Floats, title: str = ""
) -> Table:
    """Return a table with a row for each point."""
    rows = tuple(f"point {n}" for n in range(1, len(values) + 1))
    shaped = np.asarray(values, dtype=np.float64).reshape(len(rows), len(columns))
    return Table(name, rows, tuple(columns), shaped, class_name=class_name, title=title)
