"""A calibration for people."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

from reprun.compare.calibrate import Calibration
from reprun.report.grid import Column, Grid, styled
from reprun.wording import listed

MOST_LISTED = 50


def calibration_lines(calibration: Calibration) -> Iterator[RenderableType]:
    """Yield the calibration for people: what each object's checks see, then the rate."""
    rows = []
    for one in calibration.objects[:MOST_LISTED]:
        yield_change = "-" if one.yield_change is None else f"{one.yield_change:.2%}"
        shift = "-" if one.shift is None else f"{one.shift:.3g}"
        rows.append((one.name, f"{one.false_alarms:.2%}", yield_change, shift))
    headings = ("false alarms", "yield change seen", "shift seen")
    yield Grid((Column("object"), *(Column(each, right=True) for each in headings)), rows)
    if len(calibration.objects) > MOST_LISTED:
        yield f"  … and {len(calibration.objects) - MOST_LISTED:,} more"
    yield ""
    yield "seen: with a power of 90 % in this family of tests; -: not seen, or no such test"
    if calibration.left_out:
        yield styled(f"without toys: {listed(calibration.left_out, MOST_LISTED)}")
    yield styled(
        f"{calibration.toys:,} toys: {calibration.false_alarms:.2%} ± {calibration.error:.2%} of "
        f"files of the same distribution fail; at most {calibration.alpha:.2%} are allowed"
    )
