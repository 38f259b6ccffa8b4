"""The command that makes a project."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprun.cli.options import FormatOption
from reprun.wording import quoted

if TYPE_CHECKING:
    from reprun.authoring.init import Initialised


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The project's directory: a new or empty one.")
    ],
    ci: Annotated[
        Literal["github", "gitlab", "none"],
        typer.Option(help="Whose CI runs the analyses, if any."),
    ] = "github",
    output_format: FormatOption = "text",
) -> None:
    """Make a project with an example that runs.

    It is a place for analyses, and for images besides those that come with reprun.
    """
    from reprun.authoring.init import init_project
    from reprun.cli.output import answer, shown_path

    made = init_project(directory, None if ci == "none" else ci)
    following = _next(made)
    facts = {
        "directory": str(made.directory),
        "files": list(made.files),
        "example": made.example,
        "next": following,
    }
    text = [f"{shown_path(made.directory)}: a project with the example {made.example}"]
    text += [f"   {name}" for name in made.files]
    text += [f"{'' if number else 'next:':6}{line}" for number, line in enumerate(following)]
    answer("project", output_format, facts, text)


def _next(made: Initialised) -> list[str]:
    here = made.directory == Path.cwd()
    enter = [] if here else [f"cd {quoted(os.path.relpath(made.directory))}"]
    return [*enter, f"reprun run {made.example}", "reprun new NAME --from FILE"]


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(init)
