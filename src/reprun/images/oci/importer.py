"""Images that others built, out of a file or directory into the store.

Two forms are read: an OCI layout and a docker-archive (`docker save`), as a directory, a tar or
a compressed tar. Config and layers are checked against their digests; a compressed layer is
stored uncompressed, under the diff_id its config promises, so the image ID stays what it was.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from reprun.digests import PREFIX, sha256_bytes, short
from reprun.errors import IntegrityError, SpecificationError
from reprun.images.archives.compression import write_plain
from reprun.images.model import Image, Layer
from reprun.images.oci import layout
from reprun.progress import Progress, Task
from reprun.store.store import Store

DEEPEST_INDEX = 3
SAVE_HINT = "docker save IMAGE -o FILE   # writes a file that can be imported"

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True, slots=True)
class Imported:
    """An image in the store that nothing here can rebuild."""

    image: Image
    architecture: str
    source_manifest: str | None
    """Digest of the manifest it came with: what its registry calls it."""


class _Files(Protocol):
    """The files of a layout, wherever they lie."""

    def has(self, name: str) -> bool: ...
    def open(self, name: str) -> AbstractContextManager[IO[bytes]]: ...


def import_image(name: str, path: Path, store: Store, progress: Progress) -> Imported:
    """Take an image out of a file or directory.

    Raises SpecificationError for what is not an image of this architecture, and IntegrityError
    when any of its bytes are not what its digests say.
    """
    with _files(path) as files:
        if files.has("index.json"):
            source, config, layers = _from_layout(files, path)
        elif files.has("manifest.json"):
            source, config, layers = _from_docker_archive(files, path)
        else:
            raise SpecificationError(
                "this is neither an OCI layout (index.json) nor a docker-archive (manifest.json)",
                place=str(path),
                hint=SAVE_HINT,
            )
        with progress.task(f"importing {name}", None) as task:
            return take(name, config, layers, store, task, source_manifest=source)


def take(
    name: str,
    config: bytes,
    openers: Sequence[Opener],
    store: Store,
    task: Task,
    *,
    source_manifest: str | None,
) -> Imported:
    """Put an image into the store, given its config and how to open each layer."""
    facts = config_facts(config, name)
    if len(facts.diff_ids) != len(openers):
        raise IntegrityError(
            f"image '{name}' has {len(openers)} layers, but its config lists {len(facts.diff_ids)}"
        )
    layers = []
    for number, (diff_id, opener) in enumerate(zip(facts.diff_ids, openers, strict=True), start=1):
        comment = f"layer {number}"
        if not store.has(diff_id):
            _take_layer(diff_id, f"{comment} of image '{name}'", opener, store, task)
        layers.append(Layer(diff_id, store.verified(diff_id).stat().st_size, comment))
    image = Image(
        name=name,
        image_id=store.add_bytes(config),
        manifest=store.add_bytes(layout.manifest_of(config, layers)),
        layers=tuple(layers),
        environment=facts.environment,
    )
    return Imported(image, facts.architecture, source_manifest)


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What an OCI config says that reprun needs."""

    architecture: str
    diff_ids: tuple[str, ...]
    environment: Mapping[str, str]


def config_facts(config: bytes, name: str) -> ConfigFacts:
    """Read an OCI config; raise IntegrityError when it is none."""
    try:
        document = json.loads(config)
        pairs = (each.partition("=") for each in document["config"].get("Env") or [])
        return ConfigFacts(
            architecture=str(document["architecture"]),
            diff_ids=tuple(_checked(each) for each in document["rootfs"]["diff_ids"]),
            environment={key: value for key, _, value in pairs},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"the config of image '{name}' cannot be read: {error!r}") from error


def _checked(digest: Any) -> str:
    hexadecimal = str(digest).removeprefix(PREFIX)
    if str(digest) != PREFIX + hexadecimal or len(hexadecimal) != 64:
        raise ValueError(f"'{digest}' is not a digest sha256:…")
    int(hexadecimal, 16)
    return PREFIX + hexadecimal


def _take_layer(diff_id: str, what: str, opener: Opener, store: Store, task: Task) -> None:
    with opener() as stream, store.incoming() as incoming:
        write_plain(stream, incoming, store, what, task)
        if incoming.digest != diff_id:
            raise IntegrityError(
                f"{what} does not have the digest in the image's config: "
                f"{short(incoming.digest)}, expected {short(diff_id)}"
            )
        store.commit(incoming, expected=diff_id)


# -- the two forms -------------------------------------------------------------------------

Found = tuple[str | None, bytes, list[Opener]]


def _from_layout(files: _Files, path: Path) -> Found:
    descriptor = _only_manifest(_json(files, "index.json", path), files, path)
    manifest = _blob(files, descriptor["digest"], path)
    document = _parse(manifest, "its manifest", path)
    config = _blob(files, document["config"]["digest"], path)
    return (
        sha256_bytes(manifest),
        config,
        [_opener(files, _blob_name(layer["digest"]), path) for layer in document["layers"]],
    )


def _only_manifest(
    index: Mapping[str, Any], files: _Files, path: Path, depth: int = 0
) -> Mapping[str, Any]:
    """Return the descriptor of the one image for Linux on this kind of processor."""
    fitting = [each for each in index.get("manifests", []) if is_for_linux_amd64(each)]
    if len(fitting) != 1:
        raise SpecificationError(
            f"it holds {len(fitting)} images for linux/amd64, not one", place=str(path)
        )
    descriptor: Mapping[str, Any] = fitting[0]
    if descriptor.get("mediaType", "").endswith(("index.v1+json", "list.v2+json")):
        if depth == DEEPEST_INDEX:
            raise SpecificationError("its indexes are nested too deep", place=str(path))
        inner = _parse(_blob(files, descriptor["digest"], path), "an index", path)
        return _only_manifest(inner, files, path, depth + 1)
    return descriptor


def is_for_linux_amd64(descriptor: Mapping[str, Any]) -> bool:
    """Tell whether an index entry is an image we can run; one that names no platform may be."""
    platform = descriptor.get("platform") or {}
    return (platform.get("os", "linux"), platform.get("architecture", "amd64")) == (
        "linux",
        "amd64",
    )


def _from_docker_archive(files: _Files, path: Path) -> Found:
    with files.open("manifest.json") as stream:
        entries = json.load(stream)
    if not isinstance(entries, list) or len(entries) != 1:
        raise SpecificationError("it does not hold exactly one image", place=str(path))
    with files.open(entries[0]["Config"]) as stream:
        config = stream.read()
    named = Path(entries[0]["Config"]).name.removesuffix(".json")
    if PREFIX + named != sha256_bytes(config):
        raise IntegrityError("its config is not the one it is named for", place=str(path))
    return None, config, [_opener(files, layer, path) for layer in entries[0]["Layers"]]


def _opener(files: _Files, name: str, path: Path) -> Opener:
    if not files.has(name):
        raise IntegrityError(f"it lacks {name}", place=str(path))
    return lambda: files.open(name)


def _blob_name(digest: Any) -> str:
    return f"blobs/sha256/{_checked(digest).removeprefix(PREFIX)}"


def _blob(files: _Files, digest: Any, path: Path) -> bytes:
    name = _blob_name(digest)
    if not files.has(name):
        raise IntegrityError(f"it lacks {name}", place=str(path))
    with files.open(name) as stream:
        data = stream.read()
    if sha256_bytes(data) != digest:
        raise IntegrityError(f"{name} does not have the digest in its name", place=str(path))
    return data


def _json(files: _Files, name: str, path: Path) -> dict[str, Any]:
    with files.open(name) as stream:
        return _parse(stream.read(), name, path)


def _parse(data: bytes, what: str, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except ValueError as error:
        raise IntegrityError(f"{what} is not JSON: {error}", place=str(path)) from error
    if not isinstance(document, dict):
        raise IntegrityError(f"{what} is not a JSON object", place=str(path))
    return document


# -- where the files lie -------------------------------------------------------------------


@contextmanager
def _files(path: Path) -> Iterator[_Files]:
    if not path.exists():
        raise SpecificationError(
            "there is no such file or directory", place=str(path), hint=SAVE_HINT
        )
    try:
        if path.is_dir():
            yield _Directory(path)
        else:
            with _open_tar(path) as tar:
                yield _Tar(tar)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise IntegrityError(f"the archive cannot be read: {error}", place=str(path)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"the archive is malformed: {error!r}", place=str(path)) from error


def _open_tar(path: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(path)
    except tarfile.ReadError as error:  # it begins like no tar and like no compressed one
        raise SpecificationError(
            "this is not a tar archive", place=str(path), hint=SAVE_HINT
        ) from error
    except OSError as error:
        raise SpecificationError(
            f"the archive cannot be opened: {error.strerror or error}", place=str(path)
        ) from error


class _Directory:
    def __init__(self, root: Path) -> None:
        self._root = root

    def has(self, name: str) -> bool:
        return (self._root / name).is_file()

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with (self._root / name).open("rb") as stream:
            yield stream


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name.removeprefix("./"): member for member in tar}

    def has(self, name: str) -> bool:
        return name in self._members

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        stream = self._tar.extractfile(self._members[name])
        if stream is None:
            raise tarfile.ReadError(f"{name} is not a file")
        with stream:
            yield stream
