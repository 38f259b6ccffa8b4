"""The page of a run that ended without a verdict: what failed, and the end of what it printed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

from jinja2 import Template

from reprun.documents.record import StepRecord
from reprun.errors import ReprunError
from reprun.report.marks import LOOKS
from reprun.report.model import AnalysisInfo
from reprun.report.page import own, template
from reprun.wording import visible


@dataclass(frozen=True, slots=True)
class FailedStep:
    """A step that failed in its last try."""

    name: str
    ended: str
    """How, in a few words."""
    step: StepRecord
    tail: str
    """The end of its log; empty where it printed nothing."""
    commands: Sequence[str]
    """What to type to look into it."""

    @property
    def link(self) -> str:
        """The address of its whole log, which lies beside the page."""
        return quote(self.step.log)


@dataclass(frozen=True, slots=True)
class Failure:
    """A run without a verdict."""

    about: AnalysisInfo
    error: ReprunError
    """Why it has none."""
    failed: Sequence[FailedStep]
    steps: Sequence[StepRecord]
    """The last try of each step that ran."""
    notes: Sequence[str]
    finished: dt.datetime
    generator: str

    @property
    def sentence(self) -> str:
        """The first line of what is wrong."""
        return self.error.message.partition("\n")[0]

    @property
    def details(self) -> str:
        """The other lines, but those that repeat the end of a log that is shown."""
        shown = {line.strip() for one in self.failed for line in one.tail.splitlines()}
        lines = visible(self.error.message).splitlines()[1:]
        return "\n".join(line.strip() for line in lines if line.strip() not in shown)


def failure_html(failure: Failure) -> str:
    """Return the page; it opens from disk and loads nothing."""
    return _template().render(
        failure=failure,
        about=failure.about,
        error=failure.error,
        look=LOOKS["failed"],
        style=own("report.css"),
    )


@cache
def _template() -> Template:
    return template("failure.html.j2", filters={"visible": visible})
