"""plot.py HISTOGRAMS OUTPUT: 2012 data over the prediction, and the chain's own candidates."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import mplhep
import numpy as np
import uproot

CHANNELS = ("4mu", "2e2mu", "4e")
LOOKS = {  # in the order of the stack: label, fill, line
    "zz": (r"$ZZ \rightarrow 4\ell$", "#99ccff", "#3b78b8"),
    "higgs": (r"$m_{H}$ = 125 GeV", "#ffffff", "#d62020"),
}


def main() -> None:
    """Read, draw, save."""
    histograms, output = map(Path, sys.argv[1:])
    with uproot.open(histograms) as file:
        names = set(file.keys(cycle=False))

        def total(name: str) -> np.ndarray:
            return np.sum([file[f"{name}_{channel}"].values() for channel in CHANNELS], axis=0)

        stack = {process: total(f"published/{process}") for process in LOOKS}
        data = total("published/data")
        own = total("level3/collisions") if f"level3/collisions_{CHANNELS[0]}" in names else None
        edges = file["published/data_4mu"].axis().edges()
    centres = (edges[1:] + edges[:-1]) / 2

    mplhep.style.use("CMS")
    figure, axes = plt.subplots(figsize=(12, 9))
    figure.subplots_adjust(left=0.1, right=0.965, bottom=0.115, top=0.925)
    mplhep.histplot(
        list(stack.values()),
        edges,
        ax=axes,
        stack=True,
        histtype="fill",
        label=[label for label, _, _ in LOOKS.values()],
        facecolor=[fill for _, fill, _ in LOOKS.values()],
        edgecolor=[line for _, _, line in LOOKS.values()],
        linewidth=2,
    )
    seen = data > 0
    # sqrt(n) bars, as in the public macro of the example.
    axes.errorbar(
        centres[seen],
        data[seen],
        yerr=np.sqrt(data[seen]),
        fmt="ko",
        markersize=9,
        linewidth=2,
        label="Data",
    )
    if own is not None and own.any():
        axes.plot(centres[own > 0], own[own > 0], "D", color="#7b3fa0", ms=13, label="This run")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.45 * (data + np.sqrt(data)).max())
    axes.set_xlabel(r"$m_{4\ell}$ [GeV]")
    axes.set_ylabel("Events / 3 GeV", labelpad=8)
    axes.legend(loc="upper right")
    mplhep.cms.label("Open Data", data=True, rlabel=r"11.6 fb$^{-1}$ (8 TeV)", ax=axes)
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(output, metadata={"Software": None})


if __name__ == "__main__":
    main()
