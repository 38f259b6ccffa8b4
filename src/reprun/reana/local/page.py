"""The report on a REANA project as one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator

from reprun.bounded import limits
from reprun.reana.local.evidence import Evidence
from reprun.reana.local.report import ProjectReport
from reprun.report.page import own, template
from reprun.report.pictures import data_uri, picture_type


def render_page(report: ProjectReport, run: Evidence) -> str:
    """Return the page, with the pictures among the outputs in it."""
    return template("page.html.j2", package="reprun.reana.local").render(
        report=report,
        style=own("report.css"),
        pictures=dict(_pictures(report, run)),
    )


def _pictures(report: ProjectReport, run: Evidence) -> Iterator[tuple[str, str]]:
    for output in report.outputs:
        shown = output.kind == "file" and picture_type(output.path)
        most = limits.PICTURE_BYTES.value
        if shown and 0 < (output.size or 0) <= most:
            with run.open(output.path) as stream:
                yield output.path, data_uri(output.path, stream.read(most))
