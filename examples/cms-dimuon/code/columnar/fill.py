"""Step 1: events become histograms and a cut flow, in chunks, with a progress bar."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import dimuon
import hist
import uproot


class Progress:
    """A bar on standard error: redrawn on a terminal, a line now and then in a log."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = time.perf_counter()
        self._shown = 0.0
        self._terminal = sys.stderr.isatty()

    def advance(self, events: int) -> None:
        """Count events; show the state if the last time is long enough ago."""
        self._done += events
        now = time.perf_counter()
        last = self._done >= self._total
        if now - self._shown > (0.1 if self._terminal else 1.0) or last:
            self._shown = now
            share = self._done / self._total
            bar = ("=" * int(30 * share)).ljust(30, ".")
            speed = self._done / (now - self._started) / 1e6
            text = (
                f"[{bar}] {share:4.0%}  {self._done:,} of {self._total:,} events, "
                f"{speed:.2f} million/s"
            )
            end = "\n" if last or not self._terminal else ""
            print(f"\r{text}" if self._terminal else text, end=end, file=sys.stderr, flush=True)


def new_histograms() -> dict[str, hist.Hist]:
    """Return the empty histograms by name."""
    label = "m(#mu#mu) [GeV]"
    found = {}
    for sign in dimuon.SIGNS:
        logarithmic = hist.axis.Variable(dimuon.spectrum_edges(), label=label)
        found[f"{sign}/spectrum"] = hist.Hist(logarithmic, storage="double")
        for zoom, (bins, low, high) in dimuon.ZOOMS.items():
            axis = hist.axis.Regular(bins, low, high, label=label)
            found[f"{sign}/{zoom}"] = hist.Hist(axis, storage="double")
    return found


def main() -> None:
    """Parse, read, fill, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=sorted(dimuon.READERS))
    parser.add_argument("input", type=Path, help="file of events")
    parser.add_argument("--max-events", type=int, default=0, help="0: all")
    parser.add_argument("--fraction", type=float, default=1.0, help="of the file's events")
    parser.add_argument("histograms", type=Path, help="ROOT file to write")
    parser.add_argument("cutflow", type=Path, help="table to write")
    given = parser.parse_args()

    total, chunks = dimuon.READERS[given.dataset](
        given.input, lambda events: dimuon.wanted(events, given.max_events, given.fraction)
    )
    histograms, cutflow, progress = new_histograms(), dimuon.new_cutflow(), Progress(total)
    for pairs in chunks:
        dimuon.count(cutflow, pairs)
        for sign, mass in dimuon.by_sign(pairs):
            for name in ("spectrum", *dimuon.ZOOMS):
                histograms[f"{sign}/{name}"].fill(mass)
        progress.advance(pairs.events)

    with uproot.recreate(given.histograms) as file:
        for name, histogram in histograms.items():
            file[name] = histogram
    rows = [f'"{cut}",{events}' for cut, events in cutflow.items()]
    given.cutflow.write_text("\n".join(["cut,events", *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
