"""Variables of a RooWorkspace, number by number; the rest of it is known by its bytes.

A workspace has an identifier, and unique numbers in many places, that differ each time it is made:
its bytes say little of two that were made anew. Its variables (RooRealVar) say what a fit starts
from, and where one has ended.
"""

from __future__ import annotations

import struct

import numpy as np

from reprun.histograms.model import Table
from reprun.histograms.root.containers import Payload
from reprun.histograms.root.keys import ForeignError
from reprun.histograms.root.parameters import PARAMETER, ParameterReader

WORKSPACE = "RooWorkspace"
VARIABLES = "variables of a RooWorkspace"


def workspace_variables(name: str, payload: Payload) -> Table:
    """Return value, limits and errors of every variable, a row each, in the order of the file.

    Another of one name, as snapshots and data sets have them, is `mean#2`. Raises ForeignError
    where one is not as ROOT 6 writes it, or there is none.
    """
    reader = ParameterReader(payload)
    rows: dict[str, float] = {}
    units: dict[str, str] = {}
    seen: dict[str, int] = {}
    try:
        for span in payload.every(PARAMETER):
            one = reader.parameter(span)
            seen[one.name] = seen.get(one.name, 0) + 1
            called = one.name if seen[one.name] == 1 else f"{one.name}#{seen[one.name]}"
            rows |= {f"{called}{what}": number for what, number in one.numbers.items()}
            units |= {f"unit of {called}": one.unit} if one.unit else {}
    except (struct.error, IndexError, ValueError) as error:
        raise ForeignError(str(error)) from error
    if not rows:
        raise ForeignError("a workspace without variables")
    values = np.array([list(rows.values())], dtype=np.float64).T
    return Table(name, tuple(rows), ("value",), values, class_name=VARIABLES, facts=units)
