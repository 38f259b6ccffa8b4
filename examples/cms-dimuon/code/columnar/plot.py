"""Step 3: the whole spectrum with its resonances, and a closer look at three of them."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import mplhep
import numpy as np
import uproot
import zpeak
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy.stats import chi2, norm

YEARS = {"nanoaod": "2012 (8 TeV)", "csv": "2010 (7 TeV)"}
OPPOSITE, SAME, LINE = "#3f90da", "#bd1f01", "#e76300"

# Masses in GeV: S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024).
RESONANCES = {
    r"$\eta$": 0.547862,
    r"$\rho,\omega$": 0.78266,
    r"$\phi$": 1.019461,
    r"$J/\psi$": 3.096900,
    r"$\psi'$": 3.686097,
    "\N{GREEK UPSILON WITH HOOK SYMBOL}": 9.46040,
    "Z": 91.1880,
}
UPSILONS = {
    "\N{GREEK UPSILON WITH HOOK SYMBOL}(1S)": 9.46040,
    "2S": 10.0234,
    "3S": 10.3551,
}
LOW, HIGH = 0.25, 250.0  # GeV
Histogram = tuple[np.ndarray, np.ndarray]


def garwood(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the central 68.27 % interval: F. Garwood, Biometrika 28 (1936) 437."""
    tail = norm.sf(1)
    low = np.where(counts > 0, chi2.ppf(tail, 2 * np.maximum(counts, 0.5)) / 2, 0.0)
    return low, chi2.isf(tail, 2 * (counts + 1)) / 2


def mark(axes: Axes, name: str, mass: float, height: float) -> None:
    """Write a resonance's name above its mass, at a height in the units of the axis."""
    axes.annotate(
        name,
        (mass, height),
        ha="center",
        va="bottom",
        fontsize=22,
        annotation_clip=False,
        # The hook of the upsilon is in the second of them: in the first it would be a Y.
        fontfamily=["TeX Gyre Heros", "DejaVu Sans"],
    )


def highest(histogram: Histogram, mass: float, window: float) -> float:
    """Return the largest content within a relative window around a mass."""
    counts, edges = histogram
    near = np.abs((edges[1:] + edges[:-1]) / 2 / mass - 1) < window
    return float(counts[near].max(initial=0.0))


def merged(histogram: Histogram, bins: int) -> Histogram:
    """Return a histogram with so many bins made one."""
    counts, edges = histogram
    return counts.reshape(-1, bins).sum(axis=1), edges[::bins]


def spectrum(axes: Axes, found: dict[str, Histogram]) -> None:
    """Draw events per GeV of both signs, both axes logarithmic."""
    densities = {}
    for sign, fill, line in (("opposite", "#a9d1f2", OPPOSITE), ("same", "none", SAME)):
        counts, edges = merged(found[f"{sign}/spectrum"], 2)
        densities[sign] = counts / np.diff(edges), edges
        drawn = (edges[1:] > LOW) & (edges[:-1] < HIGH)
        axes.stairs(
            *densities[sign],
            fill=fill != "none",
            facecolor=fill,
            edgecolor=line,
            linewidth=1.5,
            label=f"{sign.capitalize()} sign: {counts[drawn].sum():,.0f}",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(LOW, HIGH)
    top = densities["opposite"][0].max()
    # Nothing is seen below the density of one event in one of the widest bins.
    axes.set_ylim(0.2, 30 * top)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for name, mass in RESONANCES.items():
        if height := highest(densities["opposite"], mass, 0.03):
            mark(axes, name, mass, 1.5 * height)
    axes.set_xlabel(r"$\mathit{m}_{\mu\mu}$ [GeV]")
    axes.set_ylabel("Events / GeV")
    axes.legend(loc="upper right", ncols=2)


def zoom(axes: Axes, found: dict[str, Histogram], name: str, bins: int = 1) -> Histogram:
    """Draw a part of both signs, so many bins made one; return the upper ends of the points."""
    axes.stairs(*merged(found[f"same/{name}"], bins), color=SAME, linewidth=1.5)
    counts, edges = merged(found[f"opposite/{name}"], bins)
    low, high = garwood(counts)
    centres = (edges[1:] + edges[:-1]) / 2
    axes.errorbar(
        centres, counts, yerr=[counts - low, high - counts], fmt="o", color="black", markersize=5
    )
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.35 * max(1.0, float(high.max())))
    axes.tick_params(axis="x", pad=10)
    axes.set_xlabel(r"$\mathit{m}_{\mu\mu}$ [GeV]")
    width = edges[1] - edges[0]
    unit = f"{width:g} GeV" if width >= 0.999 else f"{1000 * width:.0f} MeV"
    axes.set_ylabel(f"Events / {unit}")
    return high, edges


def z_peak(
    axes: Axes, below: Axes, found: dict[str, Histogram], fitted: dict[str, tuple[float, float]]
) -> None:
    """Draw the Z with the fitted curve and what the fit says; below, pulls where it was made."""
    _, edges = zoom(axes, found, "z", bins=4)
    counts, _ = merged(found["opposite/z"], 4)
    values = [value for value, _ in fitted.values()]
    width = edges[1] - edges[0]
    masses = np.linspace(zpeak.LOW, zpeak.HIGH, 401)
    axes.plot(masses, zpeak.density(masses, values) * width, color=LINE, linewidth=3)
    peak, resolution = fitted["peak [GeV]"], fitted["resolution [GeV]"]
    digits = 2 if peak[1] < 0.5 else 1
    says = "\n".join(
        f"${symbol}$ = {value:.{digits}f} $\\pm$ {error:.{digits}f} GeV"
        for symbol, (value, error) in ((r"\mathit{m}", peak), (r"\sigma", resolution))
    )
    axes.text(0.04, 0.95, says, transform=axes.transAxes, va="top", fontsize=18, color=LINE)
    axes.set_xlabel("")
    axes.tick_params(axis="x", labelbottom=False)

    centres = (edges[1:] + edges[:-1]) / 2
    inside = (centres > zpeak.LOW) & (centres < zpeak.HIGH)
    # The mean of the curve over a bin, not its middle: the peak is narrow.
    fine = edges[:-1, None] + width * (np.arange(20) + 0.5) / 20
    expected = zpeak.density(fine, values).mean(axis=1) * width
    low, high = garwood(counts)
    errors = np.where(counts > expected, counts - low, high - counts)
    pulls = np.where(inside, (counts - expected) / errors, np.nan)
    below.stairs(pulls, edges, fill=True, color=LINE, alpha=0.8)
    for height, line in ((0, "-"), (-2, ":"), (2, ":")):
        below.axhline(height, color="black", linestyle=line, linewidth=1.2)
    below.set_ylim(-4.5, 4.5)
    below.set_yticks([-2, 0, 2])
    below.set_ylabel("Pull", loc="center")
    below.set_xlabel(r"$\mathit{m}_{\mu\mu}$ [GeV]")
    below.tick_params(axis="x", pad=10)


def main() -> None:
    """Parse, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=sorted(YEARS))
    parser.add_argument("histograms", type=Path, help="ROOT file")
    parser.add_argument("cutflow", type=Path, help="table of the number of events")
    parser.add_argument("zpeak", type=Path, help="table of the fit")
    parser.add_argument("errors", type=Path, help="table of its errors")
    parser.add_argument("output", type=Path, help="PNG to write")
    given = parser.parse_args()

    with uproot.open(given.histograms) as file:
        found = {
            name: item.to_numpy()
            for name, item in file.iteritems(cycle=False, filter_classname="TH1D")
        }
    with given.cutflow.open(encoding="utf-8", newline="") as table:
        events = next(int(row["events"]) for row in csv.DictReader(table) if row["cut"] == "events")

    mplhep.style.use("CMS")
    figure = plt.figure(figsize=(20, 17))
    grid = figure.add_gridspec(
        2, 3, height_ratios=(1.25, 1), left=0.07, right=0.98, bottom=0.06, top=0.95,
        hspace=0.22, wspace=0.3,
    )  # fmt: skip
    above = figure.add_subplot(grid[0, :])
    spectrum(above, found)
    mplhep.cms.label(
        "Open Data", data=True, rlabel=f"{events:,} events, {YEARS[given.dataset]}", ax=above
    )
    below = [figure.add_subplot(grid[1, column]) for column in range(2)]
    part = grid[1, 2].subgridspec(2, 1, height_ratios=(3, 1), hspace=0.08)
    z, pulls = figure.add_subplot(part[0]), figure.add_subplot(part[1])
    pulls.sharex(z)
    jpsi = zoom(below[0], found, "jpsi")
    for name in (r"$J/\psi$", r"$\psi'$"):
        mark(below[0], name, RESONANCES[name], 1.03 * highest(jpsi, RESONANCES[name], 0.02))
    upsilon = zoom(below[1], found, "upsilon")
    for name, mass in UPSILONS.items():
        mark(below[1], name, mass, 1.03 * highest(upsilon, mass, 0.015))
    z_peak(z, pulls, found, zpeak.read(given.zpeak, given.errors))
    for axes in (*below, pulls):
        axes.xaxis.set_minor_formatter(NullFormatter())
    # No software version and no date: the same numbers give the same bytes.
    figure.savefig(given.output, metadata={"Software": None}, dpi=75)


if __name__ == "__main__":
    main()
