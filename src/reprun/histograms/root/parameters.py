"""Parameters of RooFit, from the bytes that RooRealVar streams.

It has a streamer of its own, which no description of classes in a file tells, so uproot does not
decode it. Everything that is not as ROOT 6 writes it raises ForeignError. The fields:
RooRealVar::Streamer of ROOT.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from reprun.histograms.root.containers import HAS_BYTE_COUNT, Payload, Span
from reprun.histograms.root.keys import ForeignError, text_at

PARAMETER = "RooRealVar"
PARAMETER_VERSION = 10
UNIFORM = 28
"""Bytes at the end of a RooUniformBinning: two limits, how many bins and how wide."""
REAL = 28
"""Bytes of a RooAbsReal before its unit: how it is plotted, and its value."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a fit."""

    name: str
    unit: str
    numbers: dict[str, float]
    """By what follows its name: its value, `, error`, `, lower limit` …"""


class ParameterReader:
    """Reads the bytes of one object of RooFit."""

    def __init__(self, payload: Payload) -> None:
        self.payload, self.data = payload, payload.data

    def opened(self, at: int, version: int | None = None) -> tuple[int, int]:
        """Return where the members of a class are, and where it ends."""
        count, found = struct.unpack_from(">IH", self.data, at)
        end = at + 4 + (count & ~HAS_BYTE_COUNT)
        if not count & HAS_BYTE_COUNT or end > len(self.data) or version not in (None, found):
            raise ForeignError(f"version {found} of a part of a fit")
        return at + 6, end

    def pointer(self, at: int, end: int) -> tuple[Span | None, int]:
        """Return what a pointer leads to, if it does to anything, and where the next one is."""
        if self.data[at : at + 4] == bytes(4):
            return None, at + 4
        if (span := self.payload.pointed(at, end)) is None:
            raise ForeignError("a part of a fit is elsewhere")
        return span, span.end

    def parameter(self, span: Span) -> Parameter:
        """Return a parameter: its value, limits and errors."""
        data = self.data
        at, end = self.opened(span.start, PARAMETER_VERSION)
        inner, after = self.opened(at)  # RooAbsRealLValue, which begins with a RooAbsReal
        real, _ = self.opened(inner)
        _, at = self.opened(real)  # RooAbsArg
        _, _, _, value = struct.unpack_from(">ddid", data, at)
        unit, _ = text_at(data, at + REAL)
        error, low, high = struct.unpack_from(">ddd", data, after)
        binning, at = self.pointer(after + 24, end)
        if binning is None or binning.class_name != "RooUniformBinning":
            raise ForeignError("a parameter whose range has bins of its own")
        lower, upper = struct.unpack_from(">dd", data, binning.end - UNIFORM)
        numbers = {"": value, ", lower limit": lower, ", upper limit": upper, ", error": error}
        if low <= 0 <= high:  # as RooRealVar::hasAsymError
            numbers |= {", error down": low, ", error up": high}
        return Parameter(self.payload.name_of(span), unit, numbers)
