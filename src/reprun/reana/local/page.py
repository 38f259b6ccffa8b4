"""The report on a REANA project as one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from reprun.bounded import limits
from reprun.reana.local.evidence import Evidence
from reprun.reana.local.report import ProjectReport
from reprun.report.page import own, template
from reprun.report.pictures import Picture, picture_type

PDF = ".pdf"
MOST_PLOTS = 100
"""Plots that a page shows or links."""


def render_page(report: ProjectReport, run: Evidence) -> str:
    """Return the page, with the pictures among the outputs in it, and the PDFs linked."""
    return template("page.html.j2", package="reprun.reana.local").render(
        report=report, style=own("report.css"), pictures=tuple(_pictures(report, run))
    )


def _pictures(report: ProjectReport, run: Evidence) -> Iterator[Picture]:
    room = limits.PICTURES_BYTES.value
    for path in islice(_plots(report, run), MOST_PLOTS):
        place, size = f"{run.workspace.name}/{path}", run.files[path]
        if picture_type(path) is None or size > min(limits.PICTURE_BYTES.value, room):
            yield Picture(place, size)
            continue
        room -= size
        with run.open(path) as stream:
            yield Picture(place, size, stream.read(size))


def _plots(report: ProjectReport, run: Evidence) -> Iterator[str]:
    """Yield the plots among the outputs, also in a declared directory; a link is none."""
    declared = [output.path for output in report.outputs if output.present]
    for path, size in run.files.items():
        if size and (picture_type(path) is not None or path.lower().endswith(PDF)):
            pure = PurePosixPath(path)
            if any(pure.is_relative_to(each) for each in declared):
                yield path
