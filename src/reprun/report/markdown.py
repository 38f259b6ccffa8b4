"""The report as Markdown, short enough for the summary page of a CI run."""

from __future__ import annotations

import re

from reprun.report.marks import LOOKS
from reprun.report.model import (
    Report,
    ReportItem,
    brief,
    details_left_out,
    finite,
    measured,
)
from reprun.wording import name_shown, visible

MOST_FAILURES = 50
MOST_EXPLAINED = 5
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def render_markdown(report: Report) -> str:
    """Return the verdict, a table of what failed, the bins of the worst and what was left out."""
    mark = LOOKS[report.status].emoji
    lines = [f"## {mark} {plain(report.analysis.title)}", "", f"**{plain(report.sentence)}**", ""]
    lines += [f"- {plain(report.reference.sentence)}"] if report.reference else []
    lines += [f"- try: `{report.hint}`"] if report.hint else []
    lines += [""] if report.reference or report.hint else []
    counts = [f"{number} {verdict}" for verdict, number in report.counts.items()]
    lines += [" · ".join(counts), ""]
    drift = report.first_drift
    lines += [f"- first drift: {plain(drift.sentence)}"] if drift else []
    lines += [f"- cause: {plain(cause)}" for cause in report.causes]
    lines += [""] if drift or report.causes else []
    failed = [item for item in report.items if not item.passes]
    if failed:
        lines += ["| object | verdict | why |", "|---|---|---|"]
        lines += [
            f"| {plain(name_shown(item.name))} | {item.verdict} | {plain(item.sentence)} |"
            for item in failed[:MOST_FAILURES]
        ]
        if len(failed) > MOST_FAILURES:
            lines += ["", f"… and {len(failed) - MOST_FAILURES:,} more"]
        lines += [""]
        explained = [item for item in failed if item.explained]
        for item in explained[:MOST_EXPLAINED]:
            lines += _explained(item, report.sides)
        more = details_left_out(explained, MOST_EXPLAINED)
        lines += [plain(more), ""] if more else []
    if report.ignored:
        lines += ["| ignored | reason | until |", "|---|---|---|"]
        lines += [
            f"| {plain(one.name)} | {plain(one.reason)} | {one.expires or 'no date'} |"
            for one in report.ignored
        ]
        lines += [""]
    lines += [f"- {plain(note)}" for note in (*report.notes, f"left out: {report.left_out}")]
    return "\n".join(lines).rstrip() + "\n"


def _explained(item: ReportItem, sides: tuple[str, str]) -> list[str]:
    lines = [f"<details><summary>{plain(name_shown(item.name))}</summary>", ""]
    if item.differences:
        headings = (item.bins_or_cells + item.along, *map(brief, sides), "ratio", "pull")
        lines += [
            f"| {' | '.join(map(plain, headings))} |",
            "|---|---:|---:|---:|---:|",
        ]
        lines += [
            f"| {plain(one.label)} | {measured(one.monitored, one.monitored_error)} "
            f"| {measured(one.reference, one.reference_error)} "
            f"| {one.quotient} | {finite(one.pull)} |"
            for one in item.differences
        ]
        lines += [""]
    lines += [f"{'✓' if one.passed else '✗'} {one.name}: {plain(one.sentence)}  "
              for one in item.checks]  # fmt: skip
    lines += ["", f"To pass: {plain(item.needed)}"] if item.needed else []
    return [*lines, "", "</details>", ""]


def plain(text: str) -> str:
    """Return text in which nothing is markup: names come from files, not from us."""
    return _SPECIAL.sub(r"\\\1", visible(" ".join(text.split())))
