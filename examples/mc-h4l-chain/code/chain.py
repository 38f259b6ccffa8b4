"""What the steps share: processes, channels, runs, and the events that go from step to step.

Events are NumPy arrays with one row per event and four leptons in each, in `.npz` files:
the same events are the same bytes, which a ROOT file with its UUID and date is not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

PROCESSES = ("higgs", "zz")
CHANNELS = ("4mu", "2e2mu", "4e")
ELECTRON, MUON = 11, 13

# First run, last run and number of validated luminosity blocks of 2012 B and C, the half of
# the 2012 data that CMS has released: counted in the list of validated runs of CERN Open Data
# record 5500 (conditions/cms-validated-runs-2012), between the first and last run of each era.
ERAS = {"B": (193834, 196531, 50911), "C": (198049, 203742, 80586)}

# PDG, Phys. Rev. D 110 (2024) 030001; the masses of leptons matter to nothing here but are right.
Z_MASS = 91.1880
LEPTON_MASSES = {ELECTRON: 0.000511, MUON: 0.105658}


@dataclass(frozen=True)
class Events:
    """Events of one process: the four leptons of each, one column a lepton.

    `pdg` is negative for antileptons; pt in GeV; `found` tells whether the detector has
    measured the lepton (at generation: all).
    """

    run: Integers
    pdg: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    found: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.run)

    @property
    def mass(self) -> Floats:
        """The mass of each lepton."""
        return np.where(np.abs(self.pdg) == MUON, LEPTON_MASSES[MUON], LEPTON_MASSES[ELECTRON])


def write_events(path: Path, events: Events) -> None:
    """Write events; equal events give equal bytes (NumPy dates every member to 1980)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{field.name: getattr(events, field.name) for field in fields(Events)})


def read_events(path: Path) -> Events:
    """Read what `write_events` wrote."""
    with np.load(path) as arrays:
        return Events(**{field.name: arrays[field.name] for field in fields(Events)})


def random_numbers(step: str, process: str, seed: int) -> np.random.Generator:
    """Return numbers of their own for each step, process and seed."""
    steps = ("runs", "resolution", "efficiency")
    return np.random.default_rng([seed, steps.index(step), PROCESSES.index(process)])


def four_momenta(pt: Floats, eta: Floats, phi: Floats, mass: Floats) -> Floats:
    """Return (E, px, py, pz) along a last axis."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    return np.stack([energy, px, py, pz], axis=-1)


def invariant_mass(momenta: Floats) -> Floats:
    """Return the mass of the sum of four-momenta over the axis before the last."""
    total = momenta.sum(axis=-2)
    squared = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def mass_of_four(events: Events) -> Floats:
    """Return m(4l) of each event, over all four leptons."""
    return invariant_mass(four_momenta(events.pt, events.eta, events.phi, events.mass))
