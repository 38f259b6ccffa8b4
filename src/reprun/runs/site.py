"""The pages of a matrix: that of all its cells, and one for each with its history."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reprun.documents.selection import Selection
from reprun.errors import ReprunError
from reprun.files import make_directory, remove, sweep, write_atomically
from reprun.history import rows
from reprun.history.database import FILE, Database, looked_into
from reprun.history.nights import cell_nights
from reprun.report.cell_page import cell_html
from reprun.report.matrix import CellReport, MatrixReport, matrix_html
from reprun.report.nights import Strip, file_name, nights_json, strip_of
from reprun.runs.directory import refuse_links

Data = Mapping[str, tuple[str, str]]
"""Dataset and tier of cells by name: one that could not be read has none."""


def data_of(selection: Selection) -> tuple[str, str]:
    """Return dataset and tier of a selection, as the history has them."""
    return selection.dataset or "", selection.tier.name if selection.tier else ""


def write_site(matrix: MatrixReport, page: Path, data: Data, results: Path) -> None:
    """Write the page of a matrix, and beside it those of its cells, of which the history tells.

    Pages of cells lie in `cells/`, of a page with another name in `NAME-cells/`; those of cells
    that the matrix has no longer go. The page says why a history cannot be read, and has no strips.
    """
    folder = page.with_name("cells" if page.stem == "index" else f"{page.stem}-cells")
    make_directory(folder)
    refuse_links(folder)
    sweep(folder)
    strips: dict[str, Strip] = {}
    missing = ""
    try:
        with looked_into(results.resolve() / FILE) as database:
            if database is not None:
                known = {
                    (each.analysis, each.variant, each.dataset, each.tier): each
                    for each in rows.cells(database)
                }
                for cell in matrix.cells:
                    found = known.get((cell.analysis, cell.variant, *data.get(cell.name, ("", ""))))
                    strip = found and _write_cell(database, found, cell, folder, page.name)
                    if strip:
                        strips[cell.name] = strip
    except ReprunError as error:
        strips, missing = {}, error.message
    _remove_others(folder, matrix if strips else None)
    write_atomically(page, matrix_html(matrix, strips, missing).encode())


def _write_cell(
    database: Database, found: rows.Cell, cell: CellReport, folder: Path, page: str
) -> Strip | None:
    history = cell_nights(database, found)
    if history is None:
        return None
    name = file_name(cell.analysis, cell.variant)
    document = f"{name}.json"
    text = cell_html(cell, history, matrix=page, document=document)
    # They are made again from the history whenever a matrix runs: no disk is waited for.
    write_atomically(folder / document, nights_json(history).encode(), lasting=False)
    write_atomically(folder / f"{name}.html", text.encode(), lasting=False)
    return strip_of(history, f"{folder.name}/{name}.html")


def _remove_others(folder: Path, matrix: MatrixReport | None) -> None:
    cells = matrix.cells if matrix else ()
    names = {file_name(cell.analysis, cell.variant) for cell in cells}
    for path in folder.iterdir():
        if path.suffix in (".html", ".json") and path.stem not in names:
            remove(path)
