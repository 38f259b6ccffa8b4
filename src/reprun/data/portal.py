"""What the CERN Open Data portal is asked: records with their file indexes, and files on tape."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping
from typing import Any

import requests

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import parse_json
from reprun.data.records import (
    ROOT_SERVER,
    RecordFile,
    choose_record,
    files_of,
    index_name,
    unfollowed,
)
from reprun.data.sources import innermost_reason
from reprun.digests import CHUNK
from reprun.errors import InputsGoneError, SpecificationError
from reprun.progress import Progress
from reprun.wording import count_of, size_of

PORTAL = "https://opendata.cern.ch"
SECONDS = 30
AGAIN_SECONDS = 60.0
"""How long to wait before the portal is asked again whether files are online."""


def record_from_portal(number: int) -> dict[str, Any]:
    """Ask the portal (`REPRUN_PORTAL`, else CERN's) for a record, with the files of each index."""
    url = f"{_portal()}/api/records/{number}"
    hint = f"reprun data import-record FILE   # the JSON of {url}, saved elsewhere"
    document = _asked(url, hint, absent=f"the portal has no record {number}")
    return _with_indexes(choose_record(document, url), number, hint)


def _with_indexes(record: dict[str, Any], number: int, hint: str) -> dict[str, Any]:
    """Return a record with the files of the indexes that it names and does not unfold itself."""
    indexes = [
        index if index.get("files") else index | {"files": _listed(_asked(url, hint))}
        for index in record.get("_file_indices") or []
        for url in [f"{_portal()}/record/{number}/file_index/{index.get('key')}"]
    ]
    for file in unfollowed(record):
        url = file["uri"].replace(ROOT_SERVER, f"{_portal()}/eos/opendata/")
        indexes.append({"key": index_name(file), "files": _listed(_asked(url, hint))})
    return {**record, "_file_indices": indexes}


def _listed(document: Any) -> list[Any]:
    """Return the files of an index: a list, or what the portal makes of it."""
    found = document.get("files") if isinstance(document, dict) else document
    return list(found or [])


def staged(
    number: int,
    wanted: Collection[str],
    progress: Progress,
    *,
    request: bool,
    wait: bool,
    seconds: float = AGAIN_SECONDS,
) -> set[str]:
    """Return which of these URIs of a record are on tape, and not online.

    With `request` the portal is asked to bring them online, with `wait` it is asked again until
    they are. Raises InputsGoneError where the portal does not respond or refuses.
    """
    tape = _on_tape(record_from_portal(number), wanted)
    if request and tape:
        _request(number, tape.values(), wanted, progress)
    while wait and tape:
        size = size_of(sum(file.size for file in tape.values()))
        progress.say(f"waiting for {count_of(len(tape), 'file')} on tape ({size})")
        time.sleep(seconds)
        tape = _on_tape(record_from_portal(number), wanted)
    return set(tape)


def _on_tape(record: Mapping[str, Any], wanted: Collection[str]) -> dict[str, RecordFile]:
    known = set(wanted)
    return {file.uri: file for file in files_of(record) if file.on_demand and file.uri in known}


def _request(
    number: int, tape: Collection[RecordFile], wanted: Collection[str], progress: Progress
) -> None:
    """Ask for files on tape: each by its key, or with the whole record where one has none."""
    keys = [file.key for file in tape]
    url = f"{_portal()}/record/{number}/stage"
    for body in [{"file": key} for key in keys] if all(keys) else [{}]:
        try:
            with requests.post(url, json={"email": "", **body}, timeout=SECONDS) as answer:
                answer.raise_for_status()
        except requests.RequestException as error:
            raise InputsGoneError(
                f"the portal took no request for record {number}: {innermost_reason(error)}",
                place=url,
                hint=f"{_portal()}/record/{number}   # asks for files on tape in a browser",
            ) from error
    size = size_of(sum(file.size for file in tape))
    progress.say(
        f"asked the portal to bring {len(tape):,} of {count_of(len(wanted), 'file')} ({size}) "
        "online; this may take days"
    )


def _portal() -> str:
    """Return the base URL of the portal. Raises SpecificationError for what is not one."""
    portal = os.environ.get("REPRUN_PORTAL", PORTAL).rstrip("/")
    if not portal.startswith(("https://", "http://")):
        raise SpecificationError(
            f"REPRUN_PORTAL is not an http(s) URL: {portal!r}", hint="unset REPRUN_PORTAL"
        )
    return portal


def _body(answer: requests.Response) -> bytes:
    """Return what was answered, read no further than a document may be long."""
    most, found = limits.JSON_BYTES, bytearray()
    for part in answer.iter_content(CHUNK):
        found += part
        if len(found) > most.value:
            raise LimitError(f"it has more than {most.words}")
    return bytes(found)


def _asked(url: str, hint: str, *, absent: str | None = None) -> Any:
    """Return the JSON that the portal answers; `absent` is said of what it does not know."""
    try:
        with requests.get(url, timeout=SECONDS, stream=True) as answer:
            if absent is not None and answer.status_code == requests.codes.not_found:
                raise SpecificationError(absent, place=url, hint=f"{_portal()}/search")
            answer.raise_for_status()
            return parse_json(_body(answer).decode())
    except (json.JSONDecodeError, UnicodeDecodeError, LimitError) as error:
        raise InputsGoneError(
            f"the portal answers what is not read: {error}", place=url, hint=hint
        ) from error
    except requests.RequestException as error:
        raise InputsGoneError(
            f"the portal does not respond: {innermost_reason(error)}", place=url, hint=hint
        ) from error
