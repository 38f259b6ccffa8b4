"""A file of events whose columns are parts of records."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import uproot


def write_records(path: Path) -> None:
    """Write an RNTuple of five events with a record, a list of records and a list of strings."""
    with uproot.recreate(path) as file:
        file.mkrntuple(
            "Events",
            {
                "vertex": ak.Array([{"z": 0.5 * n, "run": 1} for n in range(5)]),
                "muons": ak.Array([[{"pt": 10.5 + m} for m in range(n)] for n in range(5)]),
                "tags": ak.Array([["loose"], [], ["tight"], [], []]),
            },
        )
