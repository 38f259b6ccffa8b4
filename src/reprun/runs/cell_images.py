"""The images of a cell: brought here, or others like them where their inputs are gone."""

from __future__ import annotations

from dataclasses import replace

from reprun.errors import InputsGoneError
from reprun.images.ensure import ensure
from reprun.images.stored import is_stored
from reprun.progress import Progress
from reprun.runs.cell import Cell, plan_of
from reprun.runs.request import RunRequest
from reprun.store.store import Store


def with_images(cell: Cell, request: RunRequest, store: Store, progress: Progress) -> Cell:
    """Fetch and build the images; where inputs are gone and the user agrees, others like them."""
    if all(is_stored(image, store) for image in cell.images.values()):
        return cell
    try:
        for image in cell.images.values():
            ensure(image, cell.catalogue, store, progress)
    except InputsGoneError as error:
        if not request.relock_images:
            again = request.selection.command("run", "--relock-images")
            hint = f"{again}   # another image, and the verdict says so"
            raise InputsGoneError(error.message, place=error.place, hint=hint) from error
        progress.say(error.message)
    else:
        return cell
    from reprun.images.relock import relock  # noqa: PLC0415 - only when inputs are gone

    # All of them, so that one catalogue holds them; those that can be had come out the same.
    made = {
        entry: relock(image.name, cell.catalogue, store, progress)
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
        plan=plan_of(request, cell.lock, images, cell.snapshots),
        deviations=tuple(others),
    )
