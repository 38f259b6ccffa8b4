"""Columns of Arrow: their digests, and their values for a comparison of events.

A digest covers the values of a column in the order of the rows, and nothing of how they are stored:
not the row groups, not the encoding, not the compression. As in the digest of a branch of a tree
-0.0 counts as 0.0 and every NaN as the same one. A value that is missing is none of these.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reprun.bounded.limits import LimitError
from reprun.digests import canonical_json, sha256_bytes
from reprun.histograms.events import Column, Values, as_texts, canonical_values, text_of

BYTES_AT_A_TIME = 64_000_000
"""Of strings that a dictionary repeats."""


def digest_of(kind: Any, arrays: Iterable[Any], most_bytes: int) -> str:
    """Return the digest of a column that is given in parts, wherever it is cut into them.

    Raises LimitError for strings of a dictionary that are more than `most_bytes` in all.
    """
    streams = _Streams(most_bytes)
    for array in arrays:
        streams.add("", array)
    return sha256_bytes(canonical_json([type_name(kind), streams.digests()]))


def column_of(chunked: Any) -> Column:
    """Return a column: numbers and lists of numbers where none is missing, else text or None."""
    kind = _stored(chunked.type)
    name = type_name(kind)
    array = _stored_array(chunked.combine_chunks())
    if isinstance(array, pa.ChunkedArray):  # without a row there is no chunk
        array = pa.array([], kind)
    if not array.null_count:
        if (values := _numbers(array)) is not None:
            return Column(name, values)
        if _is_list(kind) and (values := _inner_numbers(array)) is not None:
            counts = pc.list_value_length(array).to_numpy(zero_copy_only=False)
            return Column(name, values, counts.astype(np.int64))
    if pa.types.is_dictionary(array.type):
        words = np.array([*map(text_of, array.dictionary.to_pylist()), None], dtype=object)
        return Column(name, words[array.indices.fill_null(len(words) - 1).to_numpy()])
    plain = array.cast(_plain(kind))
    return Column(name, as_texts(plain.to_pylist()))


def type_name(kind: Any) -> str:
    """Return the type of a column in the words of Awkward Array: `float64`, `var * string`.

    How long offsets are, whether values may be missing and whether strings are in a dictionary is
    not part of it.
    """
    if isinstance(kind, pa.BaseExtensionType):
        return f"{kind.extension_name}[{type_name(kind.storage_type)}]"
    if pa.types.is_map(kind):
        return f"map[{type_name(kind.key_type)}, {type_name(kind.item_type)}]"
    if _is_list(kind):
        return f"var * {type_name(kind.value_type)}"
    if pa.types.is_struct(kind):
        fields = (f"{json.dumps(one.name)}: {type_name(one.type)}" for one in kind)
        return f"{{{', '.join(fields)}}}"
    return type_name(kind.value_type) if pa.types.is_dictionary(kind) else _name_of_one(kind)


def _name_of_one(kind: Any) -> str:
    if _is_text(kind):
        return "string"
    if _is_bytes(kind):
        return "bytes"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return str(np.dtype(kind.to_pandas_dtype()).name)
    return str(kind)


def is_string(kind: Any) -> bool:
    """Say whether a column is of strings or bytes of any length, and nothing around them."""
    return _is_text(kind) or _is_bytes(kind)


def leaves_of(kind: Any) -> int:
    """Return how many columns Parquet has for one of Arrow: those of numbers and strings."""
    kind = _stored(kind)
    if _is_list(kind):
        return leaves_of(kind.value_type)
    if pa.types.is_struct(kind):
        return sum(leaves_of(one.type) for one in kind)
    return 1


def number_leaves(field: Any) -> Iterator[tuple[tuple[str, ...], str | None]]:
    """Yield the path of every number in a field, and of what is none; of the latter its type."""
    kind = field.type
    inner = kind.value_type if _is_list(kind) else kind
    if pa.types.is_struct(inner):
        for each in inner:
            for path, why in number_leaves(each):
                nested = why is None and _is_list(each.type) and _is_list(kind)
                yield (field.name, *path), type_name(kind) if nested else why
        return
    numbers = pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean
    yield (field.name,), None if any(each(inner) for each in numbers) else type_name(kind)


def leaf_numbers(array: Any, path: Iterable[str]) -> tuple[bool, Values]:
    """Return whether what is at a path is in lists, and its numbers that are not missing."""
    lists = False
    for name in (*path, None):
        if _is_list(array.type):
            array, lists = array.flatten(), True
        if name is not None:
            array = array.flatten()[array.type.get_field_index(name)]
    return lists, np.asarray(array.drop_null().to_numpy(zero_copy_only=False))


class _Streams:
    """What is hashed of a column: missing places, lengths and values, each level on its own."""

    def __init__(self, most_bytes: int) -> None:
        self._left = most_bytes
        self._hashes: dict[str, Any] = {}
        self._seen: dict[str, int] = {}

    def digests(self) -> dict[str, str]:
        """Return the digest of each stream."""
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}

    def add(self, path: str, array: Any) -> None:
        """Hash the next part of the column, or of what is in it at a path."""
        array = _stored_array(array)
        if not len(array):
            return
        before = self._seen.get(path, 0)
        self._seen[path] = before + len(array)
        if array.null_count:
            missing = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
            self._hash(f"{path} missing", canonical_values(missing.astype(np.int64) + before))
            array = array.drop_null()
        kind = array.type
        if pa.types.is_dictionary(kind):
            for part in self._undictionaried(array):
                self._strings(path, part)
        elif _is_list(kind):
            lengths = pc.list_value_length(array).to_numpy().astype(np.int64)
            self._hash(f"{path} lengths", canonical_values(lengths))
            self.add(f"{path}[]", array.flatten())
        elif pa.types.is_struct(kind):
            for number, inner in enumerate(array.flatten()):
                self.add(f"{path}.{number}", inner)
        elif is_string(kind):
            self._strings(path, array)
        else:
            self._hash(f"{path} values", _bytes_of(array))

    def _undictionaried(self, array: Any) -> Iterator[Any]:
        """Yield the strings that a dictionary repeats, few enough at a time to fit into memory."""
        lengths = pc.binary_length(array.dictionary.cast(pa.large_binary())).to_numpy()
        indices = array.indices.to_numpy()
        ends = np.cumsum(lengths[indices].astype(np.int64))
        self._left -= int(ends[-1]) if len(ends) else 0
        if self._left < 0:
            raise LimitError("its dictionaries repeat strings too often")
        starts = np.flatnonzero(np.diff(ends // BYTES_AT_A_TIME)) + 1
        for start, end in pairwise([0, *starts, len(indices)]):
            yield array.dictionary.take(pa.array(indices[start:end]))

    def _strings(self, path: str, array: Any) -> None:
        array = array.cast(pa.large_binary())
        lengths = pc.binary_length(array).to_numpy(zero_copy_only=False).astype(np.int64)
        self._hash(f"{path} lengths", canonical_values(lengths))
        _, offsets, data = array.buffers()
        if data is not None and len(array):
            at = np.frombuffer(offsets, np.int64)[[array.offset, array.offset + len(array)]]
            self._hash(f"{path} values", memoryview(data)[at[0] : at[1]])

    def _hash(self, name: str, data: Any) -> None:
        if len(data):
            self._hashes.setdefault(name, hashlib.sha256()).update(data)


def _bytes_of(array: Any) -> Any:
    """Return the bytes of values of one size each."""
    if (values := _numbers(array)) is not None:
        return canonical_values(values)
    if array.type == pa.null():
        return b""
    width = array.type.byte_width
    _, data = array.buffers()
    return memoryview(data)[array.offset * width : (array.offset + len(array)) * width]


def _numbers(array: Any) -> Values | None:
    """Return numbers, times among them; None for anything else."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return np.asarray(array.to_numpy(zero_copy_only=False))
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        array = array.view(pa.int64() if kind.bit_width == 64 else pa.int32())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    return np.asarray(array.to_numpy())


def _inner_numbers(array: Any) -> Values | None:
    inner = _stored_array(array.flatten())
    return None if inner.null_count else _numbers(inner)


def _stored_array(array: Any) -> Any:
    """Return an array without what gives its values a meaning, a map as a list of pairs."""
    while isinstance(array.type, pa.BaseExtensionType):
        array = array.storage
    if pa.types.is_dictionary(array.type) and not is_string(array.type.value_type):
        return array.dictionary_decode()
    return array.cast(_pairs(array.type)) if pa.types.is_map(array.type) else array


def _stored(kind: Any) -> Any:
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return _pairs(kind) if pa.types.is_map(kind) else kind


def _pairs(kind: Any) -> Any:
    return pa.list_(pa.struct([("key", kind.key_type), ("value", kind.item_type)]))


def _plain(kind: Any) -> Any:
    """Return a type whose values Python has: times, which are finer than Python's, as numbers."""
    kind = _stored(kind)
    if pa.types.is_temporal(kind):
        return pa.int64() if kind.bit_width == 64 else pa.int32()
    if _is_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(one.name, _plain(one.type)) for one in kind])
    return kind


def _is_list(kind: Any) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _is_text(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_bytes(kind: Any) -> bool:
    types = pa.types
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))
