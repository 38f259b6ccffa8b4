"""`--verbose`: where the value of each option came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from typer import Context, Typer
from typer.core import TyperCommand

from reprun.cli.console import print_note
from reprun.cli.environment import VARIABLES, Variable
from reprun.wording import without_login

_asked_for_more = ContextVar("_asked_for_more", default=False)


class ShowsItsOptions(TyperCommand):
    """A command that says first, with `--verbose`, which options hold and who chose them."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        before = _asked_for_more.set(bool(ctx.find_root().params.get("verbose")))
        try:
            if is_verbose():
                for line in effective_options(ctx, os.environ):
                    print_note(line)
            return super().invoke(ctx)
        finally:
            _asked_for_more.reset(before)


def is_verbose() -> bool:
    """Whether the command that runs was asked for more than its answer."""
    return _asked_for_more.get()


def every_command_shows_its_options(app: Typer) -> None:
    """Make each command of a program one that shows its options, those of its groups too."""
    for command in app.registered_commands:
        command.cls = ShowsItsOptions
    for group in app.registered_groups:
        if group.typer_instance is not None:
            every_command_shows_its_options(group.typer_instance)


def effective_options(ctx: Context, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield `cores: 2 (command line)` for each option, and for what the environment chooses.

    The command line is stronger than the environment, which is stronger than a default.
    """
    variables = {one.option: one for one in VARIABLES if one.option}
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name not in ctx.params:
            continue
        option = name if parameter.param_type_name == "argument" else _longest(parameter.opts)
        variable = variables.pop(option, None)
        source = ctx.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            yield f"{option}: {_in_words(ctx.params[name])} (command line)"
        elif variable is not None:
            yield _of_environment(variable, environment)
        else:
            yield f"{option}: {_in_words(ctx.params[name])} (default)"
    for variable in variables.values():
        yield _of_environment(variable, environment)


def _longest(names: list[str]) -> str:
    return max(names, key=len).lstrip("-")


def _of_environment(variable: Variable, environment: Mapping[str, str]) -> str:
    value = environment.get(variable.name, "").strip()
    if not value:
        return f"{variable.option}: {_default(variable)} (default)"
    said = "set, not shown" if variable.secret else without_login(value)
    return f"{variable.option}: {said} ({variable.name})"


def _default(variable: Variable) -> str:
    if variable.option == "store":
        from reprun.store.store import Store

        return str(Store.default().root)
    return variable.default.replace("`", "") or "not set"


def _in_words(value: object) -> str:
    match value:
        case None | []:
            return "not set"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return without_login(", ".join(map(str, value)))
        case _:
            return without_login(str(value))
