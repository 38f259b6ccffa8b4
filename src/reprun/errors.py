"""Every way reprun can fail, one class a kind, each with the exit code it ends with.

The message says what is wrong; `place` says where (file, line, field); `hint` is the
next command to type. Only `cli` prints them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class ReprunError(Exception):
    """Base of all errors that reprun raises on purpose."""

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, place: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.hint = hint


class SpecificationError(ReprunError):
    """A document (analysis.yaml, Snakefile, lock …) or a command line is wrong."""

    exit_code = 2


class ImageNotHereError(SpecificationError):
    """An image is published elsewhere and was never brought here."""


class EngineError(ReprunError):
    """No container engine can be used, or the one in use failed."""

    exit_code = 3


class BackendError(ReprunError):
    """Snakemake, which schedules the steps, was killed before it could finish."""

    exit_code = 3


class ToolError(ReprunError):
    """A program that reprun calls on this host (apt-get, uv, pip …) is missing or failed."""

    exit_code = 3


class RegistryError(ReprunError):
    """A container registry refuses a request or answers with an error."""

    exit_code = 3


class ReanaError(ReprunError):
    """A REANA server cannot be used, or the client that talks to it failed."""

    exit_code = 3


class StorageError(ReprunError):
    """The disk is full, read-only or otherwise refuses."""

    exit_code = 3


class InputsGoneError(ReprunError):
    """No source has, or gives out, the data, packages, images or conditions needed."""

    exit_code = 3


class StepFailedError(ReprunError):
    """A step of the workflow failed."""

    exit_code = 4


class OutputMissingError(ReprunError):
    """A declared output is missing or cannot be read."""

    exit_code = 4


class NothingToCompareError(ReprunError):
    """There is no histogram or table to compare: never a pass."""

    exit_code = 5


class IntegrityError(ReprunError):
    """Bytes differ from what a digest or lock says they are."""

    exit_code = 6


class InterruptedRunError(ReprunError):
    """The user stopped the run."""

    exit_code = 130


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest of `known`, or an empty string."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean '{near[0]}'?" if near else ""
