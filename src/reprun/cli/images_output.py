"""What the `reprun images …` commands share: how they find, report and print."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import image_names

if TYPE_CHECKING:
    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.images.catalogue.parent import Parentage
    from reprun.images.model import Image


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


Name = Annotated[
    str, typer.Argument(help="Name of an image of the catalogue.", autocompletion=image_names)
]
Rendered = Annotated[Format, typer.Option("--format", help="How to write the result.")]


def render_image(
    image: Image, output: Format, what: str, parentage: Parentage | None = None
) -> None:
    """Print what was done to which image; of a derived one, whether its parent has changed."""
    size = sum(layer.size for layer in image.layers)
    if output is Format.JSON:
        print_json(
            {
                "schema_version": 1,
                "name": image.name,
                "image": image.image_id,
                "manifest": image.manifest,
                "reference": image.reference,
                "size": size,
                **parent_facts(parentage),
            }
        )
        return
    typer.echo(f"{what} {image.reference} ({size_text(size)})")
    if parentage is not None:
        print_parent_change(parentage)


def parent_facts(parentage: Parentage | None) -> dict[str, Any]:
    """Return what JSON says of an image's parent: nothing of an image that has none."""
    if parentage is None:
        return {}
    return {
        "parent": {
            "name": parentage.name,
            "image": parentage.locked_from,
            "image_now": parentage.now,
        }
    }


def print_parent_change(parentage: Parentage) -> None:
    """Print how an image's parent has changed since it was locked, if it has."""
    if parentage.changed:
        typer.echo(f"note       {parentage.changed}")
        typer.echo(f"try        {parentage.hint}")


def catalogue_here() -> Catalogue:
    """Return the images of the project we are in, and those that come with reprun."""
    from reprun.images.catalogue.catalogue import Catalogue as Images
    from reprun.project import Project

    return Images.of(Project.look_up())


def print_json(document: object) -> None:
    """Print a document on standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def size_text(count: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1_000_000:.1f} MB"
