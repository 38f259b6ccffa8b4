"""UHI histograms in ROOT files: RNTuples of one entry, as `uhi.io.root` and `uhi.io.uproot` write.

The field `uhi` is what UHI JSON has, with the names of other fields in place of its arrays. What is
not quite that is an RNTuple of events, and compared as one.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from reprun.bounded.limits import LimitError
from reprun.bounded.parsing import BROKEN_VALUES, parse_json
from reprun.histograms.model import DataObject, Unread
from reprun.histograms.uhi import ARRAYS, FaultError, histograms_of, no_key_twice, unflattened

FIELD = "uhi"


def uhi_histogram(name: str, ntuple: Any) -> DataObject | Unread | None:
    """Return the histogram that uproot's RNTuple is, None for any other RNTuple, or a tree."""
    fields = {one.name: one for one in getattr(ntuple, "fields", ())}
    if FIELD not in fields or fields[FIELD].typename != "std::string" or ntuple.num_entries != 1:
        return None
    try:
        text = str(fields[FIELD].array(library="ak")[0])
        content = parse_json(text, no_key_twice)
        used = _with_arrays(content, fields)
        if "uhi_schema" not in content or used | {FIELD} != fields.keys():
            return None
        objects = histograms_of({name: unflattened(content)}, len(text) + _values_in(content))
    except (FaultError, LimitError, json.JSONDecodeError, *BROKEN_VALUES):
        return None
    return objects.unread.get(name) or objects[name]


def _with_arrays(content: Any, fields: dict[str, Any]) -> set[str]:
    """Put its arrays into a histogram; return the names of the fields that they are from."""
    used: set[str] = set()
    for part in (content["storage"], *content["axes"]):
        for key in ARRAYS & part.keys():
            if isinstance(part[key], str):
                used.add(part[key])
                values = np.asarray(fields[part[key]].array(library="ak")[0])
                if values.dtype.kind not in "iuf":
                    raise FaultError(f"an array of {values.dtype}, not of numbers")
                part[key] = values.tolist()
    return used


def _values_in(content: Any) -> int:
    parts = (content["storage"], *content["axes"])
    return sum(np.size(part[key]) for part in parts for key in ARRAYS & part.keys())
