"""The report on a REANA project as one HTML page that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator

from reprun.reana.local.evidence import Evidence
from reprun.reana.local.report import ProjectReport
from reprun.report.html import picture_type
from reprun.report.page import own, template

MOST_BYTES = 4_000_000
"""A picture above this is not put into the page."""


def render_page(report: ProjectReport, run: Evidence) -> str:
    """Return the page, with the pictures among the outputs in it."""
    return template("page.html.j2", package="reprun.reana.local").render(
        report=report,
        style=own("report.css"),
        pictures=dict(_pictures(report, run)),
    )


def _pictures(report: ProjectReport, run: Evidence) -> Iterator[tuple[str, str]]:
    for output in report.outputs:
        media = picture_type(output.path)
        if output.kind == "file" and media and 0 < (output.size or 0) <= MOST_BYTES:
            with run.open(output.path) as stream:
                content = base64.b64encode(stream.read(MOST_BYTES)).decode()
            yield output.path, f"data:{media};base64,{content}"
