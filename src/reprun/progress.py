"""How long work reports how far it is and what it starts, without knowing who watches."""

from __future__ import annotations

import logging
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from reprun.wording import without_login

_commands = logging.getLogger("reprun.commands")


def announced(command: Sequence[str]) -> list[str]:
    """Return the argument list of an outside command that starts next, and report it.

    Every process is started through this; a test holds that. Nobody listens unless
    `reprun --verbose` does. What a URL carries as login or token is not reported.
    """
    program, *arguments = command
    name = program.rpartition("/")[2]
    # A path is shortened where typing the name would start the same program.
    typed = name if shutil.which(name) == program else program
    _commands.info("%s", shlex.join(map(without_login, [typed, *arguments])))
    return list(command)


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Call `hear` with every outside command of this process while the block runs."""
    before, listener = _commands.level, _Listener(hear)
    _commands.addHandler(listener)
    _commands.setLevel(logging.INFO)
    try:
        yield
    finally:
        _commands.setLevel(before)
        _commands.removeHandler(listener)


class _Listener(logging.Handler):
    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def emit(self, record: logging.LogRecord) -> None:
        self._hear(record.getMessage())


class Task(Protocol):
    """One bar: so many bytes, files or steps of a total."""

    def advance(self, amount: int) -> None:
        """Say that `amount` more is done."""

    def show(self, doing: str, total: int | None) -> None:
        """Say what is under way at this moment, and how many there are by now."""


class Progress(Protocol):
    """Where progress goes: a terminal's bars, plain lines in a log, or nowhere."""

    def say(self, message: str) -> None:
        """Report one finished or starting thing as a line."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
        """Show a bar while the block runs; `unit` is `byte` or another noun, in the singular."""
        yield SilentTask()


class SilentTask:
    """A bar nobody sees."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def show(self, doing: str, total: int | None) -> None:
        """Do nothing."""


class Silent:
    """Progress for library use and tests: shows nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
        """Show nothing."""
        yield SilentTask()
