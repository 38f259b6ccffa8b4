"""Step 4: selection, normalisation to 11.58/fb, yields and cut flow."""

from __future__ import annotations

import argparse
from pathlib import Path

import histograms
import numpy as np
from chain import CHANNELS, PROCESSES

# CMS, Phys. Lett. B 716 (2012) 30, section 4 (GeV; the masses at both ends).
MIN_LEADING_PT, MIN_SUBLEADING_PT = 20.0, 10.0
Z1_WINDOW, Z2_WINDOW = (40.0, 120.0), (12.0, 120.0)
MIN_M4L = 100.0

# Luminosity of the released half of 2012, as in examples/cms-h4l (record 5500), in 1/fb.
LUMINOSITY = 11.58
# Cross section times branching fractions to four electrons or muons at 8 TeV, in fb.
CROSS_SECTIONS = {
    # LHC Higgs Cross Section Working Group, arXiv:1307.1347, m(H) = 125 GeV: gluon fusion
    # 19.27 pb, H -> 4l (l = e, mu) 1.25e-4.
    "higgs": 19270 * 1.25e-4,
    # Pythia 8.317 with the settings of generate.py, 60,000 events: 44.58(8) fb, of which 47.2 %
    # with both Z at 60 to 120 GeV. That part is 4.65 pb for all decays, 4l being (6.73 %)^2 (PDG);
    # theory at next-to-leading order says 7.7 pb (MCFM, in CMS, arXiv:1406.0113).
    "zz": 44.58 * 7.7 / 4.65,
}
BEFORE = ("generated", "four leptons found", "pt and eta", "two pairs")

PLOTS = {
    "m4l": ("m(4l) [GeV]", (75, 100.0, 400.0)),
    "m4l_peak": ("m(4l) [GeV]", (35, 105.0, 140.0)),
    "mZ1": ("m(Z_{1}) [GeV]", (40, 40.0, 120.0)),
    "mZ2": ("m(Z_{2}) [GeV]", (54, 12.0, 120.0)),
}


def inside(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Tell which values lie in an open interval."""
    return np.asarray((values > window[0]) & (values < window[1]))


def cuts(candidates: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return which candidates pass each cut, in the order in which they are made."""
    leading, subleading = candidates["leading"], candidates["subleading"]
    return {
        "20 and 10 GeV": (leading > MIN_LEADING_PT) & (subleading > MIN_SUBLEADING_PT),
        "mZ1": inside(candidates["mZ1"], Z1_WINDOW),
        "mZ2": inside(candidates["mZ2"], Z2_WINDOW),
        "m4l": candidates["m4l"] > MIN_M4L,
    }


def select(candidates: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return which candidates pass all cuts, and the numbers left after each by channel."""
    passed = np.ones(len(candidates["m4l"]), dtype=bool)
    flow = dict(zip(BEFORE, candidates["steps"], strict=True))
    for name, passes in cuts(candidates).items():
        passed &= passes
        flow[name] = np.bincount(candidates["channel"][passed], minlength=len(CHANNELS))
    return passed, flow


def write_cutflow(path: Path, flows: dict[str, dict[str, np.ndarray]]) -> None:
    """Write generated events left after each cut, a column for each process and channel."""
    columns = [f"{process} {channel}" for process in PROCESSES for channel in CHANNELS]
    lines = [",".join(("cut", *columns))]
    for cut in flows[PROCESSES[0]]:
        numbers = [str(number) for process in PROCESSES for number in flows[process][cut]]
        lines.append(",".join((cut, *numbers)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Parse, select, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=Path, nargs=len(PROCESSES), required=True)
    parser.add_argument("--plots", type=Path, required=True, help="ROOT file to write")
    parser.add_argument("--cutflow", type=Path, required=True, help="table to write")
    given = parser.parse_args()

    plots, flows = {}, {}
    for process, path in zip(PROCESSES, given.candidates, strict=True):
        with np.load(path) as arrays:
            candidates = dict(arrays)
        weight = CROSS_SECTIONS[process] * LUMINOSITY / candidates["steps"][0].sum()
        passed, flows[process] = select(candidates)
        for name, (title, bins) in PLOTS.items():
            values = candidates[name.removesuffix("_peak")][passed]
            plots[f"{name}/{process}"] = histograms.weighted(title, bins, values, weight)
        plots[f"yields/{process}"] = histograms.categories(
            "channel", CHANNELS, flows[process]["m4l"], weight
        )
    histograms.write(given.plots, plots)
    write_cutflow(given.cutflow, flows)


if __name__ == "__main__":
    main()
