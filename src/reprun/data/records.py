"""Records of the CERN Open Data portal turned into dataset manifests.

A record is the portal's own JSON: a file of it, or what the portal answers for a number
(`portal`). The list of files is the one that cernopendata-client gives: `files`, then the files
of each file index, in the record's order. It is compared with the number of files and the size
that the record states of itself, so that a part of a record is never taken for all of it.
"""

from __future__ import annotations

import json
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.bounded.texts import read_text
from reprun.documents.manifest import Dataset
from reprun.documents.validation import faults_of
from reprun.errors import SpecificationError
from reprun.wording import count_of, listed, quoted, size_of

PUBLISHED = "https://opendata.cern.ch/eos/opendata/"
"""Where the portal serves its files over https."""
ROOT_SERVER = "root://eospublic.cern.ch//eos/opendata/"


def record_from_file(path: Path, number: int | None = None) -> dict[str, Any]:
    """Read a record from a file of the portal's JSON: one record or a list of them."""
    try:
        document = parse_json(read_text(path, limits.JSON_BYTES))
    except json.JSONDecodeError as error:
        raise SpecificationError(
            f"not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (OSError, UnicodeDecodeError, LimitError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecificationError(
            f"cannot read the record in {path.name}: {reason}",
            place=str(path),
            hint="reprun data import-record RECORD   # its number on the portal, or a file",
        ) from error
    return choose_record(document, str(path), number)


def choose_record(document: Any, place: str, number: int | None = None) -> dict[str, Any]:
    """Return the record that is meant of a portal document."""
    found = document if isinstance(document, list) else [document]
    records = [each.get("metadata", each) for each in found if isinstance(each, dict)]
    numbers = [str(record.get("recid")) for record in records]
    chosen = [r for r, n in zip(records, numbers, strict=True) if number in (None, int_of(n))]
    if len(chosen) != 1:
        raise SpecificationError(
            f"the records here are {', '.join(numbers) or 'none'}"
            + ("" if number is None else f", there is no {number}"),
            place=place,
            hint=f"reprun data import-record {quoted(place)} --record {numbers[0]}"
            if numbers
            else None,
        )
    return dict(chosen[0])


def int_of(text: str) -> int | None:
    """Return a record number, None for what is none."""
    return int(text) if text.isascii() and text.isdigit() else None


INDEX = "index."
"""How the type of a file begins that lists others, and holds no data."""
TAPE = "on demand"
"""What the portal says of a file that is on tape, and has to be asked for."""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file as its record lists it."""

    uri: str
    size: int
    checksum: str
    on_demand: bool = False
    """Whether it is on tape: nobody can fetch it before the portal was asked for it."""
    key: str | None = None
    """What the portal calls it where it is asked for."""


def files_of(record: Mapping[str, Any]) -> list[RecordFile]:
    """Return the data files that a record lists, as `cernopendata-client` does, each once."""
    found = list(record.get("files") or [])
    for index in record.get("_file_indices") or []:
        found += index.get("files") or []
    files = [_file_of(file, record) for file in found if not _is_index(file)]
    return list({file.uri: file for file in files}.values())


def _file_of(file: Any, record: Mapping[str, Any]) -> RecordFile:
    try:
        uri, size, checksum = str(file["uri"]), int(file["size"]), str(file.get("checksum", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise SpecificationError(
            f"record {record.get('recid')} lists a file without URI or size"
        ) from error
    return RecordFile(uri, size, checksum, file.get("availability") == TAPE, file.get("key"))


def unfollowed(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the file indexes, in JSON, whose files a record does not list."""
    known = {index.get("key") for index in record.get("_file_indices") or []}
    return [
        file
        for file in record.get("files") or []
        if _is_index(file) and file["type"] == f"{INDEX}json" and index_name(file) not in known
    ]


def index_name(file: Mapping[str, Any]) -> str:
    """Return the name of a file index, by which a record knows it."""
    return posixpath.basename(str(file.get("uri")))


def _is_index(file: Any) -> bool:
    return isinstance(file, dict) and str(file.get("type", "")).startswith(INDEX)


@dataclass(frozen=True, slots=True)
class Extent:
    """How many files of how many bytes; None where a record does not say."""

    files: int | None
    size: int | None

    def __str__(self) -> str:
        parts = [] if self.files is None else [count_of(self.files, "file")]
        return ", ".join(parts + ([] if self.size is None else [size_of(self.size)]))

    def exceeds(self, other: Extent) -> bool:
        """Tell whether there are more files than in another one; of unknown ones, more bytes."""
        if self.files is not None and other.files is not None:
            return self.files > other.files
        return self.size is not None and other.size is not None and self.size > other.size


def extent_of(files: Sequence[RecordFile]) -> Extent:
    """Return the extent of a list of files."""
    return Extent(len(files), sum(file.size for file in files))


def stated_extent(record: Mapping[str, Any]) -> Extent:
    """Return what a record states of itself."""
    distribution = record.get("distribution") or {}
    files, size = distribution.get("number_files"), distribution.get("size")
    return Extent(
        files if isinstance(files, int) else None, size if isinstance(size, int) else None
    )


def availability_of(files: Sequence[RecordFile]) -> dict[str, int]:
    """Return how many files are online and how many on tape, in the portal's words."""
    found = Counter(TAPE if file.on_demand else "online" for file in files)
    return {"online": found["online"], TAPE: found[TAPE]}


def disagreement(record: Mapping[str, Any]) -> str | None:
    """Say how the files that a record lists differ from what it states; None where they do not."""
    stated, here = stated_extent(record), extent_of(files_of(record))
    if (stated.files or here.files, stated.size or here.size) == (here.files, here.size):
        return None
    return f"record {record.get('recid')} states {stated}, and lists {here}"


def incomplete(record: Mapping[str, Any]) -> SpecificationError | None:
    """Return the error for a record that lists less than it states, or no file; None for others."""
    number, files = record.get("recid"), files_of(record)
    stated, here = stated_extent(record), extent_of(files)
    if files and not stated.exceeds(here) and not (stated.files is None and unfollowed(record)):
        return None
    indexes = [file for file in record.get("files") or [] if _is_index(file)]
    if indexes and not record.get("_file_indices"):
        behind = f" ({stated})" if str(stated) else ""
        return SpecificationError(
            f"record {number} lists {count_of(len(indexes), 'file index', 'file indexes')} and "
            f"{'not' if files else 'none of'} the files behind "
            f"{'it' if len(indexes) == 1 else 'them'}{behind}",
            hint=f"reprun data import-record {number}   # from the portal, which lists them",
        )
    if files:
        return SpecificationError(
            f"record {number} states {stated}, and lists {here}",
            hint="the same command again with --partial   # the manifest says what it is a part of",
        )
    return _nothing_listed(record)


def _nothing_listed(record: Mapping[str, Any]) -> SpecificationError:
    """Return the error for a record without files; a summary of others names its members."""
    number = record.get("recid")
    used_with = record.get("use_with") or {}
    related = [*(record.get("relations") or []), *(used_with.get("links") or [])]
    members = [str(each["recid"]) for each in related if each.get("recid")]
    if not members:
        return SpecificationError(f"record {number} lists no files")
    return SpecificationError(
        f"record {number} lists no files; it refers to "
        f"{'record' if len(members) == 1 else 'records'} {listed(members, 10)}",
        hint=f"reprun data import-record {members[0]}",
    )


def dataset_of(
    record: Mapping[str, Any], place: str = "", files: Sequence[RecordFile] | None = None
) -> Dataset:
    """Return the manifest of a record, or of some of its files.

    They are pinned by adler32 and size for now. A manifest of a part says of how much.
    """
    number = str(record.get("recid"))
    whole = files_of(record)
    chosen = whole if files is None else files
    if not chosen:
        raise incomplete(record) or SpecificationError(f"no file of record {number} is chosen")
    stated, here = stated_extent(record), extent_of(chosen)
    whole_extent = stated if stated.exceeds(extent_of(whole)) else extent_of(whole)
    kind = record.get("type") or {}
    experiments = record.get("experiment") or []
    title = str(record.get("title") or f"Record {number}")
    distribution = record.get("distribution") or {}
    # The names are those in the whole record: a part of it is a part of the same manifest.
    names = dict(zip((f.uri for f in whole), _names([f.uri for f in whole]), strict=True))
    document = {
        "title": title,
        "experiment": ", ".join(experiments) or None,
        "dphep_level": "2" if "Derived" in (kind.get("secondary") or []) else None,
        "data_tier": title.rpartition("/")[2]
        if title.startswith("/")
        else ", ".join(distribution.get("formats") or []) or None,
        "record": number,
        "doi": record.get("doi"),
        "licence": (record.get("license") or {}).get("attribution"),
        "acknowledgement": _citation(record, title),
        "events": distribution.get("number_events") if not whole_extent.exceeds(here) else None,
        "part_of": {"files": whole_extent.files, "size": whole_extent.size}
        if whole_extent.exceeds(here)
        else None,
        "files": [
            {
                "path": f"data/{number}/{names[file.uri]}",
                "size": file.size,
                "adler32": _adler32(file.checksum, file.uri, place),
                "mirror_path": _on_eos(file.uri),
                "uris": [*_https(file.uri), file.uri],
            }
            for file in chosen
        ],
    }
    try:
        return Dataset.model_validate(document)
    except ValidationError as error:
        first = faults_of(error, Dataset)[0]
        raise SpecificationError(
            f"record {number} cannot be made into a manifest: {first}", place=place
        ) from error


def _adler32(checksum: str, uri: str, place: str) -> str:
    kind, _, value = checksum.partition(":")
    if kind != "adler32" or not value:
        raise SpecificationError(f"{uri} has no adler32: found '{checksum}'", place=place)
    return value.lower().zfill(8)


def _on_eos(uri: str) -> str | None:
    """Return a file's path below the portal's directory on CERN's EOS."""
    return uri.removeprefix(ROOT_SERVER) if uri.startswith(ROOT_SERVER) else None


def _https(uri: str) -> list[str]:
    """Return the portal's own https address of a file."""
    path = _on_eos(uri)
    return [] if path is None else [f"{PUBLISHED}{path}"]


def _names(uris: list[str]) -> list[str]:
    """Return a name for each file: its own, or with directories where two are called the same."""
    names = [posixpath.basename(uri) for uri in uris]
    if len(set(names)) == len(names):
        return names
    common = posixpath.commonpath([posixpath.dirname(uri) for uri in uris])
    return [posixpath.relpath(uri, common) for uri in uris]


def _citation(record: Mapping[str, Any], title: str) -> str:
    collaboration = (record.get("collaboration") or {}).get("name")
    authors = [author.get("name", "") for author in record.get("authors") or []]
    who = collaboration or "; ".join(authors) or ", ".join(record.get("experiment") or [])
    year = record.get("date_published", "n.d.")
    doi = f" DOI:{record['doi']}" if record.get("doi") else ""
    return f"{who} ({year}). {title}. CERN Open Data Portal.{doi}"
