"""Step 3: leptons in the acceptance, and their pairing to two Z bosons.

Acceptance and pairing follow CMS, Phys. Lett. B 716 (2012) 30, section 4: electrons with
pt > 7 GeV and |eta| < 2.5, muons with pt > 5 GeV and |eta| < 2.4; Z1 is the pair of one
flavour and opposite charges whose mass is nearest to that of the Z boson, Z2 the other pair.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import histograms
import numpy as np
from chain import (
    CHANNELS,
    ELECTRON,
    MUON,
    PROCESSES,
    Z_MASS,
    Events,
    Floats,
    four_momenta,
    invariant_mass,
    read_events,
)

MIN_PT = {ELECTRON: 7.0, MUON: 5.0}
MAX_ETA = {ELECTRON: 2.5, MUON: 2.4}
# Which two leptons make the one pair, and which the other: the first may be Z1 or Z2.
PAIRINGS = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))


def in_acceptance(events: Events) -> np.ndarray:
    """Tell which leptons are found where the analysis takes them."""
    muon = np.abs(events.pdg) == MUON
    min_pt = np.where(muon, MIN_PT[MUON], MIN_PT[ELECTRON])
    max_eta = np.where(muon, MAX_ETA[MUON], MAX_ETA[ELECTRON])
    return np.asarray(events.found & (events.pt > min_pt) & (np.abs(events.eta) < max_eta))


def pair(events: Events) -> dict[str, Floats]:
    """Return mZ1 and mZ2 of events with four leptons; NaN where they make no two pairs."""
    momenta = four_momenta(events.pt, events.eta, events.phi, events.mass)
    nearest = np.full(len(events), np.inf)
    z1, z2 = np.full(len(events), np.nan), np.full(len(events), np.nan)
    for first, second in PAIRINGS:
        allowed = (events.pdg[:, first].sum(axis=1) == 0) & (events.pdg[:, second].sum(axis=1) == 0)
        masses = [invariant_mass(momenta[:, one]) for one in (first, second)]
        for one, other in (masses, masses[::-1]):
            better = allowed & (np.abs(one - Z_MASS) < nearest)
            nearest = np.where(better, np.abs(one - Z_MASS), nearest)
            z1, z2 = np.where(better, one, z1), np.where(better, other, z2)
    return {"mZ1": z1, "mZ2": z2, "m4l": invariant_mass(momenta)}


def channel_of(events: Events) -> np.ndarray:
    """Return the place of each event's channel in CHANNELS: 4, 2 or 0 muons."""
    return np.asarray((4 - (np.abs(events.pdg) == MUON).sum(axis=1)) // 2)


def reconstruct(events: Events) -> dict[str, np.ndarray]:
    """Return the candidates of a process; `steps` counts events after each step by channel."""
    measured, accepted = events.found.all(axis=1), in_acceptance(events).all(axis=1)
    kept = Events(**{name: values[accepted] for name, values in vars(events).items()})
    pt = np.sort(kept.pt, axis=1)[:, ::-1]
    candidates = {"channel": channel_of(kept), "leading": pt[:, 0], "subleading": pt[:, 1]}
    candidates |= pair(kept)
    paired = np.isfinite(candidates["mZ1"])
    candidates = {name: values[paired] for name, values in candidates.items()}
    channel = channel_of(events)
    reached = [channel, channel[measured], channel[accepted], candidates["channel"]]
    steps = [np.bincount(channels, minlength=len(CHANNELS)) for channels in reached]
    return candidates | {"steps": np.array(steps)}


def control_plots(candidates: dict[str, np.ndarray]) -> dict[str, histograms.hist.Hist]:
    """Return the masses and transverse momenta of all candidates, before any cut on them."""
    wanted = {
        "m4l": ("m(4l) [GeV]", (150, 70.0, 370.0)),
        "mZ1": ("m(Z_{1}) [GeV]", (60, 0.0, 120.0)),
        "mZ2": ("m(Z_{2}) [GeV]", (60, 0.0, 120.0)),
        "leading": ("p_{T} of the leading lepton [GeV]", (40, 0.0, 200.0)),
        "subleading": ("p_{T} of the second lepton [GeV]", (40, 0.0, 200.0)),
        "channel": ("4#mu, 2e2#mu, 4e", (3, -0.5, 2.5)),
    }
    return {
        name: histograms.counts(title, bins, candidates[name])
        for name, (title, bins) in wanted.items()
    }


def main() -> None:
    """Parse, reconstruct, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=Path, nargs=len(PROCESSES), required=True)
    parser.add_argument("--output", type=Path, nargs=len(PROCESSES), required=True)
    parser.add_argument("--plots", type=Path, required=True, help="ROOT file to write")
    given = parser.parse_args()

    plots = {}
    for process, source, target in zip(PROCESSES, given.events, given.output, strict=True):
        candidates = reconstruct(read_events(source))
        np.savez(target, **candidates)
        found = control_plots(candidates)
        plots |= {f"{process}/{name}": plot for name, plot in found.items()}
    histograms.write(given.plots, plots)


if __name__ == "__main__":
    main()
