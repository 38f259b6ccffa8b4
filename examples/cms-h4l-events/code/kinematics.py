"""Masses from the figures of the tables, and how far the rounding of these may shift them.

The tables give every lepton twice: energy and momentum, and pt, eta, phi. All figures have six
significant digits. Energies in GeV; arrays are leptons (4) x candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import vector
from candidates import Floats

# Particle Data Group, Phys. Rev. D 110 (2024) 030001, by PDG code.
LEPTON_MASS = {11: 0.00051099895, 13: 0.1056583755}
# The value that selections of Run 1 used: Particle Data Group, Phys. Rev. D 86 (2012) 010001.
Z_MASS = 91.1876

DIGITS = 6
ALL = (0, 1, 2, 3)
PAIRINGS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))


@dataclass(frozen=True)
class Masses:
    """A mass of every candidate and the largest shift that rounding explains."""

    value: Floats
    bound: Floats


def half_unit(values: Floats) -> Floats:
    """Return half a unit in the last of six significant digits."""
    decade = np.floor(np.log10(np.maximum(np.abs(values), 1e-300)))
    return np.where(values == 0, 0.0, 0.5 * 10.0 ** (decade - DIGITS + 1))


def four(columns: Mapping[str, Floats], quantity: str) -> Floats:
    """Return one quantity of the four leptons."""
    return np.array([columns[f"{quantity}{number}"] for number in (1, 2, 3, 4)])


def from_momenta(columns: Mapping[str, Floats], leptons: tuple[int, ...]) -> Masses:
    """Return the mass of some of the leptons from E, px, py, pz.

    With m^2 = E^2 - p^2 a shift dx of a component shifts the mass by (E/m) dE or (p_x/m) dp_x.
    """
    parts = {key: four(columns, key)[list(leptons)] for key in ("E", "px", "py", "pz")}
    total = reduce(add, vector.array(parts))
    shifts = {key: half_unit(part).sum(axis=0) for key, part in parts.items()}
    bound = reduce(add, (np.abs(getattr(total, key)) * shift for key, shift in shifts.items()))
    return Masses(total.mass, bound / total.mass)


def from_directions(columns: Mapping[str, Floats], leptons: tuple[int, ...]) -> Masses:
    """Return the mass of some of the leptons from pt, eta, phi and the lepton's mass.

    The shift is m dm = E dE - p dp, with the derivatives of E and p by pt, eta and phi.
    """
    pt, eta, phi = (four(columns, key)[list(leptons)] for key in ("pt", "eta", "phi"))
    kind = np.abs(four(columns, "PID")[list(leptons)]).astype(int)
    mass = np.vectorize(LEPTON_MASS.__getitem__)(kind)
    each = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": mass})
    total = reduce(add, each)
    energy, px, py, pz = total.E, total.px, total.py, total.pz
    by_pt = (
        energy * pt * np.cosh(eta) ** 2 / each.E
        - px * np.cos(phi)
        - py * np.sin(phi)
        - pz * np.sinh(eta)
    )
    by_eta = energy * pt**2 * np.sinh(eta) * np.cosh(eta) / each.E - pz * pt * np.cosh(eta)
    by_phi = px * pt * np.sin(phi) - py * pt * np.cos(phi)
    shifts = ((by_pt, pt), (by_eta, eta), (by_phi, phi))
    bound = reduce(add, (np.abs(slope) * half_unit(figure) for slope, figure in shifts))
    return Masses(total.mass, bound.sum(axis=0) / total.mass)


WAYS: Mapping[str, Callable[[Mapping[str, Floats], tuple[int, ...]], Masses]] = {
    "momenta": from_momenta,
    "directions": from_directions,
}


def z_candidates(columns: Mapping[str, Floats], way: str) -> tuple[Masses, Masses]:
    """Return the pairs called Z1 and Z2: of all ways to make two pairs of one flavour and opposite
    charge, the one with the pair closest to the Z mass, which is Z1.
    """
    mass = WAYS[way]
    kind = four(columns, "PID")
    choices = [(one, two) for pairing in PAIRINGS for one, two in (pairing, pairing[::-1])]
    # Particle and antiparticle have opposite PDG codes.
    allowed = [
        (kind[list(a)].sum(axis=0) == 0) & (kind[list(b)].sum(axis=0) == 0) for a, b in choices
    ]
    found = [(mass(columns, a), mass(columns, b)) for a, b in choices]
    distance = [
        np.where(fits, np.abs(z1.value - Z_MASS), np.inf)
        for fits, (z1, _) in zip(allowed, found, strict=True)
    ]
    best = np.argmin(distance, axis=0)
    if not np.isfinite(np.min(distance, axis=0)).all():
        raise ValueError("a candidate has no two pairs of one flavour and opposite charge")
    row = np.arange(len(best))

    def picked(which: int) -> Masses:
        values = np.array([pair[which].value for pair in found])[best, row]
        return Masses(values, np.array([pair[which].bound for pair in found])[best, row])

    return picked(0), picked(1)
