"""What crosses into the sandbox in which the outputs of a run are compared, and what comes back."""

from __future__ import annotations

import datetime as dt

from reprun.documents.analysis import ComparisonRule
from reprun.documents.reading import Document
from reprun.documents.record import StepRecord
from reprun.report.model import AnalysisInfo, Report
from reprun.workflow.protocol import Problem

QUESTION = "question.json"
ANSWER = "answer.json"


class Question(Document):
    """What decides a verdict besides the files."""

    analysis: AnalysisInfo
    outputs: tuple[str, ...]
    """The files to compare, below the directory of the outputs."""
    documents: tuple[str, ...] = ()
    """The JSON documents to compare, there as well."""
    trees: tuple[str, ...] = ()
    """Those among them that must have a tree."""
    rules: tuple[ComparisonRule, ...]
    today: dt.date
    shared_events: bool
    """Whether run and reference hold the same events, so that statistics excuse nothing."""
    steps: tuple[StepRecord, ...]
    """What ran, to say where a drift begins."""
    remark: str | None = None


class Evaluation(Document):
    """The answer: one of both."""

    report: Report | None = None
    problem: Problem | None = None
