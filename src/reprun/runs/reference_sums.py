"""`SHA256SUMS`: all files of a reference of which some are not in Git, as `sha256sum -c` reads it.

A line has 64 hexadecimal digits, two blanks and the name of a file (coreutils, sha256sum).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.digests import PREFIX
from reprun.documents.manifest import Uri
from reprun.documents.reading import Document
from reprun.errors import SpecificationError
from reprun.files import restoring
from reprun.wording import quoted

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([^/\n\\]+)")


class Elsewhere(Document):
    """A reference file that is not in Git."""

    size: Annotated[int, Field(ge=0)]
    """Bytes."""
    uris: tuple[Uri, ...] = ()
    """Where it was published."""
    registries: tuple[str, ...] = ()
    """Container registries that have it as a blob: `HOST/REPOSITORY`."""


def sums_text(digests: Mapping[str, str]) -> str:
    """Return the text of `SHA256SUMS` for files by their names."""
    return "".join(f"{digests[name].removeprefix(PREFIX)}  {name}\n" for name in sorted(digests))


def read_sums(directory: Path) -> dict[str, str]:
    """Return the digests of all files of a reference as `SHA256SUMS` has them.

    Empty where there is none: then all of them are in Git. Raises SpecificationError.
    """
    path = directory / SUMS
    try:
        text = read_text(path, limits.REFERENCE_SUMS_BYTES)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, LimitError) as error:
        raise SpecificationError(
            f"{SUMS} cannot be read: {error}", place=str(path), hint=restored(path)
        ) from error
    found: dict[str, str] = {}
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in {*found, ".", ".."} or not match[2].isprintable():
            raise SpecificationError(
                f"{SUMS} is not a list of files as sha256sum writes it",
                place=f"{path}:{number}",
                hint=restored(path),
            )
        found[match[2]] = f"{PREFIX}{match[1]}"
    return found


def restored(path: Path) -> str:
    """Return the command that restores the list, or shows it."""
    return restoring(path, otherwise=f"less {quoted(path)}")


def absent(directory: Path) -> dict[str, str]:
    """Return the digests of the files of a reference that are not beside its manifest."""
    sums = read_sums(directory)
    return {name: digest for name, digest in sums.items() if not (directory / name).is_file()}
