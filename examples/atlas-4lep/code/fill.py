"""Step 1: the cut flow, and the four-lepton mass by channel."""

from __future__ import annotations

import argparse
from pathlib import Path

import fourlep
import hist
import uproot


def main() -> None:
    """Parse, read, fill, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("input", type=Path, help="file of events")
    parser.add_argument("histograms", type=Path, help="ROOT file to write")
    parser.add_argument("cutflow", type=Path, help="table to write")
    given = parser.parse_args()

    events = fourlep.read(given.input)
    axis = hist.axis.Regular(60, 0, 300, name="m4l", label="m(4l) [GeV]")
    parts = {
        "selected": events.selected,
        "isolated": events.selected & events.loose & events.isolated,
    }
    with uproot.recreate(given.histograms) as file:
        for part, chosen in parts.items():
            for channel in fourlep.CHANNELS:
                filled = hist.Hist(axis, storage="double")
                filled.fill(events.mass[chosen & events.in_channel(channel)])
                file[f"{part}/{channel}"] = filled
    rows = [f"{cut},{count}" for cut, count in fourlep.cutflow(events).items()]
    given.cutflow.write_text("\n".join(["cut,events", *rows]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
