"""The command that looks at this host."""

from __future__ import annotations

from typing import Annotated

import typer

from reprun.cli.completion import image_names


def doctor(
    image: Annotated[
        str | None,
        typer.Option(
            help="Also check what this image needs of the host.", autocompletion=image_names
        ),
    ] = None,
) -> None:
    """Check what this host offers: engines, store, disk, and what an image needs."""
    from reprun.cli.output import print_doctor

    raise typer.Exit(print_doctor(image))


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(doctor)
