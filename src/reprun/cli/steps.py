"""The commands that look into the steps of the last run: their logs, and a shell in one."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from reprun.cli.completion import step_names
from reprun.cli.options import Asked, EngineOption, FormatOption, choosing
from reprun.errors import SpecificationError, StepFailedError

StepArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[STEP]",
        help="Name of a step or rule. Default: all.",
        autocompletion=step_names,
    ),
]
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="STEP -- COMMAND",
        help="Name of a step, by default the one that failed, else the last; and what to run "
        "in the place of a shell.",
        autocompletion=step_names,
    ),
]


@choosing
def logs(asked: Asked, step: StepArgument = None, output_format: FormatOption = "text") -> None:
    """Print what the steps of the last run printed."""
    from reprun.cli.output import answer
    from reprun.runs.last_steps import last_record, log_of, state_of_step, steps_called
    from reprun.wording import log_text

    selection = asked.select()
    record = last_record(selection)
    found, text = [], []
    for one in steps_called(selection, record, step):
        log, name, state = log_of(selection, one), one.name, state_of_step(one)
        found.append(
            {
                "name": name,
                "rule": one.rule,
                "wildcards": dict(one.wildcards),
                "status": state,
                "log": log.text,
                "left_out_bytes": log.left_out,
            }
        )
        said = (f"==> {name} ({state})", log.cut, log_text(log.text))
        text += [line for line in said if line]
    facts = {
        "analysis": record.analysis,
        "variant": record.variant,
        "dataset": record.dataset,
        "steps": found,
    }
    answer("run-logs", output_format, facts, text)


@choosing
def shell(
    asked: Asked,
    words: WordsArgument = None,
    engine: EngineOption = "auto",
    output_format: FormatOption = "text",
) -> None:
    """Open a shell, or run a command, where a step ran.

    It has the image, mounts and limits of the step, no network, and a copy of the workspace that
    is dropped at the end.
    """
    from reprun.cli.console import is_asked, progress_on_stderr
    from reprun.cli.output import answer
    from reprun.runs.shell import ShellRequest, run_in_step
    from reprun.store.store import Store
    from reprun.wording import log_text, quoted

    step, command = _split(words or [])
    selection = asked.select()
    if not command and (output_format == "json" or not is_asked()):
        raise SpecificationError(
            "a shell needs a terminal, and text: name a command to run without",
            hint=selection.command("shell", *([quoted(step)] if step else []), "-- ls -l"),
        )
    request = ShellRequest(selection, step, command, engine)
    said = bytearray()
    record, result = run_in_step(
        request, Store.default(), progress_on_stderr(), stdout=said.extend, stderr=said.extend
    )
    if command:
        output = said.decode(errors="replace")
        facts: dict[str, Any] = {
            "step": record.name,
            "image": record.image,
            "command": command,
            "ending": result.ending,
            "command_exit_code": result.exit_code,
            "output": output,
        }
        answer("step-command", output_format, facts, [text] if (text := log_text(output)) else [])
        if result.exit_code or result.ending != "exited":
            raise StepFailedError(
                f"the command ended with exit code {result.exit_code} ({result.ending})"
            )


def _split(words: list[str]) -> tuple[str | None, list[str]]:
    """Return the step and the command: what stands behind `--`, which the parser drops."""
    typed = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []
    before = words[: len(words) - len(typed)]
    if len(before) > 1 or len(typed) > len(words):
        raise SpecificationError(
            "one step can be named; a command stands behind --",
            hint="reprun shell ANALYSIS STEP -- ls -l",
        )
    return (before[0] if before else None), typed


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(logs)
    app.command()(shell)
