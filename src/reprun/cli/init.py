"""The command that makes a project."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprun.cli.options import FormatOption

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
    """Make a project: a place for analyses and images, with an example that runs."""
    from reprun.authoring.init import init_project

    made = init_project(directory, ci)
    if output_format == "json":
        document = {
            "schema_version": 1,
            "directory": str(made.directory),
            "files": list(made.files),
            "example": made.example,
            "next": _next(made),
        }
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return
    print(f"{os.path.relpath(made.directory)}: a project with the example {made.example}")
    for name in made.files:
        print(f"   {name}")
    for number, command in enumerate(_next(made)):
        print(f"{'next:' if number == 0 else '':6}{command}")


def _next(made: Initialised) -> list[str]:
    here = made.directory == Path.cwd()
    enter = [] if here else [f"cd {shlex.quote(os.path.relpath(made.directory))}"]
    return [*enter, f"reprun run {made.example}", "reprun new NAME --from FILE"]


def add_commands(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(init)
