"""Writes data/candidates.csv and data/templates.csv from the original files.

python extract.py DIRECTORY

DIRECTORY holds `events/*.csv` of CERN Open Data record 5200 and `histograms/*.root` of
record 5500. The same files give the same bytes. Candidates keep the digits of the source.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "code"))
sys.dont_write_bytecode = True  # the digest of code/ is part of the analysis' identity

import h4l  # noqa: E402 - the analysis' own code, found through the line above

COLUMNS = {"run": "Run", "event": "Event", "mZ1": "mZ1", "mZ2": "mZ2", "m4l": "M"}

CANDIDATES = """\
# Four-lepton candidates selected by the CMS open-data H->4l example, 2011 and 2012. Masses in GeV.
# Seven columns of the event files of CERN Open Data record 5200
# DOI: 10.7483/OPENDATA.CMS.YGG7.333M
# Licence: CC0-1.0
# Extracted by extract.py, digits as in the source, from (sha256, file):
"""

TEMPLATES = """\
# Simulated events in bins of m(4l), GeV: raw counts, without weights.
# Bin 0 is the underflow, bin 38 the overflow.
# Histograms demo/mass{4mu,4e,2mu2e}_8TeV_low of CERN Open Data record 5500
# DOI: 10.7483/OPENDATA.CMS.JKB8.RR42
# Licence: figures from CMS open data, which CMS releases under CC0-1.0; the ROOT files lie in
# repositories under GPL-3.0 (HiggsExample20112012) and MIT (reana-demo-cms-h4l).
# Extracted by extract.py from (sha256, file):
"""


def sources(directory: Path, files: list[str]) -> str:
    """Return a comment line with the sha256 of each file."""
    return "".join(
        f"# {hashlib.sha256((directory / file).read_bytes()).hexdigest()}  {file}\n"
        for file in files
    )


def candidates(directory: Path) -> str:
    """Return the table of candidates, in the order of the source files."""
    files = {(c, y): f"events/{c}_{y}.csv" for c, y in h4l.CATEGORIES}
    lines = [",".join(("channel", "year", *COLUMNS))]
    for (channel, year), file in files.items():
        lines += [
            ",".join([channel, str(year), *(row[column] for column in COLUMNS.values())])
            for row in h4l.rows(directory / file)
        ]
    return CANDIDATES + sources(directory, list(files.values())) + "\n".join(lines) + "\n"


def templates(directory: Path) -> str:
    """Return the table of simulated counts, every bin of every histogram that is used."""
    width = (h4l.HIGH - h4l.LOW) / h4l.BINS
    edges = [-math.inf, *(h4l.LOW + width * n for n in range(h4l.BINS + 1)), math.inf]
    files = sorted({f"histograms/{sample}{year % 100}.root" for sample, _, year in h4l.TEMPLATES})
    lines = ["sample,year,channel,bin,low,high,content"]
    for (sample, channel, year), counts in h4l.read_template_files(
        directory / "histograms"
    ).items():
        for number, content in enumerate(counts.tolist()):
            low, high = edges[number], edges[number + 1]
            lines.append(f"{sample},{year},{channel},{number},{low!r},{high!r},{content!r}")
    return TEMPLATES + sources(directory, files) + "\n".join(lines) + "\n"


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, help="where events/ and histograms/ lie")
    parser.add_argument("--output", type=Path, default=HERE / "data", help="default: data/")
    given = parser.parse_args()
    for name, text in (
        ("candidates.csv", candidates(given.directory)),
        ("templates.csv", templates(given.directory)),
    ):
        (given.output / name).write_text(text, encoding="utf-8", newline="\n")
        print(given.output / name)


if __name__ == "__main__":
    main()
