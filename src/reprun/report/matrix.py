"""The matrix of analyses and variants as one document, and what shows it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import cache
from typing import Literal
from xml.etree import ElementTree as ET  # only writes

from jinja2 import Template
from rich.console import Group, RenderableType
from rich.text import Text

from reprun.documents.reading import Document
from reprun.report.grid import Column, Grid, indented, styled
from reprun.report.junit import clean
from reprun.report.markdown import plain
from reprun.report.page import own, template
from reprun.wording import count_of, listed

State = Literal["reproduced", "not reproduced", "failed", "not run"]
MARKS: Mapping[State, str] = {
    "reproduced": "✓",
    "not reproduced": "✗",
    "failed": "!",
    "not run": "-",
}
STYLES: Mapping[State, str] = {
    "reproduced": "green",
    "not reproduced": "red",
    "failed": "red",
    "not run": "yellow",
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
    ran: bool = False
    """Whether steps ran now; else the verdict is that of an earlier run, and still holds."""
    step_seconds: float | None = None
    """Wall time of all its steps, whenever they ran."""
    report: str | None = None
    """Path of its comparison report, relative to the page of the matrix."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.analysis}/{self.variant}"


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


def matrix_sentence(cells: tuple[CellReport, ...]) -> str:
    """Return the whole answer in one sentence; what did not run is named."""
    ran = [cell for cell in cells if cell.state != "not run"]
    good = sum(cell.state == "reproduced" for cell in ran)
    if not ran:
        sentence = "no cell could run"
    elif good == len(ran):
        sentence = f"reproduced: {count_of(good, 'cell')}"
    else:
        bad = listed(cell.name for cell in ran if cell.state != "reproduced")
        sentence = f"not reproduced: {len(ran) - good} of {count_of(len(ran), 'cell')} ({bad})"
    absent = [cell.name for cell in cells if cell.state == "not run"]
    return sentence + (f"; {len(absent)} not run ({listed(absent)})" if absent else "")


def matrix_json(matrix: MatrixReport) -> str:
    """Return the document."""
    return matrix.model_dump_json(indent=1) + "\n"


def matrix_renderable(matrix: MatrixReport) -> RenderableType:
    """Return what a rich console shows: one row a cell, then what kept cells from running."""
    rows = []
    for cell in matrix.cells:
        seconds = "" if cell.step_seconds is None else f"{cell.step_seconds:.1f}"
        mark = styled((f"{MARKS[cell.state]} {cell.state}", STYLES[cell.state]))
        first, *rest = cell.sentence.splitlines() or [""]
        why = first.removeprefix(f"{cell.state}: ") + (" …" if rest else "")
        rows.append((cell.analysis, cell.variant, cell.image, mark, seconds, why))
    columns = (
        *map(Column, ("analysis", "variant", "image", "verdict")),
        Column("steps s", right=True),
        Column("why", prose=True),
    )
    good = all(cell.state in ("reproduced", "not run") for cell in matrix.cells)
    style = "bold green" if good and matrix.count("reproduced") else "bold red"
    parts: list[RenderableType] = [Grid(columns, rows), Text()]
    parts.append(indented(styled((matrix.sentence, style))))
    parts += [
        styled((f"{cell.name}: try: {cell.hint}", "dim"), wrap=False)
        for cell in matrix.cells
        if cell.hint and cell.state != "reproduced"
    ]
    return Group(*parts)


def matrix_junit(matrix: MatrixReport) -> str:
    """Return one suite with a case for each cell; one that cannot run is skipped, with why."""
    numbers = {
        "tests": len(matrix.cells),
        "failures": matrix.count("not reproduced"),
        "errors": matrix.count("failed"),
        "skipped": matrix.count("not run"),
    }
    attributes = {name: str(number) for name, number in numbers.items()}
    root = ET.Element("testsuites", {"name": "reprun matrix", **attributes})
    suite = ET.SubElement(root, "testsuite", {"name": "matrix", **attributes})
    tags = {"not reproduced": "failure", "failed": "error", "not run": "skipped"}
    for cell in matrix.cells:
        case = ET.SubElement(
            suite,
            "testcase",
            {
                "classname": clean(cell.analysis),
                "name": clean(f"{cell.variant} ({cell.image})"),
                "time": f"{cell.step_seconds or 0:.3f}",
            },
        )
        if cell.state in tags:
            message = {"message": clean(cell.sentence.partition("\n")[0])}
            text = cell.sentence + (f"\ntry: {cell.hint}" if cell.hint else "")
            ET.SubElement(case, tags[cell.state], message).text = clean(text)
        else:
            ET.SubElement(case, "system-out").text = clean(cell.sentence)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def matrix_markdown(matrix: MatrixReport) -> str:
    """Return one row an analysis, one column an image, and below it what did not pass."""
    marks = {"reproduced": "✅", "not reproduced": "❌", "failed": "💥", "not run": "⏸"}
    good = all(cell.state in ("reproduced", "not run") for cell in matrix.cells)
    mark = "✅" if good and matrix.count("reproduced") else "❌"
    lines = [f"## {mark} {plain(matrix.sentence)}", ""]
    lines += ["| analysis | " + " | ".join(map(plain, matrix.images)) + " |"]
    lines += ["|---|" + "---|" * len(matrix.images)]
    for name, _ in matrix.analyses:
        row = [
            ", ".join(f"{marks[cell.state]} {cell.state}" for cell in matrix.at(name, image))
            for image in matrix.images
        ]
        lines.append(f"| {plain(name)} | " + " | ".join(row) + " |")
    lines += [""]
    for cell in matrix.cells:
        if cell.state != "reproduced":
            lines.append(f"- **{plain(cell.name)}** {cell.state}: {plain(cell.sentence)}")
            lines += [f"  try: `{cell.hint}`"] if cell.hint else []
    return "\n".join(lines).rstrip() + "\n"


def matrix_html(matrix: MatrixReport) -> str:
    """Return the page: one row an analysis, one column an image, each cell a link."""
    return _template().render(
        matrix=matrix,
        marks=MARKS,
        style=own("report.css", "matrix.css"),
        good=matrix.count("reproduced") > 0
        and all(cell.state in ("reproduced", "not run") for cell in matrix.cells),
    )


@cache
def _template() -> Template:
    return template("matrix.html.j2", filters={"slug": lambda text: re.sub(r"\W+", "-", text)})
