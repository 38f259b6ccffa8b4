"""docs/identity.md, made from `reprun.histograms.identity` so that it cannot go stale.

`make schemas` writes it; a test compares what is committed with what it is now.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import get_args

from reprun.histograms.identity import LEFT_OUT, FileFormat, LeftOut

PAGE = Path(__file__).resolve().parents[1] / "docs" / "identity.md"
HEAD = """\
# What a comparison leaves out

<!-- made by tools/identity.py from src/reprun/histograms/identity.py; edit it there -->

A verdict covers everything that is in a file, except the fields below. Numbers are compared as
numbers; text beside them (cells such as `< 0.5`, units, qualifiers, annotations) are *facts*, which
must be equal. What reprun cannot decode is compared by its bytes: equal bytes are identical, others
not comparable. What is in a list, folder, stack, map or canvas of a ROOT file is an object of its
own, by its path (`list/h_pt`; another of one name is `list/h_pt#2`, one without a name goes by its
place); the rest of the container, such as the order of what it holds, draw options and colours,
counts by its digest.

A tree (TTree, TNtuple, RNTuple) is compared by the number of its entries and the values of its
branches in their order, whatever baskets, compression and writer. Where these differ, so do events:
they are matched by their key columns, or by their place, and compared value by value. A branch that
is not decoded is compared by the bytes of its entries; an RNTuple with such a field never passes. A
CSV table of events is compared as a tree: one whose first column is called run, luminosity block or
event, or alike, where there is another of these and one is the event. All its headings and cells
count. So is a Parquet file, by the values of its columns, lists, records and missing values among
them; what its writer has noted beside the numbers (units of columns, the luminosity) are facts. A
column that pyarrow does not decode is compared by its stored bytes. Two trees of which one is a
TTree and the other an RNTuple, a Parquet file or a CSV table are compared by all their values; that
a list has one size, that values may be missing and how many bytes a number of a CSV table has is
then not known of both, and left out.

Tests change every field of small files of every text format (`tests/unit/test_mutations_text.py`)
and every byte of the objects of ROOT files (`tests/unit/test_mutations_root.py`) and of Parquet
files (`tests/unit/test_mutations_parquet.py`), and find no change without a verdict but of a field
listed here.
"""


def page() -> str:
    """Return docs/identity.md."""
    return HEAD + "".join(map(_section, get_args(FileFormat)))


def _section(file_format: FileFormat) -> str:
    rows = [
        f"| {', '.join(f'`{one.field}`' for one in group)} | {reason} |"
        for reason, group in groupby(
            (one for one in LEFT_OUT if one.format == file_format), key=_reason
        )
    ]
    return f"\n## {file_format}\n\n| left out | why |\n|---|---|\n" + "\n".join(rows) + "\n"


def _reason(one: LeftOut) -> str:
    return one.reason


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print("docs/identity.md")


if __name__ == "__main__":
    main()
