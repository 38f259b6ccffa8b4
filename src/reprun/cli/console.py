"""What people see while reprun works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from reprun.errors import ReprunError
from reprun.progress import Progress, Task, listening
from reprun.wording import count_of, size_of, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

PLAIN_SECONDS = 5.0

_lost = False


def progress_on_stderr() -> Progress:
    """Return bars where standard error is a terminal, lines where it is not."""
    return Terminal() if sys.stderr.isatty() else Lines()


class Lines:
    """Progress as plain lines on standard error, for logs."""

    def say(self, message: str) -> None:
        """Print a line."""
        print_note(message)

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
        """Print the label at the start, the state now and then, and the time at the end."""
        self.say(f"{label} …")
        bar = _LineTask(self, label, total, unit)
        yield bar
        self.say(f"{label}: done in {time.monotonic() - bar.started:.1f} s")


class _LineTask:
    def __init__(self, lines: Lines, label: str, total: int | None, unit: str) -> None:
        self._lines = lines
        self._label = label
        self._total = total
        self._unit = unit
        self._done = 0
        self.started = time.monotonic()
        self._next = self.started + PLAIN_SECONDS

    def advance(self, amount: int) -> None:
        """Count, and print now and then."""
        self._done += amount
        if (now := time.monotonic()) >= self._next:
            self._next = now + PLAIN_SECONDS
            of = f" of {_amount(self._total, self._unit)}" if self._total else ""
            self._lines.say(f"{self._label}: {_amount(self._done, self._unit)}{of}")

    def show(self, doing: str, total: int | None) -> None:
        """Do nothing: a log has the lines of what has ended."""


def _amount(number: int, unit: str) -> str:
    return size_of(number) if unit == "byte" else count_of(number, unit)


class Terminal:
    """Progress as bars that vanish when they are full."""

    def __init__(self) -> None:
        self._console = stderr_console()

    def say(self, message: str) -> None:
        """Print a dimmed line."""
        self._console.print(visible(message), style="dim", markup=False, highlight=False)

    @contextmanager
    def task(self, label: str, total: int | None, unit: str = "byte") -> Iterator[Task]:
        """Show a bar."""
        from rich import progress
        from rich.table import Column

        # What moves shows that it lives; the name alone gives way where a terminal is narrow.
        name = Column(no_wrap=True, overflow="ellipsis", ratio=1)
        columns: list[progress.ProgressColumn] = [progress.SpinnerColumn()]
        if unit == "byte":
            columns += [
                progress.TextColumn("{task.description}", markup=False, table_column=name),
                progress.BarColumn(20),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
            ]
        else:
            columns += [
                progress.TextColumn("{task.fields[count]}", markup=False),
                progress.TextColumn("{task.description}", markup=False, table_column=name),
            ]
        columns.append(progress.TimeElapsedColumn())
        with progress.Progress(
            *columns, console=self._console, transient=True, expand=True
        ) as bars:
            yield _BarTask(bars, bars.add_task(visible(label), total=total, count=""))


class _BarTask:
    def __init__(self, bars: Bars, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def advance(self, amount: int) -> None:
        """Move the bar."""
        self._bars.advance(self._task, amount)
        self._count()

    def show(self, doing: str, total: int | None) -> None:
        """Name what is under way; where nothing is, what was named last stays."""
        if doing:
            self._bars.update(self._task, description=visible(doing))
        self._bars.update(self._task, total=total)
        self._count()

    def _count(self) -> None:
        task = self._bars.tasks[0]
        of = "" if task.total is None else f"/{task.total:.0f}"
        self._bars.update(self._task, count=f"[{task.completed:.0f}{of}]")


def stderr_console() -> Console:
    """Return rich's console on standard error; NO_COLOR is respected by rich itself."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=True)


def show_error(error: ReprunError) -> None:
    """Print an error: what is wrong, where, the next command to type, and what shows more."""
    lines = [f"reprun: {error.message}"]
    if error.place:
        lines.append(f"  at:  {error.place}")
    if error.hint:
        lines.append(f"  try: {error.hint}")
    if error.page:
        lines.append(f"  see: {error.page}")
    print_note("\n".join(lines))


def is_asked() -> bool:
    """Say whether somebody is there to answer: both ends are a terminal, and no pipe."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def confirmed(question: str) -> bool:
    """Ask on standard error; only a yes is one, the end of the input is a no."""
    import typer

    try:
        return typer.confirm(visible(question), default=False, err=True)
    except typer.Abort:
        return False


def print_note(text: str) -> None:
    """Print a line on standard error, where it is not a part of the result.

    One that cannot be written, on a full disk, ends nothing: `notes_lost` tells at the end.
    """
    global _lost  # noqa: PLW0603 - of the process, as its standard error is
    try:
        print(visible(text), file=sys.stderr, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        _lost = True


def notes_lost() -> bool:
    """Say whether a line for standard error was lost, and forget it."""
    global _lost
    lost, _lost = _lost, False
    return lost


@contextmanager
def commands_on_stderr() -> Iterator[None]:
    """Print every outside command before it starts, as `set -x` of a shell does."""
    with listening(lambda typed: print_note(f"+ {typed}")):
        yield
