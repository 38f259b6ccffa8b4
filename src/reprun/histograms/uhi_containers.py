"""UHI in a container: zip and HDF5, as `uhi.io.zip` and `uhi.io.hdf5` of the package uhi write it.

Both hold what UHI JSON holds, with the arrays apart. They are brought to the form of JSON, and one
reader reads all three. What else is in a container is listed, and known by its bytes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.digests import sha256_bytes
from reprun.errors import OutputMissingError
from reprun.histograms.model import BYTES, Objects, Unread, printable
from reprun.histograms.uhi import ARRAYS, FaultError, histograms_of, no_key_twice
from reprun.wording import shortened, size_of

SCHEMA_FIELD = "uhi_schema"
BROKEN_ZIP = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError)
"""What Python's zipfile raises: also for passwords, methods it lacks and wrong checksums."""


def read_uhi_zip(path: Path) -> Objects:
    """Read the histograms of a zip file. Raises OutputMissingError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _of_zip(archive, path.stat().st_size)
    except json.JSONDecodeError as error:
        raise _unreadable(path, f"a member is not valid JSON: {error.msg}") from error
    except (FaultError, LimitError, *BROKEN_ZIP, *BROKEN_VALUES) as error:
        raise _unreadable(path, error) from error


def read_uhi_hdf5(path: Path) -> Objects:
    """Read the histograms of an HDF5 file. Raises OutputMissingError, also without h5py."""
    try:
        import h5py  # noqa: PLC0415 - an extra, and slow to import
    except ImportError as error:
        raise OutputMissingError(
            f"cannot read {path.name}: HDF5 needs h5py, which is not installed",
            place=str(path),
            hint="pip install 'reprun[hdf5]'",
        ) from error
    try:
        with h5py.File(path, "r") as file:
            return _Hdf5(h5py, path.stat().st_size).objects(file)
    except (FaultError, LimitError, OSError, RuntimeError, *BROKEN_VALUES) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, what: object) -> OutputMissingError:
    lines = str(what).splitlines() or [type(what).__name__]
    return OutputMissingError(
        f"{path.name} is not a readable UHI histogram file: {shortened(lines[0])}",
        place=str(path),
    )


def _bytes_allowed(size: int) -> int:
    return limits.FREE_GZIP.value + limits.GZIP_RATIO * size


# -- zip ------------------------------------------------------------------------------------------


def _of_zip(archive: zipfile.ZipFile, size: int) -> Objects:
    members = {member.filename: member for member in archive.infolist() if not member.is_dir()}
    if len(members) != sum(not member.is_dir() for member in archive.infolist()):
        raise FaultError("two of its members have one name")
    whole = sum(member.file_size for member in members.values())
    if whole > _bytes_allowed(size):
        raise LimitError(f"it has {size_of(whole)} once decompressed, of {size_of(size)} on disk")
    used: set[str] = set()

    def content(name: str) -> bytes:
        used.add(name)
        if name not in members:
            raise FaultError(f"there is no member '{name}'")
        with archive.open(members[name]) as stream:
            data = stream.read(members[name].file_size + 1)
        if len(data) != members[name].file_size:
            raise FaultError(f"the member '{name}' has another size than it declares")
        return data

    found = {
        name.removesuffix(".json"): _with_arrays(
            parse_json(content(name).decode(), no_key_twice), content
        )
        for name in members
        if name.endswith(".json")
    }
    objects = histograms_of(found, size + whole)
    rest = {
        printable(name): Unread("member of a zip file", {BYTES: sha256_bytes(content(name))})
        for name in members.keys() - used
    }
    return Objects(objects.by_name, {**rest, **objects.unread})


def _with_arrays(histogram: Any, content: Any) -> Any:
    """Return a histogram with its arrays in place of the names of the members they are in."""
    if not (isinstance(histogram, dict) and SCHEMA_FIELD in histogram):
        return histogram
    parts = [histogram.get("storage"), *(histogram.get("axes") or ())]
    for part in parts:
        if isinstance(part, dict):
            for field in ARRAYS & part.keys():
                if isinstance(part[field], str):
                    part[field] = _array(content(part[field]))
    return histogram


def _array(data: bytes) -> Any:
    """Return the numbers of an array that numpy wrote, in lists."""
    # What a header declares is held against the bytes that are there before any are made.
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise FaultError(f"an array of numpy's format {version[0]}.{version[1]}")
    shape, _, dtype = read(stream)
    _check_numbers(dtype)
    if int(np.prod(shape, dtype=object)) * dtype.itemsize != len(data) - stream.tell():
        raise FaultError("an array is truncated")
    return np.load(io.BytesIO(data), allow_pickle=False).tolist()


def _check_numbers(dtype: Any) -> None:
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise FaultError(f"an array of {dtype}, not of numbers of at most 64 bits")


# -- HDF5 -----------------------------------------------------------------------------------------


class _Hdf5:
    """Reads a file of HDF5: groups that hold a histogram, and whatever else is there."""

    def __init__(self, h5py: Any, size: int) -> None:
        self._h5py = h5py
        self._size = size
        self._left = _bytes_allowed(size)
        self._seen: set[bytes] = set()

    def objects(self, file: Any) -> Objects:
        found: dict[str, Any] = {}
        unread: dict[str, Unread] = {}
        for name, thing in self._walk(file, ""):
            if isinstance(thing, Unread):
                unread[name] = thing
            else:
                found[name] = thing
        objects = histograms_of(found, self._size + _bytes_allowed(self._size) - self._left)
        return Objects(objects.by_name, {**unread, **objects.unread})

    def _walk(self, group: Any, name: str) -> Iterator[tuple[str, Any]]:
        """Yield the histograms below a group, as UHI JSON has them, and what else is there."""
        if name.count("/") > limits.NESTING.value:
            raise LimitError(f"its groups are nested more than {limits.NESTING.words} deep")
        if SCHEMA_FIELD in group.attrs:
            yield name or "histogram", self._histogram(group)
            return
        if len(group.attrs):
            texts = json.dumps(self._attributes(group), sort_keys=True, default=str)
            yield f"{name or '/'} attributes", _known("attributes of HDF5", texts.encode())
        for key, child in self._children(group):
            inner = f"{name}/{key}" if name else key
            if isinstance(child, self._h5py.Group):
                yield from self._walk(child, inner)
            else:
                yield inner, self._other(child)

    def _children(self, group: Any) -> Iterator[tuple[str, Any]]:
        """Yield what is in a group: of this file, not of another one, and once."""
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, self._h5py.HardLink):
                raise FaultError(f"'{printable(key)[:100]}' is a link, which is not followed")
            child = group[key]
            if isinstance(child, self._h5py.Group):
                token = bytes(self._h5py.h5o.get_info(child.id).addr.to_bytes(8, "little"))
                if token in self._seen or len(self._seen) > limits.DOCUMENT_VALUES.value:
                    raise FaultError("its groups hold one another, or are too many")
                self._seen.add(token)
            yield key, child

    def _other(self, thing: Any) -> Unread:
        if not isinstance(thing, self._h5py.Dataset):
            return Unread("group or type of HDF5")
        if thing.dtype.hasobject or thing.dtype.kind not in "iufbSV":
            return Unread("HDF5 dataset")
        data = np.ascontiguousarray(self._read(thing))
        about = f"{data.dtype.str} {data.shape} {self._attributes(thing)!r} "
        return _known("HDF5 dataset", about.encode() + data.tobytes())

    def _histogram(self, group: Any) -> dict[str, Any]:
        parts = dict(self._children(group))
        content = self._described(group, parts)
        content["storage"] = self._filled(parts.pop("storage"))
        axes, held = parts.pop("axes"), parts.pop("ref_axes")
        self._check_bare(axes, held)
        named = dict(self._children(held))
        by_path = {axis.name: axis for axis in named.values()}
        order = [group[reference].name for reference in axes[()]]
        if sorted(order) != sorted(by_path):
            raise FaultError("its list of axes is not that of its groups of axes")
        content["axes"] = [self._filled(by_path[path]) for path in order]
        # A part that no version read here has is a field of that name, which is not known.
        for key, child in parts.items():
            content[key] = dict(self._other(child).parts)
            if not content[key]:
                raise FaultError(f"'{printable(key)[:100]}' is no part of a histogram")
        return content

    def _check_bare(self, *things: Any) -> None:
        """Refuse attributes where the format has none: what they mean is not known."""
        for thing in things:
            if len(thing.attrs):
                raise FaultError(f"'{printable(thing.name)[:100]}' has attributes")

    def _filled(self, group: Any) -> dict[str, Any]:
        """Return an axis or a storage: fields that are attributes, and arrays."""
        parts = dict(self._children(group))
        content = self._described(group, parts)
        for key, child in parts.items():
            content[key] = self._list_of(child)
        return content

    def _described(self, group: Any, parts: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes of a group, with its metadata, which are taken out of its parts."""
        content = self._attributes(group)
        if (metadata := parts.pop("metadata", None)) is not None:
            content["metadata"] = self._only_attributes(metadata)
        if (writers := parts.pop("writer_info", None)) is not None:
            self._check_bare(writers)
            content["writer_info"] = {
                key: self._only_attributes(child) for key, child in self._children(writers)
            }
        return content

    def _only_attributes(self, group: Any) -> dict[str, Any]:
        if not isinstance(group, self._h5py.Group) or len(group):
            raise FaultError("metadata are more than attributes")
        return self._attributes(group)

    def _attributes(self, group: Any) -> dict[str, Any]:
        return {key: _plain(value) for key, value in group.attrs.items()}

    def _list_of(self, dataset: Any) -> Any:
        if not isinstance(dataset, self._h5py.Dataset):
            raise FaultError("an array is not a dataset")
        self._check_bare(dataset)
        if self._h5py.check_string_dtype(dataset.dtype) is not None:
            return [_plain(one) for one in self._read(dataset)]
        _check_numbers(dataset.dtype)
        return self._read(dataset).tolist()

    def _read(self, dataset: Any) -> Any:
        """Return the values of a dataset; what it declares is counted before it is read."""
        if dataset.external or dataset.is_virtual:
            raise FaultError("a dataset is in another file")
        self._left -= int(dataset.nbytes)
        if self._left < 0:
            raise LimitError(
                f"it has more than {size_of(_bytes_allowed(self._size))} once decompressed, "
                f"of {size_of(self._size)} on disk"
            )
        return dataset[()]


def _known(what: str, data: bytes) -> Unread:
    return Unread(what, {BYTES: sha256_bytes(data)})


def _plain(value: Any) -> Any:
    """Return an attribute as JSON has it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    return value
