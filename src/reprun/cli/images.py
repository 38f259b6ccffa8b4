"""`reprun images …`: parse, one call, render."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from reprun.cli.console import progress_on_stderr
from reprun.cli.images_exchange import app as exchange
from reprun.cli.images_output import (
    Name,
    answer_image,
    catalogue_here,
    catalogue_using,
    external_text,
    image_facts,
    image_list_text,
    image_text,
)
from reprun.cli.options import FormatOption
from reprun.wording import size_of

if TYPE_CHECKING:
    from reprun.images.catalogue.catalogue import Catalogue

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
    help="Container images: list, fetch, build, verify and more.",
    no_args_is_help=True,
)


app.add_typer(exchange)

Mirror = Annotated[
    str | None,
    typer.Option(help="Base URL of a Debian archive: what precedes pool/."),
]


@app.command("list")
def list_images(output_format: FormatOption = "text") -> None:
    """List the images of the catalogue."""
    from reprun.cli.output import answer

    catalogue = catalogue_here()
    images = [image_facts(catalogue, name) for name in catalogue.names()]
    answer("image-list", output_format, {"images": images}, image_list_text(images))


@app.command()
def show(name: Name, output_format: FormatOption = "text") -> None:
    """Show an image's digests, layers, packages and wheels."""
    from reprun.cli.output import answer

    catalogue = catalogue_here()
    if catalogue.is_external(name):
        facts = _external_facts(catalogue, name)
        answer("image", output_format, facts, external_text(facts))
        return
    definition = catalogue.definition(name)
    catalogue.locked(name)  # one that is not locked has nothing to show, and says what to type
    facts = {
        **image_facts(catalogue, name),
        "debs": {each.name: each.version for each in definition.debs},
        "wheels": {each.name: each.version for each in definition.wheels},
        "environment": dict(definition.environment),
        **dict.fromkeys(("repository", "entry_point", "user", "conditions", "external_because")),
    }
    answer("image", output_format, facts, image_text(facts, definition, catalogue.parentage(name)))


def _external_facts(catalogue: Catalogue, name: str) -> dict[str, Any]:
    external = catalogue.external(name)
    return {
        **image_facts(catalogue, name),
        **dict.fromkeys(("debs", "wheels", "environment")),
        "repository": external.published.repository,
        "entry_point": external.published.entry_point,
        "user": external.published.user,
        "conditions": list(external.published.conditions),
        "external_because": external.published.reason,
    }


@app.command()
def lock(
    name: Name,
    image_only: Annotated[
        bool, typer.Option("--image-only", help="Keep the locked packages and wheels.")
    ] = False,
    debian_mirror: Mirror = None,
    output_format: FormatOption = "text",
) -> None:
    """Resolve packages and wheels again, build, write the locks."""
    from reprun.images.builder.fetch import Sources
    from reprun.images.lock import lock as write_locks
    from reprun.store.store import Store

    sources, store = Sources.from_environment(debian_mirror=debian_mirror), Store.default()
    catalogue = catalogue_using(store)
    built = write_locks(
        name,
        catalogue,
        store,
        progress_on_stderr(),
        sources,
        image_only=image_only,
    )
    parentage = catalogue.parentage(name)
    answer_image(built.image, output_format, "built", parentage=parentage)


@app.command()
def fetch(name: Name, debian_mirror: Mirror = None, output_format: FormatOption = "text") -> None:
    """Put an image's locked packages and wheels into the store."""
    from reprun.cli.output import answer
    from reprun.images.builder.fetch import Sources
    from reprun.images.builder.fetch import fetch as fill
    from reprun.store.store import Store

    sources = Sources.from_environment(debian_mirror=debian_mirror)
    definition = catalogue_here().definition(name)
    new = fill(definition, Store.default(), progress_on_stderr(), sources)
    count = len(definition.debs) + len(definition.wheels)
    size = sum(each.size for each in new)
    arrived = f"{len(new)} of them new ({size_of(size)})" if new else "none new"
    facts = {"name": name, "files": count, "new": len(new), "size": size}
    text = f"all {count} locked files of {name} are in the store, {arrived}"
    answer("image-fetch", output_format, facts, [text])


@app.command()
def build(
    name: Name,
    check_twice: Annotated[
        bool, typer.Option("--check-twice", help="Build into two stores and compare.")
    ] = False,
    docker_context: Annotated[
        Path | None, typer.Option(help="New directory for `docker build`.")
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Build an image from the store and compare it with its lock."""
    from reprun.images.builder.build import build as build_image
    from reprun.images.builder.dockerfile import check_context, write_context
    from reprun.images.ensure import compare
    from reprun.images.lock import check_twice as build_twice
    from reprun.store.store import Store

    store, progress = Store.default(), progress_on_stderr()
    catalogue = catalogue_using(store)
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
    parentage = catalogue.parentage(name)
    answer_image(built.image, output_format, "built", parentage=parentage)


@app.command()
def verify(
    name: Name,
    key: Annotated[
        Path | None, typer.Option(help="Public SSH key that must have signed the image.")
    ] = None,
    signature: Annotated[Path | None, typer.Option(help="The signature, with --key.")] = None,
    output_format: FormatOption = "text",
) -> None:
    """Hash every byte of a stored image; compare with its lock."""
    from reprun.images.lock import verify as verify_image
    from reprun.images.sign import verify_signature
    from reprun.store.store import Store

    if (key is None) != (signature is None):
        raise typer.BadParameter("--key and --signature go together")
    store, catalogue = Store.default(), catalogue_here()
    image = verify_image(name, catalogue, store)
    if key is not None and signature is not None:
        verify_signature(image, store, key, signature)
    answer_image(image, output_format, "verified", parentage=catalogue.parentage(name))
