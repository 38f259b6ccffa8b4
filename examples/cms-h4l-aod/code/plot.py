"""plot.py HISTOGRAMS OUTPUT: 2012 data over the prediction, pulls, and the chain's candidates."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import mplhep
import numpy as np
import numpy.typing as npt
import uproot
from scipy.stats import chi2, norm

Floats = npt.NDArray[np.float64]

CHANNELS = ("4mu", "2e2mu", "4e")
LOOKS = {  # in the order of the stack: label, fill, line
    "zz": (r"$ZZ \rightarrow 4\ell$", "#99ccff", "#3b78b8"),
    "higgs": (r"H, $\mathit{m}_{H}$ = 125 GeV", "#ffffff", "#d62020"),
}


def garwood(counts: Floats) -> tuple[Floats, Floats]:
    """Return the central 68.27 % interval: F. Garwood, Biometrika 28 (1936) 437."""
    tail = norm.sf(1)
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0.0)
    return low, chi2.isf(tail, 2 * (counts + 1)) / 2


def main() -> None:
    """Read, draw, save."""
    histograms, output = map(Path, sys.argv[1:])
    with uproot.open(histograms) as file:
        names = set(file.keys(cycle=False))

        def total(name: str) -> Floats:
            return np.sum([file[f"{name}_{channel}"].values() for channel in CHANNELS], axis=0)

        stack = {process: total(f"published/{process}") for process in LOOKS}
        variances = [
            file[f"published/{process}_{channel}"].variances()
            for process in LOOKS
            for channel in CHANNELS
        ]
        data = total("published/data")
        own = total("level3/collisions") if f"level3/collisions_{CHANNELS[0]}" in names else None
        edges = file["published/data_4mu"].axis().edges()
    centres = (edges[1:] + edges[:-1]) / 2
    labels = {process: f"{LOOKS[process][0]}: {stack[process].sum():.1f}" for process in LOOKS}
    labels["data"] = f"Data: {data.sum():.0f} events"

    mplhep.style.use("CMS")
    figure, (axes, below) = plt.subplots(
        2, 1, figsize=(12, 11), sharex=True, height_ratios=(3.4, 1)
    )
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.095, top=0.94, hspace=0.06)
    mplhep.histplot(
        list(stack.values()),
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        label=[labels[process] for process in LOOKS],
        facecolor=[fill for _, fill, _ in LOOKS.values()],
        edgecolor=[line for _, _, line in LOOKS.values()],
        linewidth=2,
    )
    expected = np.sum(list(stack.values()), axis=0)
    spread = np.sqrt(np.sum(variances, axis=0))
    axes.stairs(
        expected + spread,
        edges,
        baseline=expected - spread,
        fill=True,
        facecolor="none",
        edgecolor="#44546a",
        hatch="/////",
        linewidth=0,
        label="MC stat. unc.",
    )
    low, high = garwood(data)
    # Not the sqrt(n) bars of the public macro: an empty bin has an upper limit, too.
    axes.errorbar(
        centres,
        data,
        yerr=[data - low, high - data],
        fmt="ko",
        markersize=9,
        linewidth=2,
        label=labels["data"],
    )
    order = [labels[name] for name in ("data", *reversed(LOOKS))] + ["MC stat. unc."]
    if own is not None and own.any():
        order.append(f"This run: {own.sum():.0f} events")
        axes.plot(centres[own > 0], own[own > 0], "D", color="#7b3fa0", ms=13, label=order[-1])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(24.0, 1.12 * high.max()))
    axes.set_ylabel("Events / 3 GeV", labelpad=8)
    handles, found = axes.get_legend_handles_labels()
    axes.legend(
        [handles[found.index(label)] for label in order], order, loc="upper right", fontsize=24
    )
    # Of the data, the error towards the prediction counts.
    errors = np.hypot(np.where(data > expected, data - low, high - data), spread)
    below.stairs((data - expected) / errors, edges, fill=True, color="#3b78b8", alpha=0.8)
    for height, line in ((0, "-"), (-2, ":"), (2, ":")):
        below.axhline(height, color="black", linestyle=line, linewidth=1.2)
    below.set_ylim(-3.4, 3.4)
    below.set_yticks([-2, 0, 2])
    below.set_ylabel("Pull", loc="center", labelpad=8)
    below.set_xlabel(r"$\mathit{m}_{4\ell}$ [GeV]")
    figure.align_ylabels()
    mplhep.cms.label("Open Data", data=True, rlabel=r"11.6 fb$^{-1}$ (8 TeV)", ax=axes)
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(output, metadata={"Software": None})


if __name__ == "__main__":
    main()
