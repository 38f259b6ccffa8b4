"""The catalogue of images that comes with reprun: definitions and locks, never image contents.

The wheel carries the checkout's `images/` as data of the package; a checkout uses them in place.
"""

from __future__ import annotations

from pathlib import Path

from reprun.errors import SpecificationError
from reprun.wording import quoted

INSTALLED = Path(__file__).resolve().parents[2] / "packaged_images"
CHECKOUT = Path(__file__).resolve().parents[4] / "images"


def packaged_images() -> Path:
    """Return the directory of the images that come with reprun."""
    return INSTALLED if INSTALLED.is_dir() else CHECKOUT


def is_packaged(directory: Path) -> bool:
    """Tell whether an image's directory came with an installed reprun."""
    return directory.parent == INSTALLED


def refuse_packaged(directory: Path) -> None:
    """Raise SpecificationError if an image's directory came with an installed reprun.

    It is the same for everybody who has this version: a lock that one of them writes there would
    be gone with the next update, and nobody else would have it.
    """
    if not is_packaged(directory):
        return
    name = directory.name
    own = f"images/my-{name}"
    if (directory / "image.lock").is_file():
        hint = f'write extends = "{name}" in {own}/image.toml, then: reprun images lock my-{name}'
    else:
        hint = (
            f"mkdir -p images && cp -r {quoted(directory)} {own}   "
            f"# set its name in image.toml, then: reprun images pin my-{name}"
        )
    raise SpecificationError(
        f"image '{name}' comes with reprun and is read-only; make one of your own from it",
        place=str(directory),
        hint=hint,
    )
