"""Verdicts on what a run made against its reference. Pure: no file, no clock, no network.

Names are brought in when they are first used: rules are read without scipy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "BinDifference": "verdict",
    "Check": "verdict",
    "compare": "engine",
    "Comparison": "verdict",
    "first_look": "first",
    "Ignored": "verdict",
    "Item": "verdict",
    "Numbers": "verdict",
    "Verdict": "verdict",
    "Words": "verdict",
}

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


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
