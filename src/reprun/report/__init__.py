"""Reports: one document, several renderers that never recompute.

Names are brought in when they are first used: a run with nothing to do reads its last report
without numpy and jinja2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprun.report.build import build_report
    from reprun.report.drawing import table_to_show
    from reprun.report.html import read_pictures, render_html
    from reprun.report.junit import render_junit
    from reprun.report.markdown import render_markdown
    from reprun.report.model import (
        AnalysisInfo,
        Plot,
        Report,
        ReportTable,
        StepUsage,
        read_report,
        report_json,
        report_schema,
        write_schema,
    )
    from reprun.report.text import render_text, renderable

_MODULES = {
    "AnalysisInfo": "model",
    "Plot": "model",
    "Report": "model",
    "ReportTable": "model",
    "StepUsage": "model",
    "build_report": "build",
    "read_pictures": "html",
    "read_report": "model",
    "render_html": "html",
    "render_junit": "junit",
    "render_markdown": "markdown",
    "render_text": "text",
    "renderable": "text",
    "report_json": "model",
    "report_schema": "model",
    "table_to_show": "drawing",
    "write_schema": "model",
}

__all__ = [
    "AnalysisInfo",
    "Plot",
    "Report",
    "ReportTable",
    "StepUsage",
    "build_report",
    "read_pictures",
    "read_report",
    "render_html",
    "render_junit",
    "render_markdown",
    "render_text",
    "renderable",
    "report_json",
    "report_schema",
    "table_to_show",
    "write_schema",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
