"""Datasets: every file verified before an analysis sees it, from the first source that has it.

Order: the analysis directory itself (small tables committed with it), the store, the
mirrors that `REPRUN_MIRRORS` names (directories or https URLs, separated by blanks), then
the https and file URIs of the manifest.
"""

from __future__ import annotations

import http.client
import os
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reprun.digests import CHUNK, sha256_file, short
from reprun.errors import InputsGoneError, IntegrityError
from reprun.manifest import DataFile, Dataset
from reprun.progress import Progress, Task
from reprun.store import Store

PARALLEL = 4
ATTEMPTS = 3
SECONDS = 60


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """A file whose bytes are right: in the store (by digest) or in the analysis directory."""

    path: str
    digest: str
    local: Path | None


def resolve(
    dataset: Dataset, directory: Path, store: Store, progress: Progress
) -> tuple[ResolvedFile, ...]:
    """Return every file of a dataset, fetched where need be and verified.

    Raises IntegrityError when a committed table has other bytes than its manifest says, and
    InputsGoneError that lists each file no source has, with what every source answered.
    """
    resolved: dict[str, ResolvedFile] = {}
    wanted: list[DataFile] = []
    for file in dataset.files:
        local = directory / file.path
        if local.is_file():
            _check_committed(file, local)
            resolved[file.path] = ResolvedFile(file.path, file.digest, local)
        else:
            resolved[file.path] = ResolvedFile(file.path, file.digest, None)
            if not store.has(file.digest):
                wanted.append(file)
    if wanted:
        _fetch(wanted, store, progress)
    for found in resolved.values():
        if found.local is None:
            store.verified(found.digest)
    return tuple(resolved[file.path] for file in dataset.files)


def check_committed(dataset: Dataset, directory: Path) -> None:
    """Verify the files of a dataset that lie in the analysis directory; fetch nothing."""
    for file in dataset.files:
        local = directory / file.path
        if local.is_file():
            _check_committed(file, local)


def _check_committed(file: DataFile, local: Path) -> None:
    found = sha256_file(local)
    if found != file.digest:
        raise IntegrityError(
            f"{file.path} has changed: its sha256 is {short(found)}…, "
            f"the dataset manifest says {short(file.digest)}…",
            place=str(local),
            hint=f"git checkout -- {local}   # or, if meant: enter the new sha256 and size",
        )


def _fetch(files: list[DataFile], store: Store, progress: Progress) -> None:
    total = sum(file.size for file in files)
    failures: list[str] = []
    with (
        progress.task(f"fetching {len(files)} data files", total) as task,
        ThreadPoolExecutor(PARALLEL) as pool,
    ):
        for file, answers in zip(
            files, pool.map(lambda file: _fetch_one(file, store, task), files), strict=True
        ):
            if answers:
                tried = "".join(f"\n    {answer}" for answer in answers)
                failures.append(f"{file.path}{tried}")
    if failures:
        raise InputsGoneError(
            f"{len(failures)} of {len(files)} data files cannot be had:\n  "
            + "\n  ".join(failures),
            hint="export REPRUN_MIRRORS=DIRECTORY   # a directory or URL that holds them",
        )


def _fetch_one(file: DataFile, store: Store, task: Task) -> list[str]:
    """Bring one file into the store; return what each source answered if none had it."""
    answers: list[str] = []
    for source in _sources(file):
        scheme = urllib.parse.urlsplit(source).scheme
        if scheme not in ("", "file", "http", "https"):
            answers.append(f"{source}: no client for {scheme}:// here")
            continue
        try:
            _copy(source, file, store, task)
        except (OSError, http.client.HTTPException, IntegrityError) as error:
            answers.append(f"{source}: {getattr(error, 'message', None) or error}")
        else:
            return []
    return answers or ["no source is named"]


def _sources(file: DataFile) -> list[str]:
    names = [name for name in (file.mirror_path, file.path) if name]
    mirrors = os.environ.get("REPRUN_MIRRORS", "").split()
    return [_below(mirror.rstrip("/"), names[0]) for mirror in mirrors] + list(file.uris)


def _below(mirror: str, name: str) -> str:
    return f"{mirror}/{urllib.parse.quote(name) if '://' in mirror else name}"


def _copy(source: str, file: DataFile, store: Store, task: Task) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            # The source is opened outside of the store, whose errors it would look like.
            with _open(source) as stream, store.incoming() as incoming:
                while chunk := stream.read(CHUNK):
                    incoming.write(chunk)
                    task.advance(len(chunk))
                    if incoming.size > file.size:
                        break
                _check_size(incoming.size, file.size)
                store.commit(incoming, expected=file.digest)
                return
        except (
            *(urllib.error.HTTPError, http.client.InvalidURL),
            *(FileNotFoundError, PermissionError, IntegrityError),
        ):
            raise
        except (OSError, http.client.HTTPException):
            if attempt == ATTEMPTS:
                raise
            time.sleep(0.2 * 2**attempt)


def _check_size(arrived: int, expected: int) -> None:
    if arrived > expected:
        raise IntegrityError(f"{arrived} bytes or more arrived, expected {expected}")
    if arrived < expected:
        # http.client reports no connection cut short: it just ends. Trying again may help.
        raise ConnectionError(f"{arrived} bytes arrived, expected {expected}")


def _open(source: str) -> IO[bytes]:
    parts = urllib.parse.urlsplit(source)
    if parts.scheme in ("", "file"):
        return Path(urllib.request.url2pathname(parts.path) if parts.scheme else source).open("rb")
    answer: IO[bytes] = urllib.request.urlopen(source, timeout=SECONDS)  # noqa: S310 - checked
    return answer


def stage(files: Mapping[str, ResolvedFile], workspace: Path, store: Store) -> list[str]:
    """Put files into the workspace where they are not yet; return the paths that changed.

    Files of the store arrive as read-only hard links, committed ones as copies. A file that
    already has the right bytes keeps its time stamp, so nothing runs again because of it.
    """
    changed: list[str] = []
    for path, file in files.items():
        target = workspace / path
        if target.is_file() and not target.is_symlink() and sha256_file(target) == file.digest:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.local is None:
            store.place(file.digest, target)
        else:
            target.unlink(missing_ok=True)
            shutil.copy(file.local, target)  # with its mode: a script may be executable
        changed.append(path)
    return changed
