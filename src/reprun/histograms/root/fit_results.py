"""Results of fits with RooFit, from the bytes that RooFitResult streams.

Everything here that is not as ROOT 6 writes it raises ForeignError, and the result is known by its
bytes. The fields: RooFitResult.h of ROOT.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from reprun.histograms.model import Table
from reprun.histograms.root.containers import Payload, Span
from reprun.histograms.root.keys import ForeignError, text_at
from reprun.histograms.root.parameters import PARAMETER, Parameter, ParameterReader

FIT_RESULT = "RooFitResult"
RESULT_VERSION = 5
MEMBERWISE = 0x4000
"""Marks the version of a vector that has all first members before all second ones."""
COUNT_OF_LIST = 34
"""Where a RooArgList says how many it holds, before the first."""
MATRIX_HEADER = 48
"""Bytes of a symmetric matrix before its elements."""
VECTOR_HEADER = 25


def fit_result(name: str, payload: Payload, span: Span) -> Table:
    """Return the numbers of a fit, a row each. Raises ForeignError for what is not known."""
    try:
        rows, facts = _Reader(payload).result(span)
    except (struct.error, IndexError, ValueError) as error:
        raise ForeignError(str(error)) from error
    values = np.array([list(rows.values())], dtype=np.float64).T
    return Table(name, tuple(rows), ("value",), values, class_name=FIT_RESULT, facts=facts)


class _Reader(ParameterReader):
    def result(self, span: Span) -> tuple[dict[str, float], dict[str, str]]:
        at, end = self.opened(span.start, RESULT_VERSION)
        if end != span.end:
            raise ForeignError("bytes after the result of a fit")
        for _ in ("TNamed", "RooPrintable", "RooDirItem"):
            at = self.opened(at)[1]
        status, quality, invalid, nll, edm = struct.unpack_from(">iiidd", self.data, at)
        at += 28
        parts: list[Span | None] = []
        for _ in range(6):
            part, at = self.pointer(at, end)
            parts.append(part)
        constant, initial, final = (self._parameters(part) for part in parts[:3])
        rows: dict[str, float] = {
            "minimum of -log L": nll, "estimated distance to minimum": edm,
            "status": status, "quality of the covariance": quality, "invalid values": invalid,
        }  # fmt: skip
        for number, (label, code) in enumerate(self._history(at, end), start=1):
            rows[f"status {number}, {label}"] = code
        for called, parameters in (("", final), ("initial ", initial), ("constant ", constant)):
            for one in parameters:
                for what, number_of in one.numbers.items():
                    rows[f"{called}{one.name}{what}"] = number_of
        names = [one.name for one in final]
        for called, matrix in (("correlation", parts[3]), ("covariance", parts[4])):
            for place, value in self._matrix(matrix, len(names)):
                rows[f"{called} of {names[place[0]]} and {names[place[1]]}"] = value
        for index, value in self._vector(parts[5], len(names)):
            rows[f"global correlation of {names[index]}"] = value
        units = {f"unit of {one.name}": one.unit for one in (*final, *constant) if one.unit}
        return {key: float(value) for key, value in rows.items()}, units

    def _parameters(self, span: Span | None) -> list[Parameter]:
        if span is None:
            return []
        (count,) = struct.unpack_from(">i", self.data, span.start + COUNT_OF_LIST)
        at = span.start + COUNT_OF_LIST + 4
        found = []
        for _ in range(count):
            one, at = self.pointer(at, span.end)
            if one is None or one.class_name != PARAMETER:
                raise ForeignError("a parameter that is not a number")
            found.append(self.parameter(one))
        return found

    def _matrix(self, span: Span | None, size: int) -> Iterator[tuple[tuple[int, int], float]]:
        if span is None:
            return
        stored = self._doubles(span, MATRIX_HEADER, size * (size + 1) // 2)
        places = zip(*np.triu_indices(size), strict=True)
        yield from (((int(i), int(j)), one) for (i, j), one in zip(places, stored, strict=True))

    def _vector(self, span: Span | None, size: int) -> Iterator[tuple[int, float]]:
        if span is not None:
            yield from enumerate(self._doubles(span, VECTOR_HEADER, size))

    def _doubles(self, span: Span, header: int, count: int) -> list[float]:
        if span.end - span.start != header + 8 * count:
            raise ForeignError("a matrix of another size than the parameters")
        return list(struct.unpack_from(f">{count}d", self.data, span.start + header))

    def _history(self, at: int, end: int) -> list[tuple[str, int]]:
        """Return what each algorithm of the minimiser said; members of a pair stand apart."""
        _, version, _, _, count = struct.unpack_from(">IHHIi", self.data, at)
        if not version & MEMBERWISE or not 0 <= count <= end - at:
            raise ForeignError("the history of a fit in another form")
        at, _ = self.opened(at + 16)
        labels = []
        for _ in range(count):
            label, at = text_at(self.data, at)
            labels.append(label)
        codes = struct.unpack_from(f">{count}i", self.data, at)
        if at + 4 * count != end:
            raise ForeignError("bytes after the history of a fit")
        return list(zip(labels, codes, strict=True))
