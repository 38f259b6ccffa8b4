"""The page of a run without a verdict, written where the page of a verdict would be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from reprun import __version__
from reprun.documents.record import REPORT_HTML, RunRecord
from reprun.documents.selection import Selection
from reprun.errors import OutputMissingError, ReprunError, StorageError
from reprun.report.failure import FailedStep, Failure, failure_html
from reprun.runs.judge import analysis_info, deviations, write_sealed
from reprun.runs.last_steps import log_of, state_of_step
from reprun.wording import log_text, quoted, visible
from reprun.workflow.evidence import failed_of, last_of_each

MOST_FAILED = 5
"""Steps whose logs the page shows."""
LAST_LINES = 60
"""Lines of a log that the page shows."""
LAST_CHARACTERS = 20_000
"""Characters of them: a line may be long."""


def write_failure(selection: Selection, record: RunRecord, error: ReprunError) -> None:
    """Write the page of a run that ended with an error, which gets to know where it lies.

    A page that cannot be written hides no error: that is worth more.
    """
    failed = failed_of(record.steps)
    failure = Failure(
        about=analysis_info(selection, record),
        error=error,
        failed=tuple(_failed_steps(selection, record)),
        steps=tuple(last_of_each(record.steps).values()),
        notes=(
            *([f"{len(failed) - MOST_FAILED} more steps failed"] * (len(failed) > MOST_FAILED)),
            *deviations(record),
        ),
        finished=record.finished,
        generator=f"reprun {__version__}",
    )
    page = failure_html(failure)
    with suppress(StorageError):
        write_sealed({REPORT_HTML: page.encode()}, record, selection.run_directory)
        error.page = selection.run_directory / REPORT_HTML


def _failed_steps(selection: Selection, record: RunRecord) -> Iterator[FailedStep]:
    for step in islice(failed_of(record.steps), MOST_FAILED):
        log = ""
        with suppress(OutputMissingError):
            log = log_text(visible(log_of(selection, step).text[-LAST_CHARACTERS:]))
        name = step.name
        yield FailedStep(
            name=name,
            ended=state_of_step(step),
            step=step,
            tail="\n".join(log.splitlines()[-LAST_LINES:]),
            commands=(
                selection.command("logs", quoted(name)),
                selection.command("shell", quoted(name)),
            ),
        )
