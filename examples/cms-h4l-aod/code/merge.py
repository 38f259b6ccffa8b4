"""merge.py OUTPUT INPUT…: adds the four-lepton histograms of several files, bin by bin."""

from __future__ import annotations

import sys
from pathlib import Path

import hist
import uproot

NAMES = ("mass4mu_8TeV_low", "mass2mu2e_8TeV_low", "mass4e_8TeV_low")


def main() -> None:
    """Read, add, write."""
    output, *inputs = map(Path, sys.argv[1:])
    merged: dict[str, hist.Hist] = {}
    for path in inputs:
        with uproot.open(path) as file:
            for name in NAMES:
                found = file[f"demo/{name}"].to_hist()
                merged[name] = merged[name] + found if name in merged else found
    with uproot.recreate(output) as file:
        for name, histogram in merged.items():
            file[f"demo/{name}"] = histogram
    print(f"{len(inputs)} files added")


if __name__ == "__main__":
    main()
