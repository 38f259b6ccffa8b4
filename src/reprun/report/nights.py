"""The history of one cell as a document: what its page shows, and what others may read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pydantic import ConfigDict

from reprun.digests import sha256_bytes
from reprun.documents.reading import Document
from reprun.report.marks import LOOKS, Look, State
from reprun.wording import count_of

STRIP = 30
"""Runs in the strip of a cell."""
MOST_RUNS = 400
"""Runs on the page of a cell, and in its document: a year of nights, and what came between."""
LONGEST_NAME = 120
"""Characters of a file name without its ending; a longer one ends with a digest instead."""
INTERRUPTED = "interrupted"


class NightReport(Document):
    """One run of the cell."""

    model_config = ConfigDict(ser_json_inf_nan="strings")

    run: str
    """The first digits of its identity, as `reprun diff` takes them."""
    at: dt.datetime
    """When the command was started, in UTC."""
    image: str
    """The image it ran in."""
    state: State
    """What came of it, as the matrix says it."""
    interrupted: bool = False
    """Whether it did not finish: it was stopped or killed, and says nothing."""
    ran: bool
    """Whether steps ran; else the result of an earlier run was taken over."""
    sentence: str = ""
    """What kept it from a verdict; empty where there is one."""
    changed: tuple[str, ...] = ()
    """What differs from the run before it that left a record."""
    wall_seconds: float | None = None
    """Wall time in seconds; null where no step ran, or nothing was recorded."""
    largest_deviation: float | None = None
    """The largest relative deviation of all objects; null where nothing was compared."""
    published: bool = False
    """Whether the report beside this page is that of this run."""

    @property
    def said(self) -> str:
        """Its state as people read it."""
        return INTERRUPTED if self.interrupted else self.state

    @property
    def look(self) -> Look:
        """How it looks."""
        return LOOKS[self.state]

    @property
    def day(self) -> str:
        """The day that a sentence names."""
        return f"{self.at:%Y-%m-%d}"


class RedObject(Document):
    """An object that does not pass now."""

    name: str
    """What it is called."""
    since: dt.datetime
    """When the first run was started since which it does not pass."""


class CellNights(Document):
    """All that the history tells of one cell."""

    schema_version: Literal[1] = 1
    """The version of this document."""
    generator: str
    """What wrote it."""
    analysis: str
    """Name of the analysis."""
    variant: str
    """Name of the variant."""
    dataset: str = ""
    """Name of the dataset; empty where the analysis has none."""
    tier: str = ""
    """Part of the events; empty for all."""
    red: str | None = None
    """Since when it is red, and what changed that night; null where it is not."""
    flaky: str | None = None
    """The runs that were made from the same and made something else; null where there are none."""
    steps: tuple[str, ...] = ()
    """Sentences on steps that take another time or memory since some night."""
    red_objects: tuple[RedObject, ...] = ()
    """Objects that do not pass now."""
    left_out: int = 0
    """How many earlier runs the history has than are here."""
    nights: tuple[NightReport, ...]
    """The last runs, in the order in which they were started."""

    @property
    def name(self) -> str:
        """What people call the cell."""
        return f"{self.analysis}/{self.variant}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Runs of a strip that follow each other and have the same state."""

    look: Look
    state: State
    count: int
    title: str

    @property
    def marks(self) -> str:
        """A mark for each of them."""
        return self.look.mark * self.count


@dataclass(frozen=True, slots=True)
class Strip:
    """The last runs of a cell, as its place on the page of the matrix shows them."""

    address: str
    """Of the page of the cell, relative to that of the matrix."""
    stretches: Sequence[Stretch]


def strip_of(cell: CellNights, address: str) -> Strip:
    """Return the strip of a cell whose page has this address."""
    return Strip(address, tuple(_stretches(cell.nights[-STRIP:])))


def _stretches(nights: Sequence[NightReport]) -> Iterator[Stretch]:
    for said, group in groupby(nights, key=lambda night: night.said):
        some = list(group)
        first, last = some[0], some[-1]
        days = first.day if first.day == last.day else f"{first.day} to {last.day}"
        told = said if len(some) == 1 else f"{count_of(len(some), 'run')}, {said}"
        yield Stretch(first.look, first.state, len(some), f"{days}: {told}")


def file_name(analysis: str, variant: str) -> str:
    """Return the name of the files of a cell, without its ending.

    No two cells have the same: what is no small letter, digit or hyphen is written as `_` and its
    code in hexadecimal digits and `_`, so that the point between both names is the only one.
    """
    name = ".".join("".join(map(_safe, part)) for part in (analysis, variant))
    if len(name) <= LONGEST_NAME:
        return name
    digest = sha256_bytes(f"{analysis}\0{variant}".encode(errors="surrogatepass"))
    return f"{name[: LONGEST_NAME - 34]}..{digest.removeprefix('sha256:')[:32]}"


def _safe(character: str) -> str:
    plain = character == "-" or (character.isascii() and character.isalnum())
    return character if plain and not character.isupper() else f"_{ord(character):x}_"


def nights_json(cell: CellNights) -> str:
    """Return the document."""
    return cell.model_dump_json(indent=1) + "\n"
