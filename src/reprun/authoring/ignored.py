"""Files of an analysis that Git ignores: they are on this machine and in no clone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprun.data.local import LOCK
from reprun.documents.analysis import DOCUMENT, manifest_of
from reprun.documents.selection import Selection
from reprun.files import git_root
from reprun.progress import announced

FIELDS = 4
"""What `git check-ignore --verbose -z` prints of a file: source, line, pattern, path."""
QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""An analysis that came as an archive brings a configuration of Git: it may name programs to
start, here and for fetching what is missing."""
FETCH_AND_LOCK_NOTHING = {"GIT_ALLOW_PROTOCOL": "none", "GIT_OPTIONAL_LOCKS": "0"}


@dataclass(frozen=True, slots=True)
class Ignored:
    """A file that Git ignores and does not track."""

    path: Path
    pattern: str
    where: str
    """File and line of the pattern."""


def ignored_files(selection: Selection, code: Sequence[str]) -> list[Ignored]:
    """Return which files of an analysis Git ignores; none where there is no Git.

    They are the lock, the code, the reference, manifests and data that are in the analysis, and
    the locks of its own images.
    """
    home = selection.directory
    program = shutil.which("git")
    root = git_root(home)
    if program is None or root is None:
        return []
    paths = [
        path
        for path in _of_the_analysis(selection, code)
        if path.is_file() and path.resolve().is_relative_to(root)
    ]
    done = subprocess.run(
        announced([program, *QUIET, "-C", str(home), "check-ignore", "--verbose", "-z", "--stdin"]),
        env={**os.environ, **FETCH_AND_LOCK_NOTHING},
        input="".join(f"{path}\0" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    fields = done.stdout.split("\0")
    rows = zip(*(fields[start::FIELDS] for start in range(FIELDS)), strict=False)
    return [
        Ignored(Path(path), pattern, f"{source}:{line}")
        for source, line, pattern, path in rows
        if not pattern.startswith("!")
    ]


def _of_the_analysis(selection: Selection, code: Sequence[str]) -> Iterator[Path]:
    home = selection.directory.resolve()
    yield from (home / name for name in dict.fromkeys((DOCUMENT, LOCK, selection.snakefile, *code)))
    yield from sorted(selection.reference.resolve().rglob("*"))
    for name, dataset in selection.analysis.datasets.items():
        if (manifest := manifest_of(selection.directory, name)) is not None:
            yield manifest.resolve()
        yield from (home / file.path for file in dataset.files)
    for image in sorted(set(selection.chosen.all_images.values())):
        yield from sorted((selection.project.images / image).resolve().glob("*"))
