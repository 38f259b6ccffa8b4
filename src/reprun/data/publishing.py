"""Where a colleague gets a file: a shared directory that it is copied to, or a URL that has it."""

from __future__ import annotations

import shutil
import urllib.parse
from pathlib import Path

from reprun.data.sources import (
    SourceFailedError,
    SourceRefusedError,
    connections,
    opened,
    path_of,
    scheme_of,
)
from reprun.digests import sha256_file
from reprun.errors import InputsGoneError, SpecificationError
from reprun.files import make_directory, replacing, storage_errors
from reprun.wording import quoted


def published(path: Path, place: str) -> str:
    """Return the URI of a file in a directory, which gets a copy, or below a URL, which has it.

    Raises SpecificationError where the directory has another file of that name, and
    InputsGoneError where the URL does not have a file of that size.
    """
    if scheme_of(place) not in ("", "file"):
        return _found(path, f"{place.rstrip('/')}/{urllib.parse.quote(path.name)}")
    target = path_of(place).expanduser().resolve() / path.name
    if target.is_file() and sha256_file(target) != sha256_file(path):
        raise SpecificationError(
            f"{target} exists already, with other bytes",
            place=str(target),
            hint=f"ls -l {quoted(target)}   # or name another directory",
        )
    if not target.is_file():
        with storage_errors(target.parent):
            make_directory(target.parent)
            with path.open("rb") as source, replacing(target) as copy:
                shutil.copyfileobj(source, copy)
            target.chmod(0o444)
    return target.as_uri()


def _found(path: Path, uri: str) -> str:
    """Return a URI if it has a file of the size of one that is here."""
    try:
        with connections(1) as session, opened(uri, 0, path.stat().st_size, session):
            return uri
    except (SourceRefusedError, SourceFailedError) as error:
        raise InputsGoneError(
            f"{uri} does not have {path.name}: {error}",
            place=uri,
            hint=f"the same command again once {quoted(path)} is there",
        ) from error
