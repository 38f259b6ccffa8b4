"""How many rows of a column of strings fit into memory, before any of them is decoded.

A string that is in a file once may be in a column millions of times: from a dictionary, or as what
it has in common with the one before.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pyarrow as pa

from reprun.bounded import limits
from reprun.histograms.parquet.footer import Chunk, Leaf
from reprun.histograms.parquet.pages import DELTA_BYTE_ARRAY, DELTA_STRINGS, Page, pages_of
from reprun.histograms.parquet.thrift import BrokenError

ROWS_AT_A_TIME = 100_000
BYTES_AT_A_TIME = 64_000_000


def may_stay_in_dictionary(data: memoryview, leaf: Leaf) -> bool:
    """Say whether pyarrow can leave the strings of a column in their dictionary.

    That it does for columns of nothing else, and for some encodings.
    """
    return not any(
        page.encoding in DELTA_STRINGS and not page.is_dictionary
        for chunk in leaf.chunks
        for page in pages_of(data, chunk)
    )


def rows_at_a_time(data: memoryview, leaves: Sequence[Leaf], *, flat: bool) -> int:
    """Return how many rows of a column are decoded in one go; 0 if one may be too many.

    Of a `flat` column each row has one string.
    """
    rows = ROWS_AT_A_TIME
    for chunk in (chunk for leaf in leaves if leaf.is_string for chunk in leaf.chunks):
        pages = pages_of(data, chunk)
        longest = max((_longest(data, page, chunk) for page in pages), default=0)
        if flat:
            rows = min(rows, max(BYTES_AT_A_TIME // max(longest, 1), 1))
        elif longest * chunk.values > _most_bytes(data):
            return 0
    return rows


def _most_bytes(data: memoryview) -> int:
    return limits.FREE_OBJECT.value + limits.OBJECT_RATIO * len(data)


def _longest(data: memoryview, page: Page, chunk: Chunk) -> int:
    """Return how long a string may be that a page has once for many values; 0 if it has none."""
    if not page.is_dictionary:
        return page.full if page.encoding == DELTA_BYTE_ARRAY else 0
    if page.full * chunk.values <= _most_bytes(data) or chunk.codec is None:
        return page.full
    content = data[page.start : page.start + page.packed]
    if chunk.codec:
        content = memoryview(pa.decompress(content, page.full, chunk.codec))
    return _longest_string(content, page.values)


def _longest_string(data: memoryview, count: int) -> int:
    """Return the length of the longest of so many strings, each behind its length."""
    longest = at = 0
    try:
        for _ in range(count):
            (size,) = struct.unpack_from("<I", data, at)
            longest = max(longest, size)
            at += 4 + size
    except struct.error as error:
        raise BrokenError("a dictionary is truncated") from error
    return longest
