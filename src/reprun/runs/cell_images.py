"""The images of a cell: brought here, or others like them where their inputs are gone."""

from __future__ import annotations

from dataclasses import replace

from reprun.errors import InputsGoneError
from reprun.images.ensure import ensure
from reprun.images.stored import is_stored
from reprun.progress import Progress
from reprun.runs.cell import Cell
from reprun.store.store import Store


def with_images(cell: Cell, *, relock: bool, store: Store, progress: Progress) -> Cell:
    """Fetch and build the images; where inputs are gone, with `relock`, build others like them.

    Raises InputsGoneError without it.
    """
    if all(is_stored(image, store) for image in cell.images.values()):
        return cell
    try:
        for image in cell.images.values():
            ensure(image, cell.catalogue, store, progress)
    except InputsGoneError as error:
        if not relock:
            again = cell.selection.command("run", "--relock-images")
            hint = f"{again}   # another image, and the verdict says so"
            raise InputsGoneError(error.message, place=error.place, hint=hint) from error
        progress.say(error.message)
    else:
        return cell
    from reprun.images.relock import relock as build_another  # noqa: PLC0415 - only when inputs are gone

    # All of them, so that one catalogue holds them; those that are available come out the same.
    made = {
        entry: build_another(image.name, cell.catalogue, store, progress)
        for entry, image in cell.images.items()
    }
    images = {entry: relocked.image for entry, relocked in made.items()}
    others = [
        relocked.sentence()
        for entry, relocked in made.items()
        if relocked.image.image_id != cell.images[entry].image_id
    ]
    return replace(
        cell,
        images=images,
        catalogue=made["image"].catalogue,
        plan=cell.plan.with_images(images),
        deviations=tuple(others),
    )
