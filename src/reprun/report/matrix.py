"""The matrix of analyses and variants as one document, and what shows it."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal
from urllib.parse import quote
from xml.etree import ElementTree as ET  # only writes

from jinja2 import Template
from rich.console import Group, RenderableType
from rich.text import Text

from reprun.documents.reading import Document
from reprun.report.grid import Column, Grid, indented, styled
from reprun.report.junit import clean
from reprun.report.markdown import plain
from reprun.report.marks import LOOKS, State
from reprun.report.nights import Strip
from reprun.report.page import own, template
from reprun.wording import count_of, listed

_JUNIT_TAGS: Mapping[State, str] = {
    "not reproduced": "failure",
    "failed": "error",
    "not run": "error",
    "no reference": "error",
}


class CellReport(Document):
    """One analysis in one variant: what came of it."""

    analysis: str
    title: str = ""
    variant: str
    image: str
    dataset: str | None = None
    state: State
    sentence: str
    """The verdict, or what kept it from being reached."""
    hint: str | None = None
    """The next command to type, where something did."""
    exit_code: int
    """What `reprun run` would have ended with; of a cell that cannot run here, too."""
    allowed: str | None = None
    """Why the matrix passes though this cell did not run: it is optional, or was allowed not to."""
    ran: bool = False
    """Whether steps ran now; else the verdict is that of an earlier run, and still holds."""
    finished: dt.datetime | None = None
    """When its last step ended, of whichever run that was."""
    step_seconds: float | None = None
    """Wall time of all its steps, whenever they ran."""
    red: str | None = None
    """Since when it is red, and what changed that night; null where it is not, or nobody knows."""
    report: str | None = None
    """Path of its comparison report, or of the page that says why there is none, relative to the
    page of the matrix."""
    log: str | None = None
    """Path of the log that says why it failed, relative to the page of the matrix."""

    @property
    def link(self) -> str | None:
        """The address that its cell on the page leads to."""
        path = self.report or self.log
        return None if path is None else quote(path)

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.analysis}/{self.variant}"

    @property
    def since(self) -> str:
        """The day since which the verdict stands; empty where steps ran now, or none ever did."""
        if self.ran or self.finished is None or self.state in ("failed", "not run"):
            return ""
        return f"unchanged since {self.finished:%Y-%m-%d}"


class MatrixReport(Document):
    """Every cell that was asked for."""

    schema_version: Literal[1] = 1
    generator: str
    started: dt.datetime
    wall_seconds: float
    sentence: str
    cells: tuple[CellReport, ...]

    def count(self, state: State) -> int:
        """Return how many cells are in a state."""
        return sum(cell.state == state for cell in self.cells)

    @property
    def state(self) -> State:
        """The state of the whole: the worst of a cell, but of cells allowed not to run."""
        return state_of(self.cells)

    @property
    def images(self) -> tuple[str, ...]:
        """The images, in the order in which they first appear."""
        return tuple(dict.fromkeys(cell.image for cell in self.cells))

    @property
    def analyses(self) -> tuple[tuple[str, str], ...]:
        """Name and title of the analyses, in order."""
        return tuple(dict.fromkeys((cell.analysis, cell.title) for cell in self.cells))

    def at(self, analysis: str, image: str) -> tuple[CellReport, ...]:
        """Return the cells of an analysis in an image."""
        return tuple(c for c in self.cells if (c.analysis, c.image) == (analysis, image))


def state_of(cells: Sequence[CellReport]) -> State:
    """Return the worst state of the cells; `not run` where none could."""
    states = {cell.state for cell in cells if cell.allowed is None}
    worst: tuple[State, ...] = ("failed", "not reproduced", "not run", "no reference", "reproduced")
    return next((state for state in worst if state in states), "not run")


def matrix_sentence(cells: Sequence[CellReport]) -> str:
    """Return the whole answer in one sentence, the worst first; what did not run is named."""
    ran = [cell for cell in cells if cell.state != "not run"]
    good = [cell for cell in ran if cell.state == "reproduced"]
    bad = [cell.name for cell in ran if cell.state in ("not reproduced", "failed")]
    absent = [cell.name for cell in cells if cell.state == "not run" and cell.allowed is None]
    fresh = [cell.name for cell in cells if cell.state == "no reference"]
    parts = []
    if bad:
        parts.append(f"not reproduced: {_part(bad, len(ran))}")
    if absent:
        told = f"{len(absent)} not run ({listed(absent)})"
        parts.append(told if parts else f"not run: {_part(absent, len(cells))}")
    if fresh:
        told = f"{len(fresh)} without reference ({listed(fresh)})"
        parts.append(told if parts else f"no reference: {_part(fresh, len(ran))}")
    if good and not bad:
        old = sum(not cell.ran for cell in good)
        since = f" ({old} unchanged since earlier runs)" if old else ""
        told = f"{len(good)} reproduced" if parts else f"reproduced: {count_of(len(good), 'cell')}"
        parts.append(told + since)
    allowed = [cell.name for cell in cells if cell.allowed is not None]
    parts = parts or ["no cell could run"]
    parts += [f"{len(allowed)} allowed not to run ({listed(allowed)})"] if allowed else []
    return "; ".join(parts)


def _part(names: Sequence[str], total: int) -> str:
    return f"{len(names)} of {count_of(total, 'cell')} ({listed(names)})"


def matrix_json(matrix: MatrixReport) -> str:
    """Return the document."""
    return matrix.model_dump_json(indent=1) + "\n"


def matrix_renderable(matrix: MatrixReport) -> RenderableType:
    """Return what a rich console shows: one row a cell, then what kept cells from running."""
    rows = []
    for cell in matrix.cells:
        seconds = _seconds(cell)
        look = LOOKS[cell.state]
        mark = styled((f"{look.mark} {cell.state}", look.colour))
        first, *rest = cell.sentence.splitlines() or [""]
        why = first.removeprefix(f"{cell.state}: ") + (" …" if rest else "")
        why += f" (allowed: {cell.allowed})" if cell.allowed else ""
        rows.append((cell.analysis, cell.variant, cell.image, mark, seconds, why))
    columns = (
        *map(Column, ("analysis", "variant", "image", "verdict")),
        Column("steps s", right=True),
        Column("why", prose=True),
    )
    parts: list[RenderableType] = [Grid(columns, rows), Text()]
    parts.append(indented(styled((matrix.sentence, f"bold {LOOKS[matrix.state].colour}"))))
    parts += [
        indented(styled((cell.name, "bold"), f" {cell.red}"), "  ")
        for cell in matrix.cells
        if cell.red
    ]
    parts += [
        styled((f"{cell.name}: try: {cell.hint}", "dim"), wrap=False)
        for cell in matrix.cells
        if cell.hint and cell.state != "reproduced"
    ]
    return Group(*parts)


def _seconds(cell: CellReport) -> str:
    """Return the time of steps that ran now: that of earlier ones says nothing of this host."""
    return f"{cell.step_seconds:.1f}" if cell.ran and cell.step_seconds is not None else ""


def matrix_junit(matrix: MatrixReport) -> str:
    """Return one suite with a case for each cell; one that was allowed not to run is skipped."""
    tags = ["skipped" if cell.allowed else _JUNIT_TAGS.get(cell.state) for cell in matrix.cells]
    numbers = {
        "tests": len(matrix.cells),
        "failures": tags.count("failure"),
        "errors": tags.count("error"),
        "skipped": tags.count("skipped"),
    }
    attributes = {name: str(number) for name, number in numbers.items()}
    root = ET.Element("testsuites", {"name": "reprun matrix", **attributes})
    suite = ET.SubElement(root, "testsuite", {"name": "matrix", **attributes})
    for cell, tag in zip(matrix.cells, tags, strict=True):
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "classname": clean(cell.analysis),
                "name": clean(f"{cell.variant} ({cell.image})"),
                "time": f"{(cell.step_seconds or 0) if cell.ran else 0:.3f}",
            },
        )
        if tag is None:
            ET.SubElement(case, "system-out").text = clean(cell.sentence)
            continue
        first = cell.sentence.partition("\n")[0]
        first += f" (allowed: {cell.allowed})" if cell.allowed else ""
        parts = [cell.sentence, cell.red, f"try: {cell.hint}" if cell.hint else None]
        text = "\n".join(part for part in parts if part)
        kind = {} if tag == "skipped" else {"type": cell.state}
        ET.SubElement(case, tag, {"message": clean(first), **kind}).text = clean(text)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def matrix_markdown(matrix: MatrixReport) -> str:
    """Return one row an analysis, one column an image, and below it what did not pass."""
    lines = [f"## {LOOKS[matrix.state].emoji} {plain(matrix.sentence)}", ""]
    lines += ["| analysis | " + " | ".join(map(plain, matrix.images)) + " |"]
    lines += ["|---|" + "---|" * len(matrix.images)]
    for name, _ in matrix.analyses:
        row = [
            ", ".join(f"{LOOKS[cell.state].emoji} {cell.state}" for cell in matrix.at(name, image))
            for image in matrix.images
        ]
        lines.append(f"| {plain(name)} | " + " | ".join(row) + " |")
    lines += [""]
    for cell in matrix.cells:
        if cell.state != "reproduced":
            lines.append(f"- **{plain(cell.name)}** {cell.state}: {plain(cell.sentence)}")
            lines += [f"  {plain(cell.red)}"] if cell.red else []
            lines += [f"  allowed: {plain(cell.allowed)}"] if cell.allowed else []
            lines += [f"  try: `{cell.hint}`"] if cell.hint else []
        elif not cell.ran:
            lines.append(f"- {plain(cell.name)} {plain(cell.sentence)}")
    return "\n".join(lines).rstrip() + "\n"


def matrix_html(matrix: MatrixReport, strips: Mapping[str, Strip], missing: str = "") -> str:
    """Return the page: one row an analysis, one column an image, each cell a link.

    `strips` are the last runs of cells by their names, as far as the history has any; `missing` is
    why it cannot be read.
    """
    states = Counter(cell.state for cell in matrix.cells)
    last = list(LOOKS)
    return _template().render(
        matrix=matrix,
        at=_places(matrix),
        strips=strips,
        missing=missing,
        open=sorted(
            (cell for cell in matrix.cells if cell.state != "reproduced"),
            key=lambda cell: (cell.allowed is not None, cell.red is None, last.index(cell.state)),
        ),
        states={state: states[state] for state in LOOKS if states[state]},
        looks=LOOKS,
        style=own("report.css", "matrix.css"),
        script=own("matrix.js"),
    )


def _places(matrix: MatrixReport) -> Mapping[tuple[str, str], Sequence[CellReport]]:
    found: dict[tuple[str, str], list[CellReport]] = {}
    for cell in matrix.cells:
        found.setdefault((cell.analysis, cell.image), []).append(cell)
    return found


@cache
def slug(text: str) -> str:
    """Return a state as the name of a class of styles."""
    return re.sub(r"\W+", "-", text)


@cache
def _template() -> Template:
    filters: dict[str, Callable[..., str]] = {
        "slug": slug,
        "seconds": _seconds,
        "address": quote,
    }
    return template("matrix.html.j2", filters=filters)
