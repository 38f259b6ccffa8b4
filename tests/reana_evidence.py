"""A run of a REANA project made by hand, for tests of what is asked of it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from reprun.reana.local.evidence import Evidence, Job
from reprun.reana.local.specification import Files

START = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def minutes(number: float) -> dt.timedelta:
    return dt.timedelta(minutes=number)


def evidence(workspace: Path, *, status: str = "finished", engine_log: str | None = "") -> Evidence:
    """A run of three minutes with two steps; `plot.png` has 2048 bytes, `data/a.txt` a word."""
    (workspace / "data").mkdir(parents=True, exist_ok=True)
    (workspace / "plot.png").write_bytes(b"x" * 2048)
    (workspace / "data" / "a.txt").write_text("some\nwords\n")
    return Evidence(
        status=status,
        workspace=workspace,
        outputs=Files(files=("plot.png",), directories=("data",)),
        jobs=[
            Job("make", "variables\n---------\n(a0,a1)\n", START, START + minutes(1)),
            Job("fit", "MIGRAD has CONVERGED.\n", START + minutes(1), START + minutes(3)),
        ],
        engine_log=engine_log,
        started=START,
        finished=START + minutes(3),
    )
