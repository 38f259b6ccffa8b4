"""The report on a REANA project as one HTML page that loads nothing."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path, PurePosixPath

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from reprun.reana_project.report import ProjectReport
from reprun.report.html import MEDIA_TYPES

MOST_BYTES = 4_000_000
"""A picture above this is not put into the page."""


def render_page(report: ProjectReport, workspace: Path) -> str:
    """Return the page, with the pictures among the outputs in it."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = files("reprun.reana_project").joinpath("page.html.j2").read_text(encoding="utf-8")
    style = files("reprun.report").joinpath("report.css").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        report=report,
        style=Markup(style),  # noqa: S704 - our own file
        pictures=dict(_pictures(report, workspace)),
    )


def _pictures(report: ProjectReport, workspace: Path) -> Iterator[tuple[str, str]]:
    for output in report.outputs:
        media = MEDIA_TYPES.get(PurePosixPath(output.path).suffix.lower())
        if output.kind == "file" and media and 0 < (output.size or 0) <= MOST_BYTES:
            content = base64.b64encode((workspace / output.path).read_bytes()).decode()
            yield output.path, f"data:{media};base64,{content}"
