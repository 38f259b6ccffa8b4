"""Reference files that are too large for Git: a manifest is committed, the bytes are elsewhere.

`SHA256SUMS` names every file of the reference with its sha256. Those that are not beside it are in
the store by digest, or are fetched by it: from the mirrors that `REPRUN_MIRRORS` names, and from
where `bless --publish` put them: a directory, a URL or a container registry.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reprun.data.files import fetch
from reprun.data.mirrors import VARIABLE
from reprun.data.publishing import published
from reprun.data.sources import scheme_of
from reprun.digests import PREFIX
from reprun.documents.manifest import DataFile
from reprun.errors import (
    InputsGoneError,
    IntegrityError,
    RegistryError,
    ReprunError,
    SpecificationError,
)
from reprun.files import scratch
from reprun.images.oci.artifacts import fetch_file, push_file
from reprun.progress import Progress
from reprun.runs.blessed import read_blessing
from reprun.runs.reference_sums import SUMS, Elsewhere, absent, restored
from reprun.store.store import Store
from reprun.wording import listed, quoted, size_of

LARGE = 1_000_000
"""Bytes above which a file is kept elsewhere, where it is published at all."""
REGISTRY = "oci"
"""The scheme of a repository of a container registry."""
ROOMS = "references"
"""The directory of the store in which references are whole while they are read."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Where large files of a reference go."""

    place: str
    """A directory that gets a copy, a URL below which they are, or `oci://HOST/REPOSITORY`."""
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
        store.add_file(path, expected=digest)
        store.note_origin(digest, path.name)  # data, which garbage collection may take
        found[name] = before or Elsewhere(size=size)
        if publishing is not None:
            found[name] = _published(found[name], digest, publishing.place, store)
        path.unlink()
    return found


def _published(known: Elsewhere, digest: str, place: str, store: Store) -> Elsewhere:
    """Publish a file of the store, and return where it is known to be."""
    path = store.verified(digest)
    if scheme_of(place) == REGISTRY:
        repository = place.partition("://")[2]
        push_file(path, digest, repository)
        registries = tuple(dict.fromkeys((*known.registries, repository)))
        return known.model_copy(update={"registries": registries})
    # As in a store, so that a mirror of the same directory has it too.
    uri = published(path, f"{place.rstrip('/')}/{_below(digest).rpartition('/')[0]}")
    return known.model_copy(update={"uris": tuple(dict.fromkeys((*known.uris, uri)))})


def _below(digest: str) -> str:
    hexadecimal = digest.removeprefix(PREFIX)
    return f"blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"


def _place_of(known: Mapping[str, Elsewhere]) -> str:
    """Return a place that files were published at, as `--publish` takes it."""
    for digest, each in known.items():
        for repository in each.registries:
            return f"{REGISTRY}://{repository}"
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
    missing = {name: digest for name, digest in wanted.items() if not store.has(digest)}
    if missing:
        try:
            _fetch(missing, elsewhere, store, progress)
        except InputsGoneError as error:
            error.place = error.place or str(directory)
            raise
    return wanted


def _fetch(
    missing: Mapping[str, str],
    elsewhere: Mapping[str, Elsewhere],
    store: Store,
    progress: Progress,
) -> None:
    """Fetch files by digest: from mirrors and URIs, and what those do not have from registries."""
    files = [
        DataFile(
            path=name,
            size=elsewhere[name].size,
            sha256=digest.removeprefix(PREFIX),
            uris=elsewhere[name].uris,
            mirror_path=_below(digest),
        )
        for name, digest in missing.items()
    ]
    try:
        fetch(files, store, progress, noun="reference file")
    except InputsGoneError:
        left = {name: digest for name, digest in missing.items() if not store.has(digest)}
        if not all(elsewhere[name].registries for name in left):
            raise
        for name, digest in left.items():
            _pull(name, digest, elsewhere[name], store, progress)


def _pull(name: str, digest: str, known: Elsewhere, store: Store, progress: Progress) -> None:
    """Fetch a file from the first registry that has it; raise the error of the last."""
    *others, last = known.registries
    with progress.task(f"pulling {name}", None):
        for repository in others:
            with suppress(InputsGoneError, RegistryError, IntegrityError):
                fetch_file(digest, known.size, repository, store)
                break
        else:
            try:
                fetch_file(digest, known.size, last, store)
            except (InputsGoneError, RegistryError, IntegrityError) as error:
                error.message = f"{name} of the reference, from {last}: {error.message}"
                error.hint = error.hint or (
                    f"export {VARIABLE}=DIRECTORY   # a directory or URL that holds it"
                )
                raise
    store.note_origin(digest, name)


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
                shutil.copyfile(path, place / path.name)
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
