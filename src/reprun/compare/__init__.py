"""Verdicts on what a run made against its reference. Pure: no file, no clock, no network."""

from reprun.compare.engine import compare
from reprun.compare.first import first_look
from reprun.compare.verdict import (
    BinDifference,
    Check,
    Comparison,
    Ignored,
    Item,
    Numbers,
    Verdict,
    Words,
)

__all__ = [
    "BinDifference",
    "Check",
    "Comparison",
    "Ignored",
    "Item",
    "Numbers",
    "Verdict",
    "Words",
    "compare",
    "first_look",
]
