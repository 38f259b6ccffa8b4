"""Histograms and tables: read, written and hashed. Nothing here judges them."""

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
