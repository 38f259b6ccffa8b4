"""Snapshots made ready for a run: verified, laid out, to be mounted read-only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprun import data
from reprun.conditions.snapshot import Snapshot
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.progress import Progress
from reprun.store import Store, storage_errors


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
    for directory, snapshot in snapshots.items():
        if snapshot.kind == "cvmfs":
            check_revision(snapshot)
        elif snapshot.files:
            home = _home(snapshot, run_directory)
            files = data.resolve(snapshot.dataset(), directory, store, progress)
            with storage_errors(home):
                home.mkdir(parents=True, exist_ok=True)
                _clear(home, {file.path for file in files})
                data.stage({file.path: file for file in files}, home, store)
    return mounts_of(snapshots, run_directory)


def mounts_of(
    snapshots: Mapping[Path, Snapshot], run_directory: Path
) -> tuple[ConditionsMount, ...]:
    """Return which directory is seen where; nothing needs to lie there yet."""
    return tuple(
        ConditionsMount(
            Path(snapshot.source or "")
            if snapshot.kind == "cvmfs"
            else _home(snapshot, run_directory),
            snapshot.mount,
        )
        for snapshot in snapshots.values()
        if snapshot.kind == "cvmfs" or snapshot.files
    )


def _home(snapshot: Snapshot, run_directory: Path) -> Path:
    return run_directory / "conditions" / snapshot.name


def _clear(home: Path, wanted: set[str]) -> None:
    """Remove what another version of the snapshot had."""
    for path in home.rglob("*"):
        if (path.is_symlink() or path.is_file()) and str(path.relative_to(home)) not in wanted:
            path.unlink()


def refuse_network(snapshots: Mapping[Path, Snapshot], analysis: str, *, allowed: bool) -> bool:
    """Tell whether the run needs a network; raise SpecificationError if nobody allowed it."""
    live = [snapshot for snapshot in snapshots.values() if not snapshot.hermetic]
    if live and not allowed:
        raise SpecificationError(
            f"the conditions '{live[0].name}' are asked of {live[0].servlet} while the jobs run: "
            "that needs a network, and nothing of it is locked",
            hint=f"reprun run {analysis} --allow-network   # the run is then not hermetic",
        )
    return bool(live)


def check_revision(snapshot: Snapshot) -> None:
    """Hold a mounted CVMFS repository against the pinned revision and root catalogue."""
    source = Path(snapshot.source or "")
    try:
        revision = int(os.getxattr(source, "user.revision"))
        root_hash = os.getxattr(source, "user.root_hash").decode()
    except (OSError, ValueError) as error:
        raise InputsGoneError(
            f"{snapshot.name}: {source} is no mounted CVMFS repository: {error}",
            hint=f"cvmfs_config probe {source.name}",
        ) from error
    if (revision, root_hash) != (snapshot.revision, snapshot.root_hash):
        raise IntegrityError(
            f"{snapshot.name}: {source} stands at revision {revision} ({root_hash[:12]}…), "
            f"pinned is {snapshot.revision} ({str(snapshot.root_hash)[:12]}…)",
            place=str(source),
            hint=f"mount revision {snapshot.revision} (CVMFS_ROOT_HASH={snapshot.root_hash})",
        )
