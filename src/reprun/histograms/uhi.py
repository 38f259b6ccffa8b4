"""UHI JSON, schema version 1: the format of references, text that `git diff` can show.

hist and boost-histogram read and write the same format. What UHI has no field for lies in
its open ones: `entries`, `title` and, as JSON, `facts` in the metadata of a histogram, `title` and
a JSON list `labels` in that of an axis, and storages other than UHI's own (TH1F's float32) in
`writer_info.reprun`. The format: https://uhi.readthedocs.io/en/latest/serialization.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.digests import sha256_bytes
from reprun.errors import OutputMissingError
from reprun.histograms.composites import binned_table
from reprun.histograms.facts import (
    are_integers,
    category_labels,
    is_exact,
    remember,
    rest,
)
from reprun.histograms.identity import left_out
from reprun.histograms.model import (
    BYTES,
    LARGEST_EXACT_COUNT,
    Axis,
    AxisKind,
    DataObject,
    Floats,
    Histogram,
    Objects,
    Storage,
    Unread,
    number,
    printable,
)
from reprun.wording import shortened

SCHEMA = 1
NUMBERS_A_LINE = 12
_STORAGES: Mapping[str, Storage] = {"int": "int64", "double": "float64", "weighted": "float64"}
FIELDS: Mapping[str, tuple[str, ...]] = {
    "int": ("values",),
    "double": ("values",),
    "weighted": ("values", "variances"),
    "mean": ("counts", "values", "variances"),
    "weighted_mean": ("sum_of_weights", "sum_of_weights_squared", "values", "variances"),
}
"""The arrays of each storage."""
ARRAYS = frozenset({"index", "edges", *(field for fields in FIELDS.values() for field in fields)})
"""What may be kept apart from a histogram."""
COLUMNS: Mapping[str, str] = {
    "counts": "count",
    "sum_of_weights": "sum of weights",
    "sum_of_weights_squared": "sum of weights squared",
    "values": "value",
    "variances": "variance",
}
_ENDS = ("underflow", "overflow", "circular")
AXIS_FIELDS: Mapping[str, tuple[str, ...]] = {
    "regular": ("lower", "upper", "bins", *_ENDS),
    "variable": ("edges", *_ENDS),
    "category_str": ("categories", "flow"),
    "category_int": ("categories", "flow"),
    "boolean": (),
}
LEFT_OUT = left_out("UHI JSON")


class FaultError(Exception):
    """The document is not what the UHI schema allows; the message says where and why."""


class _UnsupportedError(Exception):
    """A legal histogram of a kind that reprun cannot compare."""

    def __init__(self, message: str, *, elsewhere: bool = False) -> None:
        super().__init__(message)
        self.elsewhere = elsewhere
        """Whether numbers of it are in another file."""


def read_uhi(path: Path, name: str, text: str) -> Objects:
    """Read the histograms of a UHI JSON text: several by name, or one, called `name`.

    Raises OutputMissingError that names the file, the object and the fault.
    """
    try:
        document = parse_json(text, no_key_twice)
        if not isinstance(document, dict):
            raise FaultError("it holds no histograms by name")  # noqa: TRY301
        return histograms_of({name: document} if "uhi_schema" in document else document, len(text))
    except json.JSONDecodeError as error:
        raise OutputMissingError(
            f"{path.name} is not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (FaultError, LimitError) as error:
        raise OutputMissingError(
            f"{path.name} is not a readable UHI histogram file: {shortened(str(error))}",
            place=str(path),
        ) from error


def histograms_of(document: Mapping[str, Any], size: int) -> Objects:
    """Return histograms by name; `size` is what bounds the bins that they may declare.

    Raises FaultError.
    """
    found: dict[str, DataObject] = {}
    unread: dict[str, Unread] = {}
    left = limits.FREE_CELLS.value + size
    for key, content in document.items():
        name = printable(key)
        if name in found or name in unread:
            raise FaultError(f"the name '{name}' is duplicated")
        try:
            found[name] = _object(name, content, left)
            left -= found[name].values.size
        except _UnsupportedError as reason:
            # NaN and halves of characters, which canonical JSON refuses, tell it apart as well.
            whole = {BYTES: sha256_bytes(json.dumps(content, sort_keys=True).encode())}
            unread[name] = Unread(str(reason), {} if reason.elsewhere else whole)
        except BROKEN_VALUES as error:
            raise FaultError(f"'{name}': {_said(error)}") from error
    return Objects(found, unread)


def unflattened(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a histogram whose arrays are flat with them in the shape of its axes.

    Raises one of BROKEN_VALUES for arrays that do not fit.
    """
    storage = dict(content["storage"])
    try:
        axes = tuple(_axis(axis, "an axis", {}) for axis in content["axes"])
    except _UnsupportedError:
        return dict(content)  # which is found again where it is read
    whole = [axis.bins + 2 for axis in axes]
    shape = [len(range(n)[place]) for n, place in zip(whole, _places(axes), strict=True)]
    for name in ARRAYS & storage.keys():
        if name == "index":
            shaped = np.reshape(storage[name], (len(axes), -1))
        else:
            shaped = np.reshape(storage[name], -1 if "index" in storage else shape)
        storage[name] = shaped.tolist()
    return {**content, "storage": storage}


def _said(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return f"no field {error}"
    if isinstance(error, (TypeError, AttributeError)):
        return "a field holds another kind of value than the schema of UHI says"
    return str(error)


def uhi_text(histograms: Iterable[Histogram]) -> str:
    """Return the UHI JSON text of histograms: sorted by name, the same bytes for the same content.

    Every float is written with the fewest digits that read back as the same bits.
    """
    ordered = sorted(histograms, key=lambda histogram: histogram.name)
    blocks = [f"{json.dumps(one.name, ensure_ascii=False)}: {_block(one)}" for one in ordered]
    return "{\n" + ",\n".join(blocks) + "\n}\n" if blocks else "{}\n"


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a mapping of JSON. Raises FaultError for a key that is there twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise FaultError(f"the name '{twice}' is duplicated")
    return found


def _object(name: str, content: Any, left: int) -> DataObject:
    """Return a histogram or means; `left` bins are those that the file may still declare."""
    if content["uhi_schema"] != SCHEMA:
        raise ValueError(f"uhi_schema {content['uhi_schema']}, this version reads {SCHEMA}")
    _check_fields(content, {"uhi_schema", "writer_info", "metadata", "axes", "storage"})
    stored = content["storage"]
    if stored["type"] not in FIELDS:
        raise _UnsupportedError(f"UHI {stored['type']} storage")
    _check_fields(stored, {"type", "index", "writer_info", *FIELDS[stored["type"]]})
    if not 1 <= len(content["axes"]) <= 3:
        raise _UnsupportedError(f"UHI histogram of {len(content['axes'])} axes")
    cells = math.prod(_bins(axis) + 2 for axis in content["axes"])
    if cells > left:
        raise ValueError(f"it declares {cells:,} bins, more than the file has room for")
    facts: dict[str, str] = {}
    axes = tuple(
        _axis(axis, f"the {letter} axis", facts)
        for letter, axis in zip("xyz", content["axes"], strict=False)
    )
    metadata = content.get("metadata", {})
    rest(facts, "the histogram", metadata, {"entries", "facts", *LEFT_OUT})
    facts |= {name: str(said) for name, said in parse_json(metadata.get("facts", "{}")).items()}
    entries = metadata.get("entries")
    title = str(metadata.get("title", metadata.get("label", "")))
    numbers = {field: _with_flow(stored, field, axes) for field in FIELDS[stored["type"]]}
    entries = None if entries is None else float(entries)
    if stored["type"] in ("mean", "weighted_mean"):
        columns = {COLUMNS[field]: array for field, array in numbers.items()}
        rest(facts, "the histogram", {"entries": entries}, ())
        kind = f"UHI {stored['type']}"
        table = binned_table(name, kind, axes, columns, title=title)
        return replace(table, facts=facts)
    return Histogram(
        name=name,
        axes=axes,
        values=numbers["values"],
        sumw2=numbers.get("variances"),
        storage=_storage(content, stored["type"], facts),
        entries=entries,
        title=title,
        facts=facts,
    )


def _check_fields(content: Mapping[str, Any], known: set[str]) -> None:
    """Raise for a field that no version of the schema read here has: what it means is not known."""
    if unknown := sorted(content.keys() - known):
        raise _UnsupportedError(f"UHI field '{unknown[0]}'")


def _storage(content: Any, kind: str, facts: dict[str, str]) -> Storage:
    ours = content.get("writer_info", {}).get("reprun", {})
    rest(facts, "writer_info.reprun", ours, {"storage"})
    storage: Storage | None = ours.get("storage")
    if storage is None:
        return _STORAGES[kind]
    if storage not in get_args(Storage):
        raise ValueError(f"unknown storage '{storage}'")
    if kind != "weighted" and storage.startswith("int") != (kind == "int"):
        raise ValueError(f"storage '{storage}' of {kind} numbers")
    return storage


def _bins(content: Any) -> int:
    """Return how many bins an axis declares."""
    if content["type"] != "regular":
        return max(len(content.get(name, ())) for name in ("edges", "categories"))
    bins = content["bins"]
    if type(bins) is not int or bins < 1:
        raise ValueError(f"an axis of {str(bins)[:20]} bins")
    return bins


def _axis(content: Any, which: str, facts: dict[str, str]) -> Axis:
    metadata = content.get("metadata", {})
    title = str(metadata.get("title", metadata.get("label", "")))
    kind = content["type"]
    if kind not in AXIS_FIELDS:
        raise ValueError(f"unknown axis type '{kind}'")
    _check_fields(content, {"type", "metadata", "writer_info", *AXIS_FIELDS[kind]})
    for flag in ("underflow", "overflow", "circular", "flow"):
        if type(content.get(flag, False)) is not bool:
            raise ValueError(f"'{flag}' is neither true nor false")
    if kind == "boolean":
        rest(facts, which, metadata, LEFT_OUT)
        return Axis.categories(("False", "True"), title=title, overflow=False)
    if kind in ("category_str", "category_int"):
        rest(facts, which, metadata, LEFT_OUT)
        categories = content["categories"]
        if not categories:
            raise _UnsupportedError("UHI axis without categories")
        if any(type(one) is not (int if kind == "category_int" else str) for one in categories):
            raise ValueError(f"categories of another type than {kind}")
        return Axis.categories(category_labels(categories), title=title, overflow=content["flow"])
    rest(facts, which, metadata, {"labels", *LEFT_OUT})
    if content.get("circular"):
        remember(facts, which, "circular")
    flow: tuple[bool, bool] = content["underflow"], content["overflow"]
    labels = metadata.get("labels")
    names = None if labels is None else tuple(map(str, parse_json(labels)))
    if kind == "regular":
        plain = Axis.regular(content["bins"], float(content["lower"]), float(content["upper"]))
        return Axis(plain.edges, "regular", names, title, *flow)
    if isinstance(content["edges"], str):
        raise _UnsupportedError("UHI edges kept in another file", elsewhere=True)
    return Axis(_numbers(content["edges"], "edges"), "variable", names, title, *flow)


def _places(axes: tuple[Axis, ...]) -> tuple[slice, ...]:
    """Return which part of the arrays with all flow bins UHI stores: flow only where there is."""
    return tuple(
        slice(0 if axis.underflow else 1, axis.bins + (2 if axis.overflow else 1)) for axis in axes
    )


def _with_flow(stored: Any, what: str, axes: tuple[Axis, ...]) -> Floats:
    full = np.zeros(tuple(axis.bins + 2 for axis in axes))
    inner = full[_places(axes)]
    if (stored["type"], what) == ("weighted_mean", "variances") and "index" in stored:
        inner[...] = np.nan  # as a bin without entries has it, that a sparse storage leaves out
    if what not in stored:
        if stored.keys() & {*FIELDS[stored["type"]], "index"}:
            raise KeyError(what)
        return full
    if isinstance(stored[what], str):
        raise _UnsupportedError("UHI contents kept in another file", elsewhere=True)
    array = _numbers(stored[what], what)
    if "index" in stored:
        inner[_index(stored["index"], inner.shape, array.shape)] = array
    elif array.shape != inner.shape:
        raise ValueError(f"{what} of shape {array.shape}, the axes need {inner.shape}")
    else:
        inner[...] = array
    return full


def _numbers(values: Any, what: str) -> Floats:
    try:
        array = np.array(values, dtype=np.float64)
    except BROKEN_VALUES as error:
        raise ValueError(f"'{what}' is not an array of numbers") from error
    if (np.abs(array) >= LARGEST_EXACT_COUNT).any() and not _all_exact(values):
        raise _UnsupportedError(f"integers from {LARGEST_EXACT_COUNT:,} on")
    return array


def _all_exact(values: Any) -> bool:
    if isinstance(values, list):
        return all(map(_all_exact, values))
    return not isinstance(values, int) or is_exact(str(values))


def _index(
    index: Any, shape: tuple[int, ...], given: tuple[int, ...]
) -> tuple[NDArray[np.intp], ...]:
    """Return the places of the numbers of a sparse histogram, each once."""
    places = _numbers(index, "index")
    if places.ndim != 2 or places.shape != (len(shape), *given):
        raise ValueError(f"an index of shape {places.shape} for numbers of shape {given}")
    inside = all(((row >= 0) & (row < n)).all() for row, n in zip(places, shape, strict=True))
    if not (inside and np.array_equal(places, np.floor(places))):
        raise ValueError("an index that is not a bin")
    if len(np.unique(places, axis=1).T) != places.shape[1]:
        raise ValueError("a bin is in the index more than once")
    return tuple(places.astype(np.intp))


def _block(histogram: Histogram) -> str:
    """Return one histogram as JSON with a line a field, and arrays broken into short lines."""
    native: Storage = "float64"
    kind = "double"
    if histogram.sumw2 is not None:
        kind = "weighted"
    elif histogram.storage.startswith("int"):
        kind, native = "int", "int64"
    lines = [f'  "uhi_schema": {SCHEMA}']
    if histogram.storage != native:
        lines.append(f'  "writer_info": {{"reprun": {{"storage": "{histogram.storage}"}}}}')
    metadata: dict[str, Any] = {}
    if histogram.title:
        metadata["title"] = histogram.title
    if histogram.entries is not None:
        metadata["entries"] = number(histogram.entries)
    if histogram.facts:
        metadata["facts"] = _json(dict(sorted(histogram.facts.items())))
    if metadata:
        lines.append(f'  "metadata": {_json(metadata)}')
    axes = ",\n".join(f"   {_axis_text(axis)}" for axis in histogram.axes)
    lines.append(f'  "axes": [\n{axes}\n  ]')
    places = _places(histogram.axes)
    storage = [f'   "type": "{kind}"', f'   "values": {_array(histogram.values[places], 3)}']
    if histogram.sumw2 is not None:
        storage.append(f'   "variances": {_array(histogram.sumw2[places], 3)}')
    lines.append('  "storage": {\n' + ",\n".join(storage) + "\n  }")
    return "{\n" + ",\n".join(lines) + "\n }"


def _axis_text(axis: Axis) -> str:
    metadata = {"title": axis.title} if axis.title else {}
    document: dict[str, Any]
    kind: AxisKind = axis.kind
    if kind == "category":
        labels = axis.labels or ()
        document = {"type": "category_str", "categories": labels, "flow": axis.overflow}
        if are_integers(labels):
            document |= {"type": "category_int", "categories": [int(label) for label in labels]}
    else:
        if axis.labels is not None:
            metadata["labels"] = _json(list(axis.labels))
        if kind == "regular":
            document = {
                "type": "regular",
                "lower": number(float(axis.edges[0])),
                "upper": number(float(axis.edges[-1])),
                "bins": axis.bins,
            }
        else:
            edges = [number(edge) for edge in axis.edges.tolist()]
            document = {"type": "variable", "edges": edges}
        document |= {"underflow": axis.underflow, "overflow": axis.overflow, "circular": False}
    return _json(document | ({"metadata": metadata} if metadata else {}))


def _array(values: Floats, indent: int) -> str:
    margin = " " * (indent + 1)
    if values.ndim > 1:
        rows = ",\n".join(margin + _array(row, indent + 1) for row in values)
        return f"[\n{rows}\n{' ' * indent}]"
    texts = [json.dumps(number(value)) for value in values.tolist()]
    if len(texts) <= NUMBERS_A_LINE:
        return f"[{', '.join(texts)}]"
    lines = [
        margin + ", ".join(texts[start : start + NUMBERS_A_LINE])
        for start in range(0, len(texts), NUMBERS_A_LINE)
    ]
    return "[\n" + ",\n".join(lines) + f"\n{' ' * indent}]"


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False)
