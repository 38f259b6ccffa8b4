"""What the `reprun images …` commands share: how they find, report and print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import image_names
from reprun.wording import size_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.images.catalogue.definition import Definition
    from reprun.images.catalogue.parent import Parentage
    from reprun.images.model import Image
    from reprun.store.store import Store

Name = Annotated[
    str, typer.Argument(help="Name of an image of the catalogue.", autocompletion=image_names)
]


def answer_image(
    image: Image,
    output_format: str,
    action: str,
    *,
    place: str | None = None,
    text: str = "",
    parentage: Parentage | None = None,
) -> None:
    """Print what was done to which image; `place` is where it is now, if outside the store.

    `text` is the line to print, by default `built tiny@sha256:… (1.2 MB)`. Of a derived image it is
    also said whether its parent has changed.
    """
    from reprun.cli.output import answer

    size = sum(layer.size for layer in image.layers)
    facts = {
        "action": action,
        "name": image.name,
        "image": image.image_id,
        "manifest": image.manifest,
        "reference": image.reference,
        "size": size,
        "place": place,
        "parent": _parent_facts(parentage),
    }
    text = text or f"{action} {image.reference} ({size_of(size)})"
    answer("image-action", output_format, facts, [text, *_parent_change(parentage)])


def _parent_facts(parentage: Parentage | None) -> dict[str, str | None] | None:
    """Return what JSON says of an image's parent; None of an image that has none."""
    if parentage is None:
        return None
    return {
        "name": parentage.name,
        "image": parentage.locked_from,
        "image_now": parentage.now,
    }


def _parent_change(parentage: Parentage | None) -> Iterator[str]:
    """Yield how an image's parent has changed since it was locked, if it has."""
    if parentage is not None and parentage.changed:
        yield f"note       {parentage.changed}"
        yield f"try        {parentage.hint}"


def image_facts(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """Return what `list` and `show` know of an image; of one that is not pinned, why."""
    from reprun.errors import SpecificationError

    external = catalogue.is_external(name)
    facts: dict[str, Any] = {"name": name, "title": None, "rebuildable": not external}
    facts |= dict.fromkeys(("image", "manifest", "reference", "size", "layers", "tree", "reason"))
    facts["parent"] = None
    try:
        if external:
            facts["title"] = catalogue.external(name).title
            return facts | _digests(catalogue.locked(name))
        facts["title"] = catalogue.definition(name).title
        facts["parent"] = _parent_facts(catalogue.parentage(name))
        return facts | _digests(catalogue.locked(name)) | {"tree": catalogue.lock(name).tree}
    except SpecificationError as error:
        # One that is not pinned, not locked or not right hides no other.
        return facts | {"reason": error.message}


def _digests(image: Image) -> dict[str, Any]:
    return {
        "image": image.image_id,
        "manifest": image.manifest,
        "reference": image.reference,
        "size": sum(layer.size for layer in image.layers),
        "layers": [
            {"digest": layer.digest, "size": layer.size, "comment": layer.comment}
            for layer in image.layers
        ],
    }


def image_list_text(images: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Yield a line for each image."""
    from reprun.report.grid import Column, Grid

    rows = [
        (
            facts["name"],
            f"{facts['image'][:19]}…" if facts["image"] else "no digest yet",
            _size_text(facts),
            _title_text(facts),
        )
        for facts in images
    ]
    columns = (
        Column("name"),
        Column("image"),
        Column("size", right=True),
        Column("title", prose=True),
    )
    yield Grid(columns, rows, header=False)


def _size_text(facts: Mapping[str, Any]) -> str:
    if facts["image"]:
        return size_of(facts["size"])
    return "not built" if facts["rebuildable"] else "external"


def _title_text(facts: Mapping[str, Any]) -> str:
    if facts["reason"] and facts["rebuildable"]:
        # Not locked or not right: what to do about it is worth more than what it would be.
        return str(facts["reason"].splitlines()[0])
    extends = f" (extends {facts['parent']['name']})" if facts["parent"] else ""
    return f"{facts['title']}{extends}"


def image_text(
    facts: Mapping[str, Any], definition: Definition, parentage: Parentage | None
) -> Iterator[RenderableType]:
    """Yield an image's digests, layers, packages and wheels."""
    from reprun.report.grid import styled

    yield styled(f"{facts['name']}: {definition.title}")
    if parentage is not None:
        yield f"extends    {parentage.reference}"
        yield from _parent_change(parentage)
    yield f"reference  {facts['reference']}"
    yield f"manifest   {facts['manifest']}"
    yield f"file tree  {facts['tree']}"
    for layer in facts["layers"]:
        yield f"layer      {layer['digest']}  {size_of(layer['size']):>9}  {layer['comment']}"
    for title, entries in (
        (f"Debian {definition.suite}", definition.debs),
        (f"Python {definition.python.version}", definition.wheels),
    ):
        listed = ", ".join(f"{entry.name} {entry.version}" for entry in entries)
        yield styled(f"{title} ({len(entries)}): {listed}")


def external_text(facts: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what is known of an image that is published elsewhere."""
    from reprun.report.grid import indented

    yield f"{facts['name']}: {facts['title']}"
    for label, value in (
        ("external", facts["external_because"]),
        ("published", facts["repository"]),
        ("reference", facts["reference"] or facts["reason"]),
        ("entry point", facts["entry_point"]),
        ("user", facts["user"]),
        ("conditions", ", ".join(facts["conditions"])),
    ):
        if value:
            yield indented(value, f"{label:<12}")


def catalogue_using(store: Store) -> Catalogue:
    """Return the images as `catalogue_here` does, and note that the project uses the store."""
    from reprun.documents.project import Project
    from reprun.store.collection import register

    project = Project.look_up()
    if project is not None:
        register(store, project.root)
    return catalogue_here()


def catalogue_here() -> Catalogue:
    """Return the images of the project we are in, and those that come with reprun."""
    from reprun.documents.project import Project
    from reprun.images.catalogue.catalogue import Catalogue as Images

    return Images.of(Project.look_up())
