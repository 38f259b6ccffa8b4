"""The document `image.toml`, in its three kinds: built here, derived, published elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, Field, model_validator

from reprun.documents.reading import Document, Name, edit_command, read_toml, validated
from reprun.documents.validation import DEBIAN_NAME
from reprun.errors import SpecificationError
from reprun.images.catalogue.definition import Definition, PythonTarget


def _from_an_index(requirement: str) -> str:
    """Return a requirement; raise ValueError unless its wheel can be found again by its name."""
    try:
        parsed = Requirement(requirement)
    except InvalidRequirement as error:
        raise ValueError(
            f"'{requirement}' is not a requirement: {str(error).splitlines()[0]}"
        ) from error
    if parsed.url:
        raise ValueError(
            f"'{requirement}' names a URL: locked wheels come from a package index, by name"
        )
    return requirement


def _in_the_image(path: str) -> str:
    """Return a path of an image; raise ValueError unless it is absolute and written plainly."""
    parts = path.split("/")
    if parts[0] or not all(part not in ("", ".", "..") for part in parts[1:]):
        raise ValueError(
            f"'{path}' is not an absolute path in the image without '.', '..' and empty parts"
        )
    if not path.isprintable() or max(len(part.encode()) for part in parts) > NAME_BYTES:
        raise ValueError(
            f"{path!r} has a part that is longer than {NAME_BYTES} bytes or cannot be printed"
        )
    return path


NAME_BYTES = 255
"""Length of a file name, as file systems limit it."""
MOST_LINKS = 100

Text = Annotated[str, Field(min_length=1)]
Flag = Annotated[bool, Field(strict=True)]
Megabytes = Annotated[int, Field(strict=True, ge=0)]
DebianName = Annotated[str, Field(pattern=DEBIAN_NAME)]
PythonRequirement = Annotated[str, AfterValidator(_from_an_index)]
InnerPath = Annotated[str, Field(max_length=1024), AfterValidator(_in_the_image)]


class DebianTable(Document):
    """The table `[debian]`: which Debian, and which of its packages."""

    suite: Text
    """The release, e.g. `bookworm`."""
    architecture: Text
    """As Debian calls it, e.g. `amd64`."""
    base: tuple[DebianName, ...] = ()
    """Packages of the lowest layer; images with the same ones share it."""
    packages: tuple[DebianName, ...]
    """Further packages; the dependencies of all come with them."""


class PythonTable(Document):
    """The table `[python]`: the interpreter, and what is installed for it."""

    version: Text
    """The version of the interpreter, e.g. `3.11`."""
    executable: Text
    """Absolute path of the interpreter."""
    site: Text
    """The directory packages are installed in, relative to the root."""
    prefix: Text
    """The directory whose `bin` holds scripts, relative to the root."""
    platforms: tuple[Text, ...]
    """Platform tags of the wheels that run in the image, the best first."""
    requirements: tuple[PythonRequirement, ...]
    """Packages as pip writes them, e.g. `uproot` or `numpy>=2`."""

    def target(self) -> PythonTarget:
        """Return where wheels are installed."""
        return PythonTarget(self.version, self.executable, self.site, self.prefix)


class CheckTable(Document):
    """The table `[check]`: what has to work in the image."""

    commands: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Command lines that `reprun images check` runs in the image, each by `sh -c`, without network;
    one that does not end with 0 fails the check."""


class BuiltImage(Document):
    """An image that is built here, from Debian packages and Python wheels."""

    name: Name
    """The image's name, that of its directory."""
    title: Text
    """One line on what it is for."""
    debian: DebianTable
    """Debian packages."""
    python: PythonTable
    """Python packages."""
    environment: Mapping[str, str] = {}
    """Environment variables every job in the image starts with."""
    links: Mapping[InnerPath, InnerPath] = Field({}, max_length=MOST_LINKS)
    """Symbolic links to make in the image, each in a directory and to a path that its packages
    have."""
    check: CheckTable | None = None
    """What has to work in the image."""


class DerivedImage(Document):
    """An image that takes over all of another one, and adds to it."""

    name: Name | None = None
    """The image's name, that of its directory; it may be left out."""
    title: Text | None = None
    """One line on what it is for; without it the parent's name and what is added."""
    extends: Name
    """The image of the catalogue that it extends, its parent: one that is built from locks."""
    requirements: tuple[PythonRequirement, ...] = ()
    """Python packages to add, as pip writes them; the parent's keep the versions they have."""
    packages: tuple[DebianName, ...] = ()
    """Debian packages to add; the parent's keep the versions they have."""
    environment: Mapping[str, str] = {}
    """Environment variables to add, or to give another value than the parent does."""
    links: Mapping[InnerPath, InnerPath] = Field({}, max_length=MOST_LINKS)
    """Symbolic links to add, or to give another target than the parent does."""
    check: CheckTable | None = None
    """What has to work in the image."""

    @model_validator(mode="after")
    def _adds_something(self) -> DerivedImage:
        if not (self.requirements or self.packages or self.environment or self.links):
            raise ValueError(
                f"it extends {self.extends} and adds nothing: give it requirements, packages, "
                "links or an environment"
            )
        return self


class Published(Document):
    """The table `[external]`: where others publish an image."""

    repository: Text
    """`registry/repository`, without a tag."""
    tag: Text
    """Where `reprun images pin` looks for the digest; nothing else uses it."""
    reason: Text
    """Why it cannot be built here."""
    entry_point: str = ""
    """The script that sets up its environment, if it has one."""
    user: str = ""
    """The user its own config names."""
    conditions: tuple[str, ...] = ()
    """Where the image's configurations expect snapshots of calibrations."""


class Needs(Document):
    """The table `[needs]`: what an image needs of the host that runs it."""

    architecture: Text = "amd64"
    """Processor architecture."""
    vsyscall: Flag = False
    """Whether its C library is so old that it calls through the vsyscall page."""
    memory_mb: Megabytes = 0
    """Memory, in MB."""
    disk_mb: Megabytes = 0
    """Space in the store, in MB."""
    old_manifest: Flag = False
    """Whether its registry may still have it as manifest schema 1, which tools refuse."""


class ExternalImage(Document):
    """An image that is published elsewhere: it is pulled or imported, never built."""

    name: Name
    """The image's name, that of its directory."""
    title: Text
    """One line on what it is for."""
    external: Published
    """Where it is published."""
    needs: Needs = Needs()
    """What it needs of the host."""


ImageDocument = BuiltImage | DerivedImage | ExternalImage
KINDS: Mapping[str, type[DerivedImage | ExternalImage]] = {
    "extends": DerivedImage,
    "external": ExternalImage,
}
"""The field that tells a kind of image.toml from one that is built here."""


def read_image_toml(place: Path) -> ImageDocument:
    """Read an image.toml; raise SpecificationError with line and field of every fault."""
    document, lines = read_toml(place)
    image = validated(_kind_of(document), document, place, lines)
    if image.name not in (None, place.parent.name):
        said = f"this is '{image.name}', but the directory is called '{place.parent.name}'"
        raise fault_in(place, "name", said)
    return image


def fault_in(
    place: Path, field: str, sentence: str, *, hint: str | None = None
) -> SpecificationError:
    """Return the error about a field whose value does not fit, with its line.

    `hint` is what to type where that is not to edit the line.
    """
    _, lines = read_toml(place)
    line = lines.get((field,), 1)
    return SpecificationError(
        f"{field}: {sentence}",
        place=f"{place}:{line}",
        hint=hint or edit_command(place, line),
    )


def _kind_of(document: Mapping[str, Any]) -> type[ImageDocument]:
    """Return which kind of image.toml this is, or was meant to be where the field is misspelt."""
    for field, kind in KINDS.items():
        if field in document:
            return kind
    if "debian" not in document and "python" not in document:
        for field in document:
            if near := difflib.get_close_matches(field, KINDS, n=1, cutoff=0.75):
                return KINDS[near[0]]
    return BuiltImage


def built_definition(document: BuiltImage, directory: Path) -> Definition:
    """Return the definition of an image that stands alone."""
    return Definition(
        directory=directory,
        name=document.name,
        title=document.title,
        suite=document.debian.suite,
        architecture=document.debian.architecture,
        base=document.debian.base,
        packages=document.debian.packages,
        python=document.python.target(),
        platforms=document.python.platforms,
        requirements=document.python.requirements,
        environment=dict(sorted(document.environment.items())),
        links=dict(sorted(document.links.items())),
        checks=document.check.commands if document.check else (),
    )
