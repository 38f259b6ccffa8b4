"""The rows of a CSV file, with the line that each is in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from reprun.errors import OutputMissingError
from reprun.wording import shortened


def read_rows(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield where each row is and its cells, the heading first.

    Lines that start with `#` are remarks. Raises OutputMissingError for one that has not as many
    cells as the heading.
    """
    lines = _Lines(text)
    reader = csv.reader(lines, strict=True)
    size: int | None = None
    try:
        for cells in reader:
            lines.between = True
            if not cells:
                continue
            place = f"{path}:{reader.line_num}"
            size = len(cells) if size is None else size
            if len(cells) != size:
                raise unreadable_table(path, f"{len(cells)} cells, the heading has {size}", place)
            yield place, cells
    except csv.Error as error:
        raise unreadable_table(path, str(error), f"{path}:{reader.line_num}") from error


def unreadable_table(path: Path, what: str, place: str) -> OutputMissingError:
    """Return the error that says what is wrong with a table, and where."""
    return OutputMissingError(
        f"{path.name} is not a readable table: {shortened(what)}", place=place
    )


class _Lines:
    """The lines of a CSV text for its parser, without remarks.

    Inside of quotes there are none: a line of a cell may start with `#`.
    """

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.between = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if self.between and line.startswith("#"):
            return "\n"
        self.between = False
        return line
