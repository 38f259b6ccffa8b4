"""Reference files that are too large for Git: a manifest is committed, the bytes are elsewhere.

`SHA256SUMS` names every file of the reference with its sha256. Those that are not beside it are in
the store by digest, or are fetched by it: from the mirrors that `REPRUN_MIRRORS` names, and from
where `bless --publish` put them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from reprun.data.files import fetch
from reprun.data.publishing import published
from reprun.digests import PREFIX
from reprun.documents.manifest import DataFile
from reprun.errors import InputsGoneError, IntegrityError, ReprunError, SpecificationError
from reprun.files import scratch
from reprun.progress import Progress
from reprun.runs.blessed import read_blessing
from reprun.runs.reference_sums import SUMS, Elsewhere, absent, restored
from reprun.store.store import Store
from reprun.wording import listed, quoted, size_of

LARGE = 1_000_000
"""Bytes above which a file is kept elsewhere, where it is published at all."""
ROOMS = "references"
"""The directory of the store in which references are whole while they are read."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where large files of a reference go."""

    place: str
    """A directory that gets a copy, or a URL below which they are."""
    above: int = LARGE
    """Bytes of the largest file that stays in Git."""

    @classmethod
    def of(cls, place: str | None, above: int | None) -> Publishing | None:
        """Return what options say; None where there is no place."""
        if place is None:
            if above is not None:
                raise SpecificationError(
                    "--publish-above says which files are published: where to is not given",
                    hint=f"the same command with --publish DIR --publish-above {above}",
                )
            return None
        return cls(place, LARGE if above is None else above)


# -- out of Git -----------------------------------------------------------------------------------


def put_elsewhere(
    directory: Path,
    digests: Mapping[str, str],
    publishing: Publishing | None,
    known: Mapping[str, Elsewhere],
    store: Store,
    progress: Progress,
) -> dict[str, Elsewhere]:
    """Take large files out of a new reference, into the store and to where others get them.

    `known` are files by their digests that were elsewhere before: they stay there. Writes
    `SHA256SUMS` if there is any, and returns them by their names. Raises SpecificationError where
    a reference of which files were elsewhere has others now and nobody says where they go.
    """
    found: dict[str, Elsewhere] = {}
    for name, digest in digests.items():
        path = directory / name
        size = path.stat().st_size
        before = known.get(digest)
        large = size > (LARGE if publishing is None else publishing.above)
        if before is None and not large:
            continue
        if before is None and publishing is None:
            if not known:
                progress.say(
                    f"note: {name} has {size_of(size)}; --publish DIR keeps such files out of Git"
                )
                continue
            raise SpecificationError(
                f"{name} has {size_of(size)}, and the old reference kept such files elsewhere",
                place=str(directory),
                hint=f"the same command with --publish {quoted(_place_of(known))}",
            )
        uris = before.uris if before else ()
        store.add_file(path, expected=digest)
        store.note_origin(digest, next(iter(uris), path.name))
        if publishing is not None:
            uris = tuple(dict.fromkeys((*uris, _published(digest, publishing.place, store))))
            store.note_origin(digest, uris[-1])
        found[name] = Elsewhere(size=size, uris=uris)
        path.unlink()
    return found


def _published(digest: str, place: str, store: Store) -> str:
    """Return where a file of the store is published: as in a store, so that a mirror has it too."""
    path = store.verified(digest)
    return published(path, f"{place.rstrip('/')}/{_below(digest).rpartition('/')[0]}")


def _below(digest: str) -> str:
    hexadecimal = digest.removeprefix(PREFIX)
    return f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"


def _place_of(known: Mapping[str, Elsewhere]) -> str:
    """Return a place that files were published at, as `--publish` takes it."""
    for digest, each in known.items():
        for uri in each.uris:
            if uri.endswith(f"/{_below(digest)}"):
                return uri.removesuffix(f"/{_below(digest)}")
    return "DIR"


# -- and back -------------------------------------------------------------------------------------


def bring_reference(directory: Path, store: Store, progress: Progress) -> dict[str, str]:
    """Bring what is not beside the manifest of a reference into the store; return its digests.

    Raises InputsGoneError, with what every source answered, for what is nowhere, IntegrityError
    for a file that is gone though it was not elsewhere, and as `read_blessing` does.
    """
    wanted = absent(directory)
    blessing = read_blessing(directory) if wanted else None
    elsewhere = blessing.elsewhere if blessing else {}
    if unknown := sorted(wanted.keys() - elsewhere.keys()):
        raise IntegrityError(
            f"{listed(unknown)} of the reference {'is' if len(unknown) == 1 else 'are'} gone: "
            f"{SUMS} has {'it' if len(unknown) == 1 else 'them'}, and nothing says that it is "
            "kept elsewhere",
            place=str(directory),
            hint=restored(directory),
        )
    files = [
        DataFile(
            path=name,
            size=elsewhere[name].size,
            sha256=digest.removeprefix(PREFIX),
            uris=elsewhere[name].uris,
            mirror_path=_below(digest),
        )
        for name, digest in wanted.items()
        if not store.has(digest)
    ]
    try:
        fetch(files, store, progress, noun="reference file") if files else None
    except InputsGoneError as error:
        error.place = error.place or str(directory)
        raise
    return wanted


@contextmanager
def whole_reference(directory: Path, store: Store, progress: Progress) -> Iterator[Path]:
    """Give a directory in which all files of a reference are: its own, where they are.

    Raises as `bring_reference` does; errors raised in the block name files by their own directory.
    """
    wanted = bring_reference(directory, store, progress)
    if not wanted:
        yield directory
        return
    with scratch(store.directory(ROOMS), "") as room:
        place = room / directory.name
        place.mkdir()
        for path in directory.iterdir():
            if path.is_file():
                (place / path.name).write_bytes(path.read_bytes())
        for name, digest in wanted.items():
            store.place(digest, place / name)
        try:
            yield place
        except ReprunError as error:
            for field in ("message", "place", "hint"):
                said = getattr(error, field)
                if said is not None:
                    setattr(error, field, said.replace(str(place), str(directory)))
            raise
