"""The steps of a workflow as Snakemake plans them, with nothing run and no data at hand.

Snakemake plans in a scratch directory that holds the code and an empty file in the place of
each input file; the executor plugin writes down every job and stops.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from reprun.documents.reading import Document
from reprun.progress import announced
from reprun.workflow.snakemake import LOG, killed_error, planning_error, snakemake_command


class PlannedStep(Document):
    """One job: what it runs, in which image, on which files."""

    rule: str
    wildcards: Mapping[str, str] = {}
    command: str
    container: str | None
    """What the rule's `container:` says; null if it says nothing."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    threads: int = 1
    memory_mb: int | None = None
    minutes: float | None = None
    benchmark: str | None = None
    fault: str | None = None
    """Why a run would refuse it."""


_LIST = TypeAdapter(tuple[PlannedStep, ...])


def write_plan(steps: Iterable[PlannedStep], path: Path) -> None:
    """Write the steps, in an order in which they can run."""
    path.write_bytes(_LIST.dump_json(tuple(steps)))


def plan_steps(
    directory: Path,
    snakefile: str,
    code: Iterable[str],
    data: Iterable[str],
    config: Mapping[str, Any],
    targets: Iterable[str],
) -> tuple[PlannedStep, ...]:
    """Return the steps that would run from nothing, in an order in which they can.

    `code` are files below `directory`, `data` files that need not exist. Raises
    SpecificationError with what Snakemake says where it cannot plan. What a checkpoint adds to
    the plan is known only once it has run, and is not among them.
    """
    with tempfile.TemporaryDirectory(prefix="reprun-plan-") as home:
        workspace, told = Path(home) / "workspace", Path(home) / "plan.json"
        workspace.mkdir()
        for name in code:
            place = workspace / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes((directory / name).read_bytes())
        for name in data:
            place = workspace / name
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
        configuration = Path(home) / "config.json"
        configuration.write_text(json.dumps(dict(config)), encoding="utf-8")
        command = [
            *snakemake_command("runc", len(os.sched_getaffinity(0)), workspace, None),
            *("--snakefile", snakefile),
            *("--reprun-plan", str(told)),
            *("--configfile", str(configuration)),
            *("--", *targets),
        ]
        log = Path(home) / LOG
        with log.open("wb") as stream:
            done = subprocess.run(
                announced(command),
                cwd=workspace,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                check=False,
            )
        if not told.is_file():
            raise killed_error(done.returncode, log) or planning_error(
                log, str(directory / snakefile)
            )
        return _LIST.validate_json(told.read_bytes())
