"""What a test answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PValue:
    """The answer of one test, with what it was computed from."""

    test: str
    """The name a rule switches it on with: `yield`, `shape`, `pull` …"""
    p: float
    statistic: float
    method: str
    """Which form of the test was used, in words that stand in the report."""
    ndf: float | None = None
    place: int | None = None
    """The flat index of the bin that decides, for tests of single bins."""

    def __str__(self) -> str:
        ndf = "" if self.ndf is None else f" / {self.ndf:g}"
        return f"{self.method}: {self.statistic:.4g}{ndf}, p = {self.p:.3g}"
