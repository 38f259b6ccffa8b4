"""The line between the executor plugin, inside Snakemake, and the run outside of it.

The plugin appends one JSON object a line to a file; the run reads them as they come.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reprun import errors
from reprun.documents.record import StepRecord
from reprun.errors import ReprunError


class EventWriter:
    """Appends events; a writer without a file drops them. `cell` names the workflow of several."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._writing = threading.Lock()

    def planned(self, steps: int) -> None:
        """Say how many steps will run."""
        self._write({"event": "planned", "steps": steps})

    def command(self, typed: str) -> None:
        """Pass on an outside command that starts next, as one would type it."""
        self._write({"event": "command", "typed": typed})

    def started(self, cell: str, rule: str, label: str) -> None:
        """Say that a step starts."""
        self._write({"event": "started", "cell": cell, "rule": rule, "label": label})

    def ended(self, cell: str, record: StepRecord) -> None:
        """Hand over the record of a step that has ended."""
        self._write({"event": "ended", "cell": cell, "step": record.model_dump(mode="json")})

    def refused(self, cell: str, error: ReprunError) -> None:
        """Hand over an error that reprun raised inside Snakemake."""
        self._write(
            {
                "event": "refused",
                "cell": cell,
                "kind": type(error).__name__,
                "message": error.message,
                "place": error.place,
                "hint": error.hint,
            }
        )

    def _write(self, event: dict[str, Any]) -> None:
        if self._path is None:
            return
        line = json.dumps(event) + "\n"
        with self._writing, self._path.open("a", encoding="utf-8") as stream:
            stream.write(line)


class EventReader:
    """Reads what a writer appended since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> Iterator[dict[str, Any]]:
        """Yield whole new events; a line still being written waits for the next look."""
        if not self._path.exists():
            return
        with self._path.open("rb") as stream:
            stream.seek(self._offset)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield json.loads(line)


def error_of(event: dict[str, Any]) -> ReprunError:
    """Return the error that a `refused` event carries."""
    kind = getattr(errors, event["kind"], ReprunError)
    error: ReprunError = kind(event["message"], place=event["place"], hint=event["hint"])
    return error
