"""The page of one cell of the matrix: every run, what changed with each, and two plots."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from urllib.parse import quote

from jinja2 import Template

from reprun.report.against_nights import Point, drawing
from reprun.report.marks import LOOKS
from reprun.report.matrix import CellReport, slug
from reprun.report.nights import CellNights
from reprun.report.page import own, template
from reprun.wording import listed


def cell_html(cell: CellReport, history: CellNights, *, matrix: str, document: str) -> str:
    """Return the page; `matrix` and `document` are the names of the files that it links to.

    It lies in a directory beside the page of the matrix, to which the paths of `cell` are relative.
    """
    return _template().render(
        cell=cell,
        history=history,
        nights=history.nights[::-1],
        looks=LOOKS,
        matrix=matrix,
        document=document,
        plots=[
            plot
            for plot in (
                drawing(
                    [
                        Point(night.at, night.largest_deviation, night.state)
                        for night in history.nights
                        if night.largest_deviation is not None
                    ],
                    "largest relative deviation",
                    "",
                ),
                drawing(
                    [
                        Point(night.at, night.wall_seconds, night.state)
                        for night in history.nights
                        if night.wall_seconds is not None
                    ],
                    "run time",
                    "s",
                ),
            )
            if plot
        ],
        style=own("report.css", "matrix.css"),
    )


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., str]] = {
        "slug": slug,
        "address": quote,
        "changes": lambda changed: listed(changed, most=6, separator="; "),
    }
    return template("cell.html.j2", filters=filters)
