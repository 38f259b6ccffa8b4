"""How a command answers: one call, one way of printing, on standard output.

People get lines and tables as wide as their terminal; machines get one envelope. Every text passes
`visible` on its way out, so that no name from a file, log, server or archive controls a terminal.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json
from rich.console import Console, RenderableType
from rich.text import Text

from reprun import __version__
from reprun.errors import StorageError
from reprun.files import storage_errors, write_atomically
from reprun.report.grid import Visible, indented, plain_text, styled
from reprun.wording import json_visible, visible

LEAST_WIDTH, MOST_WIDTH = 60, 200
PIPED_WIDTH = 100
"""Where there is no terminal, and COLUMNS does not say otherwise."""

Kind = Literal[
    "analysis",
    "analysis-list",
    "badge",
    "bisection",
    "blame",
    "blessing",
    "blessing-list",
    "calibration",
    "citation-list",
    "comparison",
    "conditions",
    "conditions-answer",
    "conditions-differences",
    "conditions-list",
    "conditions-mask",
    "conditions-verification",
    "data-collection",
    "data-fetch",
    "data-list",
    "data-verification",
    "error",
    "finding-list",
    "glossary",
    "history",
    "history-import",
    "history-prune",
    "host",
    "image",
    "image-action",
    "image-check",
    "image-differences",
    "image-fetch",
    "image-list",
    "image-prune",
    "image-table",
    "lock",
    "lock-list",
    "manifest",
    "matrix",
    "new-analysis",
    "pipeline",
    "plan",
    "project",
    "project-report",
    "reana-export",
    "reana-list",
    "reana-logs",
    "reana-status",
    "reana-stop",
    "run-differences",
    "reference-fetch",
    "reference-log",
    "reference-verification",
    "reference-verification-list",
    "run-list",
    "run-logs",
    "run-report",
    "sbom",
    "storage",
    "step-command",
    "submission",
    "variation-list",
    "variations",
]
"""What an envelope holds. The keys of each kind are frozen by a test."""

SCHEMA_VERSION = 1
"""Goes up when a key of any kind loses its meaning; new keys may come without."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_answered: ContextVar[bool] = ContextVar("answered", default=False)
"""Whether an envelope was printed: there is one for each command, and each has its context."""


def answer(
    kind: Kind,
    output_format: str,
    facts: Mapping[str, Any] | BaseModel,
    text: Iterable[RenderableType],
    *,
    documents: Mapping[str, Callable[[], str]] | None = None,
    files: Mapping[str, Path | None] | None = None,
    piped_width: int = PIPED_WIDTH,
) -> None:
    """Print what a command found: the facts as JSON, or a text, or one of the other documents.

    A `str` of the text is a line that is never wrapped; `styled` makes one that is, between words.
    The text is asked for only where it is printed, part by part. `files` are written first, each
    in the format it is named by. Raises StorageError for one that cannot be written.
    """
    for name, place in (files or {}).items():
        if place is not None:
            document = envelope(kind, facts) if name == "json" else (documents or {})[name]()
            with storage_errors(place):
                write_atomically(place, visible(document).encode())
    if output_format == "json":
        _write_json(envelope(kind, facts))
        _answered.set(True)
    elif documents and output_format in documents:
        text = visible(documents[output_format]())
        _write(_in_xml(text) if output_format == "junit" else text)
    else:
        print_text(text, piped_width=piped_width)


def answer_error(
    message: str, exit_code: int, *, place: str | None = None, hint: str | None = None
) -> None:
    """Print an error in an envelope, unless the command has answered in one already."""
    if not _answered.get():
        facts = {"message": message, "place": place, "hint": hint, "exit_code": exit_code}
        _write_json(envelope("error", facts))


def envelope(kind: Kind, facts: Mapping[str, Any] | BaseModel) -> str:
    """Return the JSON of every `--format json`: schema version, kind, our version, facts.

    Numbers that JSON has no word for are strings: `NaN`, `Infinity`.
    """
    head = {"schema_version": SCHEMA_VERSION, "kind": kind, "reprun": __version__}
    indent: int | None = 2
    if isinstance(facts, BaseModel):
        # A document of its own, which may hold every bin: not one number a line.
        document, indent = _document_of(facts), None
    else:
        document = dict(facts)
        assert not head.keys() & document.keys()
    # A document has a schema version of its own, and may have a kind: the head comes first.
    whole = {**head, **document, **head}
    try:
        text = to_json(whole, indent=indent, inf_nan_mode="strings").decode()
    except PydanticSerializationError:  # a path or a name that is not UTF-8
        text = to_json(_all_visible(whole), indent=indent, inf_nan_mode="strings").decode()
    return json_visible(text) + "\n"


def _document_of(model: BaseModel) -> Any:
    try:
        return json.loads(model.model_dump_json())
    except PydanticSerializationError:  # as above
        return _all_visible(model.model_dump())


def _all_visible(value: Any) -> Any:
    """Return facts whose texts can be written."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {_all_visible(name): _all_visible(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_visible(each) for each in value]
    return _all_visible(str(value)) if isinstance(value, Path) else value


def print_text(text: Iterable[RenderableType], *, piped_width: int = PIPED_WIDTH) -> None:
    """Print lines and tables; in a pipe without colour and without blanks at the end of lines."""
    console = output_console(piped_width)
    for part in text:
        shown = _whole_words(part)
        if console.is_terminal:
            console.print(Visible(shown), crop=False)
        else:
            _write(plain_text(shown, console.width))


def _whole_words(part: RenderableType) -> RenderableType:
    if isinstance(part, str):
        return styled(part, wrap=False)
    return indented(part) if isinstance(part, Text) and not part.no_wrap else part


def print_line(text: str) -> None:
    """Print one line on standard output."""
    _write(f"{visible(text)}\n")


def print_version() -> None:
    """Print which version this is."""
    print_line(f"reprun {__version__}")


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise not_written(error) from error


def not_written(error: OSError) -> StorageError:
    """Return the error for a standard output that takes nothing more: a result was lost."""
    return StorageError(
        f"cannot write to standard output: {error.strerror}",
        hint="df -h   # and repeat with > FILE on a disk that has space",
    )


def _write_json(text: str) -> None:
    """Print JSON, with escapes for what the encoding of the output has no character for."""
    if not _has_all(text):
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    _write(text)


def _in_xml(text: str) -> str:
    return text if _has_all(text) else text.encode("ascii", "xmlcharrefreplace").decode()


def _has_all(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


class _Console(Console):
    """A console that leaves it to the command line what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def output_console(piped_width: int = PIPED_WIDTH) -> Console:
    """Return a console on standard output, between 60 and 200 columns wide."""
    console = _Console(highlight=False)
    known = console.is_terminal or os.environ.get("COLUMNS", "").isdigit()
    wanted = console.width if known else piped_width
    return _Console(highlight=False, width=min(max(wanted, LEAST_WIDTH), MOST_WIDTH))


def shown_path(path: Path) -> str:
    """Return a path as people would type it from here."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
