"""The command that explains the words of verdicts and reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from reprun.cli.completion import glossary_words
from reprun.cli.options import FormatOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.report.glossary import Word


def explain(
    word: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WORD]",
            help="A word of a verdict or report. Default: all.",
            autocompletion=glossary_words,
        ),
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Explain a word of a verdict or report, or all of them."""
    from reprun.cli.output import answer
    from reprun.report.glossary import GLOSSARY, explained

    words = [explained(" ".join(word))] if word else list(GLOSSARY)
    answer("glossary", output_format, {"words": [asdict(one) for one in words]}, _text(words))


def _text(words: Sequence[Word]) -> list[RenderableType]:
    from reprun.report.grid import indented, styled

    widest = max(len(word.word) for word in words)
    parts: list[RenderableType] = []
    before: str | None = None
    for word in words:
        if len(words) > 1 and word.group != before:
            parts += (
                ["", styled((word.group, "bold"))] if before else [styled((word.group, "bold"))]
            )
            before = word.group
        mark = {True: "✓ ", False: "✗ ", None: ""}[word.passes]
        parts.append(indented(word.meaning, (f"{mark}{word.word:<{widest}}  ", "bold")))
    return parts


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(explain)
