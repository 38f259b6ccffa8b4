"""The content hash: one digest for equal content, whatever file, writer or order it came in.

What counts: storage (so TH1F and TH1D differ), the edges of every axis, whether it has flow
bins, labels, contents and sumw2 with flow, whether sumw2 is stored at all, the number of
entries, and facts. What does not: the object's name (it is the key under which objects are
matched), titles, whether an axis is written as evenly spaced or as a list of the same edges,
drawing attributes, time stamps, UUIDs, compression and object order.

Two decisions on numbers: -0.0 counts as 0.0, because the sign of a zero depends on the order
of a sum and carries no physics; every NaN counts as the same NaN, because its payload is
chosen by the processor. A NaN never equals a number.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np

from reprun.digests import PREFIX, canonical_json, digest_of_mapping
from reprun.histograms.model import DataObject, Floats, Histogram, Table

CANONICAL_VERSION = 1
"""Raise it when the canonical form changes: every hash changes with it."""
AT_A_TIME = 1 << 16
"""Numbers held in a second form at a time: what fits a processor's cache is much faster."""


def canonical_bytes(values: Floats) -> Iterator[bytes]:
    """Yield little-endian float64 in C order, with -0.0 as 0.0 and one NaN, part by part."""
    flat = np.ascontiguousarray(values, dtype="<f8").ravel()
    for start in range(0, flat.size, AT_A_TIME):
        # Adding 0.0 turns -0.0 into 0.0 and leaves every other number as it is.
        array = flat[start : start + AT_A_TIME] + 0.0
        # The largest is the first NaN, if there is one.
        if math.isnan(array[array.argmax()]):
            array[np.isnan(array)] = np.nan
        yield array.tobytes()


def content_hash(thing: DataObject) -> str:
    """Return `sha256:<hex>` of the canonical form of a histogram or table."""
    digest = hashlib.sha256(canonical_json(_header(thing)))
    arrays = [*(axis.edges for axis in thing.axes), thing.values]
    if isinstance(thing, Histogram) and thing.sumw2 is not None:
        arrays.append(thing.sumw2)
    for array in arrays:
        for part in canonical_bytes(array):
            digest.update(part)
    return PREFIX + digest.hexdigest()


def hash_of_objects(objects: Mapping[str, DataObject]) -> str:
    """Return one digest for a whole set of named objects, whatever their order."""
    return digest_of_mapping({name: content_hash(thing) for name, thing in objects.items()})


def _header(thing: DataObject) -> dict[str, object]:
    if isinstance(thing, Table):
        plain = {
            "canonical": CANONICAL_VERSION,
            "class": thing.class_name,
            "rows": thing.rows,
            "columns": thing.columns,
            **({"facts": dict(thing.facts)} if thing.facts else {}),
        }
        return plain if not thing.axes else plain | _binning(thing)
    return {
        "canonical": CANONICAL_VERSION,
        "class": thing.storage,
        "sumw2": thing.sumw2 is not None,
        **({"facts": dict(thing.facts)} if thing.facts else {}),
        **_binning(thing),
    }


def _binning(thing: DataObject) -> dict[str, object]:
    return {
        "axes": [[axis.bins, axis.underflow, axis.overflow, axis.labels] for axis in thing.axes],
        "entries": None if thing.entries is None else repr(float(thing.entries) + 0.0),
    }
