"""`reprun images …`, the commands that compare, describe, sign, move and remove images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprun.cli.completion import image_names
from reprun.cli.console import progress_on_stderr
from reprun.cli.images_output import (
    Format,
    Name,
    Rendered,
    catalogue_here,
    print_json,
    render_image,
)
from reprun.wording import count_of

if TYPE_CHECKING:
    from reprun.images.catalogue.catalogue import Catalogue
    from reprun.images.differ import Contents
    from reprun.images.model import Image
    from reprun.store.store import Store

app = typer.Typer()
From = Annotated[
    str, typer.Option("--from", help="HOST/REPOSITORY that has it, if not the recorded one.")
]
Key = Annotated[Path, typer.Option(help="An SSH key: the private one signs, the .pub verifies.")]


@app.command()
def pin(name: Name) -> None:
    """Write down the digest an external image's tag has now. Nothing else ever uses the tag."""
    from reprun.images.transfer import pin as pin_image

    lock = pin_image(name, catalogue_here())
    typer.echo(f"pinned {name}@{lock.image_id} ({lock.source})")


@app.command()
def pull(name: Name, source: From = "", output: Rendered = Format.TEXT) -> None:
    """Bring an image from its registry, by digest."""
    from reprun.images.transfer import pull as pull_image
    from reprun.store.store import Store

    image = pull_image(name, catalogue_here(), Store.default(), progress_on_stderr(), source=source)
    render_image(image, output, "pulled")


@app.command()
def push(
    name: Name,
    repository: Annotated[str, typer.Argument(help="HOST/REPOSITORY to upload to.")],
    record: Annotated[
        bool, typer.Option("--record", help="Write into image.lock that it is published there.")
    ] = False,
) -> None:
    """Upload an image to a registry; its digests stay what they are.

    It is built first if need be.
    """
    from reprun.images.transfer import push as push_image

    catalogue, store, _ = _in_store(name)
    where = push_image(name, repository, catalogue, store, record=record)
    typer.echo(f"pushed {where}")


@app.command("import")
def import_image(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A docker-archive or OCI layout.")],
    output: Rendered = Format.TEXT,
) -> None:
    """Take an image from a docker-archive or OCI layout.

    It must be the locked or pinned one; for an external image that nobody has pinned the digest
    is written down.
    """
    from reprun.images.transfer import import_file
    from reprun.store.store import Store

    image = import_file(name, file, catalogue_here(), Store.default(), progress_on_stderr())
    render_image(image, output, "imported")


@app.command()
def export(
    name: Name, file: Annotated[Path, typer.Argument(help="New file; `docker load` takes it.")]
) -> None:
    """Write an image as one file for docker load, podman and skopeo.

    It is an OCI layout and a docker-archive in one; the image is built first if need be.
    """
    from reprun.images.transfer import export_file

    _, store, image = _in_store(name)
    export_file(image, store, file)
    typer.echo(f"exported {image.reference} to {file}")


@app.command()
def load(name: Name) -> None:
    """Load an image into the Docker daemon, building it if need be."""
    from reprun.engines.docker import DockerEngine
    from reprun.images.oci.layout import tag_of

    _, store, image = _in_store(name)
    engine = DockerEngine(store)
    try:
        engine.prepare(image)
    finally:
        engine.close()
    typer.echo(f"loaded {image.reference} as {tag_of(image)}")


@app.command()
def diff(
    before: Name,
    after: Annotated[
        str, typer.Argument(help="The image to compare it with.", autocompletion=image_names)
    ],
    files: Annotated[
        bool, typer.Option("--files", help="Compare files too; both must be in the store.")
    ] = False,
    output: Rendered = Format.TEXT,
) -> None:
    """Show what differs: packages, wheels, variables, files."""
    from reprun.images.differ import changes, contents
    from reprun.store.store import Store

    catalogue = catalogue_here()
    store = Store.default() if files else None

    def of(name: str) -> Contents:
        return contents(name, catalogue, store)

    found = changes(of(before), of(after))
    if output is Format.JSON:
        listed = [
            {"kind": c.kind, "name": c.name, "before": c.before, "after": c.after} for c in found
        ]
        print_json({"schema_version": 1, "before": before, "after": after, "changes": listed})
        return
    for change in found:
        typer.echo(str(change))
    typer.echo(f"{count_of(len(found), 'difference')} between {before} and {after}", err=True)


@app.command()
def sbom(name: Name) -> None:
    """Print an image's bill of materials (CycloneDX 1.6 JSON)."""
    from reprun.errors import SpecificationError
    from reprun.images.builder.sbom import sbom as bill

    catalogue = catalogue_here()
    if catalogue.is_external(name):
        raise SpecificationError(
            f"image '{name}' is published elsewhere: no lock says what packages are in it",
            place=str(catalogue.external(name).place),
            hint=f"reprun images export {name} FILE   # a scanner of files may tell",
        )
    definition = catalogue.definition(name)
    typer.echo(bill(definition, catalogue.locked(name)).decode(), nl=False)


@app.command()
def sign(
    name: Name,
    key: Key,
    signature: Annotated[Path, typer.Option(help="Where to write the signature.")],
) -> None:
    """Sign an image with a private SSH key; it is built if need be."""
    from reprun.images.sign import sign as sign_image

    _, store, image = _in_store(name)
    sign_image(image, store, key, signature)
    typer.echo(f"signed {image.reference}: {signature}")


@app.command()
def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be removed.")
    ] = False,
) -> None:
    """Remove from the store what belongs to images that are not locked."""
    from reprun.images.prune import prune as prune_store
    from reprun.store.store import Store

    pruned = prune_store(catalogue_here(), Store.default(), dry_run=dry_run)
    for path in pruned.paths:
        typer.echo(str(path))
    what = "would free" if dry_run else "freed"
    typer.echo(f"{what} {pruned.bytes / 1e6:.1f} MB ({len(pruned.paths)} paths)")


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Images to check; all that are built here.")
    ] = None,
    output: Rendered = Format.TEXT,
) -> None:
    """Build images twice; 6 if bytes changed, 3 if inputs are gone."""
    from reprun.images.audit import audit, exit_code, rebuildable
    from reprun.images.builder.fetch import Sources
    from reprun.store.store import Store

    catalogue, sources = catalogue_here(), Sources.from_environment()
    found = []
    for name in names or rebuildable(catalogue):
        found.append(audit(name, catalogue, Store.default(), progress_on_stderr(), sources))
        if output is Format.TEXT:
            typer.echo(f"{name}: {found[-1].outcome} ({found[-1].detail})")
    if output is Format.JSON:
        listed = [{"name": a.name, "outcome": a.outcome, "detail": a.detail} for a in found]
        print_json({"schema_version": 1, "images": listed})
    raise typer.Exit(exit_code(found))


@app.command()
def table(
    write: Annotated[
        Path | None, typer.Option(help="Document whose table to bring up to date.")
    ] = None,
) -> None:
    """Print the images as a Markdown table, or write it into a page."""
    from reprun.images import table as tables

    if write is None:
        typer.echo(tables.table(catalogue_here()), nl=False)
    else:
        tables.write_table(catalogue_here(), write)


def _in_store(name: str) -> tuple[Catalogue, Store, Image]:
    """Return an image with all it is made of in the store: pulled, or fetched and built."""
    from reprun.images.ensure import ensure
    from reprun.store.store import Store

    catalogue, store = catalogue_here(), Store.default()
    return catalogue, store, ensure(name, catalogue, store, progress_on_stderr())
