"""Lines and tables that fit a terminal: words stay whole, and a table too wide becomes blocks."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from reprun.wording import visible

Part = str | tuple[str, str]
"""Text, or text with its style."""

LEAST_PROSE = 24
"""A column of sentences that is narrower reads worse than the same sentences below each other."""
GAP = 3


def styled(*parts: Part, wrap: bool = True) -> Text:
    """Return a line of parts with nothing in it that controls a terminal.

    With `wrap` off it is never wrapped by us: a command or a path that somebody copies must stay
    one line.
    """
    shown = [visible(p) if isinstance(p, str) else (visible(p[0]), p[1]) for p in parts]
    return Text.assemble(*shown) if wrap else Text.assemble(*shown, overflow="ignore", no_wrap=True)


def wrapped(text: Text, width: int) -> list[Text]:
    """Return lines of whole words; rich would cut a path that is wider than the terminal."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        breaks = []
        used = len(line.plain) - len(line.plain.lstrip())
        begun = False
        for word in re.finditer(r"\S+\s*", line.plain):
            if begun and used + cell_len(word.group().rstrip()) > width:
                breaks.append(word.start())
                used = 0
            used += cell_len(word.group())
            begun = True
        lines += line.divide(breaks)
    for line in lines:
        line.rstrip()
    return lines


@dataclass(frozen=True, slots=True)
class Indented:
    """A text wrapped between words, with something before its first line and blanks before others.

    No blank ends a line, which rich's own padding would leave.
    """

    text: Text
    before: Text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        start = self.before
        width = max(options.max_width - start.cell_len, 1)
        for line in wrapped(self.text, width):
            whole = Text.assemble(start, line, overflow="ignore", no_wrap=True)
            whole.rstrip()
            yield whole
            start = Text(" " * start.cell_len)


def indented(text: str | Text, before: Part = "") -> Indented:
    """Return a text that is wrapped beside what stands before it."""
    return Indented(text if isinstance(text, Text) else styled(text), styled(before))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a grid."""

    heading: str
    right: bool = False
    prose: bool = False
    """Sentences: wrapped between words. Every other column keeps its lines whole."""
    spare: bool = False
    """Left out where the width does not suffice; the blocks have it again."""
    plain: bool = False
    """In blocks its lines speak for themselves, without the heading."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of facts: a table where the width suffices, else a block of lines for each row.

    A cell may have several lines, but for prose.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Text]]
    header: bool = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the table or the blocks."""
        cells = [[c if isinstance(c, Text) else styled(c) for c in row] for row in self.rows]
        every = range(len(self.columns))
        needed = [each for each in every if not self.columns[each].spare]
        for shown in (every, needed):
            if self._width(shown, cells) <= options.max_width:
                yield _Unpadded(self._table(shown, cells))
                return
        yield from self._blocks(cells)

    def _width(self, shown: Sequence[int], cells: Sequence[Sequence[Text]]) -> int:
        """Return the width that a table of these columns needs at least."""
        return sum(self._least(index, cells) for index in shown) + GAP * (len(shown) - 1)

    def _least(self, index: int, cells: Sequence[Sequence[Text]]) -> int:
        texts = [row[index].plain for row in cells]
        column = self.columns[index]
        if self.header:
            texts.append(column.heading)
        pieces = [piece for t in texts for piece in (t.split() if column.prose else t.split("\n"))]
        widest = max(map(cell_len, pieces), default=0)
        if column.prose:
            whole = max(map(cell_len, texts), default=0)
            return max(widest, min(whole, LEAST_PROSE))
        return widest

    def _table(self, shown: Sequence[int], cells: Sequence[Sequence[Text]]) -> Table:
        table = Table(
            box=SIMPLE_HEAD if self.header else None,
            show_edge=False,
            pad_edge=False,
            show_header=self.header,
            padding=(0, 1) if self.header else (0, GAP - 1, 0, 0),
        )
        for index in shown:
            column = self.columns[index]
            table.add_column(
                styled(column.heading),
                justify="right" if column.right else "left",
                no_wrap=not column.prose,
                min_width=self._least(index, cells),
            )
        for row in cells:
            table.add_row(*(row[index] for index in shown))
        return table

    def _blocks(self, cells: Sequence[Sequence[Text]]) -> Iterator[RenderableType]:
        for row in cells:
            title, *rest = row
            yield Text(title.plain, style="bold", overflow="ignore")
            for column, cell in zip(self.columns[1:], rest, strict=True):
                for line in cell.split("\n"):
                    if line.plain.strip():
                        yield indented(line, "  " if column.plain else f"  {column.heading}: ")


@dataclass(frozen=True, slots=True)
class Visible:
    """The last gate before a terminal: whatever a renderable holds, no control character passes.

    Renderables make their texts visible themselves, before widths are reckoned; this holds for
    those that forgot.
    """

    renderable: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the segments of the renderable with control characters written out."""
        for segment in console.render(self.renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text), segment.style)


def plain_text(renderable: RenderableType, width: int) -> str:
    """Return what a renderable shows, without colour and without blanks at the end of lines."""
    out = io.StringIO()
    console = Console(file=out, width=width, no_color=True, force_terminal=False, highlight=False)
    console.print(Visible(renderable), crop=False)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().split("\n")[:-1])


@dataclass(frozen=True, slots=True)
class _Unpadded:
    """A table whose lines end with their last word."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in console.render_lines(self.table, options, pad=False):
            while line and not line[-1].text.strip():
                line.pop()
            if line:
                last = line[-1]
                line[-1] = Segment(last.text.rstrip(), last.style, last.control)
            yield from line
            yield Segment.line()
