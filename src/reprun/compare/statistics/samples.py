"""A sample as the tests see it: flat contents with their variances, flow bins included."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reprun.histograms import Floats, Histogram


@dataclass(frozen=True, slots=True)
class Sample:
    """Contents and variances of the bins of one histogram, in one flat row."""

    contents: Floats
    variances: Floats
    counted: bool = field(init=False)
    """Whether every bin holds a number of events of weight one: Poisson counts."""

    def __post_init__(self) -> None:
        counted = (
            (self.contents is self.variances or np.array_equal(self.contents, self.variances))
            and bool((self.contents >= 0).all())
            and np.array_equal(self.contents, np.floor(self.contents))
        )
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

    def merged(self, groups: Floats) -> Sample:
        """Return the sample with the bins of each group added up; group -1 is left out."""
        kept = groups >= 0
        index = groups[kept].astype(np.intp)
        size = int(index.max()) + 1 if index.size else 0
        return Sample(
            np.bincount(index, self.contents[kept], size).astype(np.float64),
            np.bincount(index, self.variances[kept], size).astype(np.float64),
        )


def sample_of(histogram: Histogram) -> Sample | None:
    """Return the sample, or None if the errors of the contents are not known.

    Without stored sumw2, whole numbers that are not negative are counts; anything else was
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
