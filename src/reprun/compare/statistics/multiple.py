"""Many tests at once: Holm for the gate, Benjamini-Hochberg for the listing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reprun.histograms import Floats


def holm(p: Sequence[float]) -> Floats:
    """Return adjusted p-values: all below alpha are rejected with at most alpha false alarms.

    The chance of one false alarm or more in the whole family is at most alpha, however the
    tests depend on each other: S. Holm, "A simple sequentially rejective multiple test
    procedure", Scandinavian Journal of Statistics 6 (1979) 65, section 3.
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return adjusted


def benjamini_hochberg(p: Sequence[float]) -> Floats:
    """Return q-values: of those below q at most the share q are false alarms on average.

    Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", Journal of the Royal
    Statistical Society B 57 (1995) 289, eq. (1).
    """
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    size = len(values)
    scaled = values[order] * size / np.arange(1, size + 1)
    adjusted = np.empty(size)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return adjusted
