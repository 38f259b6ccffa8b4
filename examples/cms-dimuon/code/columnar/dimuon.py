"""Pairs of muons from both kinds of files, chunk by chunk, and how they are counted.

Only NumPy, uproot and its awkward are needed. Masses are computed in double precision from
the single-precision muons of the files, as the ROOT variant does.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

CHUNK = 250_000
"""Events read at a time: bounds the memory, whatever the length of the file."""

MUON_MASS = 0.1056583755
"""GeV. S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024)."""

# (bins, low, high) in GeV of the zooms.
ZOOMS: Mapping[str, tuple[int, float, float]] = {
    "jpsi": (90, 2.6, 4.4),
    "upsilon": (80, 8.0, 12.0),
    "z": (240, 60.0, 120.0),
}
# Where the cut flow counts, in GeV, closed below and open above.
WINDOWS: Mapping[str, tuple[float, float]] = {
    "2.9-3.3 GeV": (2.9, 3.3),
    "81-101 GeV": (81.0, 101.0),
}
SIGNS = ("opposite", "same")


def spectrum_edges() -> Floats:
    """Return 501 edges, evenly spaced in the logarithm, over three decades from 0.25 GeV.

    Rounded to keV, so that every mathematics library gives the same bits.
    """
    return np.round(0.25 * 10.0 ** (3.0 * np.arange(501) / 500), 6)


@dataclass(frozen=True)
class Pairs:
    """The pairs of some events: events that were read, masses in GeV, whether signs differ."""

    events: int
    mass: Floats
    opposite: Flags


def invariant_mass(pt: Floats, eta: Floats, phi: Floats, mass: Floats | float) -> Floats:
    """Return the masses of pairs; the arrays have the shape (pairs, 2)."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    squared = energy.sum(axis=1) ** 2
    for component in (px, py, pz):
        squared -= component.sum(axis=1) ** 2
    return np.sqrt(np.maximum(squared, 0.0))


def wanted(total: int, max_events: int, fraction: float) -> int:
    """Return how many of the events are read; max_events 0 and fraction 1 stand for all."""
    part = int(np.floor(total * fraction + 0.5))
    return min(part, max_events) if max_events else part


def read_nanoaod(path: Path, limit: Callable[[int], int]) -> tuple[int, Iterator[Pairs]]:
    """Return how many events are read, and the pairs of those with exactly two muons."""
    tree = uproot.open(path)["Events"]
    stop = limit(tree.num_entries)
    names = ["nMuon", *(f"Muon_{name}" for name in ("pt", "eta", "phi", "mass", "charge"))]

    def chunks() -> Iterator[Pairs]:
        for events in tree.iterate(names, step_size=CHUNK, entry_stop=stop):
            two = events[events.nMuon == 2]
            pt, eta, phi, mass = (
                ak.to_numpy(two[f"Muon_{name}"]).astype(np.float64)
                for name in ("pt", "eta", "phi", "mass")
            )
            charge = ak.to_numpy(two.Muon_charge)
            yield Pairs(
                len(events), invariant_mass(pt, eta, phi, mass), charge[:, 0] * charge[:, 1] < 0
            )

    return stop, chunks()


def read_csv(path: Path, limit: Callable[[int], int]) -> tuple[int, Iterator[Pairs]]:
    """Return how many events are read, and their pairs: each row is an event with two muons.

    The heading names one column `px1 `, with a blank. Raises ValueError where the mass from pt,
    eta and phi is not the recorded one: the columns would not be what their names say.
    """
    with path.open(encoding="utf-8") as table:
        stop = limit(sum(1 for _ in table) - 1)

    def chunks() -> Iterator[Pairs]:
        with path.open(encoding="utf-8", newline="") as table:
            lines = csv.reader(table)
            heading = [name.strip() for name in next(lines)]
            columns = [heading.index(f"{n}{i}") for n in ("pt", "eta", "phi", "Q") for i in (1, 2)]
            columns.append(heading.index("M"))
            rows = itertools.islice(lines, stop)
            while block := list(itertools.islice(rows, CHUNK)):
                values = np.array([[row[column] for column in columns] for row in block], float)
                pt, eta, phi, charge = (values[:, at : at + 2] for at in (0, 2, 4, 6))
                mass, recorded = invariant_mass(pt, eta, phi, MUON_MASS), values[:, 8]
                # Six digits are recorded; over the whole file 0.6 MeV is the largest difference.
                worst = int(np.argmax(np.abs(mass - recorded)))
                if abs(mass[worst] - recorded[worst]) > 1e-3:
                    raise ValueError(
                        f"{path.name}: a recorded mass is {recorded[worst]} GeV, "
                        f"from pt, eta and phi it is {mass[worst]:.6g}"
                    )
                yield Pairs(len(block), mass, charge[:, 0] * charge[:, 1] < 0)

    return stop, chunks()


READERS = {"nanoaod": read_nanoaod, "csv": read_csv}


def new_cutflow() -> dict[str, int]:
    """Return the rows of the cut flow, all zero."""
    rows = ["events", "two muons"]
    for sign in SIGNS:
        rows += [f"{sign} sign", *(f"{sign} sign, {window}" for window in WINDOWS)]
    return dict.fromkeys(rows, 0)


def count(cutflow: dict[str, int], pairs: Pairs) -> None:
    """Add the pairs of one chunk to the cut flow."""
    cutflow["events"] += pairs.events
    cutflow["two muons"] += len(pairs.mass)
    for sign, mass in by_sign(pairs):
        cutflow[f"{sign} sign"] += len(mass)
        for window, (low, high) in WINDOWS.items():
            cutflow[f"{sign} sign, {window}"] += int(((mass >= low) & (mass < high)).sum())


def by_sign(pairs: Pairs) -> Iterator[tuple[str, Floats]]:
    """Yield each sign with its masses."""
    yield "opposite", pairs.mass[pairs.opposite]
    yield "same", pairs.mass[~pairs.opposite]
