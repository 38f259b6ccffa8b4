"""`parent.lock`: what a derived image took over from its parent when it was locked.

With it the derived image needs its parent no more: it is built, verified and run from its own
directory, whatever becomes of the parent afterwards. What the parent was is in it, too, so
that a change is noticed: its image ID.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from reprun.digests import short
from reprun.documents.reading import Document, Name, read_toml, validated
from reprun.images.catalogue.definition import Definition, Parent
from reprun.images.catalogue.image_lock import Digest
from reprun.images.catalogue.image_toml import (
    MOST_LINKS,
    DebianTable,
    DerivedImage,
    InnerPath,
    PythonTable,
)
from reprun.images.catalogue.lockfiles import lock_command


class WheelLayer(Document):
    """The wheels that one image brought, the parent or one that it extends: a layer."""

    image: Name
    """The image that brought them."""
    names: tuple[str, ...]
    """Names of the wheels, which are in `wheels.lock`."""


class ParentLock(Document):
    """What a derived image took over: `parent.lock`, written by `reprun images lock`."""

    name: Name
    """The parent's name."""
    image: Digest
    """The parent's image ID when this image was locked from it."""
    debian: DebianTable
    """The parent's Debian packages as its image.toml asks for them."""
    python: PythonTable
    """The parent's Python, and its requirements."""
    environment: Mapping[str, str] = {}
    """The parent's environment."""
    links: Mapping[InnerPath, InnerPath] = Field({}, max_length=MOST_LINKS)
    """The symbolic links that the parent makes."""
    wheels: tuple[WheelLayer, ...] = ()
    """The parent's layers of wheels, the lowest first; other wheels are the image's own."""


@dataclass(frozen=True, slots=True)
class Parentage:
    """Which image a derived one was locked from, and what has become of that since."""

    child: str
    name: str
    """The parent's name."""
    locked_from: str
    """The parent's image ID when the child was locked from it."""
    now: str | None
    """Its image ID now; None when the catalogue has no locked image of that name any more."""

    @property
    def reference(self) -> str:
        """`name@sha256:…` of the parent as it was taken over."""
        return f"{self.name}@{self.locked_from}"

    @property
    def changed(self) -> str:
        """What has changed, as a sentence; empty when the parent is as it was."""
        if self.now == self.locked_from:
            return ""
        today = f"is {short(self.now)} now" if self.now else "is not a locked image any more"
        return (
            f"{self.child} was locked from another state of {self.name}: from "
            f"{short(self.locked_from)}, and {self.name} {today}"
        )

    @property
    def hint(self) -> str:
        """What to type so that the child takes over what its parent is now."""
        return f"reprun images lock {self.child}   # takes over {self.name} as it is now"


def read_parent_lock(path: Path) -> ParentLock:
    """Read a `parent.lock`; raise SpecificationError with the line of every fault."""
    hint = lock_command(path)
    document, lines = read_toml(path, hint=hint)
    return validated(ParentLock, document, path, lines, hint=hint)


def parent_lock_text(parent: ParentLock) -> str:
    """Return the text of a `parent.lock`: always the same for the same parent."""
    lines = [
        "# Written by `reprun images lock`: what this image took over from the one it extends.",
        f"name = {_string(parent.name)}",
        f"image = {_string(parent.image)}",
    ]
    for title, table in (("debian", parent.debian), ("python", parent.python)):
        lines += ["", f"[{title}]"]
        for key, value in table.model_dump().items():
            written = _string(value) if isinstance(value, str) else _list(value)
            lines.append(f"{key} = {written}")
    lines += ["", "[environment]"]
    lines += [f"{_string(k)} = {_string(v)}" for k, v in sorted(parent.environment.items())]
    if parent.links:
        lines += ["", "[links]"]
        lines += [f"{_string(k)} = {_string(v)}" for k, v in sorted(parent.links.items())]
    for layer in parent.wheels:
        lines += ["", "[[wheels]]", f"image = {_string(layer.image)}"]
        lines.append(f"names = {_list(layer.names)}")
    return "\n".join(lines) + "\n"


def derived_definition(
    document: DerivedImage, directory: Path, extended: ParentLock, text: str
) -> Definition:
    """Return the definition of an image that extends another; `text` is its `parent.lock`."""
    debian, python = extended.debian, extended.python
    little = "more links" if document.links else "another environment"
    added = ", ".join((*document.requirements, *document.packages)) or little
    return Definition(
        directory=directory,
        name=directory.name,
        title=document.title or f"{extended.name} with {added}",
        suite=debian.suite,
        architecture=debian.architecture,
        base=debian.base,
        packages=(*debian.packages, *document.packages),
        python=python.target(),
        platforms=python.platforms,
        requirements=(*python.requirements, *document.requirements),
        environment=dict(sorted({**extended.environment, **document.environment}.items())),
        links=dict(sorted({**extended.links, **document.links}.items())),
        checks=document.check.commands if document.check else (),
        parent=Parent(
            name=extended.name,
            image_id=extended.image,
            packages=debian.packages,
            requirements=python.requirements,
            wheel_layers=tuple((layer.image, layer.names) for layer in extended.wheels),
            document=text,
        ),
    )


def as_parent(definition: Definition, image_id: str) -> ParentLock:
    """Return what an image that extends this one takes over from it."""
    return ParentLock(
        name=definition.name,
        image=image_id,
        debian=DebianTable(
            suite=definition.suite,
            architecture=definition.architecture,
            base=definition.base,
            packages=definition.packages,
        ),
        python=PythonTable(
            version=definition.python.version,
            executable=definition.python.executable,
            site=definition.python.site,
            prefix=definition.python.prefix,
            platforms=definition.platforms,
            requirements=definition.requirements,
        ),
        environment=definition.environment,
        links=definition.links,
        wheels=tuple(
            WheelLayer(image=owner, names=tuple(each.name for each in wheels))
            for owner, wheels in definition.wheel_layers()
        ),
    )


def _string(text: str) -> str:
    """Return a TOML string; JSON writes the same escapes, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(texts: Iterable[str]) -> str:
    return "[" + "".join(f"\n  {_string(text)}," for text in texts) + "\n]"
