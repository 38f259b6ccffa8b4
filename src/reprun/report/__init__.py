"""Reports: one document, several renderers that never recompute.

Names are brought in when they are first used: a run with nothing to do reads its last report
without numpy and jinja2.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprun.report.build import build_report
    from reprun.report.context import Context, in_context
    from reprun.report.drawing import table_to_show, values_to_show
    from reprun.report.figures import render_figures
    from reprun.report.html import render_html
    from reprun.report.junit import render_junit
    from reprun.report.markdown import render_markdown
    from reprun.report.model import report_json
    from reprun.report.pictures import read_pictures

_MODULES = {
    "Context": "context",
    "build_report": "build",
    "in_context": "context",
    "read_pictures": "pictures",
    "render_figures": "figures",
    "render_html": "html",
    "render_junit": "junit",
    "render_markdown": "markdown",
    "report_json": "model",
    "table_to_show": "drawing",
    "values_to_show": "drawing",
}

__all__ = [
    "Context",
    "build_report",
    "in_context",
    "read_pictures",
    "render_figures",
    "render_html",
    "render_junit",
    "render_markdown",
    "report_json",
    "table_to_show",
    "values_to_show",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
