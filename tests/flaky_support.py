"""What came of variations, made up."""

from __future__ import annotations

from reprun.engines.base import EngineStatus
from reprun.flaky.measure import ITSELF, Finding, Measured, Tried


def measured(name: str = "m4l") -> Measured:
    """Return a measurement with one of everything, of an object of this name."""
    bin_ = "bin 12 [120, 125)"
    return Measured(
        engine=EngineStatus("runc", "1.1"),
        runs=9,
        objects=7,
        unknown=(name,),
        tried=(
            Tried(ITSELF, "varies", objects=(name, "order")),
            Tried("time-zone", "same"),
            Tried("hash-seed", "varies", objects=(name,)),
            Tried("path", "fails", "step fill failed: exit code 1"),
            Tried("user", "not varied", "only root gives files to another user"),
            Tried("addresses", "same"),
        ),
        findings=(
            Finding(name, ITSELF, bin_, 1.0, 2.0, "draw", ("drawn.txt",)),
            Finding("order", ITSELF, "", None, None, "", (), "addresses"),
            Finding(name, "hash-seed", bin_, 0.1, 0.1 + 1e-12, "select", ("a.csv", "b.csv")),
        ),
        notes=(f"no bin is named: {name}",),
    )
