"""Step 4: the m(4l) plot, data over the stacked prediction from 70 to 181 GeV."""

from __future__ import division

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import chi2, norm

import h4l
import rootio

LOOKS = [  # in the order of the stack: process, label, fill, line
    ("zx", r"$Z/\gamma^{*}$ + X", "#669966", "#2f5d2f"),
    ("ttbar", r"$t\bar{t}$", "#b9b9b9", "#6e6e6e"),
    ("zz", r"$ZZ \rightarrow 4\ell$", "#99ccff", "#3b78b8"),
    ("higgs", r"$m_{H}$ = 125 GeV", "#ffffff", "#d62020"),
]
STYLE = {
    "font.family": "sans-serif",
    "font.size": 20,
    "mathtext.default": "regular",
    "axes.linewidth": 2,
    "axes.labelsize": 24,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 12,
    "ytick.major.size": 12,
    "xtick.minor.size": 6,
    "ytick.minor.size": 6,
    "xtick.major.pad": 8,
    "legend.frameon": False,
    "legend.fontsize": 20,
    "hatch.linewidth": 1,
}


def garwood(counts):
    """Return the central 68 % interval of Poisson means: F. Garwood, Biometrika 28 (1936) 437."""
    tail = norm.sf(1)
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0)
    return low, chi2.isf(tail, 2 * (counts + 1)) / 2


def steps(values):
    """Repeat values so that they are drawn as steps over the edges of their bins."""
    return np.repeat(values, 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", help="ROOT file with m4l/*")
    parser.add_argument("output", help="PNG to write")
    args = parser.parse_args()

    histograms = rootio.read(args.histograms)
    edges = np.linspace(h4l.LOW, h4l.HIGH, h4l.NBINS + 1)
    corners = np.repeat(edges, 2)[1:-1]

    plt.rcParams.update(STYLE)
    figure, axes = plt.subplots(figsize=(12, 9), dpi=100)
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.115, top=0.925)
    total, variance = np.zeros(h4l.NBINS), np.zeros(h4l.NBINS)
    handles = {}
    for depth, (process, label, fill, line) in enumerate(LOOKS):
        histogram = histograms["m4l/" + process]
        above = total + histogram.values[1:-1]
        handles[process] = axes.fill_between(
            corners,
            steps(total),
            steps(above),
            facecolor=fill,
            edgecolor=line,
            linewidth=2,
            label=label,
            zorder=1.9 - 0.1 * depth,  # the line of a process lies on what is above
        )
        total, variance = above, variance + histogram.sumw2[1:-1]
    spread = np.sqrt(variance)
    band = axes.fill_between(
        corners,
        steps(total - spread),
        steps(total + spread),
        facecolor="none",
        edgecolor="#44546a",
        hatch="/////",
        linewidth=0,
        label="MC stat. unc.",
        zorder=2,
    )
    observed = histograms["m4l/data"].values[1:-1]
    low, high = garwood(observed)
    points = axes.errorbar(
        (edges[1:] + edges[:-1]) / 2,
        observed,
        yerr=[observed - low, high - observed],
        fmt="ko",
        markersize=9,
        linewidth=2,
        label="Data",
        zorder=3,
    )
    axes.set_xlim(h4l.LOW, h4l.HIGH)
    axes.set_ylim(0, 24)
    axes.set_xlabel(r"$m_{4\ell}$ [GeV]", x=1, ha="right")
    axes.set_ylabel("Events / 3 GeV", y=1, ha="right")
    order = [points] + [handles[process] for process, _, _, _ in reversed(LOOKS)] + [band]
    axes.legend(order, [handle.get_label() for handle in order], loc="upper right")
    axes.text(0, 1.01, "CMS", transform=axes.transAxes, size=30, weight="bold", va="bottom")
    axes.text(
        0.105, 1.01, "Open Data", transform=axes.transAxes, size=23, style="italic", va="bottom"
    )
    axes.text(
        1,
        1.01,
        r"2.3 fb$^{-1}$ (7 TeV) + 11.6 fb$^{-1}$ (8 TeV)",
        transform=axes.transAxes,
        size=22,
        ha="right",
        va="bottom",
    )
    figure.savefig(args.output)
