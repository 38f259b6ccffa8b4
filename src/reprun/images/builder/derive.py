"""What a derived image adds to its parent, resolved so that nothing of the parent moves.

apt is given the parent's packages as installed, and uv the parent's wheels as constraints. What
they answer beyond those is what the image adds. Where something would have to move, the image
cannot be derived, and the error names both sides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from reprun.errors import SpecificationError
from reprun.files import scratch
from reprun.images.builder.debian import database
from reprun.images.builder.fetch import Sources, fetch
from reprun.images.builder.resolve import (
    archive,
    compile_pins,
    download,
    listed_pins,
    reason_of,
)
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.image_toml import fault_in
from reprun.images.catalogue.lockfiles import DebEntry, WheelEntry
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import count_of


def resolve_added(
    definition: Definition, parent: Definition, store: Store, progress: Progress, sources: Sources
) -> tuple[tuple[DebEntry, ...], tuple[WheelEntry, ...]]:
    """Return the packages and wheels of a derived image: the parent's as locked, and its own.

    Raises SpecificationError when what is added does not go together with what the parent is
    locked to, and what fetching the parent's files and resolving raise.
    """
    fetch(parent, store, progress, sources)
    debs = _added_debs(definition, parent, store, progress, sources)
    wheels = _added_wheels(definition, parent, store, progress)
    return (*parent.debs, *debs), (*parent.wheels, *wheels)


def _added_debs(
    definition: Definition, parent: Definition, store: Store, progress: Progress, sources: Sources
) -> tuple[DebEntry, ...]:
    locked = {each.name: each for each in parent.debs}
    wanted = [each for each in definition.added_packages if each not in locked]
    if not wanted:
        return ()
    installed = database(parent.debs, store)
    with archive(definition, sources, progress, installed=installed) as apt:
        found = apt.resolve(wanted)
    moved = [each for each in found if each.name in locked]
    if moved:
        needs = ", ".join(f"{each.name} {each.version}" for each in moved)
        has = ", ".join(f"{each.name} {locked[each.name].version}" for each in moved)
        raise fault_in(
            definition.place,
            "packages",
            f"{', '.join(wanted)} from the archive of today needs {needs}, but {parent.name} "
            f"is locked to {has}",
            hint=f"reprun images lock {parent.name}   # to the archive of today; then lock "
            f"{definition.name} again",
        )
    return found


def _added_wheels(
    definition: Definition, parent: Definition, store: Store, progress: Progress
) -> tuple[WheelEntry, ...]:
    locked = {each.name: each.version for each in parent.wheels}
    added = definition.added_requirements
    for requirement in added:
        _check_pin(Requirement(requirement), locked, definition, parent)
    if not added:
        return ()
    count = count_of(len(added), "Python requirement")
    progress.say(f"resolving {count} beside the wheels of {parent.name}")
    if definition.python.is_legacy:
        pins = listed_pins(definition, added)
    else:
        pins = _pins_beside(definition, parent, store)
    new = [pin for pin in pins.splitlines() if _package_of(pin) not in locked]
    return download("\n".join(new) + "\n", definition, store, progress) if new else ()


def _package_of(pin: str) -> str:
    return str(canonicalize_name(Requirement(pin).name))


def _check_pin(
    requirement: Requirement, locked: Mapping[str, str], definition: Definition, parent: Definition
) -> None:
    """Raise SpecificationError for a requirement on another version than the parent's own.

    One with a marker may be meant for another Python: that is for the resolver to say.
    """
    version = locked.get(str(canonicalize_name(requirement.name)))
    if version is None or requirement.marker is not None:
        return
    if requirement.specifier.contains(version, prereleases=True):
        return
    said = f"'{requirement}' conflicts"
    raise _conflict(definition, said, f"{requirement.name} {version}", parent)


def _pins_beside(definition: Definition, parent: Definition, store: Store) -> str:
    with scratch() as home:
        constraints = home / "constraints.txt"
        constraints.write_text("".join(f"{each.name}=={each.version}\n" for each in parent.wheels))
        # The parent's own files: an index may have dropped them, or never had them.
        for wheel in parent.wheels:
            (home / wheel.filename).symlink_to(store.blob_path(wheel.digest))
        options = ("--constraint", str(constraints), "--find-links", str(home))
        done = compile_pins(definition, definition.added_requirements, *options)
        if done.returncode == 0:
            return done.stdout
        alone = (
            (each, compile_pins(definition, [each], *options))
            for each in definition.added_requirements
        )
        guilty = next(((each, tried) for each, tried in alone if tried.returncode != 0), None)
        if guilty is None:
            raise _unresolved(definition, parent, definition.added_requirements, done.stderr)
        raise _unresolved(definition, parent, guilty[:1], guilty[1].stderr)


def _unresolved(
    definition: Definition, parent: Definition, requirements: Sequence[str], stderr: str
) -> SpecificationError:
    """Return the error for requirements that the resolver refused, with its reason."""
    named = " and ".join(f"'{each}'" for each in requirements)
    reason = reason_of(stderr)
    pins = [
        f"{each.name} {each.version}"
        for each in parent.wheels
        if re.search(rf"(?<![\w.-]){re.escape(f'{each.name}=={each.version}')}(?![\w.])", reason)
    ]
    if pins:
        verb = "conflicts" if len(requirements) == 1 else "together conflict"
        return _conflict(definition, f"{named} {verb}", ", ".join(pins), parent, reason)
    return fault_in(definition.place, "requirements", f"{named} cannot be resolved: {reason}")


def _conflict(
    definition: Definition, said: str, pins: str, parent: Definition, reason: str = ""
) -> SpecificationError:
    error = fault_in(
        definition.place,
        "requirements",
        f"{said} with {parent.name}, which is locked to {pins}" + (f": {reason}" if reason else ""),
    )
    error.hint = f"{error.hint}   # ask for a version that goes together with {pins}"
    return error
