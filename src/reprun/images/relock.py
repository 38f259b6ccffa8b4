"""An image whose locked inputs are gone, made again from the same requirements, and said so.

The Debian mirror serves only the newest point release, so one day a locked package can no
longer be had. A newcomer still gets a result then: what is gone is resolved again into locks
outside the project, what is still there stays as locked, and the caller is told which packages
differ. The project's own locks are not touched.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from reprun.errors import InputsGoneError
from reprun.images.builder.build import build
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.builder.resolve import resolve_debs, resolve_wheels
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import image_lock_text, write_lock
from reprun.images.differ import Change, Contents, changes
from reprun.images.lock import write_inputs
from reprun.images.model import Image
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import listed


@dataclass(frozen=True, slots=True)
class Relocked:
    """An image that stands in for the locked one."""

    image: Image
    catalogue: Catalogue
    """The catalogue outside the project in which the image is locked."""
    changes: tuple[Change, ...]
    """Which packages and wheels differ from the project's locks; empty when none does."""

    def sentence(self) -> str:
        """Return what a verdict has to say about it."""
        names = listed(f"{change.name} {change.after or 'gone'}" for change in self.changes)
        return (
            f"image {self.image.name} is a re-lock ({self.image.reference}): locked inputs are "
            f"gone; {len(self.changes)} packages differ: {names or 'none'}"
        )


def relock(
    name: str,
    catalogue: Catalogue,
    store: Store,
    progress: Progress,
    sources: Sources | None = None,
) -> Relocked:
    """Build an image like the locked one from what can still be had.

    Raises what resolving raises: InputsGoneError when no archive answers, ToolError without
    apt or uv, SpecificationError when the requirements cannot be met any more.
    """
    sources = sources or Sources.from_environment()
    definition = catalogue.definition(name)
    with suppress(InputsGoneError):
        fetch(definition, store, progress, sources)
    debs, wheels = definition.debs, definition.wheels
    if not all(store.has(each.digest) for each in debs):
        progress.say(f"locked packages of {name} are gone: resolving {definition.suite} again")
        debs = resolve_debs(definition, sources, progress)
    if not all(store.has(each.digest) for each in wheels):
        progress.say(f"locked wheels of {name} are gone: resolving them again")
        wheels = resolve_wheels(definition, store, progress)
    home = store.directory("relocked")
    inputs = write_inputs(definition, home / name, debs, wheels, store, progress, sources)
    built = build(inputs, store, progress)
    write_lock(inputs.image_lock, image_lock_text(built.lock))
    found = changes(_packages(definition), _packages(inputs))
    return Relocked(built.image, Catalogue(home), tuple(found))


def _packages(definition: Definition) -> Contents:
    return Contents(
        {each.name: each.version for each in definition.debs},
        {each.name: each.version for each in definition.wheels},
    )
