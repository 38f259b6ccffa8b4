"""The model of the Z peak: a Breit-Wigner smeared by a Gaussian, over an exponential."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import wofz

Floats = npt.NDArray[np.float64]

Z_WIDTH = 2.4955
"""GeV. S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024)."""
LOW, HIGH = 81.0, 101.0
CENTRE = 91.0
"""GeV, where the background is stated: half way between LOW and HIGH."""


def start(events: float) -> dict[str, float]:
    """Return the parameters by name, with the values a fit to so many events starts from."""
    return {
        "signal [events]": 0.9 * events,
        "peak [GeV]": 91.0,
        "resolution [GeV]": 1.5,
        "log background [1/GeV]": float(np.log(0.1 * events / (HIGH - LOW))),
        "slope [1/GeV]": 0.0,
    }


def voigt(distance: Floats, sigma: float) -> Floats:
    """Return the density of a Breit-Wigner of the Z's width, smeared by a Gaussian of `sigma`.

    The real part of the Faddeeva function: F. W. J. Olver et al., NIST Handbook of Mathematical
    Functions (2010), 7.19.
    """
    scale = abs(sigma) * np.sqrt(2.0)
    density = wofz((distance + 0.5j * Z_WIDTH) / scale).real / (scale * np.sqrt(np.pi))
    return np.asarray(density, dtype=np.float64)


def density(mass: Floats, parameters: npt.ArrayLike) -> Floats:
    """Return the events per GeV expected at masses in GeV; parameters in the order of `start`."""
    signal, peak, sigma, background, slope = np.asarray(parameters, dtype=np.float64)
    return signal * voigt(mass - peak, sigma) + np.exp(background + slope * (mass - CENTRE))


def deviance(counts: Floats, expected: Floats) -> float:
    """Return -2 ln of the likelihood ratio of Poisson counts.

    S. Baker and R. D. Cousins, Nucl. Instrum. Meth. 221 (1984) 437, eq. (5).
    """
    filled = counts > 0
    terms = expected - counts
    terms[filled] += counts[filled] * np.log(counts[filled] / expected[filled])
    return float(2.0 * terms.sum())


def read(values: Path, errors: Path) -> dict[str, tuple[float, float]]:
    """Return value and error of each parameter from the two tables of a fit."""
    columns = []
    for path in (values, errors):
        with path.open(encoding="utf-8", newline="") as table:
            columns.append({name: float(number) for name, number in list(csv.reader(table))[1:]})
    return {name: (columns[0][name], columns[1][name]) for name in columns[0]}
