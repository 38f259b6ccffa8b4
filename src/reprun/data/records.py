"""Records of the CERN Open Data portal turned into dataset manifests.

A record is the portal's own JSON: a file of it, or what the portal answers for a number. The
list of files is the one that cernopendata-client gives: `files`, then the files of each file
index, in the record's order.
"""

from __future__ import annotations

import json
import os
import posixpath
from pathlib import Path
from typing import Any

import requests
from pydantic import ValidationError

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json, read_text
from reprun.data.sources import innermost_reason
from reprun.documents.manifest import Dataset
from reprun.documents.validation import faults_of
from reprun.errors import InputsGoneError, SpecificationError
from reprun.wording import count_of, quoted, size_of

PORTAL = "https://opendata.cern.ch"
ROOT_SERVER = "root://eospublic.cern.ch//eos/opendata/"
SECONDS = 30


def record_from_portal(number: int) -> dict[str, Any]:
    """Ask the portal (`REPRUN_PORTAL`, else CERN's) for a record."""
    portal = os.environ.get("REPRUN_PORTAL", PORTAL).rstrip("/")
    if not portal.startswith(("https://", "http://")):
        raise SpecificationError(
            f"REPRUN_PORTAL is not an http(s) URL: {portal!r}", hint="unset REPRUN_PORTAL"
        )
    url = f"{portal}/api/records/{number}"
    try:
        with requests.get(url, timeout=SECONDS) as answer:
            if answer.status_code == requests.codes.not_found:
                raise SpecificationError(
                    f"the portal has no record {number}", place=url, hint=f"{portal}/search"
                )
            answer.raise_for_status()
            document = answer.json()
    except requests.RequestException as error:
        raise InputsGoneError(
            f"the portal does not respond: {innermost_reason(error)}",
            place=url,
            hint=f"reprun data import-record FILE   # the JSON of {url}, saved elsewhere",
        ) from error
    return choose_record(document, url)


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


def files_of(record: dict[str, Any]) -> list[tuple[str, int, str]]:
    """Return (URI, size, checksum) of each file, as `cernopendata-client` lists them.

    Raises SpecificationError for a record that lists files of its files and not these.
    """
    listed = list(record.get("files") or [])
    for index in record.get("_file_indices") or []:
        listed += index.get("files") or []
    data = [file for file in listed if not str(file.get("type", "")).startswith(INDEX)]
    if listed and not data:
        number = record.get("recid")
        distribution = record.get("distribution") or {}
        files, size = distribution.get("number_files"), distribution.get("size")
        behind = [f"{files:,} files"] if isinstance(files, int) else []
        behind += [size_of(size)] if isinstance(size, int) else []
        raise SpecificationError(
            f"record {number} lists {count_of(len(listed), 'file index', 'file indexes')} and "
            f"none of the files behind {'it' if len(listed) == 1 else 'them'}"
            + (f" ({', '.join(behind)})" if behind else ""),
            hint=f"reprun data import-record {number}   # from the portal, which lists them",
        )
    return [(file["uri"], file["size"], file.get("checksum", "")) for file in data]


def dataset_of(record: dict[str, Any], place: str = "") -> Dataset:
    """Return the manifest of a record; its files are pinned by adler32 and size for now."""
    number = str(record.get("recid"))
    files = files_of(record)
    if not files:
        raise SpecificationError(f"record {number} lists no files", place=place)
    kind = record.get("type") or {}
    experiments = record.get("experiment") or []
    title = str(record.get("title") or f"Record {number}")
    distribution = record.get("distribution") or {}
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
        "events": distribution.get("number_events"),
        "files": [
            {
                "path": f"data/{number}/{name}",
                "size": size,
                "adler32": _adler32(checksum, uri, place),
                "mirror_path": uri.removeprefix(ROOT_SERVER)
                if uri.startswith(ROOT_SERVER)
                else None,
                "uris": [*_https(uri), uri],
            }
            for (uri, size, checksum), name in zip(
                files, _names([uri for uri, _, _ in files]), strict=True
            )
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
    return [] if path is None else [f"{PORTAL}/eos/opendata/{path}"]


def _names(uris: list[str]) -> list[str]:
    """Return a name for each file: its own, or with directories where two are called the same."""
    names = [posixpath.basename(uri) for uri in uris]
    if len(set(names)) == len(names):
        return names
    common = posixpath.commonpath([posixpath.dirname(uri) for uri in uris])
    return [posixpath.relpath(uri, common) for uri in uris]


def _citation(record: dict[str, Any], title: str) -> str:
    collaboration = (record.get("collaboration") or {}).get("name")
    authors = [author.get("name", "") for author in record.get("authors") or []]
    who = collaboration or "; ".join(authors) or ", ".join(record.get("experiment") or [])
    year = record.get("date_published", "n.d.")
    doi = f" DOI:{record['doi']}" if record.get("doi") else ""
    return f"{who} ({year}). {title}. CERN Open Data Portal.{doi}"
