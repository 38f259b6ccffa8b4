"""A site with a history of known nights, for the tests of its text and of its looks."""

from __future__ import annotations

from pathlib import Path

from reprun.report.matrix import CellReport
from reprun.runs.site import write_site
from tests.history_support import GOOD, Nights
from tests.unit import builders

DRIFTED = {**GOOD, "m4l": "c" * 64}
RED = "red since 2026-03-31; between the last good run and that one: host kernel (6 → 7)"
BAD = "not reproduced: 1 of 2 objects differs"


def played(results: Path) -> list[CellReport]:
    """Let 40 nights leave their rows in five cells; return what the matrix says after the last."""
    good, bad = Nights(results, analysis="good"), Nights(results, analysis="bad")
    killed, once = Nights(results, analysis="killed"), Nights(results, analysis="once")
    for n in range(40):
        slower = 2.0 if n < 20 else 3.0
        good.add(n, seconds=slower + 0.01 * (n * 7 % 5))
        if n < 30:
            bad.add(n)
        elif n == 34:
            bad.add(n, state="failed", sentence="the step <fill> ended with 1")
        else:
            bad.add(n, DRIFTED, bad=["m4l"], host={"kernel": "7"})
        if n in (8, 39):
            killed.add(n, state="interrupted", sentence="it did not finish: its process was killed")
        else:
            killed.add(n)
    once.add(39)
    return [
        builders.cell("reproduced", "good", title="Four leptons", report="../good/report.html"),
        builders.cell("not reproduced", "bad", sentence=BAD, red=RED, report="../bad/report.html"),
        builders.cell("not run", "killed", sentence="interrupted"),
        builders.cell("reproduced", "once"),
        builders.cell("failed", "never", variant="other", image="other", sentence="<no> lock"),
    ]


def site(results: Path) -> Path:
    """Write the pages of these cells; return that of the matrix."""
    cells = played(results)
    page = results / "matrix" / "index.html"
    data = {cell.name: ("small", "") for cell in cells}
    write_site(builders.matrix(*cells), page, data, results)
    return page
