"""Asks the driver of reana-client to validate a project: a program, for a sandbox.

REANA's own code executes the Snakefile of a project in order to load it. The driver reads one
request, and what it answers goes to a file; what its libraries print is printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from reprun.progress import announced

REQUEST = "request.json"
ANSWER = "answer.json"


def main(control: Path, project: Path, python: Path, driver: Path) -> None:
    """Leave what the driver answers in a directory."""
    request = json.dumps({"do": "validate", "directory": str(project)})
    (control / REQUEST).write_text(f"{request}\n", encoding="utf-8")
    with (control / REQUEST).open("rb") as asked, (control / ANSWER).open("wb") as answered:
        subprocess.run(
            announced([str(python), "-I", str(driver)]), stdin=asked, stdout=answered, check=False
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
