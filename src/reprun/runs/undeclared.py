"""Errors of a run that lacks a file of the analysis, as analysis.yaml does not name it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath

from reprun.documents.analysis import DOCUMENT
from reprun.documents.selection import Selection
from reprun.engines.base import WORKSPACE
from reprun.errors import MissingFilesError, ReprunError, SpecificationError, StepFailedError
from reprun.wording import listed, quoted
from reprun.workflow.complaint import undeclared

MOST_WORDS = 1000
"""Words of what a failed step printed that are looked up."""
MOST_NAMED = 3
"""Where more files are missing their directories are named."""
_MISSES = re.compile(r"no such file|not found|n[o']t open|does not exist|no module", re.IGNORECASE)
_WORD = re.compile(r"[\w.+/-]+")
_PLAIN = re.compile(r"[\w./+-]+")


def with_undeclared(
    error: ReprunError, selection: Selection, given: Collection[str]
) -> ReprunError:
    """Return an error as it is, or one that names the files that analysis.yaml should name.

    `given` are the files that the run has: its code and data.
    """
    if isinstance(error, MissingFilesError):
        found = list(undeclared(error.paths, selection.directory, given))
        said = f"{error.needed_by} needs {listed(found)}, which"
        kind: type[ReprunError] = SpecificationError
    elif isinstance(error, StepFailedError):
        found = [
            path
            for path in undeclared(_looked_for(error.message), selection.directory, given)
            if not (selection.directory / path).is_dir()
        ]
        said = f"{error.message}\n    {listed(found)}"
        kind = StepFailedError
    else:
        return error
    if not found:
        return error
    are, them = ("is", "it") if len(found) == 1 else ("are", "them")
    return kind(
        f"{said} {are} in the directory of the analysis, but {DOCUMENT} names {them} neither as "
        "code nor as data",
        place=error.place,
        hint=_line_to_write(found, selection),
    )


def _looked_for(message: str) -> Iterator[str]:
    """Yield the words of each line that says that something is missing."""
    lines = (line.replace(f"{WORKSPACE}/", " ") for line in message.splitlines())
    words = (word for line in lines if _MISSES.search(line) for word in _WORD.findall(line))
    yield from (word.removesuffix(":") for word in islice(words, MOST_WORDS))


def _line_to_write(found: Sequence[str], selection: Selection) -> str:
    names = list(found)
    if len(names) > MOST_NAMED:
        names = [str(PurePosixPath(name).parent) if "/" in name else name for name in names]
    names = [name for name in names if not {*map(str, PurePosixPath(name).parents)} & {*names}]
    all_code = dict.fromkeys((*selection.analysis.code, *names))
    shown = ", ".join(
        name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        for name in all_code
    )
    return f"code: [{shown}]   # in {quoted(selection.directory / DOCUMENT)}"
