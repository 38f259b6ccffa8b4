"""`blessed.json`: why numbers are the reference, and what they were made from."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from reprun.digests import digest_change, sha256_file
from reprun.documents.reading import Document, read_written
from reprun.documents.record import Inputs
from reprun.errors import SpecificationError
from reprun.images.packages import Packages, changed_packages
from reprun.runs.reference_sums import Elsewhere
from reprun.wording import listed

BLESSED = "blessed.json"


class Compared(Document):
    """The verdict on the blessed run against the reference before."""

    report: str
    """sha256 of its `report.json`, which stays in the directory of the run."""
    sentence: str
    counts: Mapping[str, int] = {}
    """Objects by verdict, best verdict first; older blessings do not say."""


class Origin(Document):
    """Who blessed objects and why, and what they were made from."""

    reason: str
    author: str
    date: dt.date
    variant: str
    dataset: str | None
    inputs: Inputs
    packages: Mapping[str, Packages] = {}
    """What was installed in the images, by their names; older blessings do not say."""
    run: str | None = None
    """sha256 of the record of the run; older blessings do not say."""
    number: int | None = None
    """Of its line in the log of the reference; null for a blessing before there was one."""
    objects: tuple[str, ...] | None = None
    """The objects it is about; null where all of a reference come from one blessing."""


class Blessing(Origin):
    """Why these numbers are the reference, and what they were made from."""

    schema_version: Literal[1] = 1
    files: Mapping[str, str]
    """sha256 of each reference file when it was blessed."""
    elsewhere: Mapping[str, Elsewhere] = {}
    """Those that are not in Git, by their names."""
    compared: Compared | None = None
    """The change that was accepted; null where there was no reference before."""
    only: tuple[str, ...] = ()
    """What was taken of the run, `FAILED` or globs; empty for all of it."""
    kept: tuple[Origin, ...] = ()
    """Where objects come from that were blessed earlier and stayed as they were."""

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where all objects come from, the last blessing first: none holds for all of several."""
        return tuple(origin for origin in (self, *self.kept) if origin.objects != ())

    def since(self, changed: Iterable[tuple[Origin, str]]) -> list[str]:
        """Return sentences on what changed since objects were blessed, given it by their origin.

        What is the same for objects of several blessings of one day is said once.
        """
        whose: dict[tuple[dt.date, str], list[Origin]] = {}
        for origin, what in changed:
            whose.setdefault((origin.date, what), []).append(origin)
        found = []
        for (date, what), origins in whose.items():
            names = [name for origin in origins for name in origin.objects or ()]
            subject = f"{listed(names)} {'was' if len(names) == 1 else 'were'}"
            if len(origins) == len(self.origins):
                subject = "the reference was"
            found.append(f"since {subject} blessed on {date}, {what}")
        return found

    def edited(self, directory: Path) -> list[str]:
        """Return a sentence for each reference file that is not as it was blessed."""
        found = []
        for name, digest in self.files.items():
            path = directory / name
            now = sha256_file(path) if path.is_file() else None
            if now != digest:
                how = "was edited" if now else "was removed"
                found.append(f"{name} {how} after it was blessed on {self.date}")
        return found

    def origin_of(self, names: Collection[str]) -> list[Origin]:
        """Return where some of the objects come from, each with those of them it is about.

        `names` are those of all objects where the blessing is about all.
        """
        found = []
        for origin in self.origins:
            known = names if origin.objects is None else origin.objects
            about = sorted(set(known).intersection(names))
            if about:
                fields = {name: getattr(origin, name) for name in Origin.model_fields}
                found.append(Origin(**{**fields, "objects": tuple(about)}))
        return found


def read_blessing(directory: Path, *, hint: str | None = None) -> Blessing | None:
    """Return who blessed the reference and from what; None if nobody did.

    Raises SpecificationError for what cannot be read; `hint` is the command that restores it.
    """
    return read_written(
        Blessing, directory / BLESSED, problem=f"{BLESSED} cannot be read", hint=hint
    )


def blessed_packages(directories: Iterable[Path], images: Mapping[str, str]) -> dict[str, Packages]:
    """Return the packages of images that references were blessed from; `images` maps names to IDs.

    References of parts of the events lie below the directories. One that cannot be read says
    nothing here.
    """
    found: dict[str, Packages] = {}
    for path in sorted(path for one in directories for path in one.rglob(BLESSED)):
        with suppress(SpecificationError):
            blessing = read_blessing(path.parent)
            found |= {
                name: packages
                for origin in (blessing.origins if blessing else ())
                for name, packages in origin.packages.items()
                if origin.inputs.images.get(name) == images.get(name)
            }
    return found


def causes(
    blessing: Blessing | None,
    variant: str,
    inputs: Inputs,
    directory: Path,
    packages: Mapping[str, Packages] | None = None,
) -> list[str]:
    """Return what differs between a run and the run that was blessed, one sentence each.

    These are candidates for the cause of a drift, not yet a proof. Another variant is meant to
    have another image: that is one sentence, unless the blessed image itself is another now. Of an
    image that changed, packages are named where those of both are known: `packages` has the run's.
    """
    if blessing is None:
        return ["this reference was never blessed: what it was made from is not known"]
    found: list[str] = []
    changed: list[tuple[Origin, str]] = []
    for origin in blessing.origins:
        then = origin.inputs
        if origin.variant != variant:
            whose = f": {listed(origin.objects)}" if origin.objects else ""
            found.append(f"the reference was blessed from the variant {origin.variant}{whose}")
            then = then.model_copy(update={"images": inputs.images})
        known = {name: (origin.packages.get(name), now) for name, now in (packages or {}).items()}
        changed += ((origin, what) for what in _differences(then, inputs, known))
    edited = (f"reference: {what}" for what in blessing.edited(directory))
    return [*found, *blessing.since(changed), *edited]


def _differences(
    then: Inputs, now: Inputs, packages: Mapping[str, tuple[Packages | None, Packages]]
) -> list[str]:
    found: list[str] = []
    pairs: list[tuple[str, Mapping[str, str], Mapping[str, str]]] = [
        ("image", then.images, now.images),
        ("code", then.code, now.code),
    ]
    if then.datasets.keys() == now.datasets.keys():
        pairs += [("data", files, now.datasets[name]) for name, files in then.datasets.items()]
    else:
        names = " and ".join(sorted(now.datasets)) or "none"
        found.append(
            f"data: the dataset is {names}, the blessed run's was "
            f"{' and '.join(sorted(then.datasets)) or 'none'}"
        )
    for part, before, after in pairs:
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            # Packages of both are known only of an image that both have.
            image = part == "image" and None not in (old, new)
            what = changed_packages(*packages.get(name, (None, None))) if image else ""
            found.append(f"{part}: {name} {digest_change(old, new)}{what}")
    found.extend(
        f"parameters: {name} is {now.parameters.get(name)!r}, was {then.parameters.get(name)!r}"
        for name in sorted(then.parameters.keys() | now.parameters.keys())
        if then.parameters.get(name) != now.parameters.get(name)
    )
    return found
