"""The pages of a Parquet file, counted before any of them is decompressed.

pyarrow takes the memory that a page says it needs. What the footer says of a column may be a lie,
so the headers of its pages are read here: they are what pyarrow goes by. Their fields are those of
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.histograms.parquet.footer import Chunk, Footer
from reprun.histograms.parquet.thrift import BrokenError, structure
from reprun.wording import size_of

DATA_HEADERS = (5, 8)
"""The fields of PageHeader that describe a page of values: of version 1 and of version 2."""
DICTIONARY_HEADER = 7
ENCODINGS = {5: 2, 8: 4, DICTIONARY_HEADER: 2}
"""Where each header has its encoding."""
DELTA_BYTE_ARRAY = 7
"""Of each string only what comes after what it has in common with the one before."""
DELTA_STRINGS = (6, DELTA_BYTE_ARRAY)


@dataclass(frozen=True, slots=True)
class Page:
    """What the header of a page says."""

    start: int
    """Of its data, within the file."""
    packed: int
    full: int
    """Bytes of it in the file, and once decompressed."""
    values: int
    encoding: int
    is_dictionary: bool


def pages_of(data: memoryview, chunk: Chunk) -> Iterator[Page]:
    """Yield the pages of a column chunk. Raises BrokenError."""
    at, end = chunk.start, chunk.start + chunk.size
    if not 0 <= at <= end <= len(data):
        raise BrokenError("a column is not within the file")
    left = chunk.values
    while at < end and left > 0:
        header, at = structure(data, at)
        page = _page(header, at)
        at += page.packed
        if min(page.packed, page.full, page.values) < 0 or at > end:
            raise BrokenError("a page is longer than its column")
        left -= 0 if page.is_dictionary else page.values
        yield page
    if left:
        raise BrokenError("a column has fewer values than it declares")


def check_pages(data: memoryview, footer: Footer) -> None:
    """Raise LimitError for pages that take more than the limits allow, BrokenError for none."""
    chunks = [chunk for leaf in footer.leaves for chunk in leaf.chunks]
    if min([footer.rows, *(min(one.values, one.size) for one in chunks)]) < 0:
        raise BrokenError("a number of rows or bytes is negative")
    most = limits.FREE_VALUES.value + limits.VALUES_RATIO * len(data)
    if max(footer.rows, sum(chunk.values for chunk in chunks)) > most:
        raise LimitError(f"it declares more than {most:,} values, of {size_of(len(data))} on disk")
    whole = 0
    for chunk in chunks:
        for page in pages_of(data, chunk):
            whole += page.full
            if page.full > limits.FREE_OBJECT.value + limits.OBJECT_RATIO * page.packed:
                raise LimitError(
                    f"a page has {size_of(page.full)} once decompressed, "
                    f"of {size_of(page.packed)} in the file"
                )
            if not page.is_dictionary and page.values > chunk.values:
                raise BrokenError("a page has more values than its column")
    if whole > limits.FREE_FILE.value + limits.FILE_RATIO * len(data):
        raise LimitError(
            f"it has {size_of(whole)} once decompressed, of {size_of(len(data))} on disk"
        )


def _page(header: Mapping[int, Any], start: int) -> Page:
    try:
        which = next(field for field in (*DATA_HEADERS, DICTIONARY_HEADER) if field in header)
        described = header[which]
        return Page(
            start,
            int(header[3]),
            int(header[2]),
            int(described[1]),
            int(described[ENCODINGS[which]]),
            which == DICTIONARY_HEADER,
        )
    except (StopIteration, KeyError, TypeError, ValueError) as error:
        raise BrokenError("a page has no header") from error
