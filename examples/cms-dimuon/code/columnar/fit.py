"""Step 2: the position and the width of the Z peak, by a binned likelihood, with iminuit."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import uproot
import zpeak
from iminuit import Minuit


def main() -> None:
    """Parse, fit, write. Raises RuntimeError where the fit finds no minimum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("histograms", type=Path, help="ROOT file with opposite/z")
    parser.add_argument("values", type=Path, help="table to write")
    parser.add_argument("errors", type=Path, help="table to write")
    given = parser.parse_args()

    with uproot.open(given.histograms) as file:
        counts, edges = file["opposite/z"].to_numpy()
    inside = (edges[:-1] >= zpeak.LOW) & (edges[1:] <= zpeak.HIGH)
    counts, width = counts[inside], np.diff(edges)[inside]
    centres = (edges[1:] + edges[:-1])[inside] / 2

    def cost(parameters: np.ndarray) -> float:
        return zpeak.deviance(counts, width * zpeak.density(centres, parameters))

    if not counts.any():
        raise RuntimeError(f"no events from {zpeak.LOW:g} to {zpeak.HIGH:g} GeV: nothing to fit")
    start = zpeak.start(counts.sum())
    fit = Minuit(cost, list(start.values()), name=list(start))
    fit.errordef = Minuit.LEAST_SQUARES  # the cost is -2 ln L: it rises by 1 for one sigma
    fit.strategy = 2
    fit.tol = 1e-8
    fit.migrad()
    fit.hesse()
    print(fit)
    if not (fit.valid and fit.accurate and zpeak.LOW < fit.values["peak [GeV]"] < zpeak.HIGH):
        raise RuntimeError(f"the fit of the Z peak to {counts.sum():g} events found none")
    # Two tables, for values are far better known than Minuit's second derivatives.
    for path, column, numbers in (
        (given.values, "value", fit.values),
        (given.errors, "error", fit.errors),
    ):
        rows = [f"{name},{float(numbers[name])!r}" for name in start]
        path.write_text("\n".join([f"parameter,{column}", *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
