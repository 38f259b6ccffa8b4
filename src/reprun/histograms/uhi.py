"""UHI JSON, schema version 1: the format of references, text that `git diff` can show.

hist and boost-histogram read and write the same format. What UHI has no field for lies in
its open ones: `entries` and `title` in the metadata of a histogram, `title` and a JSON list
`labels` in that of an axis, and storages other than UHI's own (TH1F's float32) in
`writer_info.reprun`. The format: https://uhi.readthedocs.io/en/latest/serialization.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.errors import OutputMissingError
from reprun.histograms.model import (
    Axis,
    AxisKind,
    Floats,
    Histogram,
    Objects,
    Storage,
    number,
    printable,
)
from reprun.wording import shortened

SCHEMA = 1
NUMBERS_A_LINE = 12
_STORAGES: Mapping[str, Storage] = {"int": "int64", "double": "float64", "weighted": "float64"}


class _FaultError(Exception):
    """The document is not what the UHI schema allows; the message says where and why."""


class _UnsupportedError(Exception):
    """A legal histogram of a kind that reprun cannot compare."""


def read_uhi(path: Path, text: str) -> Objects:
    """Read the histograms of a UHI JSON text: several by name, or one, called by the file's stem.

    Raises OutputMissingError that names the file, the object and the fault.
    """
    try:
        document = parse_json(text, _no_key_twice)
        left = limits.FREE_CELLS.value + len(text)
        if not isinstance(document, dict):
            raise _FaultError("it holds no histograms by name")  # noqa: TRY301
        named = {path.stem: document} if "uhi_schema" in document else document
        found: dict[str, Histogram] = {}
        unsupported: dict[str, str] = {}
        for name, content in named.items():
            name = printable(name)  # noqa: PLW2901 - as it is called from here on
            if name in found or name in unsupported:
                raise _FaultError(f"the name '{name}' is duplicated")  # noqa: TRY301
            try:
                found[name] = _histogram(name, content, left)
                left -= found[name].values.size
            except _UnsupportedError as reason:
                unsupported[name] = str(reason)
            except BROKEN_VALUES as error:
                what = f"no field {error}" if isinstance(error, KeyError) else str(error)
                raise _FaultError(f"'{name}': {what}") from error
    except json.JSONDecodeError as error:
        raise OutputMissingError(
            f"{path.name} is not valid JSON: {error.msg}", place=f"{path}:{error.lineno}"
        ) from error
    except (_FaultError, LimitError) as error:
        raise OutputMissingError(
            f"{path.name} is not a readable UHI histogram file: {shortened(str(error))}",
            place=str(path),
        ) from error
    return Objects(found, unsupported)


def uhi_text(histograms: Iterable[Histogram]) -> str:
    """Return the UHI JSON text of histograms: sorted by name, the same bytes for the same content.

    Every float is written with the fewest digits that read back as the same bits.
    """
    ordered = sorted(histograms, key=lambda histogram: histogram.name)
    blocks = [f"{json.dumps(one.name, ensure_ascii=False)}: {_block(one)}" for one in ordered]
    return "{\n" + ",\n".join(blocks) + "\n}\n" if blocks else "{}\n"


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise _FaultError(f"the name '{twice}' is duplicated")
    return found


def _histogram(name: str, content: Any, left: int) -> Histogram:
    """Return a histogram; `left` bins are those that the file may still declare."""
    if content["uhi_schema"] != SCHEMA:
        raise ValueError(f"uhi_schema {content['uhi_schema']}, this version reads {SCHEMA}")
    stored = content["storage"]
    if stored["type"] not in _STORAGES:
        raise _UnsupportedError(f"UHI {stored['type']} storage")
    if not 1 <= len(content["axes"]) <= 3:
        raise _UnsupportedError(f"UHI histogram of {len(content['axes'])} axes")
    cells = math.prod(_bins(axis) + 2 for axis in content["axes"])
    if cells > left:
        raise ValueError(f"it declares {cells:,} bins, more than the file has room for")
    axes = tuple(_axis(axis) for axis in content["axes"])
    storage = content.get("writer_info", {}).get("reprun", {}).get("storage")
    if storage is not None and storage not in get_args(Storage):
        raise ValueError(f"unknown storage '{storage}'")
    metadata = content.get("metadata", {})
    entries = metadata.get("entries")
    weighted = stored["type"] == "weighted"
    return Histogram(
        name=name,
        axes=axes,
        values=_with_flow(stored, "values", axes),
        sumw2=_with_flow(stored, "variances", axes) if weighted else None,
        storage=storage or _STORAGES[stored["type"]],
        entries=None if entries is None else float(entries),
        title=str(metadata.get("title", metadata.get("label", ""))),
    )


def _bins(content: Any) -> int:
    """Return how many bins an axis declares."""
    if content["type"] != "regular":
        return max(len(content.get(name, ())) for name in ("edges", "categories"))
    bins = content["bins"]
    if type(bins) is not int or bins < 1:
        raise ValueError(f"an axis of {str(bins)[:20]} bins")
    return bins


def _axis(content: Any) -> Axis:
    metadata = content.get("metadata", {})
    title = str(metadata.get("title", metadata.get("label", "")))
    kind = content["type"]
    if content.get("circular"):
        raise _UnsupportedError("UHI circular axis")
    if kind == "boolean":
        return Axis.categories(("False", "True"), title=title, overflow=False)
    if kind in ("category_str", "category_int"):
        categories = tuple(str(category) for category in content["categories"])
        if not categories:
            raise _UnsupportedError("UHI axis without categories")
        return Axis.categories(categories, title=title, overflow=content["flow"])
    flow: tuple[bool, bool] = content["underflow"], content["overflow"]
    labels = metadata.get("labels")
    names = None if labels is None else tuple(map(str, parse_json(labels)))
    if kind == "regular":
        plain = Axis.regular(content["bins"], float(content["lower"]), float(content["upper"]))
        return Axis(plain.edges, "regular", names, title, *flow)
    if kind == "variable":
        if isinstance(content["edges"], str):
            raise _UnsupportedError("UHI edges kept in another file")
        return Axis(np.array(content["edges"], dtype=np.float64), "variable", names, title, *flow)
    raise ValueError(f"unknown axis type '{kind}'")


def _places(axes: tuple[Axis, ...]) -> tuple[slice, ...]:
    """Return which part of the arrays with all flow bins UHI stores: flow only where there is."""
    return tuple(
        slice(0 if axis.underflow else 1, axis.bins + (2 if axis.overflow else 1)) for axis in axes
    )


def _with_flow(stored: Any, what: str, axes: tuple[Axis, ...]) -> Floats:
    full = np.zeros(tuple(axis.bins + 2 for axis in axes))
    inner = full[_places(axes)]
    if what not in stored:
        if "values" in stored:
            raise KeyError(what)
        return full
    if isinstance(stored[what], str):
        raise _UnsupportedError("UHI contents kept in another file")
    array = np.array(stored[what], dtype=np.float64)
    if "index" in stored:
        inner[tuple(np.array(stored["index"], dtype=np.intp))] = array
    elif array.shape != inner.shape:
        raise ValueError(f"{what} of shape {array.shape}, the axes need {inner.shape}")
    else:
        inner[...] = array
    return full


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
        document = {"type": "category_str", "categories": axis.labels, "flow": axis.overflow}
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
