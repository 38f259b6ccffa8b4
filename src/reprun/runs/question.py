"""What crosses into a sandbox in which files of others are read, and what comes back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self, TypeVar

from pydantic import model_validator

from reprun.documents.analysis import ComparisonRule
from reprun.documents.reading import Document
from reprun.documents.record import StepRecord
from reprun.errors import ReprunError
from reprun.files import write_atomically
from reprun.report.model import AnalysisInfo, Report
from reprun.workflow.protocol import Problem

QUESTION = "question.json"
ANSWER = "answer.json"


class Declared(Document):
    """Which outputs to read, and as what."""

    outputs: tuple[str, ...]
    """The files to compare, below the directory of the outputs."""
    documents: tuple[str, ...] = ()
    """The JSON documents to compare, there as well."""
    trees: tuple[str, ...] = ()
    """Those among the outputs that must have a tree."""


class Question(Declared):
    """What decides a verdict besides the files."""

    analysis: AnalysisInfo
    rules: tuple[ComparisonRule, ...]
    map: Mapping[str, str] = {}
    """New names of objects by those of the reference."""
    today: dt.date
    shared_events: bool
    """Whether run and reference hold the same events, so that statistics excuse nothing."""
    steps: tuple[StepRecord, ...]
    """What ran, to say where a drift begins."""
    remark: str | None = None


class Answer(Document):
    """What comes back: one of the fields, and the others are null."""

    problem: Problem | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"an answer is one of its fields, not {given}")
        return self


class Findings(Document):
    """What a comparison finds of the outputs of a run."""

    report: Report
    objects: Mapping[str, str | None]
    """The content hash of each object of the run, as `candidate.Candidate`."""


class Evaluation(Answer):
    """The outputs compared with a reference."""

    found: Findings | None = None


class Made(Document):
    """The files of a reference, and what is in them."""

    files: tuple[str, ...]
    """Their names, in the directory `FILES` beside the answer."""
    objects: int
    integrals: Mapping[str, float | None]
    """Of each object without flow bins; null where it is not a histogram."""
    empty: tuple[str, ...] = ()
    """Objects in which all bins are zero."""
    hashes: Mapping[str, str | None]
    """The content hash of each object, as `candidate.Candidate`."""


class Rewritten(Answer):
    """The outputs as the files of a reference."""

    made: Made | None = None


class FilesQuestion(Document):
    """What decides a comparison of two files besides them."""

    rules: tuple[ComparisonRule, ...] = ()
    match: tuple[str, ...] = ()
    maps: tuple[tuple[str, str], ...] = ()
    shared_events: bool = False
    today: dt.date
    names: tuple[str, str]
    """What the files are called."""
    draw: bool = False
    """Whether the report has the numbers of plots."""
    toys: int = 0
    """So many toys go through the rules, where it is calibrated and not compared."""


class Compared(Answer):
    """Two files compared."""

    report: Report | None = None


FILES = "files"

Q = TypeVar("Q", bound=Document)
A = TypeVar("A", bound=Answer)


def respond(control: Path, question: type[Q], answer: type[A], find: Callable[[Q], A]) -> None:
    """Answer the question in a directory, there, by what `find` returns or raises."""
    asked = question.model_validate_json((control / QUESTION).read_bytes())
    try:
        found = find(asked)
    except ReprunError as error:
        found = answer(problem=Problem.of(error))
    write_atomically(control / ANSWER, found.model_dump_json().encode())
