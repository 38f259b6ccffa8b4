"""`REPRUN_MIRRORS`: directories and URLs that are asked for a file before its own addresses.

Entries are separated by blanks or, as in PATH, by colons. A colon inside a URL separates only
before `/` or before another `scheme://`, so `http://host:8080/data:/disk` is two entries. A word
that names an existing directory is one entry whatever it holds, and a `file://` URL spells any
other directory whose name has a blank or a colon (`file:///disk/a%20b`).

Images and data use the same mirrors. A mirror may hold a file by its name or by its digest, as
another machine's store does.
"""

from __future__ import annotations

import os
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from reprun.data.sources import SCHEME, path_of, scheme_of
from reprun.digests import PREFIX
from reprun.documents.manifest import SCHEMES
from reprun.errors import SpecificationError

VARIABLE = "REPRUN_MIRRORS"

_ENTRY = re.compile(rf"{SCHEME}.+?(?=:/(?!/)|:{SCHEME}|:*$)|[^:]+")


def named_mirrors(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return the mirrors that the environment names, in the order to ask them.

    Raises SpecificationError for an entry that is neither an existing directory nor a URL.
    """
    mirrors = split_mirrors(environment.get(VARIABLE, ""))
    for mirror in mirrors:
        _check(mirror)
    return mirrors


def split_mirrors(text: str) -> tuple[str, ...]:
    """Split a list of mirrors at blanks and at the colons that belong to no URL."""
    mirrors: list[str] = []
    for word in text.split():
        mirrors += [word] if Path(word).is_dir() else _ENTRY.findall(word)
    return tuple(mirrors)


def locations(mirror: str, names: Sequence[str], digest: str) -> Iterator[str]:
    """Yield where a mirror may hold a file: under its names, then as a store by its sha256."""
    base = mirror.rstrip("/")
    quoted = urllib.parse.quote if scheme_of(mirror) else str
    for name in names:
        yield f"{base}/{quoted(name)}"
    if digest.startswith(PREFIX):
        hexadecimal = digest.removeprefix(PREFIX)
        yield f"{base}/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"


def _check(mirror: str) -> None:
    scheme = scheme_of(mirror) or "file"
    if scheme not in SCHEMES:
        fault = f"{scheme}:// is not supported, only {', '.join(SCHEMES)}"
    elif scheme != "file" and not _has_host(mirror):
        fault = "the URL names no valid host and port"
    elif scheme == "file" and not path_of(mirror).is_dir():
        fault = "it is neither an existing directory nor a URL"
    else:
        return
    raise SpecificationError(
        f"'{mirror}' cannot be used as a mirror: {fault}",
        place=VARIABLE,
        hint=f"export {VARIABLE}='DIRECTORY https://HOST/PATH'   # entries separated by blanks "
        "or colons; write a name that holds one as file:///a%20b%3Ac",
    )


def _has_host(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        return bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is not a number, a bracket that does not close
        return False
