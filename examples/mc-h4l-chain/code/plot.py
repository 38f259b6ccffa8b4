"""Step 5: m(4l) of the Higgs boson over ZZ, and the Higgs boson's peak in finer bins."""

from __future__ import annotations

import argparse
from pathlib import Path

import histograms
import matplotlib.pyplot as plt
import mplhep
import numpy as np
from matplotlib.axes import Axes

LOOKS = {  # in the order of the stack: label, fill, line
    "zz": (r"$ZZ^{(*)} \rightarrow 4\ell$", "#99ccff", "#3b78b8"),
    "higgs": (r"$H \rightarrow ZZ^{*} \rightarrow 4\ell$", "#f7c6c5", "#d62020"),
}


def labels(found: dict[str, histograms.hist.Hist], name: str) -> list[str]:
    """Return what the legend says of each process: how many events of it are drawn."""
    sums = (found[f"{name}/{process}"].values().sum() for process in LOOKS)
    return [f"{look[0]}: {events:.1f}" for look, events in zip(LOOKS.values(), sums, strict=True)]


def draw(axes: Axes, found: dict[str, histograms.hist.Hist], name: str, line: float) -> None:
    """Draw the stack of one histogram with the statistical uncertainty of the simulation."""
    stack = [found[f"{name}/{process}"] for process in LOOKS]
    edges = stack[0].axes[0].edges
    mplhep.histplot(
        [one.values() for one in stack],
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        label=labels(found, name),
        facecolor=[fill for _, fill, _ in LOOKS.values()],
        edgecolor=[colour for _, _, colour in LOOKS.values()],
        linewidth=line,
    )
    total = np.sum([one.values() for one in stack], axis=0)
    spread = np.sqrt(np.sum([one.variances() for one in stack], axis=0))
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
    axes.set_xlim(edges[0], edges[-1])


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", type=Path, help="ROOT file of the analysis")
    parser.add_argument("output", type=Path, help="PNG to write")
    given = parser.parse_args()

    found = histograms.read(given.histograms)
    mplhep.style.use("CMS")
    figure, axes = plt.subplots(figsize=(12, 9))
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.115, top=0.925)
    draw(axes, found, "m4l", 1.5)
    top = sum(found[f"m4l/{process}"].values() for process in LOOKS).max()
    axes.set_ylim(0, 1.6 * top)
    axes.set_xlabel(r"$\mathit{m}_{4\ell}$ [GeV]")
    axes.set_ylabel("Events / 4 GeV", labelpad=8)
    axes.tick_params(axis="x", pad=10)
    handles, named = axes.get_legend_handles_labels()
    order = [*reversed(labels(found, "m4l")), "MC stat. unc."]
    axes.legend(
        [handles[named.index(label)] for label in order], order, loc="upper left", fontsize=22
    )

    peak = axes.inset_axes((0.575, 0.50, 0.40, 0.46))
    draw(peak, found, "m4l_peak", 1.2)
    peak.set_ylim(bottom=0)
    peak.set_xlabel(r"$\mathit{m}_{4\ell}$ [GeV]", fontsize=17)
    peak.set_ylabel("Events / 1 GeV", fontsize=17)
    peak.tick_params(labelsize=15)

    # No experiment's name: the detector is a toy, and nobody's data are shown.
    mplhep.add_text("Simulation", ax=axes, loc="over left", fontweight="bold", fontsize=26)
    mplhep.add_text(
        r"Pythia 8, toy detector   11.6 fb$^{-1}$ (8 TeV)", ax=axes, loc="over right", fontsize=22
    )
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(given.output, metadata={"Software": None})


if __name__ == "__main__":
    main()
