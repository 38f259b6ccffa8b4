"""What of a file is left out when two are compared: one closed list, and all else counts.

From it docs/identity.md is made, and the tests that change every field of every format use it: a
change that no verdict shows is of a field on this list, or a fault of a reader.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FileFormat = Literal[
    "ROOT",
    "YODA",
    "HEPData",
    "CSV",
    "Parquet",
    "UHI JSON",
    "UHI in zip, HDF5 or RNTuple",
    "JSON documents",
]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field that may differ without a word."""

    format: FileFormat
    field: str
    """As the format calls it."""
    reason: str


def _left(file_format: FileFormat, reason: str, *fields: str) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(file_format, field, reason) for field in fields)


_PEOPLE = "for people"
_TITLE = "for people; a unit in it counts where both have one"
_WRITTEN = "the number is the same"

LEFT_OUT: tuple[LeftOut, ...] = (
    *_left("ROOT", "objects are matched by the name of their key", "fName"),
    *_left("ROOT", _TITLE, "fTitle"),
    *_left("ROOT", "how it is stored: what is decoded counts", "sizes and versions of parts"),
    *_left("ROOT", "how it is stored: the class counts", "where a container names a class"),
    *_left("ROOT", "the contents count, and how many they are", "fNcells"),
    *_left("ROOT", "of a class that has three whatever it needs", "an axis that is not used"),
    *_left("ROOT", "ROOT does not use it", "fScalefactor"),
    *_left("ROOT", "the edges count where they are listed", "fXmin and fXmax beside fXbins"),
    *_left("ROOT", "of memory, not of the object", "@fBits", "@fUniqueID"),
    *_left(
        "ROOT", "how it is drawn",
        "fLineColor", "fLineStyle", "fLineWidth", "fFillColor", "fFillStyle", "fMarkerColor",
        "fMarkerStyle", "fMarkerSize", "fNdivisions", "fAxisColor", "fLabelColor", "fLabelFont",
        "fLabelOffset", "fLabelSize", "fTickLength", "fTitleOffset", "fTitleSize", "fTitleColor",
        "fTitleFont", "fBarOffset", "fBarWidth", "fMaximum", "fMinimum", "fContour", "fOption",
        "fFirst", "fLast", "fBits2", "fTimeDisplay", "fTimeFormat",
    ),
    *_left("ROOT", "references keep none: compared between two ROOT files", "stored sums"),
    *_left("ROOT", "drawn with it; a fit that is stored on its own counts", "fFunctions"),
    *_left(
        "ROOT", "of a parameter in a RooFitResult: its numbers, its range and its unit count",
        "_boolAttrib", "_stringAttrib", "_proxyList", "_plotMin", "_plotMax", "_plotBins",
        "bins of its range", "_sharedProp",
    ),
    *_left("ROOT", "of filling: what was filled counts", "fStatOverflows", "fBufferSize"),
    *_left("YODA", _PEOPLE, "Title", "Description", "lines that start with #"),
    *_left("YODA", _TITLE, "XLabel", "YLabel", "ZLabel"),
    *_left("YODA", "the class and the numbers of the object count", "_V2", "_V3", "END …"),
    *_left(
        "YODA", "follows the fills of a bin, and writers of YODA round it on their own",
        "sumwx of a bin", "sumwx2 of a bin", "sumwxy of a bin",
        "sumwy of a bin of two axes", "sumwy2 of a bin of two axes",
        "sumW(A…) of an axis", "sumW2(A…) of an axis", "sumW(A…,A…)",
    ),
    *_left("YODA", "they repeat the first line of an object", "no Path", "no Type"),
    *_left("YODA", "no part of a word", "spaces", "empty lines", "---"),
    *_left("YODA", "the sum over all bins, where it is that", "no Total"),
    *_left("YODA", "the sum over all bins counts", "numEntries of a bin of a histogram"),
    *_left("YODA", "how the text was packed", "header of a .gz file"),
    *_left("YODA", _WRITTEN, "digits that float64 does not hold, of a number with a point"),
    *_left("HEPData", _PEOPLE, "comment", "description", "abstract", "location"),
    *_left("HEPData", "for a search in HEPData", "keywords"),
    *_left("HEPData", "where the table is: what is there counts", "data_file"),
    *_left(
        "HEPData", "where more is to be found",
        "additional_resources", "record_ids", "associated_records", "table_doi", "hepdata_doi",
        "related_to_table_dois", "related_to_hepdata_records", "data_license", "dateupdated",
        "modifications",
    ),
    *_left("HEPData", "as if it were not there", "null", "an empty list"),
    *_left("HEPData", _WRITTEN, "digits that float64 does not hold, of a number with a point"),
    *_left("CSV", _PEOPLE, "lines that start with #", "heading of the first column", "title"),
    *_left("CSV", "not part of a cell", "spaces around a cell", "empty lines"),
    *_left("CSV", "the edges and labels of the axes count", "kind", "row of a bin"),
    *_left("CSV", "not every format has them: compared where both sides do", "no entries"),
    *_left("CSV", "both are no number", "an empty cell, or nan"),
    *_left("CSV", _WRITTEN, "digits that float64 does not hold, of a number with a point"),
    *_left("CSV", "columns go by their names", "order of columns of a table of events"),
    *_left("Parquet", "columns go by their names", "order of columns"),
    *_left(
        "Parquet", "how it is stored: the values of all rows count",
        "row groups", "pages", "encoding", "compression", "where a column is", "sizes",
        "sorting columns", "checksum of a page", "bloom filters", "indexes of pages", "file_offset",
        "how strings and lists are in the memory of a writer",
    ),
    *_left("Parquet", "follows from the values", "statistics"),
    *_left("Parquet", "those that are missing count", "whether a value may be missing"),
    *_left("Parquet", "names inside of lists and maps have no meaning", "name of an item"),
    *_left("Parquet", "who wrote the file, and how", "version", "created_by", "column_orders"),
    *_left(
        "Parquet", "how a writer had the table in its memory; other keys and values count",
        "ARROW:schema", "pandas", "org.apache.…", "avro.…", "parquet.avro.…", "iceberg.…",
        "writer.…", "field_id", "converted_type where there is a logical type",
    ),
    *_left("UHI JSON", _TITLE, "title", "label"),
    *_left("UHI JSON", "what the code that wrote it calls it", "name"),
    *_left("UHI JSON", "of boost-histogram; variances that are stored count", "_variance_known"),
    *_left("UHI JSON", "as if it were not there", "null", "an empty list of metadata"),
    *_left("UHI JSON", "the same as false", "no circular"),
    *_left(
        "UHI JSON", "not every format has them: compared where both sides do",
        "no entries",
    ),
    *_left("UHI JSON", "who wrote the file; `reprun.storage` counts", "writer_info"),
    *_left("UHI JSON", "an even axis and a list of the same edges are one", "type of an axis"),
    *_left("UHI JSON", _WRITTEN, "digits that float64 does not hold, of a number with a point"),
    *_left("UHI in zip, HDF5 or RNTuple", "as in UHI JSON", "what is left out there"),
    *_left(
        "UHI in zip, HDF5 or RNTuple", "how it is stored: numbers and attributes count",
        "compression", "order of members", "times", "comment of a zip file", "type of an array",
        "name of the field of an array",
    ),
    *_left("JSON documents", "no part of a value", "order of keys", "spaces and lines", "escapes"),
    *_left(
        "JSON documents", "items of these lists have names (pyhf, HS3)",
        "order of channels", "order of samples", "order of modifiers", "order of observations",
        "order of measurements", "order of parameters", "order of the lists at the top of HS3",
    ),
    *_left(
        "JSON documents", _WRITTEN, "1.0 for 1", "sign of a zero",
        "digits that float64 does not hold, of a number with a point",
    ),
)  # fmt: skip


def left_out(file_format: FileFormat) -> frozenset[str]:
    """Return the fields of a format that are left out."""
    return frozenset(one.field for one in LEFT_OUT if one.format == file_format)
