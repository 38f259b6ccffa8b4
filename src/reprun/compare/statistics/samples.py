"""A sample as the tests see it: flat contents with their variances, flow bins included."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from reprun.histograms import Floats, Histogram

AT_A_TIME = 1 << 16
"""Bins looked at in one go; see the same name in merging."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Contents and variances of the bins of one histogram, in one flat row."""

    contents: Floats
    variances: Floats
    counted: bool = field(init=False)
    """Whether every bin holds a number of events of weight one: Poisson counts."""

    def __post_init__(self) -> None:
        counted = (
            self.contents is self.variances or np.array_equal(self.contents, self.variances)
        ) and _whole(self.contents)
        object.__setattr__(self, "counted", counted)

    @property
    def signed(self) -> bool:
        """Whether some bin is negative, as next-to-leading-order weights make it."""
        return bool((self.contents < 0).any())

    @property
    def total(self) -> float:
        """The sum of all bins."""
        return float(self.contents.sum())

    @property
    def effective(self) -> float:
        """The effective number of entries, (sum of w)^2 / sum of w^2."""
        spread = float(self.variances.sum())
        return self.total**2 / spread if spread else 0.0

    def merged(self, groups: NDArray[np.int32]) -> Sample:
        """Return the sample with the bins of each group added up; group -1 is left out."""
        size = int(groups.max(initial=-1)) + 1
        contents = np.zeros(size)
        variances = contents if self.variances is self.contents else np.zeros(size)
        for start in range(0, len(groups), AT_A_TIME):
            part = slice(start, start + AT_A_TIME)
            kept = np.flatnonzero(groups[part] >= 0)
            index = groups[part][kept].astype(np.intp)
            np.add.at(contents, index, self.contents[part][kept])
            if variances is not contents:
                np.add.at(variances, index, self.variances[part][kept])
        return Sample(contents, variances)


def _whole(contents: Floats) -> bool:
    """Say whether all contents are integers and none is negative."""
    parts = (contents[n : n + AT_A_TIME] for n in range(0, len(contents), AT_A_TIME))
    return all((part >= 0).all() and (part == np.floor(part)).all() for part in parts)


def sample_of(histogram: Histogram) -> Sample | None:
    """Return the sample, or None if the errors of the contents are not known.

    Without stored sumw2, integers that are not negative are counts; anything else was
    scaled or weighted, and its errors are lost.
    """
    values = histogram.values.ravel()
    if not np.isfinite(values).all():
        return None
    if histogram.sumw2 is not None:
        variances = histogram.sumw2.ravel()
        usable = np.isfinite(variances).all() and (variances >= 0).all()
        return Sample(values, variances) if usable else None
    counts = Sample(values, values)
    return counts if counts.counted else None
