"""Step 4: m(4l) recomputed from the four-vectors, by channel, with the Z and the Higgs region."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import candidates
import matplotlib.pyplot as plt
import mplhep
import numpy as np
import uproot
from scipy.stats import chi2, norm

LUMINOSITY = r"2.3 fb$^{-1}$ (7 TeV) + 11.6 fb$^{-1}$ (8 TeV)"
TOP = 27
# Colours that people with any colour vision tell apart: M. A. Petroff, arXiv:2107.02270.
LOOKS = {
    "2e2mu": (r"2e2$\mu$", "#92dadd"),
    "4mu": (r"4$\mu$", "#3f90da"),
    "4e": ("4e", "#ffa90e"),
}
MARKED = {
    "Z 80-100": (r"$Z \rightarrow 4\ell$", "#94a4a2"),
    "H 121-130": (r"$H \rightarrow 4\ell$", "#bd1f01"),
}


def garwood(counts: candidates.Floats) -> tuple[candidates.Floats, candidates.Floats]:
    """Return the central 68.27 % interval: F. Garwood, Biometrika 28 (1936) 437."""
    tail = norm.sf(1)
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0.0)
    return low, chi2.isf(tail, 2 * (counts + 1)) / 2


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", type=Path, help="ROOT file with m4l_recomputed/*")
    parser.add_argument("regions", type=Path, help="table of candidates by region")
    parser.add_argument("output", type=Path, help="PNG to write")
    given = parser.parse_args()

    with uproot.open(given.histograms) as file:
        channels = {
            channel: np.sum(
                [file[f"m4l_recomputed/{channel}_{year}"].values() for year in candidates.YEARS],
                axis=0,
            )
            for channel in LOOKS
        }
        edges = file["m4l_recomputed/4mu_2012"].axis().edges()
    with given.regions.open(encoding="utf-8", newline="") as table:
        counts = {row["category"]: row for row in csv.DictReader(table)}["all"]

    mplhep.style.use("CMS")
    figure, axes = plt.subplots(figsize=(12, 9))
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.115, top=0.925)
    for region, (what, colour) in MARKED.items():
        low, high = candidates.REGIONS[region]
        axes.axvspan(low, high, color=colour, alpha=0.16, linewidth=0)
        text = f"{what}\n{low:g}\N{EN DASH}{high:g} GeV\n{counts[region]} candidates"
        axes.text(
            (low + high) / 2, 0.955 * TOP, text, ha="center", va="top", size=19, linespacing=1.35
        )
    total = np.sum(list(channels.values()), axis=0)
    names = {
        channel: f"{LOOKS[channel][0]}: {contents.sum():.0f}"
        for channel, contents in channels.items()
    }
    names["all"] = f"All: {total.sum():.0f}"
    mplhep.histplot(
        list(channels.values()),
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        label=[names[channel] for channel in LOOKS],
        facecolor=[colour for _, colour in LOOKS.values()],
        edgecolor="black",
        linewidth=1,
    )
    low, high = garwood(total)
    axes.errorbar(
        (edges[1:] + edges[:-1]) / 2,
        total,
        yerr=[total - low, high - total],
        fmt="ko",
        markersize=9,
        linewidth=2,
        label=names["all"],
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, TOP)
    axes.set_xlabel(r"$\mathit{m}_{4\ell}$ from $\mathit{p}_{T}$, $\eta$, $\phi$ [GeV]")
    axes.set_ylabel("Candidates / 3 GeV", labelpad=8)
    handles, labels = axes.get_legend_handles_labels()
    order = [names[name] for name in ("all", *reversed(LOOKS))]
    axes.legend([handles[labels.index(label)] for label in order], order, loc="upper right")
    mplhep.cms.label("Open Data", data=True, rlabel=LUMINOSITY, ax=axes)
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(given.output, metadata={"Software": None})


if __name__ == "__main__":
    main()
