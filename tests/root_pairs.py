"""Seeded pairs of histogram rows on which ROOT's answers were recorded. numpy only."""

from __future__ import annotations

import zlib
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

CASES = 300
KINDS = ("UU", "UW", "WW")
Row: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64] | None]
"""Contents with flow, and sumw2 or None."""


def case(number: int) -> tuple[str, Row, Row]:
    """Return the kind of chi2 test and the two rows.

    Every tenth pair is an edge case: two bins, few events, empty bins in one or both, flow
    only on one side, one sample much larger, another law, equal rows.
    """
    kind = KINDS[number % 3]
    rng = np.random.default_rng([20, number])
    edge = number // 3 % 10
    bins = 2 if edge == 1 else int(rng.integers(3, 90))
    shape = rng.exponential(1, bins + 2) ** rng.integers(1, 4) + 0.02
    if edge == 2:
        shape[rng.random(bins + 2) < 0.4] = 0
        shape[1:3] = 1
    other = shape * rng.uniform(0.6, 1.4, bins + 2) if edge == 3 else shape
    size = 30.0 if edge == 4 else 10 ** rng.uniform(2, 5)
    sizes = size, size * (100 if edge == 5 else rng.uniform(0.5, 2))
    rows: list[Row] = []
    for letter, law, events in zip(kind, (shape, other), sizes, strict=True):
        counts = rng.poisson(events * law / law.sum()).astype(np.float64)
        counts[1:3] += 1
        counts[-2] += 1
        if letter == "U":
            rows.append((counts, None))
        else:
            weights = [rng.exponential(0.7, int(n)) for n in counts]
            rows.append(
                (
                    np.array([one.sum() for one in weights]),
                    np.array([(one * one).sum() for one in weights]),
                )
            )
    if edge == 6:
        for array in rows[0]:
            if array is not None:
                array[[0, -1]] = 0
    if edge == 7 and kind != "UW":
        rows[1] = rows[0]
    return kind, rows[0], rows[1]


def checksum(number: int) -> int:
    """Return a checksum of the rows: numpy promises no equal random numbers for ever."""
    _, *rows = case(number)
    arrays = [array for row in rows for array in row if array is not None]
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))
