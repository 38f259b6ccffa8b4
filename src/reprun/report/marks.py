"""How the state of a run or a cell looks, wherever it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["reproduced", "not reproduced", "failed", "not run", "no reference"]


@dataclass(frozen=True, slots=True)
class Look:
    """What stands for a state."""

    mark: str
    """On a terminal and on a page."""
    emoji: str
    """In Markdown, which has no colours."""
    colour: str
    """Of the terminal."""
    banner: Literal["good", "bad", "pending"]
    """Style of the head of a page."""


LOOKS: Mapping[State, Look] = {
    "reproduced": Look("✓", "✅", "green", "good"),
    "not reproduced": Look("✗", "❌", "red", "bad"),
    "failed": Look("!", "💥", "red", "bad"),
    "not run": Look("-", "⏸", "yellow", "pending"),
    "no reference": Look("?", "❔", "yellow", "pending"),
}
