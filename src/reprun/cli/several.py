"""Commands that are given several analyses: each has a line and a result of its own.

An error belongs to its analysis and hides no other; the exit code is the worst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from reprun.cli.options import Asked
from reprun.errors import ExitCode, InterruptedRunError, ReprunError, unforeseen
from reprun.wording import quoted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from reprun.cli.output import Kind


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did for one analysis."""

    sentence: str
    result: Mapping[str, Any]
    details: Sequence[str | Text] = ()
    """Lines below the sentence."""
    exit_code: ExitCode = ExitCode.REPRODUCED


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one analysis: it was done, or ended with an error."""

    analysis: str
    came: Done | ReprunError

    @property
    def exit_code(self) -> ExitCode:
        """The code that the command would end with, were it the only one."""
        return self.came.exit_code

    @property
    def facts(self) -> dict[str, Any]:
        """The entry of a JSON answer."""
        come = self.came
        error = come if isinstance(come, ReprunError) else None
        return {
            "analysis": self.analysis,
            "exit_code": self.exit_code,
            "message": come.message if isinstance(come, ReprunError) else come.sentence,
            "place": error.place if error else None,
            "hint": error.hint if error else None,
            "result": None if isinstance(come, ReprunError) else dict(come.result),
        }


def for_each(asked: Sequence[Asked], act: Callable[[Asked], Done]) -> list[Outcome]:
    """Do something for each analysis, whatever comes of the others.

    Raises InterruptedRunError at once: who stops one has stopped all.
    """
    from reprun.cli.console import progress_on_stderr

    progress = progress_on_stderr()
    found = []
    for number, one in enumerate(asked, start=1):
        progress.say(f"[{number}/{len(asked)}] {one.analysis}")
        found.append(Outcome(one.analysis, _came(one, act)))
    return found


def _came(asked: Asked, act: Callable[[Asked], Done]) -> Done | ReprunError:
    try:
        return act(asked)
    except InterruptedRunError:
        raise
    except ReprunError as error:
        return error
    except Exception as error:  # noqa: BLE001 - whatever it is, it hides no other analysis
        return unforeseen(error, hint=f"reprun --verbose show {quoted(asked.analysis)}")


def answer_each(
    kind: Kind,
    output_format: str,
    outcomes: Sequence[Outcome],
    *,
    json_file: Path | None = None,
) -> NoReturn:
    """Print a line for each analysis, and end with the worst exit code."""
    from reprun.cli.output import answer

    facts = {"analyses": [outcome.facts for outcome in outcomes]}
    answer(kind, output_format, facts, _text(outcomes), files={"json": json_file})
    raise typer.Exit(max(outcome.exit_code for outcome in outcomes))


def _text(outcomes: Sequence[Outcome]) -> Iterator[RenderableType]:
    from reprun.report.grid import indented, styled

    for outcome in outcomes:
        come = outcome.came
        good = outcome.exit_code == ExitCode.REPRODUCED
        mark = ("✓ ", "green") if good else ("✗ ", "red")
        if isinstance(come, ReprunError):
            yield indented(styled((outcome.analysis, "bold"), f"  {come.message}"), mark)
            if come.hint:
                yield styled((f"    try: {come.hint}", "dim"), wrap=False)
            continue
        yield indented(styled((outcome.analysis, "bold"), f"  {come.sentence}"), mark)
        yield from (indented(line, "    ") for line in come.details)
    bad = sum(outcome.exit_code != ExitCode.REPRODUCED for outcome in outcomes)
    yield styled((f"{len(outcomes) - bad} of {len(outcomes)} done, {bad} failed", "bold")
                 if bad else (f"all {len(outcomes)} done", "bold"))  # fmt: skip
