"""Step 2: a toy detector. Leptons are lost, and the others measured with its resolution.

Resolution and efficiency are those of the run of each event, by the conditions database.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import histograms
import numpy as np
from chain import (
    ELECTRON,
    MUON,
    PROCESSES,
    Events,
    Floats,
    mass_of_four,
    random_numbers,
    read_events,
    write_events,
)
from conditions import Conditions

RECORDS = {
    ELECTRON: ("ElectronResolutionRcd", "ElectronEfficiencyRcd"),
    MUON: ("MuonResolutionRcd", "MuonEfficiencyRcd"),
}


def muon_resolution(payload: dict[str, Any], ring: np.ndarray, pt: Floats, _eta: Floats) -> Floats:
    """Return sigma(pt)/pt of a tracker: constant (+) slope x pt, added in quadrature."""
    constant = np.take(payload["constant"], ring)
    slope = np.take(payload["slope_per_gev"], ring)
    return np.sqrt(constant**2 + (slope * pt) ** 2)


def electron_resolution(
    payload: dict[str, Any], ring: np.ndarray, pt: Floats, eta: Floats
) -> Floats:
    """Return sigma(E)/E of a calorimeter: a/sqrt(E) (+) b/E (+) c, added in quadrature."""
    energy = pt * np.cosh(eta)
    a = np.take(payload["stochastic"], ring)
    b = np.take(payload["noise_gev"], ring)
    c = np.take(payload["constant"], ring)
    return np.sqrt(a**2 / energy + (b / energy) ** 2 + c**2)


def efficiency(payload: dict[str, Any], ring: np.ndarray, pt: Floats, _eta: Floats) -> Floats:
    """Return the chance to be found: a plateau, reached over a smooth threshold in pt."""
    plateau = np.take(payload["plateau"], ring)
    turned_on = 1 / (1 + np.exp(-(pt - payload["threshold_gev"]) / payload["width_gev"]))
    return np.asarray(plateau * turned_on)


def by_run(
    conditions: Conditions, record: str, formula: Any, events: Events, chosen: np.ndarray
) -> Floats:
    """Evaluate a formula with the payload in force for each lepton; 0 beyond the last ring.

    A payload holds `abs_eta`, the outer edges of rings in |eta|, and numbers for each ring.
    """
    intervals, index = conditions.by_run(record, events.run)
    result = np.zeros(events.pt.shape)
    for number, interval in enumerate(intervals):
        edges = interval.payload["abs_eta"]
        here = chosen & (index == number)[:, None] & (np.abs(events.eta) < edges[-1])
        ring = np.searchsorted(edges, np.abs(events.eta[here]), side="right")
        result[here] = formula(interval.payload, ring, events.pt[here], events.eta[here])
    return result


def smear(events: Events, conditions: Conditions, process: str, seed: int) -> Events:
    """Return the events as the detector has measured them."""
    resolution, chance = np.zeros(events.pt.shape), np.zeros(events.pt.shape)
    formulas = {ELECTRON: electron_resolution, MUON: muon_resolution}
    for kind, (resolution_record, efficiency_record) in RECORDS.items():
        chosen = np.abs(events.pdg) == kind
        resolution += by_run(conditions, resolution_record, formulas[kind], events, chosen)
        chance += by_run(conditions, efficiency_record, efficiency, events, chosen)
    # Numbers are drawn for every lepton: a lost one does not change what the next is given.
    normal = random_numbers("resolution", process, seed).standard_normal(events.pt.shape)
    factor = 1 + resolution * normal
    found = random_numbers("efficiency", process, seed).random(events.pt.shape) < chance
    return Events(
        run=events.run,
        pdg=events.pdg,
        pt=np.where(found, events.pt * np.maximum(factor, 0.0), 0.0),
        eta=events.eta,
        phi=events.phi,
        found=found,
    )


def control_plots(true: Events, measured: Events) -> dict[str, histograms.hist.Hist]:
    """Return histograms with at most one entry an event, so that their bins are independent."""
    whole = measured.found.all(axis=1)
    plots = {
        "leptons": histograms.counts("leptons found", (5, -0.5, 4.5), measured.found.sum(axis=1)),
        "m4l": histograms.counts(
            "m(4l), all found [GeV]", (150, 70.0, 370.0), mass_of_four(measured)[whole]
        ),
    }
    for name, kind, spread in (("electron", ELECTRON, 0.15), ("muon", MUON, 0.1)):
        usable = measured.found & (np.abs(true.pdg) == kind)
        some = usable.any(axis=1)
        leading = np.argmax(np.where(usable, true.pt, -1.0), axis=1)[some]
        ratio = measured.pt[some, leading] / true.pt[some, leading]
        plots[f"{name}_residual"] = histograms.counts(
            f"(measured - true)/true p_{{T}} of the leading {name}",
            (60, -spread, spread),
            ratio - 1,
        )
    return plots


def main() -> None:
    """Parse, smear, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("conditions", type=Path, help="database of conditions")
    parser.add_argument("global_tag")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--events", type=Path, nargs=len(PROCESSES), required=True)
    parser.add_argument("--output", type=Path, nargs=len(PROCESSES), required=True)
    parser.add_argument("--plots", type=Path, required=True, help="ROOT file to write")
    given = parser.parse_args()

    conditions = Conditions(given.conditions, given.global_tag)
    plots = {}
    for process, source, target in zip(PROCESSES, given.events, given.output, strict=True):
        true = read_events(source)
        measured = smear(true, conditions, process, given.seed)
        write_events(target, measured)
        found = control_plots(true, measured)
        plots |= {f"{process}/{name}": plot for name, plot in found.items()}
    histograms.write(given.plots, plots)


if __name__ == "__main__":
    main()
