"""Lines of sh that start the program, for what only a shell can do: full and closed outputs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("reprun")
TABLE = "row,value\nx,1\n"


def shell(here: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which $R is the program."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=here,
        env={**environment, "R": str(PROGRAM), "REPRUN_STORE": str(here / "store"), **variables},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=120,
    )
