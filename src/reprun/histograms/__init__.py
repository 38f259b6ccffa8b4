"""Histograms and tables: read, written and hashed. Nothing here judges them.

Names are brought in when they are first used: a report is read without numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprun.histograms.canonical import content_hash, hash_of_objects
    from reprun.histograms.documents import is_value
    from reprun.histograms.events import Column, Events, Values
    from reprun.histograms.files import (
        open_objects,
        read_all,
        read_objects,
        read_reference_values,
        readable,
        write_histograms,
        write_table,
        write_values,
    )
    from reprun.histograms.hepdata import write_hepdata
    from reprun.histograms.model import (
        Axis,
        DataObject,
        Floats,
        Histogram,
        Objects,
        Source,
        Storage,
        Table,
        Unread,
        number,
        regular_edges,
    )
    from reprun.histograms.tables import table_name, table_text
    from reprun.histograms.uhi import uhi_text

_MODULES = {
    "Axis": "model",
    "Column": "events",
    "content_hash": "canonical",
    "DataObject": "model",
    "Events": "events",
    "Floats": "model",
    "hash_of_objects": "canonical",
    "Histogram": "model",
    "is_value": "documents",
    "number": "model",
    "Objects": "model",
    "open_objects": "files",
    "read_all": "files",
    "read_objects": "files",
    "read_reference_values": "files",
    "readable": "files",
    "regular_edges": "model",
    "Source": "model",
    "Storage": "model",
    "Table": "model",
    "table_name": "tables",
    "table_text": "tables",
    "uhi_text": "uhi",
    "Unread": "model",
    "Values": "events",
    "write_hepdata": "hepdata",
    "write_histograms": "files",
    "write_table": "files",
    "write_values": "files",
}

__all__ = [
    "Axis",
    "Column",
    "DataObject",
    "Events",
    "Floats",
    "Histogram",
    "Objects",
    "Source",
    "Storage",
    "Table",
    "Unread",
    "Values",
    "content_hash",
    "hash_of_objects",
    "is_value",
    "number",
    "open_objects",
    "read_all",
    "read_objects",
    "read_reference_values",
    "readable",
    "regular_edges",
    "table_name",
    "table_text",
    "uhi_text",
    "write_hepdata",
    "write_histograms",
    "write_table",
    "write_values",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
