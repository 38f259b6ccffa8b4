"""Step 4: the m(4l) plot, data over the stacked prediction from 70 to 181 GeV, and the pulls."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import h4l
import matplotlib.pyplot as plt
import mplhep
import numpy as np
import rootfile

LUMINOSITY = r"2.3 fb$^{-1}$ (7 TeV) + 11.6 fb$^{-1}$ (8 TeV)"
LOOKS = {  # in the order of the stack: label, fill, line
    "zx": (r"Z/$\gamma^{*}$ + X", "#669966", "#2f5d2f"),
    "ttbar": (r"$t\bar{t}$", "#b9b9b9", "#6e6e6e"),
    "zz": (r"$ZZ \rightarrow 4\ell$", "#99ccff", "#3b78b8"),
    "higgs": (r"H, $\mathit{m}_{H}$ = 125 GeV", "#ffffff", "#d62020"),
}


def poisson_cdf(count: int, mean: float) -> float:
    """Return P(n <= count) for a Poisson mean."""
    return sum(math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(count + 1))


def bisect(below: Callable[[float], bool], high: float) -> float:
    """Return where `below` turns from true to false between 0 and `high`."""
    low = 0.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return low


def garwood(count: int) -> tuple[float, float]:
    """Return the central 68.27 % interval of a Poisson mean.

    F. Garwood, Biometrika 28 (1936) 437: each tail holds (1 - 0.6827)/2.
    """
    tail = math.erfc(1 / math.sqrt(2)) / 2
    far = count + 10 * math.sqrt(count + 1)
    low = bisect(lambda mean: 1 - poisson_cdf(count - 1, mean) < tail, far) if count else 0.0
    return low, bisect(lambda mean: poisson_cdf(count, mean) > tail, far)


def pulls(
    data: h4l.Counts, errors: h4l.Counts, total: h4l.Counts, spread: h4l.Counts
) -> h4l.Counts:
    """Return data - prediction by their errors: of the data that towards the prediction."""
    return (data - total) / np.hypot(np.where(data > total, errors[0], errors[1]), spread)


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", type=Path, help="ROOT file with m4l/*")
    parser.add_argument("output", type=Path, help="PNG to write")
    given = parser.parse_args()

    histograms = rootfile.read(given.histograms)
    inside = {name: histograms[f"m4l/{name}"].values[1:-1] for name in ("data", *LOOKS)}
    labels = {process: f"{LOOKS[process][0]}: {inside[process].sum():.1f}" for process in LOOKS}
    labels["data"] = f"Data: {inside['data'].sum():.0f} events"
    edges = np.linspace(h4l.LOW, h4l.HIGH, h4l.BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2

    mplhep.style.use("CMS")
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(12, 11), sharex=True, height_ratios=(3.4, 1)
    )
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.095, top=0.94, hspace=0.06)
    mplhep.histplot(
        [inside[process] for process in LOOKS],
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        label=[labels[process] for process in LOOKS],
        facecolor=[fill for _, fill, _ in LOOKS.values()],
        edgecolor=[line for _, _, line in LOOKS.values()],
        linewidth=2,
    )
    total = np.sum([inside[process] for process in LOOKS], axis=0)
    variances = [histograms[f"m4l/{process}"].variances[1:-1] for process in LOOKS]
    spread = np.sqrt(np.sum(variances, axis=0))
    axes.stairs(
        total + spread,
        edges,
        baseline=total - spread,
        fill=True,
        facecolor="none",
        edgecolor="#44546a",
        hatch="/////",
        linewidth=0,
        label="MC stat. unc.",
    )
    intervals = np.array([garwood(int(n)) for n in inside["data"]])
    errors = np.abs(intervals.T - inside["data"])
    axes.errorbar(
        centres,
        inside["data"],
        yerr=errors,
        fmt="ko",
        markersize=9,
        linewidth=2,
        label=labels["data"],
    )
    axes.set_xlim(h4l.LOW, h4l.HIGH)
    axes.set_ylim(0, 24)
    axes.set_ylabel("Events / 3 GeV", labelpad=8)
    handles, found = axes.get_legend_handles_labels()
    order = [labels[name] for name in ("data", *reversed(LOOKS))] + ["MC stat. unc."]
    axes.legend(
        [handles[found.index(label)] for label in order], order, loc="upper right", fontsize=24
    )
    below.stairs(
        pulls(inside["data"], errors, total, spread), edges, fill=True, color="#3b78b8", alpha=0.8
    )
    for height, line in ((0, "-"), (-2, ":"), (2, ":")):
        below.axhline(height, color="black", linestyle=line, linewidth=1.2)
    below.set_ylim(-3.4, 3.4)
    below.set_yticks([-2, 0, 2])
    below.set_ylabel("Pull", loc="center", labelpad=8)
    below.set_xlabel(r"$\mathit{m}_{4\ell}$ [GeV]")
    figure.align_ylabels()
    mplhep.cms.label("Open Data", data=True, rlabel=LUMINOSITY, ax=axes)
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(given.output, metadata={"Software": None})


if __name__ == "__main__":
    main()
