"""The report as one HTML page: it opens from disk, loads nothing and reads without scripts.

A Content-Security-Policy in the page forbids every outside load. Plots are drawn by the
page's own script from numbers that lie in it as JSON, rounded to six digits; every number
that is shown as text comes from the report unrounded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Template
from markupsafe import Markup, escape
from pydantic import JsonValue

from reprun.histograms.titles import pieces_of, unicode_title
from reprun.report.marks import LOOKS
from reprun.report.model import (
    Number,
    Panel,
    PlotAxis,
    Report,
    ReportItem,
    brief,
    finite,
    measured,
    shown,
)
from reprun.report.page import own, template
from reprun.report.pictures import Picture
from reprun.wording import name_shown

MOST_OPEN = 8
"""How many failing objects stand open at first."""
MOST_LISTED = 2000
"""How many objects a page lists, the worst first; a browser opens more only slowly."""
MOST_DRAWN_TITLE = 80
"""Characters of a title that find room beside a plot."""
MOST_FLAT = 20
"""Identical objects up to these are listed as all others are; more are folded by directory."""
MOST_DIRECTORIES = 100
"""Directories to fold by; where there are more, those at the top have to do."""
_NOT_NUMBERS = re.compile(r"-?(?:nan|inf)")


def render_html(report: Report, pictures: Iterable[Picture] = ()) -> str:
    """Return the page. `pictures` are the report's plots; one that is not given is named only."""
    return _template().render(
        report=report,
        look=LOOKS[report.status],
        style=own("report.css"),
        script=own("report.js"),
        data=_payload(report),
        pictures={picture.path: picture for picture in pictures},
        provenance=list(_flat(dict(report.provenance))),
        longest_step=max((step.wall_seconds for step in report.steps), default=0.0) or 1.0,
        groups=_groups(report.items[:MOST_LISTED]),
        items=report.items[:MOST_LISTED],
        unlisted=len(report.items) - len(report.items[:MOST_LISTED]),
        most_open=MOST_OPEN,
    )


@dataclass(frozen=True, slots=True)
class _Group:
    """Objects that the page lists one after the other, with their places in the report."""

    directory: str | None
    """What identical objects are folded under; None for those that stand open."""
    items: tuple[tuple[int, ReportItem], ...]


def _groups(items: Sequence[ReportItem]) -> list[_Group]:
    """Return the objects in their order; of many identical ones a group for each directory."""
    placed = list(enumerate(items))
    same = [(place, item) for place, item in placed if item.verdict == "identical"]
    if len(same) <= MOST_FLAT:
        return [_Group(None, tuple(placed))]
    full = {item.name.rpartition("/")[0] for _, item in same}
    folded: dict[str, list[tuple[int, ReportItem]]] = {}
    for place, item in same:
        directory = item.name.rpartition("/")[0]
        name = directory if len(full) <= MOST_DIRECTORIES else directory.partition("/")[0]
        folded.setdefault(name, []).append((place, item))
    # A single object needs no directory to be opened first.
    alone = [found[0] for found in folded.values() if len(found) == 1]
    others = [each for each in placed if each[1].verdict != "identical"] + sorted(alone)
    groups = [
        _Group(name, tuple(found)) for name, found in sorted(folded.items()) if len(found) > 1
    ]
    return [_Group(None, tuple(others)), *groups]


@cache
def _template() -> Template:
    return template(
        "report.html.j2",
        filters={
            "shown": shown,
            "brief": brief,
            "set": _set_title,
            "finite": finite,
            "named": name_shown,
            "measured": lambda pair: measured(*pair),
            "slug": lambda text: text.replace(" ", "-"),
        },
    )


def _flat(document: Mapping[str, JsonValue], prefix: str = "") -> Iterable[tuple[str, str]]:
    """Yield dotted names and texts of a nested document."""
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}.")
        elif isinstance(value, list):
            yield name, ", ".join(v if isinstance(v, str) else json.dumps(v) for v in value)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)


def _payload(report: Report) -> Markup:
    """Return the drawn numbers as JSON that is safe inside a script element.

    `<`, `>` and `&` are written as escapes, so that no name can end the element.
    """
    items = ",".join(
        f"[{','.join(_drawing(panel, item.kind == 'sampled') for panel in item.panels)}]"
        for item in report.items[:MOST_LISTED]
    )
    text = f"[{items}]"
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - escaped just above


def _drawing(panel: Panel, sampled: bool) -> str:
    axis = panel.axis
    fields = {
        "k": json.dumps({"histogram": "", "points": "p", "map": "m"}[panel.kind]),
        "t": json.dumps(unicode_title(panel.title)),
        "x": _title(axis.title),
        "yt": _title(panel.y_title),
        "yd": _title(panel.density_title),
        "n": json.dumps(panel.note),
        **_bin_fields(axis),
        "s": json.dumps(panel.same),
        # Of independent samples every bin differs: only large pulls are marked.
        "d": "3" if sampled else "null",
        "y": "null" if panel.y_axis is None else _bins(panel.y_axis),
        "xs": _numbers(panel.x),
        "ml": _numbers(panel.monitored_errors_low),
        "rl": _numbers(panel.reference_errors_low),
        "m": _numbers(panel.monitored),
        "me": _numbers(panel.monitored_errors),
        "mf": _numbers(panel.monitored_flow),
        "r": _numbers(panel.reference),
        "re": _numbers(panel.reference_errors),
        "rf": _numbers(panel.reference_flow),
        "p": _numbers(panel.pulls),
        # As columns of their own where they differ: a difference is to be seen.
        **(_flow_fields(panel) if panel.flow_pulls and any(panel.flow_pulls) else {}),
    }
    kept = (f'"{key}":{text}' for key, text in fields.items() if text not in ("null", '""'))
    return f"{{{','.join(kept)}}}"


def _flow_fields(panel: Panel) -> dict[str, str]:
    return {
        "mfe": _numbers(panel.monitored_flow_errors),
        "rfe": _numbers(panel.reference_flow_errors),
        "fp": _numbers(panel.flow_pulls),
    }


def _bin_fields(axis: PlotAxis) -> dict[str, str]:
    return {
        "b": json.dumps([axis.bins, axis.lower, axis.upper]),
        "e": _numbers(axis.edges),
        "g": "1" if axis.scale == "log" else "null",
        "l": json.dumps(axis.labels and [unicode_title(label) for label in axis.labels]),
    }


def _bins(axis: PlotAxis) -> str:
    fields = {"x": _title(axis.title), **_bin_fields(axis)}
    return "{" + ",".join(f'"{key}":{text}' for key, text in fields.items()) + "}"


def _title(title: str) -> str:
    """Return a title for the script: a string, or pieces of text, place and slant."""
    pieces = pieces_of(title, MOST_DRAWN_TITLE)
    if all(not piece.level and not piece.italic for piece in pieces):
        return json.dumps("".join(piece.text for piece in pieces))
    return json.dumps([[piece.text, piece.level, int(piece.italic)] for piece in pieces])


def _set_title(title: str) -> Markup:
    """Return a title as HTML: what is raised and lowered, and nothing else of its own."""
    text = Markup()
    for piece in pieces_of(title):
        part = Markup("<i>{}</i>").format(piece.text) if piece.italic else escape(piece.text)
        for place in reversed(piece.level):
            tag = "sup" if place == "^" else "sub"
            part = Markup("<{0}>{1}</{0}>").format(tag, part)
        text += part
    return text


def _numbers(values: tuple[Number, ...] | None) -> str:
    if values is None:
        return "null"
    text = ",".join(["%.6g" % value for value in values])  # noqa: UP031 - half the time of format
    return f"[{_NOT_NUMBERS.sub('null', text)}]"
