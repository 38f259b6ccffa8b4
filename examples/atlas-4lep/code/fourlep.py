"""Events of four leptons: how they are read, selected and weighed.

Only NumPy, uproot and its awkward are needed. Energies and momenta of these files are in GeV
(those of the 13 TeV release of 2020 were in MeV). They are stored in single and used in double
precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import numpy.typing as npt
import uproot

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

TREE = "analysis"

# lep_type is the PDG number, 11 for electrons and 13 for muons: their sum names the channel. 46
# and 50 are three leptons of one kind and one of the other, which no two Z bosons decay to.
CHANNELS: Mapping[str, int] = {"4e": 44, "2e2mu": 48, "4mu": 52}


@dataclass(frozen=True)
class Events:
    """Per event the sums of types and charges, the mass in GeV, and the leptons' quality."""

    types: npt.NDArray[np.int64]
    charges: npt.NDArray[np.int64]
    mass: Floats
    loose: Flags
    """All four pass the loose identification."""
    isolated: Flags
    """All four pass the loose isolation."""

    @property
    def pairs(self) -> Flags:
        """Whether the types are those of two pairs."""
        return np.isin(self.types, list(CHANNELS.values()))

    @property
    def selected(self) -> Flags:
        """Whether types and charges are those of two pairs."""
        return self.pairs & (self.charges == 0)

    def in_channel(self, channel: str) -> Flags:
        """Whether an event is selected and of one channel."""
        return self.selected & (self.types == CHANNELS[channel])


def invariant_mass(pt: Floats, eta: Floats, phi: Floats, energy: Floats) -> Floats:
    """Return the masses of the sums over the second axis."""
    components = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta))
    squared = energy.sum(axis=1) ** 2
    for component in components:
        squared -= component.sum(axis=1) ** 2
    return np.sqrt(np.maximum(squared, 0.0))


def read(path: Path) -> Events:
    """Read a file; raises ValueError where an event does not have exactly four leptons."""
    names = ("type", "charge", "pt", "eta", "phi", "e", "isLooseID", "isLooseIso")
    tree = uproot.open(path)[TREE]
    leptons = {name: tree[f"lep_{name}"].array() for name in names}
    if not ak.all(ak.num(leptons["type"]) == 4):
        raise ValueError(f"{path.name}: there are events without exactly four leptons")
    arrays = {name: ak.to_numpy(found) for name, found in leptons.items()}
    pt, eta, phi, energy = (arrays[name].astype(np.float64) for name in ("pt", "eta", "phi", "e"))
    return Events(
        types=arrays["type"].sum(axis=1),
        charges=arrays["charge"].sum(axis=1),
        mass=invariant_mass(pt, eta, phi, energy),
        loose=arrays["isLooseID"].all(axis=1),
        isolated=arrays["isLooseIso"].all(axis=1),
    )


def cutflow(events: Events) -> dict[str, int]:
    """Return the number of events after each cut, then of those selected by channel."""
    selected = events.selected
    flow = {
        "four leptons": len(events.mass),
        "4e or 2e2mu or 4mu": int(events.pairs.sum()),
        "no net charge": int(selected.sum()),
        "loose identification": int((selected & events.loose).sum()),
        "isolated": int((selected & events.loose & events.isolated).sum()),
    }
    return flow | {f"no net charge {name}": int(events.in_channel(name).sum()) for name in CHANNELS}
