"""`reprun images …`: parse, one call, render."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reprun.images.build import Built
    from reprun.images.catalogue import Catalogue
    from reprun.images.model import Image

app = typer.Typer(
    help="Container images: what there is, and how to lock, fetch, build and verify it.",
    no_args_is_help=True,
)


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"


Name = Annotated[str, typer.Argument(help="Name of an image of the catalogue.")]
Rendered = Annotated[Format, typer.Option("--format", help="How to write the result.")]
Mirror = Annotated[
    str | None,
    typer.Option(help="Base URL of a Debian archive: what precedes pool/."),
]


class _Lines:
    """Progress as plain lines on stderr."""

    def say(self, message: str) -> None:
        typer.echo(message, err=True)

    def task(self, label: str, total: int | None, unit: str = "bytes") -> Any:
        from reprun.progress import Silent  # noqa: PLC0415

        amount = "" if total is None else f" ({_size(total) if unit == 'bytes' else total})"
        typer.echo(f"{label}{amount}", err=True)
        return Silent().task(label, total, unit)


@app.command("list")
def list_images(output: Rendered = Format.TEXT) -> None:
    """List the images of the catalogue."""
    catalogue = _catalogue()
    images = [_facts(catalogue, name) for name in catalogue.names()]
    if output is Format.JSON:
        _json({"schema_version": 1, "images": images})
        return
    for facts in images:
        typer.echo(
            f"{facts['name']:<14} {facts['image'][:19]}…  {_size(facts['size']):>9}  "
            f"{facts['title']}"
        )


@app.command()
def show(name: Name, output: Rendered = Format.TEXT) -> None:
    """Show an image's digests, layers, packages and wheels."""
    catalogue = _catalogue()
    definition = catalogue.definition(name)
    facts = _facts(catalogue, name)
    if output is Format.JSON:
        facts |= {
            "schema_version": 1,
            "debs": {each.name: each.version for each in definition.debs},
            "wheels": {each.name: each.version for each in definition.wheels},
            "environment": dict(definition.environment),
        }
        _json(facts)
        return
    typer.echo(f"{name}: {definition.title}")
    typer.echo(f"reference  {facts['reference']}")
    typer.echo(f"manifest   {facts['manifest']}")
    typer.echo(f"file tree  {facts['tree']}")
    for layer in facts["layers"]:
        typer.echo(f"layer      {layer['digest']}  {_size(layer['size']):>9}  {layer['comment']}")
    for title, entries in (
        (f"Debian {definition.suite}", definition.debs),
        (f"Python {definition.python.version}", definition.wheels),
    ):
        listed = ", ".join(f"{entry.name} {entry.version}" for entry in entries)
        typer.echo(f"{title} ({len(entries)}): {listed}")


@app.command()
def lock(
    name: Name,
    image_only: Annotated[
        bool, typer.Option("--image-only", help="Keep the locked packages and wheels.")
    ] = False,
    debian_mirror: Mirror = None,
    output: Rendered = Format.TEXT,
) -> None:
    """Resolve an image's packages and wheels anew, build it, and write its locks."""
    from reprun.images.fetch import Sources  # noqa: PLC0415
    from reprun.images.lock import lock as write_locks  # noqa: PLC0415
    from reprun.store import Store  # noqa: PLC0415

    sources = Sources.from_environment(debian_mirror=debian_mirror)
    built = write_locks(
        name, _catalogue(), Store.default(), _Lines(), sources, image_only=image_only
    )
    _render_built(built, output)


@app.command()
def fetch(name: Name, debian_mirror: Mirror = None) -> None:
    """Put an image's locked packages and wheels into the store."""
    from reprun.images.fetch import Sources  # noqa: PLC0415
    from reprun.images.fetch import fetch as fill  # noqa: PLC0415
    from reprun.store import Store  # noqa: PLC0415

    sources = Sources.from_environment(debian_mirror=debian_mirror)
    fill(_catalogue().definition(name), Store.default(), _Lines(), sources)


@app.command()
def build(
    name: Name,
    check_twice: Annotated[
        bool, typer.Option("--check-twice", help="Build into two stores and compare.")
    ] = False,
    docker_context: Annotated[
        Path | None, typer.Option(help="New directory for `docker build`.")
    ] = None,
    output: Rendered = Format.TEXT,
) -> None:
    """Build an image from files in the store and compare it with its lock."""
    from reprun.images.build import build as build_image  # noqa: PLC0415
    from reprun.images.dockerfile import write_context  # noqa: PLC0415
    from reprun.images.ensure import compare  # noqa: PLC0415
    from reprun.images.lock import check_twice as build_twice  # noqa: PLC0415
    from reprun.store import Store  # noqa: PLC0415

    catalogue, store, progress = _catalogue(), Store.default(), _Lines()
    definition = catalogue.definition(name)
    if check_twice:
        built = build_twice(name, catalogue, store, progress)
    else:
        built = build_image(definition, store, progress)
    compare(built, catalogue.lock(name))
    if docker_context is not None:
        write_context(definition, built.image, store, docker_context)
    _render_built(built, output)


@app.command()
def verify(name: Name, output: Rendered = Format.TEXT) -> None:
    """Hash every byte of a stored image and compare it with its lock."""
    from reprun.images.lock import verify as verify_image  # noqa: PLC0415
    from reprun.store import Store  # noqa: PLC0415

    image = verify_image(name, _catalogue(), Store.default())
    _render_image(image, output, "verified")


def _render_built(built: Built, output: Format) -> None:
    _render_image(built.image, output, "built")


def _render_image(image: Image, output: Format, what: str) -> None:
    size = sum(layer.size for layer in image.layers)
    if output is Format.JSON:
        _json(
            {
                "schema_version": 1,
                "name": image.name,
                "image": image.image_id,
                "manifest": image.manifest,
                "reference": image.reference,
                "size": size,
            }
        )
    else:
        typer.echo(f"{what} {image.reference} ({_size(size)})")


def _facts(catalogue: Catalogue, name: str) -> dict[str, Any]:
    image = catalogue.locked(name)
    return {
        "name": name,
        "title": catalogue.definition(name).title,
        "image": image.image_id,
        "manifest": image.manifest,
        "reference": image.reference,
        "tree": catalogue.lock(name).tree,
        "size": sum(layer.size for layer in image.layers),
        "layers": [
            {"digest": layer.digest, "size": layer.size, "comment": layer.comment}
            for layer in image.layers
        ],
    }


def _catalogue() -> Catalogue:
    from reprun.images.catalogue import Catalogue as Images  # noqa: PLC0415
    from reprun.project import Project  # noqa: PLC0415

    return Images(Project.find().images)


def _json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB"
