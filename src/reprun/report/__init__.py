"""Reports: one document, several renderers that never recompute."""

from reprun.report.build import build_report, table_to_show
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
