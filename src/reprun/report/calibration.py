"""A calibration for people and for machines."""

from __future__ import annotations

import dataclasses
import io
import json

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reprun.compare.calibrate import Calibration

MOST_LISTED = 50


def calibration_json(calibration: Calibration) -> str:
    """Return the calibration as JSON with a schema version."""
    document = {"schema_version": 1, **dataclasses.asdict(calibration)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


def calibration_text(calibration: Calibration, width: int = 100) -> str:
    """Return the calibration as plain text: what each object's checks see, then the rate."""
    grid = Table(box=SIMPLE_HEAD, show_edge=False)
    grid.add_column("object", overflow="fold")
    for heading in ("false alarms", "yield change seen", "shift seen"):
        grid.add_column(heading, justify="right")
    for one in calibration.objects[:MOST_LISTED]:
        changes = (
            "-" if one.yield_change is None else f"{one.yield_change:.2%}",
            "-" if one.shift is None else f"{one.shift:.3g}",
        )
        grid.add_row(Text(one.name), f"{one.false_alarms:.2%}", *changes)
    out = io.StringIO()
    Console(file=out, width=width, no_color=True, force_terminal=False).print(grid)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    if len(calibration.objects) > MOST_LISTED:
        lines.append(f"  … and {len(calibration.objects) - MOST_LISTED:,} more")
    lines += [
        "",
        "seen: with a power of 90 % in this family of tests; -: not seen, or no such test",
    ]
    if calibration.left_out:
        lines.append(f"without toys: {', '.join(calibration.left_out[:MOST_LISTED])}")
    lines.append(
        f"{calibration.toys:,} toys: {calibration.false_alarms:.2%} ± {calibration.error:.2%} of "
        f"the files of one law fail; at most {calibration.alpha:.2%} are allowed"
    )
    return "\n".join(lines) + "\n"
