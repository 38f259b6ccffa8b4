"""Step 1: proton collisions at 8 TeV that end in four leptons, by Pythia 8.

Either gg -> H -> ZZ* -> 4l or qqbar -> ZZ/Zgamma*/gamma*gamma* -> 4l, each Z decaying to
electrons or muons. Radiation of quarks, gluons and photons is on; further parton collisions
and hadronisation are off: nothing here looks at anything but leptons, and it is ten times
faster. Every event is given the number of a run of 2012.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import histograms
import numpy as np
import pythia8mc
from chain import (
    ELECTRON,
    ERAS,
    MUON,
    PROCESSES,
    Events,
    Integers,
    mass_of_four,
    random_numbers,
    write_events,
)

LEPTONS = (ELECTRON, MUON)
PHOTON = 22
FROM_RESONANCE = 23
"""Pythia's status of what a resonance decays to, before radiation (manual: Particle Properties)."""
CONE = 0.1
"""Photons this close to an electron end in the same cluster of the calorimeter."""
MOST_FAILURES = 100

COMMON = (
    "Print:quiet = on",
    "Beams:eCM = 8000.",
    "PartonLevel:MPI = off",
    "HadronLevel:all = off",
    # Both Z of every event decay to electrons or muons.
    "23:onMode = off",
    "23:onIfAny = 11 13",
    "Random:setSeed = on",
)
OF_PROCESS = {
    "higgs": ("HiggsSM:gg2H = on", "25:onMode = off", "25:onIfMatch = 23 23"),
    # Below the 12 GeV that the analysis asks of the second pair.
    "zz": ("WeakDoubleBoson:ffbar2gmZgmZ = on", "23:mMin = 8."),
}


def start_pythia(process: str, seed: int, higgs_mass: float) -> pythia8mc.Pythia:
    """Return Pythia, initialised; a setting that it does not know is an error."""
    pythia = pythia8mc.Pythia("", False)
    # The processes draw from different sequences: 1, 2 for the first seed, 3, 4 for the second.
    own = 2 * seed - 1 + PROCESSES.index(process)
    settings = (*COMMON, *OF_PROCESS[process], f"Random:seed = {own}", f"25:m0 = {higgs_mass}")
    for setting in settings:
        if not pythia.readString(setting):
            raise ValueError(f"Pythia does not know the setting '{setting}'")
    if not pythia.init():
        raise RuntimeError("Pythia does not start")
    return pythia


def leptons_of(event: pythia8mc.Event) -> list[tuple[int, float, float, float]]:
    """Return (pdg, pt, eta, phi) of the four leptons, those of one Z after the other.

    As they leave the collision, after radiation; an electron with the photons close to it.
    """
    born = [
        index
        for index in range(event.size())
        if event[index].statusAbs() == FROM_RESONANCE and event[index].idAbs() in LEPTONS
    ]
    if len(born) != 4:
        raise RuntimeError(f"an event has {len(born)} leptons from Z bosons, not 4")
    photons = [particle.p() for particle in event if particle.isFinal() and particle.id() == PHOTON]
    found = []
    for index in born:
        lepton = event[event[index].iBotCopyId()]
        momentum = lepton.p()
        if lepton.idAbs() == ELECTRON:
            for photon in photons:
                if pythia8mc.RRapPhi(lepton.p(), photon) < CONE:
                    momentum += photon
        found.append((lepton.id(), momentum.pT(), momentum.eta(), momentum.phi()))
    return found


def runs_of(process: str, events: int, seed: int) -> Integers:
    """Return a run number for each event: an era by its luminosity blocks, any run in it."""
    first, last, blocks = np.array(list(ERAS.values())).T
    # Two numbers an event: the first events of a longer sample are those of a shorter one.
    of_era, of_run = random_numbers("runs", process, seed).random((events, 2)).T
    era = np.searchsorted(np.cumsum(blocks) / blocks.sum(), of_era, side="right")
    return np.asarray(first[era] + of_run * (last[era] - first[era] + 1), dtype=np.int64)


def generate(process: str, events: int, seed: int, higgs_mass: float) -> Events:
    """Return `events` events of a process."""
    pythia = start_pythia(process, seed, higgs_mass)
    rows: list[list[tuple[int, float, float, float]]] = []
    failures = 0
    while len(rows) < events:
        if pythia.next():
            rows.append(leptons_of(pythia.event))
        elif (failures := failures + 1) > MOST_FAILURES:
            raise RuntimeError(f"Pythia failed {failures} times in {len(rows)} events")
    pdg, pt, eta, phi = np.moveaxis(np.array(rows), -1, 0)
    return Events(
        run=runs_of(process, events, seed),
        pdg=pdg.astype(np.int64),
        pt=pt,
        eta=eta,
        phi=phi,
        found=np.ones(pt.shape, dtype=bool),
    )


def control_plots(events: Events) -> dict[str, histograms.hist.Hist]:
    """Return histograms with one entry an event, so that their bins are independent."""
    leading = np.argmax(events.pt, axis=1)
    every = np.arange(len(events))
    px = (events.pt * np.cos(events.phi)).sum(axis=1)
    py = (events.pt * np.sin(events.phi)).sum(axis=1)
    muons = (np.abs(events.pdg) == MUON).sum(axis=1)
    return {
        "m4l": histograms.counts("m(4l) [GeV]", (150, 70.0, 370.0), mass_of_four(events)),
        "pt4l": histograms.counts("p_{T}(4l) [GeV]", (40, 0.0, 200.0), np.hypot(px, py)),
        "leading_pt": histograms.counts(
            "p_{T} of the leading lepton [GeV]", (40, 0.0, 200.0), events.pt[every, leading]
        ),
        "leading_eta": histograms.counts(
            "#eta of the leading lepton", (40, -5.0, 5.0), events.eta[every, leading]
        ),
        "muons": histograms.counts("muons", (5, -0.5, 4.5), muons),
        "run": histograms.counts("run", (50, 193800.0, 203800.0), events.run),
    }


def main() -> None:
    """Parse, generate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("process", choices=PROCESSES)
    parser.add_argument(
        "--events", nargs="+", required=True, metavar="PROCESS=N", help="of each process"
    )
    parser.add_argument("--seed", type=int, required=True, help="1 or more")
    parser.add_argument("--higgs-mass", type=float, required=True, help="GeV")
    parser.add_argument("output", type=Path, help="events to write")
    parser.add_argument("plots", type=Path, help="ROOT file of histograms to write")
    given = parser.parse_args()
    wanted = dict(text.split("=") for text in given.events)
    number = int(wanted[given.process])
    if given.seed < 1 or number < 1:
        parser.error("seed and events must be 1 or more")

    events = generate(given.process, number, given.seed, given.higgs_mass)
    write_events(given.output, events)
    histograms.write(given.plots, control_plots(events))


if __name__ == "__main__":
    main()
