"""The catalogue: which images there are, what is wanted in each, what each is locked to.

`images/<name>/image.toml` says what is wanted, `debs.lock` and `wheels.lock` what that came to,
and `image.lock` which image a build of them gives. A locked image is returned only when the
four agree: its config and its last layer are recomputed here, without building anything, so a
lock or a definition that was edited afterwards is noticed at once.
"""

from __future__ import annotations

from pathlib import Path

from reprun.digests import PREFIX, short
from reprun.errors import IntegrityError, SpecificationError, did_you_mean
from reprun.images.catalogue.definition import Definition, read_definition
from reprun.images.catalogue.external import External, is_external, locked_external, read_external
from reprun.images.catalogue.lockfiles import ImageLock, read_image_lock
from reprun.images.model import Image
from reprun.images.oci import layout


class Catalogue:
    """The images of a project."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def names(self) -> list[str]:
        """Return the names of all images, sorted."""
        return sorted(path.parent.name for path in self.directory.glob("*/image.toml"))

    def definition(self, name: str) -> Definition:
        """Return what is wanted in an image.

        Raises SpecificationError for an unknown name, with the nearest known one, and for an
        image.toml that is malformed.
        """
        place = self._place(name)
        if not name or "/" in name or not place.is_file():
            raise SpecificationError(
                f"there is no image '{name}'." + did_you_mean(name, self.names()),
                place=str(self.directory),
                hint="reprun images list",
            )
        if is_external(place):
            raise SpecificationError(
                f"image '{name}' is published elsewhere: it is pulled or imported, never built",
                place=str(place),
                hint=f"reprun images pull {name}",
            )
        return read_definition(place)

    def is_external(self, name: str) -> bool:
        """Tell whether an image is published elsewhere and cannot be rebuilt here."""
        return bool(name) and "/" not in name and is_external(self._place(name))

    def external(self, name: str) -> External:
        """Return what is known of an image that is published elsewhere."""
        if not self.is_external(name):
            self.definition(name)
            raise SpecificationError(
                f"image '{name}' is built here from its locks",
                place=str(self._place(name)),
                hint=f"reprun images build {name}",
            )
        return read_external(self._place(name))

    def _place(self, name: str) -> Path:
        return self.directory / name / "image.toml"

    def lock(self, name: str) -> ImageLock:
        """Return what a build of an image must give."""
        return read_image_lock(self.definition(name).image_lock)

    def locked(self, name: str) -> Image:
        """Return the image a name is locked to.

        Raises SpecificationError when it is not locked (an external image: not pinned, or never
        brought here), and IntegrityError when image.toml,
        debs.lock or wheels.lock changed after image.lock was written.
        """
        if self.is_external(name):
            return locked_external(self.external(name))
        definition = self.definition(name)
        lock = read_image_lock(definition.image_lock)
        documents = layout.documents_layer(definition.documents())
        config = layout.config_of(definition, lock.layers)
        manifest = layout.manifest_of(config, lock.layers)
        if (
            not lock.layers
            or lock.layers[-1].digest != layout.digest(documents)
            or lock.image_id != layout.digest(config)
            or lock.manifest != layout.digest(manifest)
        ):
            raise IntegrityError(
                f"image '{name}' is not what its image.lock says: image.toml, debs.lock or "
                "wheels.lock changed after it was locked",
                place=str(definition.image_lock),
                hint=f"git diff images/{name}   # or: reprun images lock {name} --image-only",
            )
        return Image(name, lock.image_id, lock.manifest, lock.layers, definition.environment)

    def by_reference(self, reference: str) -> Image:
        """Return the image of `name` or `name@sha256:…`.

        Raises SpecificationError for an unknown name or a tag, and IntegrityError when the
        digest is not the locked one.
        """
        name, at, digest = reference.partition("@")
        if ":" in name:
            raise SpecificationError(
                f"{reference} names an image by a tag, which may move: write its digest",
                hint=f"reprun images show {name.partition(':')[0]}",
            )
        image = self.locked(name)
        if not at:
            return image
        hexadecimal = digest.removeprefix(PREFIX)
        if not digest.startswith(PREFIX) or len(hexadecimal) != 64:
            raise SpecificationError(
                f"{reference} has no digest sha256:<64 hex digits>",
                hint=f"reprun images show {name}",
            )
        if digest not in (image.image_id, image.manifest):
            raise IntegrityError(
                f"image '{name}' is asked for as {short(digest)}…, "
                f"but it is locked to {short(image.image_id)}…",
                place=str(self.directory / name / "image.lock"),
                hint=f"reprun images show {name}   # the digest of this version of the project",
            )
        return image
