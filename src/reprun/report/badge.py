"""A badge: one line of SVG that a page of a project shows, with nothing to fetch or to run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from reprun.report.marks import LOOKS, State
from reprun.report.page import template

SIZE = 11
MARGIN = 7
"""Pixels at each end of a text."""
COLOURS: Mapping[Literal["good", "bad", "pending"], str] = {
    "good": "#1a7f37",
    "bad": "#c9252d",
    "pending": "#5f6873",
}
"""White on each has a contrast of at least 4.5, on a light and on a dark page."""
WIDTHS: Mapping[int, str] = {
    275: "'", 278: "ijl", 295: "IJ", 318: " ,.", 337: "/:;\\|", 352: "f", 361: "-",
    390: "()[]", 392: "t", 401: "!", 411: "r", 460: '"', 500: "*_`", 521: "s", 525: "z",
    531: "?", 550: "c", 557: "L", 575: "F", 579: "k", 592: "vxy", 603: "P", 611: "TY",
    612: "o", 613: "a", 615: "e", 632: "E", 634: "hnu", 635: "Sbdgpq", 636: "$0123456789{}",
    656: "K", 684: "AV", 685: "XZ", 686: "B", 695: "R", 698: "C", 732: "U", 748: "N",
    752: "H", 770: "D", 775: "G", 780: "&", 787: "OQ", 818: "w", 838: "#+<=>^~", 863: "M",
    950: "%", 974: "m", 989: "W",
}  # fmt: skip
"""Advance widths of DejaVu Sans, which are Verdana's, in thousandths of the size of the font."""
WIDEST = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """How one cell stands, by what its last run left."""

    analysis: str
    variant: str
    """Empty where the analysis cannot be read."""
    state: State
    on: str | None = None
    """The day of what the state is read from, `2026-03-02`; null where nothing ran."""
    stale: str | None = None
    """Why the state says nothing of today; null where it holds."""
    why: str | None = None
    """What kept it from a verdict, or what changed since; null where nothing did."""

    @property
    def sentence(self) -> str:
        """Return the state in a line of its own."""
        name = f"{self.analysis}/{self.variant}" if self.variant else self.analysis
        on = f" on {self.on}" if self.on else ""
        stale = f", {self.stale}" if self.stale else ""
        why = f": {self.why}" if self.why else ""
        return f"{name}: {_WORDS[self.state]}{on}{stale}{why}"


_WORDS: Mapping[State, str] = {
    "reproduced": "reproduced",
    "not reproduced": "not reproduced",
    "failed": "no verdict: failed",
    "not run": "not run",
    "no reference": "no verdict",
}
_WORST: Sequence[State] = ("reproduced", "not run", "no reference", "failed", "not reproduced")
"""The later, the worse; what is stale is between the first and the others."""


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says."""

    label: str
    message: str
    banner: Literal["good", "bad", "pending"]
    cells: Sequence[Standing]

    @property
    def svg(self) -> str:
        """Return it as a picture, 20 pixels high."""
        label_text, message_text = _width(self.label), _width(self.message)
        label_box, message_box = (round(text + 2 * MARGIN) for text in (label_text, message_text))
        return template("badge.svg.j2").render(
            label=self.label,
            message=self.message,
            title="\n".join(cell.sentence for cell in self.cells),
            colour=COLOURS[self.banner],
            margin=MARGIN,
            width=label_box + message_box,
            label_box=label_box,
            message_box=message_box,
            label_text=round(label_text, 1),
            message_text=round(message_text, 1),
        )


def badge(label: str, cells: Sequence[Standing]) -> Badge:
    """Return the badge of some cells: it says what the worst of them is, and green of all alone."""
    if not cells:
        return Badge(label, _WORDS["not run"], LOOKS["not run"].banner, cells)
    worst = max(map(_rank, cells))
    those = [cell for cell in cells if _rank(cell) == worst]
    said = _said(those)
    if len(cells) > 1:
        said = f"{len(those)} of {len(cells)} {said}"
    banner = "pending" if those[0].stale else LOOKS[those[0].state].banner
    return Badge(label, said, banner, cells)


def _rank(cell: Standing) -> float:
    return 0.5 if cell.stale else _WORST.index(cell.state)


def _said(cells: Sequence[Standing]) -> str:
    """Return what cells of one rank have in common."""
    first = min(cells, key=lambda cell: cell.on or "")
    if first.stale:
        return f"{_WORDS[first.state]} on {first.on}, {first.stale}"
    if first.state == "reproduced":
        return f"reproduced on {first.on}"
    return _WORDS[first.state]


@cache
def _widths() -> Mapping[str, int]:
    return {character: width for width, each in WIDTHS.items() for character in each}


def _width(text: str) -> float:
    """Return the width of a text in pixels; what is not in the table has the widest."""
    return sum(_widths().get(character, WIDEST) for character in text) * SIZE / 1000
