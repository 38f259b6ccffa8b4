"""Profiles, efficiencies and graphs as points with errors, as they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from reprun.histograms import Floats, Table

ONE_SIGMA = 0.6826894921370859
MOST_POINTS = 2000


@dataclass(frozen=True, slots=True)
class Curve:
    """Points over an axis; `edges` bound the column of each, `x` is set where it is not central."""

    title: str
    what: str
    """What y is, in words."""
    edges: Floats
    y: Floats
    low: Floats
    high: Floats
    x: Floats | None = None
    axis_title: str = ""
    labels: tuple[str, ...] | None = None


@np.errstate(divide="ignore", invalid="ignore")
def curve_of(table: Table) -> Curve | None:
    """Return what is drawn of a table; None if it has no curve, or too many points for one."""
    if table.values.shape[0] > MOST_POINTS:
        return None
    columns = {name: table.values[:, n] for n, name in enumerate(table.columns)}
    if len(table.axes) == 1 and "sumwy" in columns:
        return _binned(table, "mean and its error", *_profile(columns))
    if len(table.axes) == 1 and "passed" in columns:
        weighted = " of effective entries" if "total sumw2" in columns else ""
        return _binned(
            table, f"share that passed, Clopper-Pearson 68 %{weighted}", *_efficiency(columns)
        )
    if "y" in columns and "y error low" in columns:
        return _graph(table, columns)
    if len(table.axes) == 1 and table.columns[0] == "value":
        return _binned(table, "value, errors of all sources in quadrature", *_estimate(table))
    return None


def _binned(table: Table, what: str, y: Floats, low: Floats, high: Floats) -> Curve:
    axis = table.axes[0]
    return Curve(
        table.title, what, axis.edges, y[1:-1], low[1:-1], high[1:-1],
        axis_title=axis.title, labels=axis.labels,
    )  # fmt: skip


def _profile(columns: dict[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return means and errors of the mean, spread / sqrt(effective fills), as TProfile draws."""
    w, w2 = columns["sumw"], columns.get("sumw2", columns["sumw"])
    mean = columns["sumwy"] / w
    spread = np.maximum(columns["sumwy2"] / w - mean**2, 0.0)
    error = np.sqrt(spread * w2) / np.abs(w)
    return mean, error, error


def _efficiency(columns: dict[str, Floats]) -> tuple[Floats, Floats, Floats]:
    """Return shares with central 68.3 % intervals of C. J. Clopper and E. S. Pearson,
    Biometrika 26 (1934) 404, in the form of quantiles of beta distributions.
    """
    passed, total = columns["passed"], columns["total"]
    share = passed / total
    if "total sumw2" in columns:
        scale = total / columns["total sumw2"]
        passed, total = passed * scale, total * scale
    tail = (1 - ONE_SIGMA) / 2
    failed = np.maximum(total - passed, 0.0)
    low = np.where(passed > 0, special.betaincinv(np.maximum(passed, 1e-9), failed + 1, tail), 0.0)
    high = np.where(
        failed > 0, special.betaincinv(passed + 1, np.maximum(failed, 1e-9), 1 - tail), 1.0
    )
    return share, np.maximum(share - low, 0.0), np.maximum(high - share, 0.0)


def _graph(table: Table, columns: dict[str, Floats]) -> Curve | None:
    x = columns["x"]
    if not len(x) or not np.isfinite(x).all():
        return None
    order = np.argsort(x, kind="stable")
    x = x[order]
    margin = (x[-1] - x[0]) / (2 * max(1, len(x) - 1)) or 0.5
    low = min(x[0] - margin, float((x - columns["x error low"][order]).min()))
    high = max(x[-1] + margin, float((x + columns["x error high"][order]).max()))
    edges = np.concatenate(([low], (x[1:] + x[:-1]) / 2, [high]))
    y, below, above = (columns[name][order] for name in ("y", "y error low", "y error high"))
    return Curve(table.title, "", edges, y, np.abs(below), np.abs(above), x=x)


def _estimate(table: Table) -> tuple[Floats, Floats, Floats]:
    sides = []
    for side in ("error low", "error high"):
        errors = [table.values[:, n] for n, name in enumerate(table.columns) if side in name]
        squares = [np.where(np.isnan(error), 0.0, error) ** 2 for error in errors]
        sides.append(np.sqrt(np.sum(squares, axis=0)) if squares else np.zeros(len(table.values)))
    return table.values[:, 0], sides[0], sides[1]
