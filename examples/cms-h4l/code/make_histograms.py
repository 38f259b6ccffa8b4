"""Step 1: candidates and simulated templates become event counts per channel and year."""

from __future__ import annotations

import argparse
from pathlib import Path

import h4l
import numpy as np
import rootfile


def read_embedded(data: Path) -> tuple[dict[h4l.Category, h4l.Counts], h4l.Templates]:
    """Read the two text tables that come with the analysis."""
    masses = h4l.read_candidates(data / "candidates.csv")
    observed = {category: h4l.fill(values) for category, values in masses.items()}
    return observed, h4l.read_templates(data / "templates.csv")


def read_original(data: Path) -> tuple[dict[h4l.Category, h4l.Counts], h4l.Templates]:
    """Read the files of records 5200 and 5500, and hold the events against the histograms."""
    histograms = data / "original" / "histograms"
    masses = h4l.read_event_files(data / "original" / "events")
    observed = {category: h4l.fill(values) for category, values in masses.items()}
    for (channel, year), counts in observed.items():
        expected, _ = h4l.read_histogram(histograms, h4l.DATA_FILE[channel], channel, year)
        if not np.array_equal(counts, expected):
            raise ValueError(
                f"{channel} {year}: the events of record 5200 do not fill "
                f"the data histogram of record 5500"
            )
    return observed, h4l.read_template_files(histograms)


def main() -> None:
    """Parse, read, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=["embedded", "original"])
    parser.add_argument("data", type=Path, help="directory of the tables")
    parser.add_argument("output", type=Path, help="ROOT file of event counts")
    given = parser.parse_args()

    read = read_original if given.dataset == "original" else read_embedded
    observed, templates = read(given.data)
    rootfile.write(
        given.output,
        {f"data/{h4l.name(*category)}": rootfile.Histogram(n) for category, n in observed.items()}
        | {
            f"{sample}/{h4l.name(channel, year)}": rootfile.Histogram(n)
            for (sample, channel, year), n in templates.items()
        },
    )


if __name__ == "__main__":
    main()
