"""The part of `new` that reads a file of others: a program, for a sandbox."""

from __future__ import annotations

import sys
from pathlib import Path

from reprun.authoring.surveyed import Surveyed, Wanted, look
from reprun.runs.question import respond


def main(control: Path, source: Path) -> None:
    """Answer the question in a directory."""
    respond(control, Wanted, Surveyed, lambda wanted: Surveyed(survey=look(source, wanted)))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
