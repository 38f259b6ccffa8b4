"""Step 2: the four-lepton mass, channels stacked, those of four isolated leptons as points."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import mplhep
import numpy as np
import numpy.typing as npt
import uproot
from scipy.stats import chi2, norm

Floats = npt.NDArray[np.float64]

LOOKS = {  # in the order of the stack: label and colour
    "4mu": (r"4$\mu$", "#92dadd"),
    "4e": ("4e", "#ffa90e"),
    "2e2mu": (r"2e2$\mu$", "#3f90da"),
}


def garwood(counts: Floats) -> tuple[Floats, Floats]:
    """Return the central 68.27 % interval: F. Garwood, Biometrika 28 (1936) 437."""
    tail = norm.sf(1)
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0.0)
    return low, chi2.isf(tail, 2 * (counts + 1)) / 2


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", type=Path, help="ROOT file")
    parser.add_argument("cutflow", type=Path, help="table of events after each cut")
    parser.add_argument("output", type=Path, help="PNG to write")
    given = parser.parse_args()

    with uproot.open(given.histograms) as file:
        stack = [file[f"selected/{channel}"].values() for channel in LOOKS]
        isolated = np.sum([file[f"isolated/{channel}"].values() for channel in LOOKS], axis=0)
        edges = file["selected/4e"].axis().edges()
        beyond = sum(file[f"selected/{channel}"].values(flow=True)[-1] for channel in LOOKS)
    with given.cutflow.open(encoding="utf-8", newline="") as table:
        events = {row["cut"]: int(row["events"]) for row in csv.DictReader(table)}

    mplhep.style.use("ATLAS")
    figure, axes = plt.subplots(figsize=(11, 8))
    figure.subplots_adjust(left=0.11, right=0.97, bottom=0.12, top=0.96)
    mplhep.histplot(
        stack,
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        # Of each channel what is drawn: those above the last edge are counted beside.
        label=[
            f"{label}: {drawn.sum():.0f}"
            for drawn, (label, _) in zip(stack, LOOKS.values(), strict=True)
        ],
        facecolor=[colour for _, colour in LOOKS.values()],
        edgecolor="black",
        linewidth=0.8,
    )
    seen = isolated > 0
    centres = (edges[1:] + edges[:-1]) / 2
    low, high = garwood(isolated[seen])
    axes.errorbar(
        centres[seen],
        isolated[seen],
        yerr=[isolated[seen] - low, high - isolated[seen]],
        fmt="ko",
        markersize=7,
        label=f"Loose and isolated: {isolated.sum():.0f}",
    )
    axes.set_yscale("log")
    axes.set_xlim(0, 300)
    axes.set_ylim(0.5, 20000)
    axes.set_xlabel(r"$m_{4\ell}$ [GeV]")
    axes.tick_params(axis="x", pad=8)
    axes.set_ylabel("Events / 5 GeV")
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles, labels, loc="upper right", fontsize=19)
    mplhep.atlas.text("Open Data", ax=axes, loc=1, fontsize=24)
    says = (
        r"$\sqrt{s}$ = 13 TeV, 2015 period D" + "\n"
        f"{events['no net charge']} of {events['four leptons']:,} events:\n"
        "two lepton pairs, no net charge\n"
        f"({beyond:.0f} above {edges[-1]:.0f} GeV)"
    )
    axes.text(0.037, 0.87, says, transform=axes.transAxes, va="top", fontsize=19)
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(given.output, metadata={"Software": None})


if __name__ == "__main__":
    main()
