"""References: the histograms and tables an analysis is compared with, who blessed them and why.

In the analysis's reference directory are `histograms.json` (UHI), one CSV file per table,
`documents.json` with the values of all documents by their paths,
`undecoded.json` with the digests of what no reader decodes and the values of small trees,
`blessed.json`: reason, author, date and the digests of everything the blessed run used, and
`log.jsonl` with every blessing so far.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from reprun.digests import digest_of_mapping, sha256_bytes, sha256_file
from reprun.documents.reading import Document, read_written
from reprun.documents.record import RunRecord
from reprun.errors import (
    IntegrityError,
    NothingToCompareError,
    OutputMissingError,
    SpecificationError,
)
from reprun.files import (
    aside_of,
    exchange,
    make_directory,
    restoring,
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
from reprun.histograms.events import ENTRIES
from reprun.histograms.files import stem_of
from reprun.images.packages import Packages
from reprun.runs.blessed import BLESSED, Blessing, Compared, Origin, read_blessing
from reprun.runs.kept_events import KeptColumn, kept_columns, kept_events
from reprun.runs.reference_log import LOG, Log, errors_of, log_is_gone, read_log
from reprun.runs.reference_sums import SUMS, Elsewhere, absent, sums_text
from reprun.wording import listed, quoted

HISTOGRAMS = "histograms.json"
DOCUMENTS = "documents.json"
UNDECODED = "undecoded.json"
OURS = (BLESSED, LOG, SUMS)
"""What a blessing writes beside the reference files."""
PLAIN = "table"
"""The class of a table that is a CSV file of its own."""
NOT_IN_FILE_NAMES = re.compile(r"[^A-Za-z0-9_-]+")
COUNTED = re.compile(r"_\d+$")
LONGEST_STEM = 100


class KnownByBytes(Document):
    """An object that no reader decodes, as `reprun.histograms.Unread`."""

    reason: str
    parts: Mapping[str, str] = {}
    fault: str = ""
    columns: Mapping[str, KeptColumn] = {}
    """Of a small tree; of all others there are the digests in `parts`."""

    @classmethod
    def of(cls, one: Unread) -> KnownByBytes:
        """Keep what is known of an object."""
        columns = kept_columns(one)
        return cls(reason=one.reason, parts=one.parts, fault=one.fault, columns=columns)

    @model_validator(mode="after")
    def _has_its_columns(self) -> Self:
        for name, column in self.columns.items():
            if name not in self.parts or str(column.entries) != self.parts.get(ENTRIES):
                raise ValueError(f"the column '{name}' is not one of the tree")
        return self

    def unread(self) -> Unread:
        """Return the object again."""
        events = kept_events(self.parts, self.columns)
        return Unread(self.reason, self.parts, self.fault, events)


class Undecoded(Document):
    """What a blessed run made that no reader decodes, by name."""

    schema_version: Literal[1] = 1
    objects: Mapping[str, KnownByBytes]


def reference_files(directory: Path) -> list[Path]:
    """Return every reference file of a directory, all of which must be there.

    Raises NothingToCompareError when there is none: a run without one is never a pass; and
    OutputMissingError for one that is elsewhere: see `elsewhere.whole_reference`.
    """
    files, others = _files(directory), absent(directory)
    if others:
        raise OutputMissingError(
            f"{listed(others)} of the reference {'is' if len(others) == 1 else 'are'} not here",
            place=str(directory),
            hint="reprun reference fetch ANALYSIS",
        )
    if not files:
        raise _no_reference(directory)
    return files


def _files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*") if path.name != BLESSED and readable(path))


def _no_reference(directory: Path) -> NothingToCompareError:
    aside = aside_of(directory)
    return NothingToCompareError(
        "there is no reference to compare with",
        place=str(directory),
        hint=f"mv {quoted(aside)} {quoted(directory)}   # left there by a bless that was killed"
        if aside.is_dir()
        else None,
    )


def load_reference(directory: Path) -> Objects:
    """Read every reference file of a directory. Raises as `reference_files` and the readers do."""
    every = reference_files(directory)
    files = [path for path in every if path.name not in (UNDECODED, DOCUMENTS)]
    known = read_written(Undecoded, directory / UNDECODED, problem=f"{UNDECODED} cannot be read")
    objects = known.objects if known else {}
    unread = {name: one.unread() for name, one in objects.items()}
    found = read_all(files, directory) if files else Objects()
    values = read_reference_values(directory / DOCUMENTS)
    return Objects({**found.by_name, **values}, {**found.unread, **unread})


Away = Callable[[Path, Mapping[str, str]], Mapping[str, Elsewhere]]
"""Takes large files out of a new reference, given the digests of all; returns what it took."""
Write = Callable[[Path], Sequence[str]]
"""Writes the files of a reference into an empty directory and returns their names."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a reference is changed, and where the rest of it comes from."""

    only: tuple[str, ...]
    """As it was asked for: `FAILED` or globs."""
    taken: tuple[str, ...]
    """The objects that come from the run."""
    kept: tuple[Origin, ...]
    """Where those come from that stay."""


def bless(
    directory: Path,
    write: Write,
    record: RunRecord,
    *,
    reason: str,
    author: str,
    packages: Mapping[str, Packages] | None = None,
    compared: Compared | None = None,
    run: str | None = None,
    part: Part | None = None,
    away: Away | None = None,
) -> list[str]:
    """Make what a finished run left the reference; return the file names written.

    The old reference stays until the new one is complete, and then they exchange names: a kill
    at any moment leaves one of them whole in its place, with the log that belongs to it. `run` is
    the digest of the record, `part` says what of the reference is not of that run, and `away` takes
    files out of it. Raises IntegrityError where the log of the old one does not hold.
    """
    log = _continued(directory)
    make_directory(directory.parent)
    with storage_errors(directory), scratch(directory.parent, ".reference-") as home:
        fresh = home / directory.name
        fresh.mkdir(mode=0o755)
        written = write(fresh)
        files = {name: sha256_file(fresh / name) for name in written}
        elsewhere = away(fresh, files) if away else {}
        if elsewhere:
            write_atomically(fresh / SUMS, sums_text(files).encode())
        blessing = Blessing(
            reason=reason,
            author=author,
            date=record.finished.date(),
            variant=record.variant,
            dataset=record.dataset,
            inputs=record.inputs,
            files=files,
            elsewhere=elsewhere,
            packages=packages or {},
            compared=compared,
            run=run,
            number=log.next_number,
            objects=part.taken if part else None,
            only=part.only if part else (),
            kept=part.kept if part else (),
        )
        # The version first, for people; it is a field of the last class of two.
        document = {"schema_version": 1, **blessing.model_dump(mode="json")}
        text = json.dumps(document, indent=1) + "\n"
        write_atomically(fresh / BLESSED, text.encode())
        entry = log.next(
            digest_of_mapping(blessing.files), about=blessing, blessing=sha256_bytes(text.encode())
        )
        write_atomically(fresh / LOG, log.with_entry(entry).text.encode())
        if directory.exists():
            _keep_what_is_no_reference(directory, fresh)
            exchange(fresh, directory)
        else:
            settle(fresh, directory)
    made = [name for name in written if name not in elsewhere]
    return [*made, *([SUMS] if elsewhere else []), BLESSED, LOG]


def reference_digests(directory: Path) -> dict[str, str]:
    """Return the sha256 of every reference file by its name, of those elsewhere too.

    Raises NothingToCompareError when there is none.
    """
    here = {path.name: sha256_file(path) for path in _files(directory)}
    if found := here | absent(directory):
        return found
    raise _no_reference(directory)


def _continued(directory: Path) -> Log:
    """Return the log that the next blessing goes on with; a new one begins with what is there.

    Raises IntegrityError for one with an error: a line after it would seem to vouch for it.
    """
    log = read_log(directory)
    about = None
    with suppress(SpecificationError):  # damaged: it is replaced, and its digest is kept
        about = read_blessing(directory)
    if log is None and about is not None and about.number is not None:
        raise log_is_gone(directory, about.number)
    if log is not None:
        for fault in errors_of(log):
            raise IntegrityError(
                f"the log of the reference does not hold: line {fault.line}: {fault.sentence}",
                place=f"{log.path}:{fault.line}",
                hint=restoring(log.path, otherwise=f"less {quoted(log.path)}"),
            )
        return log
    log = Log(directory / LOG, {})
    try:
        digests = reference_digests(directory)
    except NothingToCompareError:
        return log
    path = directory / BLESSED
    blessing = sha256_file(path) if path.is_file() else None
    entry = log.next(digest_of_mapping(digests), about=about, blessing=blessing, found=True)
    return log.with_entry(entry)


def _keep_what_is_no_reference(old: Path, fresh: Path) -> None:
    """Copy from the old reference what only people read (a README), and references below it."""
    for path in old.iterdir():
        if path.is_dir():
            shutil.copytree(path, fresh / path.name)
        elif path.is_file() and path.name not in OURS and not readable(path):
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
            objects={name: KnownByBytes.of(one) for name, one in objects.unread.items()}
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
