"""What takes space where, and what of it can go: the store by kinds, results by runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from reprun.documents.record import RECORD
from reprun.errors import SpecificationError, did_you_mean
from reprun.files import remove_tree, storage_errors
from reprun.progress import Progress
from reprun.runs.directory import WORKSPACE, alone
from reprun.store.collection import stored
from reprun.store.space import freed, taken
from reprun.store.store import Store
from reprun.wording import count_of, quoted

SUBMITTED = ".reana"
"""How the directory of what a cluster runs ends: it knows the run there, and stays."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Things of one kind in one place."""

    what: str
    place: Path
    count: int
    size: int
    """Bytes of the disk that they take; a file that several hold counts for the first."""
    command: str
    """The command that removes what of it can go."""


def store_holdings(store: Store) -> list[Holding]:
    """Return what the store holds, by kinds."""
    data = {path.name for path in store.directory("origins").iterdir()}
    blobs = [store.blob_path(digest) for digest in stored(store)]
    unpacked = store.root / "unpacked"
    kinds: list[tuple[str, Path, list[Path], str]] = [
        ("data", store.root / "blobs", [b for b in blobs if b.name in data], "reprun data gc"),
        (
            "packages and layers of images",
            store.root / "blobs",
            [b for b in blobs if b.name not in data],
            "reprun images prune",
        ),
        (
            "unpacked images",
            unpacked,
            [*_below(unpacked / "layers"), *_below(unpacked / "images")],
            "reprun images prune",
        ),
        (
            "byte code of images",
            unpacked / "bytecode",
            _below(unpacked / "bytecode"),
            "reprun images prune",
        ),
        (
            "unfinished downloads",
            store.root / "incoming",
            _below(store.root / "incoming"),
            "reprun data gc",
        ),
        (
            "corrupt files, set aside",
            store.root / "quarantine",
            _below(store.root / "quarantine"),
            f"rm -r {quoted(store.root / 'quarantine')}",
        ),
    ]
    return [
        Holding(what, place, len(paths), taken(paths), command)
        for what, place, paths, command in kinds
        if paths
    ]


def results_holdings(results: Path, option: str) -> list[Holding]:
    """Return what runs left behind: the workspaces of all, then the whole of each analysis.

    `option` is appended to the commands.
    """
    runs = runs_in(results)
    workspaces = [run / WORKSPACE for run in runs if (run / WORKSPACE).is_dir()]
    found = [
        Holding(
            "workspaces of all runs",
            results,
            len(workspaces),
            taken(workspaces),
            f"reprun clean --workspaces{option}",
        )
    ]
    for name in dict.fromkeys(run.parent.name for run in runs):
        own = [run for run in runs if run.parent.name == name]
        command = f"reprun clean {quoted(name)}{option}"
        found.append(
            Holding(f"runs of {name}", results / name, len(own), taken(own), command),
        )
    return [holding for holding in found if holding.count]


def runs_in(results: Path, names: Sequence[str] = ()) -> list[Path]:
    """Return the run directories of analyses by name or glob; without one, all.

    Raises SpecificationError for a name of which there is no run.
    """
    runs = [
        path
        for path in sorted(results.glob("*/*"))
        if path.suffix != SUBMITTED and ((path / RECORD).is_file() or (path / WORKSPACE).is_dir())
    ]
    known = list(dict.fromkeys(path.parent.name for path in runs))
    for name in names:
        if not any(fnmatchcase(each, name) for each in known):
            raise SpecificationError(
                f"there are no results of '{name}' in {results}{did_you_mean(name, known)}",
                hint="reprun clean   # shows what there is",
            )
    return [
        path
        for path in runs
        if not names or any(fnmatchcase(path.parent.name, name) for name in names)
    ]


def removable(runs: Sequence[Path], *, workspaces: bool) -> dict[Path, int]:
    """Return what is removed of runs, their workspaces alone or all, with what each frees."""
    places = [run / WORKSPACE for run in runs] if workspaces else list(runs)
    return freed([place for place in places if place.is_dir()])


def remove(places: Sequence[Path], store: Store, progress: Progress, *, workspaces: bool) -> None:
    """Remove what `removable` returned. Raises StorageError where a run is under way."""
    label = f"removing {count_of(len(places), 'workspace' if workspaces else 'run')}"
    with progress.task(label, len(places), "path") as task:
        for place in places:
            run = place.parent if workspaces else place
            with storage_errors(run), alone(run, store, progress):
                remove_tree(place)
            if not workspaces and not any(run.parent.iterdir()):
                run.parent.rmdir()
            task.advance(1)


def _below(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []
