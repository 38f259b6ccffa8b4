"""`reprun images …`: parse, one call, render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from reprun.cli.console import progress_on_stderr
from reprun.cli.images_exchange import app as exchange
from reprun.cli.images_output import (
    Format,
    Name,
    Rendered,
    catalogue_here,
    parent_facts,
    print_json,
    print_parent_change,
    render_image,
    size_text,
)

if TYPE_CHECKING:
    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.images.model import Image

GROUPS = {
    "Look": ("list", "show", "diff", "sbom", "table"),
    "Make": ("lock", "fetch", "build", "verify", "check"),
    "Move": ("load", "export", "import", "push", "pull", "pin"),
    "Keep": ("sign", "prune"),
}


DIGESTS = ("image", "manifest", "reference", "size", "layers", "tree")
"""What is null in JSON of an image without a digest, which has a `reason` instead."""


class _Grouped(TyperGroup):
    """Commands in the help by what they are for, not in one long list."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = formatter.width - 6 - max(map(len, self.commands))
        for title, names in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(width)) for name in names]
                )


app = typer.Typer(
    cls=_Grouped,
    rich_markup_mode=None,
    help="Container images: what there is, and how to lock, fetch, build and verify it.",
    no_args_is_help=True,
)


app.add_typer(exchange)

Mirror = Annotated[
    str | None,
    typer.Option(help="Base URL of a Debian archive: what precedes pool/."),
]


@app.command("list")
def list_images(output: Rendered = Format.TEXT) -> None:
    """List the images of the catalogue."""
    catalogue = catalogue_here()
    images = [_listed(catalogue, name) for name in catalogue.names()]
    if output is Format.JSON:
        print_json({"schema_version": 1, "images": images})
        return
    for facts in images:
        typer.echo(_list_line(facts))


@app.command()
def show(name: Name, output: Rendered = Format.TEXT) -> None:
    """Show an image's digests, layers, packages and wheels."""
    catalogue = catalogue_here()
    if catalogue.is_external(name):
        _show_external(catalogue, name, output)
        return
    definition = catalogue.definition(name)
    facts = _facts(catalogue, name)
    if output is Format.JSON:
        facts |= {
            "schema_version": 1,
            "debs": {each.name: each.version for each in definition.debs},
            "wheels": {each.name: each.version for each in definition.wheels},
            "environment": dict(definition.environment),
        }
        print_json(facts)
        return
    typer.echo(f"{name}: {definition.title}")
    if (parentage := catalogue.parentage(name)) is not None:
        typer.echo(f"extends    {parentage.reference}")
        print_parent_change(parentage)
    typer.echo(f"reference  {facts['reference']}")
    typer.echo(f"manifest   {facts['manifest']}")
    typer.echo(f"file tree  {facts['tree']}")
    for layer in facts["layers"]:
        typer.echo(
            f"layer      {layer['digest']}  {size_text(layer['size']):>9}  {layer['comment']}"
        )
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
    """Resolve packages and wheels anew, build, and write the locks."""
    from reprun.images.builder.fetch import Sources
    from reprun.images.lock import lock as write_locks
    from reprun.store.store import Store

    sources, catalogue = Sources.from_environment(debian_mirror=debian_mirror), catalogue_here()
    built = write_locks(
        name,
        catalogue,
        Store.default(),
        progress_on_stderr(),
        sources,
        image_only=image_only,
    )
    render_image(built.image, output, "built", catalogue.parentage(name))


@app.command()
def fetch(name: Name, debian_mirror: Mirror = None) -> None:
    """Put an image's locked packages and wheels into the store."""
    from reprun.images.builder.fetch import Sources
    from reprun.images.builder.fetch import fetch as fill
    from reprun.store.store import Store

    sources = Sources.from_environment(debian_mirror=debian_mirror)
    definition = catalogue_here().definition(name)
    new = fill(definition, Store.default(), progress_on_stderr(), sources)
    count = len(definition.debs) + len(definition.wheels)
    arrived = f"{len(new)} of them new ({size_text(sum(each.size for each in new))})"
    typer.echo(
        f"all {count} locked files of {name} are in the store, {arrived if new else 'none new'}"
    )


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
    """Build an image from the store and compare it with its lock."""
    from reprun.images.builder.build import build as build_image
    from reprun.images.builder.dockerfile import check_context, write_context
    from reprun.images.ensure import compare
    from reprun.images.lock import check_twice as build_twice
    from reprun.store.store import Store

    catalogue, store, progress = catalogue_here(), Store.default(), progress_on_stderr()
    definition = catalogue.definition(name)
    if docker_context is not None:
        check_context(docker_context)
    if check_twice:
        built = build_twice(name, catalogue, store, progress)
    else:
        built = build_image(definition, store, progress)
    compare(built, catalogue.lock(name))
    if docker_context is not None:
        write_context(definition, built.image, store, docker_context)
    render_image(built.image, output, "built", catalogue.parentage(name))


@app.command()
def verify(
    name: Name,
    key: Annotated[
        Path | None, typer.Option(help="Public SSH key that must have signed the image.")
    ] = None,
    signature: Annotated[Path | None, typer.Option(help="The signature, with --key.")] = None,
    output: Rendered = Format.TEXT,
) -> None:
    """Hash every byte of a stored image; compare with lock, signature."""
    from reprun.images.lock import verify as verify_image
    from reprun.images.sign import verify_signature
    from reprun.store.store import Store

    if (key is None) != (signature is None):
        raise typer.BadParameter("--key and --signature go together")
    store, catalogue = Store.default(), catalogue_here()
    image = verify_image(name, catalogue, store)
    if key is not None and signature is not None:
        verify_signature(image, store, key, signature)
    render_image(image, output, "verified", catalogue.parentage(name))


def _listed(catalogue: Catalogue, name: str) -> dict[str, Any]:
    """Return an image's facts; of one without a digest the reason, so that others are listed."""
    from reprun.errors import SpecificationError

    try:
        return _facts(catalogue, name)
    except SpecificationError as error:
        facts = {"name": name, "title": None, "rebuildable": True}
        return facts | dict.fromkeys(DIGESTS) | {"reason": error.message}


def _facts(catalogue: Catalogue, name: str) -> dict[str, Any]:
    if catalogue.is_external(name):
        return _external_facts(catalogue, name)
    image = catalogue.locked(name)
    return {
        "name": name,
        "title": catalogue.definition(name).title,
        "rebuildable": True,
        **_digests(image),
        "tree": catalogue.lock(name).tree,
        **parent_facts(catalogue.parentage(name)),
    }


def _external_facts(catalogue: Catalogue, name: str) -> dict[str, Any]:
    from reprun.errors import SpecificationError

    external = catalogue.external(name)
    facts: dict[str, Any] = {"name": name, "title": external.title, "rebuildable": False}
    try:
        return facts | _digests(catalogue.locked(name)) | {"tree": None}
    except SpecificationError as error:
        return facts | dict.fromkeys(DIGESTS) | {"reason": error.message}


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


def _list_line(facts: dict[str, Any]) -> str:
    digest = f"{facts['image'][:19]}…" if facts["image"] else "no digest yet"
    if facts["image"]:
        size = size_text(facts["size"])
    else:
        size = "not built" if facts["rebuildable"] else "external"
    extends = f" (extends {facts['parent']['name']})" if "parent" in facts else ""
    title = facts["title"] or facts["reason"].splitlines()[0]
    return f"{facts['name']:<20} {digest:<20}  {size:>9}  {title}{extends}"


def _show_external(catalogue: Catalogue, name: str, output: Format) -> None:
    external = catalogue.external(name)
    published = external.published
    facts = _external_facts(catalogue, name) | {
        "repository": published.repository,
        "entry_point": published.entry_point,
        "user": published.user,
        "conditions": list(published.conditions),
        "external_because": published.reason,
    }
    if output is Format.JSON:
        print_json({"schema_version": 1, **facts})
        return
    typer.echo(f"{name}: {external.title}")
    for label, value in (
        ("external", published.reason),
        ("published", published.repository),
        ("reference", facts["reference"] or facts["reason"]),
        ("entry point", published.entry_point),
        ("user", published.user),
        ("conditions", ", ".join(published.conditions)),
    ):
        if value:
            typer.echo(f"{label:<12}{value}")
