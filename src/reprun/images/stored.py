"""Tells whether an image lies in the store, whole and right."""

from __future__ import annotations

from reprun.digests import short
from reprun.errors import IntegrityError, StorageError
from reprun.images.model import Image
from reprun.store.store import Store


def is_stored(image: Image, store: Store) -> bool:
    """Tell whether all parts of an image are in the store."""
    parts = (image.image_id, image.manifest, *(layer.digest for layer in image.layers))
    return all(store.has(part) for part in parts)


def verify_stored(image: Image, store: Store) -> None:
    """Raise IntegrityError, naming image and part, when a part in the store has changed."""
    named = [(image.image_id, "config"), (image.manifest, "manifest")]
    named += [(layer.digest, f"layer '{layer.comment}'") for layer in image.layers]
    for part, what in named:
        try:
            store.verified(part)
        except StorageError as error:
            raise StorageError(
                f"image '{image.name}' is not complete in the store: its {what} is missing",
                place=error.place,
                hint=f"reprun images build {image.name}   # an external one: reprun images pull",
            ) from error
        except IntegrityError as error:
            raise IntegrityError(
                f"image '{image.name}' is corrupt in the store: the sha256 of its {what} "
                f"({short(part)}…) differs",
                place=error.place,
                hint=error.hint,
            ) from error
