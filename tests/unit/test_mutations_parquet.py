"""Every byte of a Parquet file counts, or is of a field on the closed list of what is left out.

Small files are changed in one bit of each byte. No change may pass a comparison, except of a field
of `reprun.histograms.identity.LEFT_OUT`, or one after which pyarrow reads the same table.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reprun.compare import compare
from reprun.errors import OutputMissingError
from reprun.histograms import Objects, read_objects
from reprun.histograms.identity import left_out
from reprun.histograms.parquet.thrift import BrokenError, structure
from tests.compare_support import TODAY
from tests.parquet_files import KEYS, TYPES, parquet

pytestmark = pytest.mark.slow

COLUMNS = {"run": KEYS["run"]} | {name: TYPES[name] for name in ("number or none", "words", "list")}
FILES: dict[str, dict[str, Any]] = {
    "version 1": {"compression": "NONE"},
    "version 2": {
        "compression": "zstd", "data_page_version": "2.0", "row_group_size": 2,
        "use_dictionary": False,
    },
}  # fmt: skip
FOOTER = {
    "1": "version",
    "2": "the schema",
    "2.3": "whether a value may be missing",
    "2.4": "name of an item",
    "2.6": "converted_type where there is a logical type",
    "2.9": "field_id",
    "4": "row groups",
    "4.1.2": "file_offset",
    "4.1.3.1": "where a column is",
    "4.1.3.2": "encoding",
    "4.1.3.3": "where a column is",
    "4.1.3.6": "sizes",
    "4.1.3.7": "sizes",
    "4.1.3.9": "where a column is",
    "4.1.3.12": "statistics",
    "4.1.3.13": "encoding",
    "4.1.3.14": "bloom filters",
    "4.1.3.15": "bloom filters",
    "4.1.3.16": "statistics",
    "4.1.4": "indexes of pages",
    "4.2": "sizes",
    "4.4": "sorting columns",
    "4.5": "where a column is",
    "4.6": "sizes",
    "5": "ARROW:schema",
    "6": "created_by",
    "7": "column_orders",
}
"""What the closed list calls a field of the footer, by the numbers of those that lead to it."""
UNKNOWN = "a field that no version of the format has"


def changed(one: Any, other: Any, path: tuple[int, ...] = ()) -> Iterator[str]:
    """Yield the fields in which two structures differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for field in one.keys() | other.keys():
            yield from changed(one.get(field), other.get(field), (*path, field))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for a, b in zip(one, other, strict=True):
            yield from changed(a, b, path)
    elif one != other:
        yield ".".join(map(str, path))


def called(field: str) -> str:
    """Return what the closed list calls a field: the nearest that has a name."""
    parts = field.split(".")
    for size in range(len(parts), 0, -1):
        if (name := FOOTER.get(".".join(parts[:size]))) is not None:
            return name
    return UNKNOWN


def footer(data: bytes) -> tuple[Any, int]:
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return structure(memoryview(data), start)[0], start


def decoded(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def passes(path: Path, reference: Objects) -> bool:
    try:
        return compare(read_objects(path), reference, [], TODAY).reproduced
    except OutputMissingError:
        return False


@pytest.mark.parametrize("how", FILES)
def test_every_byte_counts_or_is_left_out(tmp_path: Path, how: str) -> None:
    data = parquet(COLUMNS, {"lumi": "10/fb"}, **FILES[how])
    (tmp_path / "reference").mkdir()
    honest = tmp_path / "reference/x.parquet"
    honest.write_bytes(data)
    reference, table = read_objects(honest), decoded(honest)
    about, start = footer(data)
    path = tmp_path / "x.parquet"
    seen: set[str] = set()
    counted = 0
    for place in range(len(data)):
        mutated = bytearray(data)
        mutated[place] ^= 1 << place * 3 % 8
        path.write_bytes(mutated)
        if not passes(path, reference):
            counted += 1
            continue
        fields = list(changed(about, footer(bytes(mutated))[0])) if place >= start else []
        names = set(map(called, fields))
        seen |= names
        # The rest are bits of a page that no value is in, and what pyarrow passes over too.
        same = decoded(path).cast(table.schema).equals(table)
        assert same or (place >= start and names <= left_out("Parquet")), (place, fields)
    assert counted > len(data) // 3
    assert {"created_by", "statistics", "sizes", "ARROW:schema"} <= seen


def test_a_structure_that_is_broken_says_so() -> None:
    for data in (b"\x1c", b"\x18\x7f", b"\x15" + b"\xff" * 12, b"\x1f\x00"):
        with pytest.raises(BrokenError):
            structure(memoryview(data), 0)
