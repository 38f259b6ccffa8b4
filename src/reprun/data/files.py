"""Datasets: every file verified before an analysis sees it, from the first source that has it.

Order: the analysis directory itself (small tables committed with it), the store, the
mirrors that `REPRUN_MIRRORS` names (see `mirrors`), then
the https, file and root:// URIs of the manifest.
"""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.data import transfer
from reprun.data.mirrors import VARIABLE, locations, named_mirrors
from reprun.digests import sha256_file, short
from reprun.documents.manifest import DataFile, Dataset, load_manifest, with_digests
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.files import leads_to, restoring, write_atomically
from reprun.progress import Progress
from reprun.store.store import Store
from reprun.wording import count_of, lines_of, quoted

MOST_GONE = 5
"""How many files an error shows with all their answers."""
UNNAMED = "no source is named"


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """A file whose bytes are right: in the store (by digest) or in the analysis directory."""

    path: str
    digest: str
    local: Path | None


def resolve(
    dataset: Dataset,
    directory: Path,
    store: Store,
    progress: Progress,
    *,
    parallel: int = transfer.PARALLEL,
) -> tuple[ResolvedFile, ...]:
    """Return every file of a dataset, fetched where need be and verified.

    Raises IntegrityError when a committed table has other bytes than its manifest says, and
    InputsGoneError that lists files no source has, with what every source answered.
    """
    refuse_unpinned(dataset)
    resolved: dict[str, ResolvedFile] = {}
    wanted: list[DataFile] = []
    for file in dataset.files:
        local = committed_file(file, directory)
        if local is not None:
            _check_committed(file, local)
        elif not store.has(file.digest):
            wanted.append(file)
        resolved[file.path] = ResolvedFile(file.path, file.digest, local)
    if wanted:
        fetch(wanted, store, progress, parallel=parallel)
    for found in resolved.values():
        if found.local is None:
            store.verified(found.digest)
    return tuple(resolved[file.path] for file in dataset.files)


def refuse_unpinned(dataset: Dataset, fetch: str = "reprun data fetch ANALYSIS") -> None:
    """Raise SpecificationError, with the command that fetches it, when a file has no sha256 yet."""
    if dataset.unpinned:
        first = dataset.unpinned[0].path
        raise SpecificationError(
            f"{len(dataset.unpinned)} of {len(dataset.files)} files of '{dataset.title}' have no "
            f"sha256 yet (the first is {first}); nothing runs on bytes that are not pinned",
            hint=f"{fetch}   # fetches them and adds the sha256",
        )


def pin(
    manifest: Path,
    store: Store,
    progress: Progress,
    *,
    parallel: int = transfer.PARALLEL,
    only: Container[str],
) -> int:
    """Fetch those files of a manifest that have no sha256, and write it into the manifest.

    They are compared with the size and adler32 of their record. Returns how many there were.
    """
    unpinned = [file for file in load_manifest(manifest).unpinned if file.path in only]
    if unpinned:
        digests = fetch(unpinned, store, progress, parallel=parallel)
        text = with_digests(text_of(manifest, limits.JSON_BYTES), manifest, digests)
        write_atomically(manifest, text.encode())
    return len(unpinned)


def fetch(
    files: Sequence[DataFile],
    store: Store,
    progress: Progress,
    *,
    parallel: int = transfer.PARALLEL,
    noun: str = "data file",
) -> dict[str, str]:
    """Bring data files into the store; return the digest of each by its path.

    `noun` is what they are called in what is shown.

    Raises InputsGoneError that lists files no source has, with what every source answered; of
    many, the rest is counted. What arrived before is kept. What was cut short goes on where it
    ended, at the next call too.
    """
    mirrors = named_mirrors()
    wanted = [
        transfer.Wanted(file.path, file.size, file.digest, _sources_of(file, mirrors), file.adler32)
        for file in files
    ]
    label = f"fetching {count_of(len(files), noun)}"
    with progress.task(label, sum(file.size for file in files)) as task:
        outcomes = transfer.download(
            wanted, store, progress, task, parallel=parallel, arrived=store.note_origin
        )
    digests = {path: found.digest for path, found in outcomes.items() if found.digest is not None}
    gone = [file.path for file in files if file.path not in digests]
    if gone:
        answered = (f"{path}{lines_of(outcomes[path].answers or [UNNAMED])}" for path in gone)
        raise InputsGoneError(
            f"{len(gone)} of {len(files)} {noun}s are not available:"
            f"{lines_of(answered, MOST_GONE, margin='  ')}",
            hint=f"export {VARIABLE}=DIRECTORY   # a directory or URL that holds them",
        )
    return digests


def _sources_of(file: DataFile, mirrors: Iterable[str]) -> tuple[str, ...]:
    """Return where a file may be, in the order to ask: mirrors, then https, then root://."""
    names = [file.mirror_path or file.path]
    below = [place for mirror in mirrors for place in locations(mirror, names, file.digest)]
    return (*below, *sorted(file.uris, key=lambda uri: uri.startswith("root:")))


def check_committed(dataset: Dataset, directory: Path) -> None:
    """Verify the files of a dataset that lie in the analysis directory; fetch nothing."""
    for file in dataset.files:
        local = committed_file(file, directory)
        if local is not None:
            _check_committed(file, local)


def committed_file(file: DataFile, directory: Path) -> Path | None:
    """Return the file in the analysis directory, None if it does not lie there.

    Raises SpecificationError when it is a link out of the directory: what it points at could
    change, or be a file nobody means to hand to an analysis.
    """
    local = directory / file.path
    if not local.is_file():
        return None
    if not leads_to(local).is_relative_to(directory.resolve()):
        raise SpecificationError(
            f"{file.path} is a link that leads out of the analysis to {leads_to(local)}",
            place=str(local),
            hint=f"cp --remove-destination {quoted(leads_to(local))} {quoted(local)}",
        )
    return local


def _check_committed(file: DataFile, local: Path) -> None:
    found = sha256_file(local)
    if found != file.digest:
        raise IntegrityError(
            f"{file.path} has changed: its sha256 is {short(found)}…, "
            f"the dataset manifest says {short(file.digest)}…",
            place=str(local),
            hint=restoring(local, otherwise=f"cp BACKUP {quoted(local)}")
            + "   # or, if the change is meant, write in its manifest: "
            f"size: {local.stat().st_size}, sha256: {found.removeprefix('sha256:')}",
        )


def stage(
    files: Mapping[str, ResolvedFile], directory: Path, store: Store, *, linked: bool = True
) -> list[str]:
    """Bring a directory of ours to hold these files and no other; return the paths that changed.

    Files of the store arrive as read-only hard links (if `linked`: see `Store.place`), reflinks
    or copies, committed ones as copies; all are mounted read-only wherever a step sees them. A
    file that already has the right bytes keeps its time stamp, so nothing runs again because of
    it.
    """
    for old in directory.rglob("*"):
        known = old.relative_to(directory).as_posix() in files
        if not known and (old.is_symlink() or old.is_file()):
            old.unlink()
    changed: list[str] = []
    for path, file in files.items():
        target = directory / path
        if _is_staged(target, file):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if file.local is None:
            store.place(file.digest, target, linked=linked)
        else:
            target.unlink(missing_ok=True)
            shutil.copy(file.local, target)  # with its mode: a script may be executable
            _refuse_changed(target, file)
        changed.append(path)
    return changed


def _is_staged(target: Path, file: ResolvedFile) -> bool:
    """Tell whether a file lies there as it should, executable if it is."""
    if target.is_symlink() or not target.is_file() or sha256_file(target) != file.digest:
        return False
    return file.local is None or file.local.stat().st_mode == target.stat().st_mode


def _refuse_changed(staged: Path, file: ResolvedFile) -> None:
    """Raise IntegrityError where a file has changed since it was hashed."""
    if (found := sha256_file(staged)) != file.digest:
        raise IntegrityError(
            f"{file.path} changed while the run was prepared: its sha256 is {short(found)}…, "
            f"it was {short(file.digest)}…",
            place=str(file.local),
            hint="the same command again, once nothing writes there any more",
        )
