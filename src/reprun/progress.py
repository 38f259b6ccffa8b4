"""How long work reports how far it is, without knowing who watches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Task(Protocol):
    """One bar: so many bytes, files or steps of a total."""

    def advance(self, amount: int) -> None:
        """Say that `amount` more is done."""


class Progress(Protocol):
    """Where progress goes: a terminal's bars, plain lines in a log, or nowhere."""

    def say(self, message: str) -> None:
        """Report one finished or starting thing as a line."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "bytes") -> Iterator[Task]:
        """Show a bar while the block runs; `unit` is `bytes` or a plural noun."""
        yield SilentTask()


class SilentTask:
    """A bar nobody sees."""

    def advance(self, amount: int) -> None:
        """Do nothing."""


class Silent:
    """Progress for library use and tests: shows nothing."""

    def say(self, message: str) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "bytes") -> Iterator[Task]:
        """Show nothing."""
        yield SilentTask()
