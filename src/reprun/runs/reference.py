"""References: the histograms and tables an analysis is compared with, who blessed them and why.

In the analysis's reference directory are `histograms.json` (UHI), one CSV file per table,
`documents.json` with the values of all documents by their paths,
`undecoded.json` with the digests of what no reader decodes, and `blessed.json`: reason, author,
date and the digests of everything the blessed run used.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from reprun.digests import sha256_file, short
from reprun.documents.reading import Document, read_written
from reprun.documents.record import Inputs, RunRecord
from reprun.errors import NothingToCompareError, SpecificationError
from reprun.files import (
    aside_of,
    exchange,
    make_directory,
    scratch,
    settle,
    storage_errors,
    write_atomically,
)
from reprun.histograms import (
    Histogram,
    Objects,
    Table,
    Unread,
    is_value,
    read_all,
    read_reference_values,
    readable,
    write_histograms,
    write_table,
    write_values,
)
from reprun.histograms.files import stem_of
from reprun.images.packages import Packages, changed_packages
from reprun.wording import quoted

BLESSED = "blessed.json"
HISTOGRAMS = "histograms.json"
DOCUMENTS = "documents.json"
UNDECODED = "undecoded.json"
PLAIN = "table"
"""The class of a table that is a CSV file of its own."""
NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
COUNTED = re.compile(r"_\d+$")
LONGEST_STEM = 100


class Compared(Document):
    """The verdict on the blessed run against the reference before."""

    report: str
    """sha256 of its `report.json`, which stays in the directory of the run."""
    sentence: str


class Blessing(Document):
    """Why these numbers are the reference, and what they were made from."""

    schema_version: Literal[1] = 1
    reason: str
    author: str
    date: dt.date
    variant: str
    dataset: str | None
    inputs: Inputs
    files: Mapping[str, str]
    """sha256 of each reference file when it was blessed."""
    packages: Mapping[str, Packages] = {}
    """What was installed in the images, by their names; older blessings do not say."""
    compared: Compared | None = None
    """The change that was accepted; null where there was no reference before."""


class KnownByBytes(Document):
    """An object that no reader decodes, as `reprun.histograms.Unread`."""

    reason: str
    parts: Mapping[str, str] = {}
    fault: str = ""


class Undecoded(Document):
    """What a blessed run made that no reader decodes, by name."""

    schema_version: Literal[1] = 1
    objects: Mapping[str, KnownByBytes]


def reference_files(directory: Path) -> list[Path]:
    """Return every reference file of a directory.

    Raises NothingToCompareError when there is none: a run without one is never a pass.
    """
    files = sorted(path for path in directory.glob("*") if path.name != BLESSED and readable(path))
    if not files:
        aside = aside_of(directory)
        raise NothingToCompareError(
            "there is no reference to compare with",
            place=str(directory),
            hint=f"mv {quoted(aside)} {quoted(directory)}   # left there by a bless that was killed"
            if aside.is_dir()
            else None,
        )
    return files


def load_reference(directory: Path) -> Objects:
    """Read every reference file of a directory. Raises as `reference_files` and the readers do."""
    every = reference_files(directory)
    files = [path for path in every if path.name not in (UNDECODED, DOCUMENTS)]
    known = read_written(Undecoded, directory / UNDECODED, problem=f"{UNDECODED} cannot be read")
    objects = known.objects if known else {}
    unread = {name: Unread(one.reason, one.parts, one.fault) for name, one in objects.items()}
    found = read_all(files, directory) if files else Objects()
    values = read_reference_values(directory / DOCUMENTS)
    return Objects({**found.by_name, **values}, {**found.unread, **unread})


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
            then = blessing.inputs.images if blessing else {}
            found |= {
                name: packages
                for name, packages in (blessing.packages if blessing else {}).items()
                if then.get(name) == images.get(name)
            }
    return found


Write = Callable[[Path], Sequence[str]]
"""Writes the files of a reference into an empty directory and returns their names."""


def bless(
    directory: Path,
    write: Write,
    record: RunRecord,
    *,
    reason: str,
    author: str,
    packages: Mapping[str, Packages] | None = None,
    compared: Compared | None = None,
) -> list[str]:
    """Make what a finished run left the reference; return the file names written.

    The old reference stays until the new one is complete, and then they exchange names: a kill
    at any moment leaves one of them whole in its place.
    """
    make_directory(directory.parent)
    with storage_errors(directory), scratch(directory.parent, ".reference-") as home:
        fresh = home / directory.name
        fresh.mkdir(mode=0o755)
        written = write(fresh)
        blessing = Blessing(
            reason=reason,
            author=author,
            date=record.finished.date(),
            variant=record.variant,
            dataset=record.dataset,
            inputs=record.inputs,
            files={name: sha256_file(fresh / name) for name in written},
            packages=packages or {},
            compared=compared,
        )
        text = json.dumps(blessing.model_dump(mode="json"), indent=1) + "\n"
        write_atomically(fresh / BLESSED, text.encode())
        if directory.exists():
            _keep_what_is_no_reference(directory, fresh)
            exchange(fresh, directory)
        else:
            settle(fresh, directory)
    return [*written, BLESSED]


def _keep_what_is_no_reference(old: Path, fresh: Path) -> None:
    """Copy from the old reference what only people read (a README), and references below it."""
    for path in old.iterdir():
        if path.is_dir():
            shutil.copytree(path, fresh / path.name)
        elif path.is_file() and path.name != BLESSED and not readable(path):
            shutil.copy2(path, fresh / path.name)


def write_objects(objects: Objects, directory: Path) -> list[str]:
    """Write the objects of a run as files of a reference; return their names."""
    # By the names they go by among all files: in two files there may be one `m4l` each.
    histograms = [
        replace(found, name=name) for name, found in objects.items() if isinstance(found, Histogram)
    ]
    tables = {name: found for name, found in objects.items() if isinstance(found, Table)}
    values = {name: found for name, found in tables.items() if is_value(found)}
    written = []
    if histograms:
        write_histograms(directory / HISTOGRAMS, histograms)
        written.append(HISTOGRAMS)
    if values:
        write_values(directory / DOCUMENTS, values)
        written.append(DOCUMENTS)
    for name, table in tables.items():
        if name in values:
            continue
        file = _file_of(name, table, written)
        write_table(directory / file, replace(table, name=name))
        written.append(file)
    if objects.unread:
        document = Undecoded(
            objects={
                name: KnownByBytes(reason=one.reason, parts=one.parts, fault=one.fault)
                for name, one in objects.unread.items()
            }
        )
        write_atomically(
            directory / UNDECODED, (document.model_dump_json(indent=1) + "\n").encode()
        )
        written.append(UNDECODED)
    return written


def _file_of(name: str, table: Table, taken: Collection[str]) -> str:
    """Return a name for the file of a table, with no more of its own than is harmless there.

    A plain table is called by its file, which analysis.yaml declares. Any other comes out of a
    file of many, which a step wrote: the CSV itself says what it is called.
    """
    plain = table.class_name == PLAIN and "/" not in name
    stem = name if plain else NOT_IN_FILE_NAMES.sub("_", name)[:LONGEST_STEM]
    tries = (f"{stem}.csv" if n == 1 else f"{stem}_{n}.csv" for n in itertools.count(1))
    return next(file for file in tries if file not in taken)


def is_name_of_file(name: str, outputs: Collection[str]) -> bool:
    """Tell whether `write_objects` may call a file so, for outputs of these paths."""
    stem = name.removesuffix(".csv")
    if stem == name:
        return name in (HISTOGRAMS, DOCUMENTS, UNDECODED)
    declared = {stem_of(Path(path)) for path in outputs}
    return (
        stem in declared
        or COUNTED.sub("", stem) in declared
        or (stem != "" and NOT_IN_FILE_NAMES.search(stem) is None)
    )


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
    since = f"since the reference was blessed on {blessing.date}"
    then = blessing.inputs
    found = []
    if blessing.variant != variant:
        found.append(f"the reference was blessed from the variant {blessing.variant}")
        then = then.model_copy(update={"images": inputs.images})
    known = {name: (blessing.packages.get(name), now) for name, now in (packages or {}).items()}
    found += [f"{since}, {what}" for what in _differences(then, inputs, known)]
    for name, digest in blessing.files.items():
        path = directory / name
        now = sha256_file(path) if path.is_file() else None
        if now != digest:
            how = "was edited" if now else "was removed"
            found.append(f"reference: {name} {how} after it was blessed on {blessing.date}")
    return found


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
            if old is None and new is not None:
                found.append(f"{part}: {name} is new ({short(new)})")
            elif new is None and old is not None:
                found.append(f"{part}: {name} is gone (was {short(old)})")
            elif old is not None and new is not None and old != new:
                what = (
                    changed_packages(*packages.get(name, (None, None))) if part == "image" else ""
                )
                found.append(f"{part}: {name} changed ({short(old)} → {short(new)}){what}")
    found.extend(
        f"parameters: {name} is {now.parameters.get(name)!r}, was {then.parameters.get(name)!r}"
        for name in sorted(then.parameters.keys() | now.parameters.keys())
        if then.parameters.get(name) != now.parameters.get(name)
    )
    return found
