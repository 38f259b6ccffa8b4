"""Snapshots of conditions: `conditions/<name>/snapshot.toml`, read, validated and digested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.manifest import DataFile, Dataset
from reprun.documents.reading import Document, Name, read_document, validated
from reprun.documents.validation import ROOT_HASH
from reprun.errors import SpecificationError, did_you_mean

DOCUMENT = "snapshot.toml"
DIRECTORY = "conditions"
Kind = Literal["sqlite-snapshot", "cvmfs", "frontier", "correctionlib", "lumi-json", "table"]
SYSTEM = ("/proc", "/sys", "/dev", "/work", "/tmp", "/usr", "/etc", "/bin", "/lib", "/lib64")
"""What a snapshot may not cover inside a container."""


def _mount_point(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or pure == PurePosixPath("/"):
        raise ValueError(f"'{path}' must be an absolute path, without '..'")
    if any(pure.is_relative_to(system) for system in SYSTEM):
        raise ValueError(f"'{path}' would cover a part of the container's own system")
    return pure.as_posix()


class Snapshot(Document):
    """The whole of `snapshot.toml`."""

    schema_version: Literal[1]
    """The version of this format."""
    name: Name
    """The snapshot's name, that of its directory."""
    kind: Kind
    """What it is: `sqlite-snapshot` (a CMS database), `cvmfs` (a mounted repository),
    `frontier` (a server), `correctionlib`, `lumi-json` (validated runs), `table` (numbers
    by row)."""
    title: str
    """One line on what it is."""
    experiment: str | None = None
    """CMS, ATLAS, LHCb …"""
    record: str | None = None
    """Number of the record on the CERN Open Data portal, in quotes."""
    doi: str | None = None
    """DOI."""
    licence: str | None = None
    """Licence, as SPDX writes it."""
    acknowledgement: str | None = None
    """The text of thanks its owners ask for."""
    global_tag: str | None = None
    """As CMSSW configurations write it, with or without `::All`."""
    mount: Annotated[str, AfterValidator(_mount_point)]
    """Where every job finds it, read-only: for CMS the path its configurations expect."""
    files: tuple[DataFile, ...] = ()
    """The files, each with its sha256. The first is the index, mask, table or document; of
    the old CMS schema those of the payloads follow."""
    key: str | None = None
    """Of a table: the column whose value names a row."""
    source: str | None = None
    """Of a CVMFS repository: where this machine has mounted it."""
    revision: Annotated[int, Field(ge=0)] | None = None
    """Of a CVMFS repository: the pinned revision (`attr -g revision`)."""
    root_hash: Annotated[str, Field(pattern=ROOT_HASH)] | None = None
    """Of a CVMFS repository: the hash of the pinned root catalogue (`attr -g root_hash`)."""
    servlet: str | None = None
    """Of Frontier: the address jobs ask; nothing there is locked."""

    @model_validator(mode="after")
    def _what_its_kind_needs(self) -> Snapshot:
        needed: tuple[str, ...] = ("files",)
        if self.kind == "cvmfs":
            needed = ("source", "revision", "root_hash")
        elif self.kind == "frontier":
            needed = ("servlet",)
        elif self.kind == "sqlite-snapshot":
            needed = ("files", "global_tag")
        elif self.kind == "table":
            needed = ("files", "key")
        for field in needed:
            if getattr(self, field) in (None, ()):
                raise ValueError(f"a snapshot of kind {self.kind} needs `{field}`")
        if self.files:
            self.dataset()  # its own rules: no path twice, none below a file
            for file in self.files:
                if not file.pinned:
                    raise ValueError(f"'{file.path}' needs its sha256: conditions are locked")
        return self

    def dataset(self) -> Dataset:
        """Return its files as a dataset: they are fetched and verified the same way."""
        return Dataset(title=self.title, licence=self.licence, files=self.files)

    @property
    def hermetic(self) -> bool:
        """Whether everything a job sees of it is locked."""
        return self.kind != "frontier"

    def digests(self) -> dict[str, str]:
        """Return what a lock holds: a digest for each file, and one for all that is not a file."""
        fields = ("kind", "global_tag", "mount", "revision", "root_hash", "servlet")
        facts = {field: getattr(self, field) for field in fields}
        digests = {DOCUMENT: sha256_bytes(canonical_json(facts))}
        return digests | {file.path: file.digest for file in self.files}

    @property
    def digest(self) -> str:
        """One digest over all of it."""
        return sha256_bytes(canonical_json(self.digests()))


def load_snapshot(directory: Path) -> Snapshot:
    """Read the snapshot of a directory; raises SpecificationError with file and field."""
    path = directory / DOCUMENT
    document, lines = read_document(path)
    snapshot = validated(Snapshot, document, path, lines)
    if snapshot.name != directory.name:
        raise SpecificationError(
            f"the snapshot in {directory.name}/ calls itself '{snapshot.name}'", place=str(path)
        )
    return snapshot


def snapshot_text(snapshot: Snapshot) -> str:
    """Return `snapshot.toml` as `load_snapshot` reads it."""
    document = snapshot.model_dump(mode="json", exclude_defaults=True)
    files = document.pop("files", [])
    lines = [f"{name} = {_toml(value)}" for name, value in document.items()]
    for file in files:
        lines += ["", "[[files]]", *(f"{name} = {_toml(value)}" for name, value in file.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Return a value as TOML has it: as JSON, but for tables and the escape of DEL."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_toml(each)}' for name, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def find_snapshots(*places: Path) -> dict[str, Path]:
    """Return the directory of every snapshot below `conditions/` of the places, the first wins."""
    found: dict[str, Path] = {}
    for place in places:
        for document in sorted((place / DIRECTORY).glob(f"*/{DOCUMENT}")):
            found.setdefault(document.parent.name, document.parent)
    return found


def snapshot_directory(name: str, known: Mapping[str, Path]) -> Path:
    """Return where a snapshot lies; raises SpecificationError naming the nearest."""
    if name not in known:
        raise SpecificationError(
            f"there is no conditions snapshot '{name}'{did_you_mean(name, known)}",
            hint="reprun conditions list",
        )
    return known[name]
