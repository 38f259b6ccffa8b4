"""The catalogue: which images there are, what is wanted in each, what each is locked to.

`<name>/image.toml` says what is wanted, `debs.lock` and `wheels.lock` what that came to, and
`image.lock` which image a build of them gives. A locked image is returned only when the four
agree: its config and its last layer are recomputed here, without building anything, so a lock or
a definition that was edited afterwards is noticed at once.
"""

from __future__ import annotations

from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.digests import PREFIX, short
from reprun.documents.project import Project
from reprun.errors import IntegrityError, ReprunError, SpecificationError, did_you_mean
from reprun.images.catalogue.definition import IMAGE_TOML, PARENT_LOCK, Definition
from reprun.images.catalogue.external import External, external_of, is_external, locked_external
from reprun.images.catalogue.image_lock import read_image_lock
from reprun.images.catalogue.image_toml import (
    BuiltImage,
    DerivedImage,
    ExternalImage,
    ImageDocument,
    built_definition,
    fault_in,
    read_image_toml,
)
from reprun.images.catalogue.lockfiles import ImageLock
from reprun.images.catalogue.packaged import is_packaged, packaged_images
from reprun.images.catalogue.parent import (
    Parentage,
    ParentLock,
    as_parent,
    derived_definition,
    parent_lock_text,
    read_parent_lock,
)
from reprun.images.model import Image
from reprun.images.oci import layout
from reprun.wording import quoted

SIF = ".sif"
"""The end of the name of an image file of Apptainer."""


def _is_elsewhere(name: str) -> bool:
    """Tell whether Apptainer would read a name as a path or as an address with a scheme."""
    return "://" in name or name.startswith(("/", ".")) or name.endswith(SIF)


class Catalogue:
    """The images in an ordered list of directories; each name is in one of them alone."""

    def __init__(self, *directories: Path) -> None:
        self.directories = directories

    @classmethod
    def of(cls, project: Project | None) -> Catalogue:
        """Return the images of a project and those that come with reprun; these alone for None."""
        directories = [] if project is None else [project.images]
        if project is None or project.packaged_images:
            directories.append(packaged_images())
        # In a checkout of reprun both are the same directory.
        return cls(*{directory.resolve(): None for directory in directories})

    def names(self) -> list[str]:
        """Return the names of all images, sorted."""
        return sorted(
            {path.parent.name for one in self.directories for path in one.glob(f"*/{IMAGE_TOML}")}
        )

    def definition(self, name: str) -> Definition:
        """Return what is wanted in an image; of a derived one, with what it took over.

        A derived image that is locked does not look at its parent any more: `parent.lock` says
        what the parent was. Raises SpecificationError for an unknown name, with the nearest
        known one, for a name that two directories have, for an image.toml that is malformed, and
        as `to_lock` for one that extends
        another and is not locked yet.
        """
        document, place = self._buildable(name)
        if not isinstance(document, DerivedImage):
            return built_definition(document, place.parent)
        lock = place.with_name(PARENT_LOCK)
        if lock.is_file():
            taken_over = read_parent_lock(lock)
            if taken_over.name == document.extends:
                text = text_of(lock, limits.JSON_BYTES)
                return derived_definition(document, place.parent, taken_over, text)
        return self.to_lock(name)

    def to_lock(self, name: str) -> Definition:
        """Return what is wanted in an image when it is locked again: its parent as it is now.

        Raises SpecificationError when an image it extends is unknown, published elsewhere, not
        locked, or extends it in turn, and IntegrityError when its parent's lock does not fit.
        """
        document, place = self._buildable(name)
        if not isinstance(document, DerivedImage):
            return built_definition(document, place.parent)
        self._check_lineage(name)
        extended = self._as_parent(document.extends, place)
        return derived_definition(document, place.parent, extended, parent_lock_text(extended))

    def parentage(self, name: str) -> Parentage | None:
        """Return which image a derived one was locked from, and what that is now.

        None for an image that extends none, or is not locked yet.
        """
        if self.is_external(name):
            return None
        definition = self.definition(name)
        if definition.parent is None or not definition.image_lock.is_file():
            return None
        parent = definition.parent
        try:
            now = self.locked(parent.name).image_id
        except ReprunError:
            now = None
        return Parentage(name, parent.name, parent.image_id, now)

    def _check_lineage(self, name: str) -> None:
        """Raise SpecificationError unless the images that one extends can be taken over from."""
        lineage = [name]
        while True:
            document, place = self._buildable(lineage[-1])
            if not isinstance(document, DerivedImage):
                return
            extended = document.extends
            if extended in lineage:
                circle = " -> ".join((*lineage[lineage.index(extended) :], extended))
                raise fault_in(place, "extends", f"the image extends itself: {circle}")
            if extended not in self.names():
                near = did_you_mean(extended, self._extensible(but=lineage))
                raise fault_in(place, "extends", f"there is no image '{extended}'{near}")
            if self.is_external(extended):
                raise fault_in(
                    place,
                    "extends",
                    f"image '{extended}' is published elsewhere; only an image that is built "
                    "from locks can be extended",
                )
            lineage.append(extended)

    def _extensible(self, but: list[str]) -> list[str]:
        return [each for each in self.names() if each not in but and not self.is_external(each)]

    def _as_parent(self, parent: str, child: Path) -> ParentLock:
        """Return what the image of an image.toml takes over from a parent as it is now."""
        definition = self.definition(parent)
        if not definition.image_lock.is_file():
            raise fault_in(
                child,
                "extends",
                f"image '{parent}' is not locked, so nothing can be taken over from it",
                hint=f"reprun images lock {parent}",
            )
        return as_parent(definition, self.locked(parent).image_id)

    def _buildable(self, name: str) -> tuple[BuiltImage | DerivedImage, Path]:
        document, place = self._document(name)
        if isinstance(document, ExternalImage):
            raise SpecificationError(
                f"image '{name}' is published elsewhere: it is pulled or imported, never built",
                place=str(place),
                hint=f"reprun images pull {name}",
            )
        return document, place

    def _document(self, name: str) -> tuple[ImageDocument, Path]:
        """Return what an image.toml says, and where it lies."""
        place = self._place(name)
        if place is None:
            raise SpecificationError(
                f"there is no image '{name}'" + did_you_mean(name, self.names()),
                place=", ".join(map(str, self.directories)),
                hint="reprun images list",
            )
        return read_image_toml(place), place

    def is_external(self, name: str) -> bool:
        """Tell whether an image is published elsewhere and cannot be rebuilt here."""
        place = self._place(name)
        return place is not None and is_external(place)

    def external(self, name: str) -> External:
        """Return what is known of an image that is published elsewhere."""
        document, place = self._document(name)
        if not isinstance(document, ExternalImage):
            raise SpecificationError(
                f"image '{name}' is built here from its locks",
                place=str(place),
                hint=f"reprun images build {name}",
            )
        return external_of(document, place.parent)

    def _place(self, name: str) -> Path | None:
        """Return the image.toml of a name, None if there is none.

        Raises SpecificationError if two directories have the name: nobody could tell which of
        the two an analysis was locked to.
        """
        if not name or "/" in name:
            return None
        places = [one / name / IMAGE_TOML for one in self.directories]
        found = [place for place in places if place.is_file()]
        if len(found) > 1:
            first = found[0].parent
            raise SpecificationError(
                f"there are two images '{name}': the second is {found[1].parent}",
                place=str(first),
                hint=f"mv {quoted(first)} {quoted(first.with_name(f'my-{name}'))}   "
                "# and write that name in its image.toml",
            )
        return found[0] if found else None

    def lock(self, name: str) -> ImageLock:
        """Return what a build of an image must give."""
        return read_image_lock(self.definition(name).image_lock)

    def locked(self, name: str) -> Image:
        """Return the image a name is locked to.

        Raises SpecificationError when it is not locked (an external image: not pinned, or never
        pulled), and IntegrityError when image.toml,
        debs.lock or wheels.lock changed after image.lock was written.
        """
        if self.is_external(name):
            return locked_external(self.external(name))
        definition = self.definition(name)
        lock = read_image_lock(definition.image_lock)
        files = definition.documents()
        documents = layout.documents_layer(files)
        config = layout.config_of(definition, lock.layers)
        manifest = layout.manifest_of(config, lock.layers)
        if (
            not lock.layers
            or lock.layers[-1].digest != layout.digest(documents)
            or lock.image_id != layout.digest(config)
            or lock.manifest != layout.digest(manifest)
        ):
            *names, last = files
            raise IntegrityError(
                f"image '{name}' is not what its image.lock says: {', '.join(names)} or {last} "
                "changed after it was locked",
                place=str(definition.image_lock),
                hint="pip install --force-reinstall reprun"
                if is_packaged(definition.directory)
                else f"reprun images lock {name} --image-only   # if the change is meant",
            )
        return Image(name, lock.image_id, lock.manifest, lock.layers, definition.environment)

    def by_reference(self, reference: str) -> Image:
        """Return the image of `name` or `name@sha256:…`.

        Raises SpecificationError for an unknown name or a tag, and IntegrityError when the
        digest is not the locked one.
        """
        name, at, digest = reference.partition("@")
        untagged = name.partition(":")[0]
        if "/" in name or name.endswith(SIF):
            what = "a file or an address" if _is_elsewhere(name) else "an image of a registry"
            raise SpecificationError(
                f"{reference} is {what}, not an image of the catalogue", hint="reprun images list"
            )
        if untagged != name and untagged in self.names():
            raise SpecificationError(
                f"{reference} names an image by a tag, which may move: write the name alone, or "
                "its digest",
                hint=f"reprun images show {untagged}",
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
                f"image '{name}' is requested as {short(digest)}…, "
                f"but it is locked to {short(image.image_id)}…",
                place=str(self._place(name)),
                hint=f"reprun images show {name}   # the digest of this version of the project",
            )
        return image
