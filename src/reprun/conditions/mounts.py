"""Snapshots made ready for a run: verified, laid out, to be mounted read-only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reprun import data
from reprun.conditions.changes import keep_tables
from reprun.conditions.snapshot import Snapshot
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.files import storage_errors
from reprun.progress import Progress
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class ConditionsMount:
    """A directory of this machine and the path at which every job sees it, read-only."""

    source: Path
    target: str


def prepare(
    snapshots: Mapping[Path, Snapshot],
    run_directory: Path,
    store: Store,
    progress: Progress,
) -> tuple[ConditionsMount, ...]:
    """Verify every snapshot (by its directory) and lay it out below the run directory.

    Raises InputsGoneError and IntegrityError as `data.resolve` does, and when a CVMFS
    repository is not mounted here or stands at another revision than the pinned one.
    """
    for together in by_mount(snapshots).values():
        files: dict[str, data.ResolvedFile] = {}
        for directory, snapshot in together:
            if snapshot.kind == "cvmfs":
                check_revision(snapshot)
            elif snapshot.files:
                found = data.resolve(snapshot.dataset(), directory, store, progress)
                files |= {file.path: file for file in found}
                lies = {each.path: each.local or store.blob_path(each.digest) for each in found}
                keep_tables(snapshot, lies, store)
        if files:
            home = _home(together, run_directory)
            with storage_errors(home):
                home.mkdir(parents=True, exist_ok=True)
                data.stage(files, home, store)
    return mounts_of(snapshots, run_directory)


def mounts_of(
    snapshots: Mapping[Path, Snapshot], run_directory: Path
) -> tuple[ConditionsMount, ...]:
    """Return which directory is seen where; nothing needs to lie there yet."""
    mounts = []
    for target, together in by_mount(snapshots).items():
        _, first = together[0]
        live = first.kind == "cvmfs"
        source = Path(first.source or "") if live else _home(together, run_directory)
        mounts.append(ConditionsMount(source, target))
    return tuple(mounts)


def _home(together: Sequence[tuple[Path, Snapshot]], run_directory: Path) -> Path:
    names = "+".join(snapshot.name for _, snapshot in together)
    return run_directory / "conditions" / names


def by_mount(snapshots: Mapping[Path, Snapshot]) -> dict[str, list[tuple[Path, Snapshot]]]:
    """Return the snapshots by the path at which jobs see them.

    Several may share one, as the global tags of data and of simulation do that CMS keeps in
    one repository: their files are then laid out together. Raises SpecificationError where one
    would hide what another brings.
    """
    found: dict[str, list[tuple[Path, Snapshot]]] = {}
    for directory, snapshot in snapshots.items():
        if snapshot.kind == "cvmfs" or snapshot.files:
            found.setdefault(snapshot.mount, []).append((directory, snapshot))
    for target, together in found.items():
        names = " and ".join(snapshot.name for _, snapshot in together)
        others = [other for other in found if PurePosixPath(other).is_relative_to(target)]
        if len(others) > 1:
            inner = next(other for other in others if other != target)
            raise SpecificationError(
                f"the conditions {found[inner][0][1].name} ({inner}) are below those of {names} "
                f"({target}): one mount would hide the other",
                place=str(together[0][0]),
            )
        paths = [file.path for _, snapshot in together for file in snapshot.files]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        live = any(snapshot.kind == "cvmfs" for _, snapshot in together)
        if twice or (live and len(together) > 1):
            what = f"both bring {twice[0]} to" if twice else "cannot both be mounted at"
            raise SpecificationError(
                f"the conditions {names} {what} {target}", place=str(together[-1][0])
            )
    return found


def needs_network(snapshots: Mapping[Path, Snapshot]) -> bool:
    """Tell whether any of the conditions is asked of a server while the jobs run."""
    return any(not snapshot.hermetic for snapshot in snapshots.values())


def refuse_network(snapshots: Mapping[Path, Snapshot], hint: str) -> None:
    """Raise SpecificationError, with that hint, if any of the conditions needs a network."""
    live = [snapshot for snapshot in snapshots.values() if not snapshot.hermetic]
    if live:
        raise SpecificationError(
            f"the conditions '{live[0].name}' are queried from {live[0].servlet} at run time: "
            "this needs a network, and nothing of it is locked",
            hint=hint,
        )


def check_revision(snapshot: Snapshot) -> None:
    """Compare a mounted CVMFS repository with the pinned revision and root catalogue."""
    source = Path(snapshot.source or "")
    try:
        revision = int(os.getxattr(source, "user.revision"))
        root_hash = os.getxattr(source, "user.root_hash").decode()
    except (OSError, ValueError) as error:
        raise InputsGoneError(
            f"{snapshot.name}: {source} is not a mounted CVMFS repository: {error}",
            hint=f"cvmfs_config probe {source.name}",
        ) from error
    if (revision, root_hash) != (snapshot.revision, snapshot.root_hash):
        raise IntegrityError(
            f"{snapshot.name}: {source} is at revision {revision} ({root_hash[:12]}…), "
            f"pinned is {snapshot.revision} ({str(snapshot.root_hash)[:12]}…)",
            place=str(source),
            hint=f"mount revision {snapshot.revision} (CVMFS_ROOT_HASH={snapshot.root_hash})",
        )
