"""Step 2: is every candidate of a run that CMS has validated?

The files of record 5200 hold run and event number but no luminosity section, so that runs can
be checked and sections cannot.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import candidates


def read_list(directory: Path) -> dict[int, list[tuple[int, int]]]:
    """Return first and last luminosity section of each range by run, from the one list there."""
    (path,) = directory.glob("*_JSON.txt")
    runs = json.loads(path.read_text(encoding="utf-8"))
    return {int(run): [(first, last) for first, last in ranges] for run, ranges in runs.items()}


def main() -> None:
    """Parse, look up, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path, help="directory of the files of record 5200")
    parser.add_argument("runs_2011", type=Path, help="where cms-validated-runs-2011 lies")
    parser.add_argument("runs_2012", type=Path, help="where cms-validated-runs-2012 lies")
    parser.add_argument("candidates", type=Path, help="table of candidates to write")
    parser.add_argument("lists", type=Path, help="table of the lists to write")
    given = parser.parse_args()

    rows: list[list[object]] = []
    lists: list[list[object]] = []
    for year in candidates.YEARS:
        validated = read_list(given.runs_2011 if year == 2011 else given.runs_2012)
        all_runs: list[int] = []
        for channel in candidates.CHANNELS:
            columns = candidates.read_events(given.events, (channel, year))
            runs = columns["Run"].astype(int).tolist()
            good = sum(run in validated for run in runs)
            rows.append([candidates.name((channel, year)), len(runs), good, len(set(runs))])
            all_runs += runs
        good = sum(run in validated for run in all_runs)
        rows.append([f"all_{year}", len(all_runs), good, len(set(all_runs))])
        ranges = [pair for pairs in validated.values() for pair in pairs]
        sections = sum(last - first + 1 for first, last in ranges)
        lists.append([year, len(validated), len(ranges), sections])
    header = ("category", "candidates", "of_validated_runs", "runs")
    candidates.write_table(given.candidates, header, rows)
    candidates.write_table(given.lists, ("year", "runs", "ranges", "sections"), lists)


if __name__ == "__main__":
    main()
