"""Step 1: m(4l), mZ1 and mZ2 from the four-vectors, and how well the recorded ones agree.

For each mass: the mean deviation from the recorded one and the largest, in GeV; the largest
relative to the mass; the largest as a share of what the rounding of all figures explains; and the
number of candidates for which rounding does not explain it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import candidates
import kinematics
import numpy as np

RECORDED = {"m4l": "M", "mZ1": "mZ1", "mZ2": "mZ2"}
HEADER = ("mass", "candidates", "mean", "largest", "relative", "share", "beyond")


def main() -> None:
    """Parse, recompute, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("events", type=Path, help="directory of the files of record 5200")
    parser.add_argument("recomputed", type=Path, help="table of all masses to write")
    for way in kinematics.WAYS:
        parser.add_argument(way, type=Path, help="table of deviations to write")
    given = parser.parse_args()

    every: list[list[object]] = []
    deviations: dict[str, list[list[object]]] = {way: [] for way in kinematics.WAYS}
    for category in candidates.CATEGORIES:
        columns = candidates.read_events(given.events, category)
        label = candidates.name(category)
        table: list[list[float]] = []
        for way, mass in kinematics.WAYS.items():
            z1, z2 = kinematics.z_candidates(columns, way)
            masses = {"m4l": mass(columns, kinematics.ALL), "mZ1": z1, "mZ2": z2}
            for quantity, found in masses.items():
                recorded = columns[RECORDED[quantity]]
                apart = found.value - recorded
                # The recorded mass is rounded too.
                share = np.abs(apart) / (found.bound + kinematics.half_unit(recorded))
                row = [apart.mean(), np.abs(apart).max(), (np.abs(apart) / recorded).max()]
                row = [float(number) for number in (*row, share.max())]
                beyond = int(np.count_nonzero(share > 1))
                deviations[way].append([f"{label} {quantity}", len(apart), *row, beyond])
                table.append(found.value.tolist())
        identity = zip(columns["Run"].astype(int), columns["Event"].astype(int), strict=True)
        every += [
            [label, run, event, *masses_of_one]
            for (run, event), *masses_of_one in zip(identity, *table, strict=True)
        ]
    names = [f"{quantity}_{way}" for way in kinematics.WAYS for quantity in RECORDED]
    candidates.write_table(given.recomputed, ("category", "run", "event", *names), every)
    for way, rows in deviations.items():
        candidates.write_table(getattr(given, way), HEADER, rows)


if __name__ == "__main__":
    main()
