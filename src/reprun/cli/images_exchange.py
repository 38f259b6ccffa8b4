"""`reprun images …`, the commands that compare, describe, sign, move and remove images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reprun.cli.completion import image_names
from reprun.cli.console import print_note, progress_on_stderr
from reprun.cli.images_output import (
    Name,
    answer_image,
    catalogue_here,
    catalogue_using,
    image_facts,
)
from reprun.cli.options import DryRunOption, FormatOption
from reprun.wording import count_of, json_visible, quoted, size_of

if TYPE_CHECKING:
    from reprun.images.audit import Audited
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
def pin(name: Name, output_format: FormatOption = "text") -> None:
    """Write down the digest an external image's tag has now.

    Nothing else ever uses the tag.
    """
    from reprun.cli.output import answer
    from reprun.images.transfer import pin as pin_image

    lock = pin_image(name, catalogue_here())
    reference = f"{name}@{lock.image_id}"
    facts = {
        "action": "pinned",
        "name": name,
        "image": lock.image_id,
        "manifest": lock.manifest,
        "reference": reference,
        "size": None,  # known once it has been pulled or imported
        "place": lock.source,
        "parent": None,
    }
    answer("image-action", output_format, facts, [f"pinned {reference} ({lock.source})"])


@app.command()
def pull(name: Name, source: From = "", output_format: FormatOption = "text") -> None:
    """Bring an image from its registry, by digest."""
    from reprun.images.transfer import pull as pull_image
    from reprun.store.store import Store

    store = Store.default()
    image = pull_image(name, catalogue_using(store), store, progress_on_stderr(), source=source)
    answer_image(image, output_format, "pulled")


@app.command()
def push(
    name: Name,
    repository: Annotated[str, typer.Argument(help="HOST/REPOSITORY to upload to.")],
    record: Annotated[
        bool, typer.Option("--record", help="Write into image.lock that it is published there.")
    ] = False,
    output_format: FormatOption = "text",
) -> None:
    """Upload an image to a registry; its digests stay.

    It is built first if need be.
    """
    from reprun.images.transfer import push as push_image

    catalogue, store, image = _in_store(name)
    where = str(push_image(name, repository, catalogue, store, record=record))
    answer_image(image, output_format, "pushed", place=where, text=f"pushed {where}")


@app.command("import")
def import_image(
    name: Name,
    file: Annotated[Path, typer.Argument(help="A docker-archive or OCI layout.")],
    output_format: FormatOption = "text",
) -> None:
    """Take an image from a docker-archive or OCI layout.

    It must be the locked or pinned one; for an external image that nobody has pinned the digest
    is written down.
    """
    from reprun.images.transfer import import_file
    from reprun.store.store import Store

    store = Store.default()
    image = import_file(name, file, catalogue_using(store), store, progress_on_stderr())
    answer_image(image, output_format, "imported")


@app.command()
def export(
    name: Name,
    file: Annotated[Path, typer.Argument(help="New file; `docker load` takes it.")],
    output_format: FormatOption = "text",
) -> None:
    """Write an image as one file for docker, podman and skopeo.

    It is an OCI layout and a docker-archive in one; the image is built first if need be.
    """
    from reprun.images.transfer import export_file

    _, store, image = _in_store(name)
    export_file(image, store, file)
    text = f"exported {image.reference} to {file}"
    answer_image(image, output_format, "exported", place=str(file), text=text)


@app.command()
def load(name: Name, output_format: FormatOption = "text") -> None:
    """Load an image into the Docker daemon; build it if needed."""
    from reprun.engines.docker import DockerEngine
    from reprun.images.oci.layout import tag_of

    _, store, image = _in_store(name)
    engine = DockerEngine(store)
    try:
        engine.prepare(image)
    finally:
        engine.close()
    text = f"loaded {image.reference} as {tag_of(image)}"
    answer_image(image, output_format, "loaded", place=tag_of(image), text=text)


@app.command()
def diff(
    before: Name,
    after: Annotated[
        str, typer.Argument(help="The image to compare it with.", autocompletion=image_names)
    ],
    files: Annotated[
        bool, typer.Option("--files", help="Compare files too; both must be in the store.")
    ] = False,
    output_format: FormatOption = "text",
) -> None:
    """Show what differs: packages, wheels, variables, files."""
    from reprun.cli.output import answer
    from reprun.images.differ import changes, contents
    from reprun.store.store import Store

    catalogue = catalogue_here()
    store = Store.default() if files else None

    def of(name: str) -> Contents:
        return contents(name, catalogue, store)

    found = changes(of(before), of(after))
    listed = [{"kind": c.kind, "name": c.name, "before": c.before, "after": c.after} for c in found]
    facts = {"before": before, "after": after, "changes": listed}
    answer("image-differences", output_format, facts, map(str, found))
    print_note(f"{count_of(len(found), 'difference')} between {before} and {after}")


@app.command()
def sbom(name: Name, output_format: FormatOption = "text") -> None:
    """Print an image's bill of materials (CycloneDX 1.6 JSON).

    With --format json it stands in an envelope like that of every other command.
    """
    import json

    from reprun.cli.output import answer
    from reprun.errors import SpecificationError
    from reprun.images.builder.sbom import sbom as bill

    catalogue = catalogue_here()
    if catalogue.is_external(name):
        raise SpecificationError(
            f"image '{name}' is published elsewhere: no lock says what packages are in it",
            place=str(catalogue.external(name).place),
            hint=f"reprun images export {quoted(name)} FILE   # a scanner of files may tell",
        )
    definition = catalogue.definition(name)
    text = bill(definition, catalogue.locked(name)).decode()
    facts = {"name": name, "sbom": json.loads(text)}
    answer("sbom", output_format, facts, [json_visible(text).removesuffix("\n")])


@app.command()
def sign(
    name: Name,
    key: Key,
    signature: Annotated[Path, typer.Option(help="Where to write the signature.")],
    output_format: FormatOption = "text",
) -> None:
    """Sign an image with a private SSH key; build it if needed."""
    from reprun.images.sign import sign as sign_image

    _, store, image = _in_store(name)
    sign_image(image, store, key, signature)
    text = f"signed {image.reference}: {signature}"
    answer_image(image, output_format, "signed", place=str(signature), text=text)


@app.command()
def prune(
    dry_run: DryRunOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Remove from the store what no locked image needs."""
    from reprun.cli.output import answer
    from reprun.images.prune import prune as prune_store
    from reprun.store.store import Store

    pruned = prune_store(catalogue_here(), Store.default(), progress_on_stderr(), dry_run=dry_run)
    what = "would free" if dry_run else "freed"
    paths = [str(each.path) for each in pruned.removed]
    removed = [
        {"path": str(each.path), "kind": each.kind, "images": each.images, "size": each.size}
        for each in pruned.removed
    ]
    text = [
        *map(str, pruned.removed),
        f"{what} {size_of(pruned.bytes)} ({count_of(len(paths), 'path')})",
    ]
    facts = {"dry_run": dry_run, "paths": paths, "removed": removed, "size": pruned.bytes}
    answer("image-prune", output_format, facts, text)


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Images to check; all that are built here.", autocompletion=image_names
        ),
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Build images twice, compare them, run their checks.

    The exit code is 6 if bytes changed, 4 if a command of [check] failed, 3 if inputs are gone.
    """
    from reprun.cli.output import answer
    from reprun.images.audit import audit, exit_code, rebuildable
    from reprun.images.builder.fetch import Sources
    from reprun.store.store import Store

    catalogue, sources = catalogue_here(), Sources.from_environment()
    progress, found = progress_on_stderr(), []
    for name in names or rebuildable(catalogue):
        audited = audit(name, catalogue, Store.default(), progress, sources)
        found.append(_checked(audited, catalogue))
        progress.say(f"{name}: {found[-1].outcome}")
    listed = [{"name": a.name, "outcome": a.outcome, "detail": a.detail} for a in found]
    text = [f"{a.name}: {a.outcome} ({a.detail})" for a in found]
    answer("image-check", output_format, {"images": listed}, text)
    raise typer.Exit(exit_code(found))


def _checked(audited: Audited, catalogue: Catalogue) -> Audited:
    """Return what was found of an image, with what its `[check]` says where it is as it was."""
    from dataclasses import replace

    from reprun.engines.checks import first_failure
    from reprun.engines.choose import choose_engine
    from reprun.images.audit import Outcome
    from reprun.store.store import Store

    checks = catalogue.definition(audited.name).checks
    if not checks or audited.outcome is not Outcome.SAME:
        return audited
    store = Store.default()
    engine, _ = choose_engine("auto", store)
    image = catalogue.locked(audited.name)
    failure = first_failure(image, checks, engine, store, progress_on_stderr())
    if failure is not None:
        return replace(audited, outcome=Outcome.CHECK_FAILED, detail=failure)
    return replace(audited, detail=f"{audited.detail}; {count_of(len(checks), 'check')} passed")


@app.command()
def table(
    write: Annotated[
        Path | None, typer.Option(help="Document whose table to bring up to date.")
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Print the images as a Markdown table, or update a page."""
    from reprun.cli.output import answer
    from reprun.images import table as tables

    catalogue = catalogue_here()
    text = tables.table(catalogue)
    if write is not None:
        tables.write_table(catalogue, write)
    facts = {
        "images": [image_facts(catalogue, name) for name in catalogue.names()],
        "written": str(write) if write else None,
    }
    answer("image-table", output_format, facts, [] if write else text.splitlines())


def _in_store(name: str) -> tuple[Catalogue, Store, Image]:
    """Return an image with all it is made of in the store: pulled, or fetched and built."""
    from reprun.images.ensure import ensure
    from reprun.store.store import Store

    catalogue, store = catalogue_here(), Store.default()
    return catalogue, store, ensure(name, catalogue, store, progress_on_stderr())
