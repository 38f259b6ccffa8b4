"""Every way reprun can fail, one class a kind, each with the exit code it ends with.

The message says what is wrong; `place` says where (file, line, field); `hint` is the
next command to type. Only `cli` prints them.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable, Sequence
from enum import IntEnum
from pathlib import Path
from typing import ClassVar, Self

OURS = "reprun"
LONGEST_REASON = 200
"""Characters shown of what an exception says that is not ours."""


class ExitCode(IntEnum):
    """What the program ends with; its tables in `--help` and the documentation are made from here.

    130 and 141 are what a shell reports of a program that SIGINT or SIGPIPE ended.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        """Make the member of a number, with what it means."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    REPRODUCED = 0, "reproduced, or done as asked"
    NOT_REPRODUCED = 1, "not reproduced"
    SPECIFICATION = 2, "bad specification or usage"
    HOST = 3, "engine, backend, tool, server, source or disk failed"
    STEP = 4, "a step failed, or an output is missing or unreadable"
    NOTHING_TO_COMPARE = 5, "nothing to compare"
    INTEGRITY = 6, "data, image or lock violated"
    UNFORESEEN = 70, "an error in reprun itself: nothing is known of the result"
    INTERRUPTED = 130, "interrupted"
    PIPE_CLOSED = 141, "the pipe was closed (`reprun list | head`)"


class ReprunError(Exception):
    """Base of all errors that reprun raises on purpose."""

    exit_code: ClassVar[ExitCode] = ExitCode.HOST

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint
        self.page: Path | None = None
        """Where a page says more, for a browser."""


class SpecificationError(ReprunError):
    """A document (analysis.yaml, Snakefile, lock …) or a command line is wrong."""

    exit_code = ExitCode.SPECIFICATION


class MissingFilesError(SpecificationError):
    """A Snakefile needs files that no rule makes and that the run is not given."""

    def __init__(
        self, message: str, *, paths: Sequence[str], needed_by: str, place: str, hint: str
    ) -> None:
        super().__init__(message, place=place, hint=hint)
        self.paths = tuple(paths)
        self.needed_by = needed_by


class ImageNotHereError(SpecificationError):
    """An image is published elsewhere and has not been pulled."""


class EngineError(ReprunError):
    """No container engine can be used, or the one in use failed."""

    exit_code = ExitCode.HOST


class NoSandboxError(EngineError):
    """No sandbox can be made here, so that nothing a stranger wrote is executed."""


class BackendError(ReprunError):
    """Snakemake, which schedules the steps, was killed before it could finish."""

    exit_code = ExitCode.HOST


class ToolError(ReprunError):
    """A program that reprun calls on this host (apt-get, uv, pip …) is missing or failed."""

    exit_code = ExitCode.HOST


class RegistryError(ReprunError):
    """A container registry refuses a request or answers with an error."""

    exit_code = ExitCode.HOST


class ReanaError(ReprunError):
    """A REANA server cannot be used, or the client that talks to it failed."""

    exit_code = ExitCode.HOST


class StorageError(ReprunError):
    """The disk is full, read-only or otherwise refuses."""

    exit_code = ExitCode.HOST


class InputsGoneError(ReprunError):
    """No source has, or gives out, the data, packages, images or conditions needed."""

    exit_code = ExitCode.HOST


class StepFailedError(ReprunError):
    """A step of the workflow failed."""

    exit_code = ExitCode.STEP


class OutputMissingError(ReprunError):
    """A declared output is missing or cannot be read."""

    exit_code = ExitCode.STEP


class NothingToCompareError(ReprunError):
    """There is no histogram or table to compare: never a pass."""

    exit_code = ExitCode.NOTHING_TO_COMPARE


class IntegrityError(ReprunError):
    """Bytes differ from what a digest or lock says they are."""

    exit_code = ExitCode.INTEGRITY


class InterruptedRunError(ReprunError):
    """The user stopped the run."""

    exit_code = ExitCode.INTERRUPTED


class UnforeseenError(ReprunError):
    """Something failed that reprun has no sentence for: an error in reprun, or no memory left."""

    exit_code = ExitCode.UNFORESEEN


def unforeseen(error: BaseException, *, hint: str) -> UnforeseenError:
    """Return the error for an exception that is none of ours, with the line it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if OURS in Path(frame.filename).parts] or frames
    place = f"{own[-1].filename}:{own[-1].lineno}" if own else None
    if isinstance(error, MemoryError):
        return UnforeseenError("not enough memory", place=place, hint=hint)
    said = next(iter(str(error).strip().splitlines()), "")
    what = f"{type(error).__name__}: {said[:LONGEST_REASON]}" if said else type(error).__name__
    return UnforeseenError(f"an error in reprun itself: {what}", place=place, hint=hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `. Did you mean 'x'?` for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f". Did you mean '{near[0]}'?" if near else ""
