"""The plan of a workflow, with nothing run and no data at hand.

Snakemake plans in its sandbox, in a scratch workspace that holds the code and an empty file in
the place of each input file.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from reprun.documents.reading import edit_command
from reprun.engines.confinement import Confinement
from reprun.errors import BackendError
from reprun.files import scratch
from reprun.workflow.complaint import in_directory
from reprun.workflow.driver import drive
from reprun.workflow.planned import WorkflowPlan
from reprun.workflow.protocol import Plan
from reprun.workflow.workspace import Given, Workspace

LOG = "snakemake.log"


class _Taker:
    """Takes the plan and lets nothing run."""

    def __init__(self) -> None:
        self.plan: WorkflowPlan | None = None

    def take_plan(self, plan: Plan) -> bool:
        self.plan = WorkflowPlan(steps=plan.steps)
        return False

    def run(self, key: str) -> None:
        raise BackendError(f"Snakemake asks for a step of a plan that is not run: {key}")


def plan_steps(
    directory: Path,
    snakefile: str,
    code: Iterable[str],
    data: Iterable[str],
    config: Mapping[str, Any],
    targets: Iterable[str],
    confined: Confinement,
    *,
    cores: int | None = None,
) -> WorkflowPlan:
    """Return the plan of what would run from nothing.

    `code` are files below `directory`, `data` files that need not exist. No step has more
    threads than `cores`, by default all there are. Raises SpecificationError with what Snakemake
    says where it cannot plan, and NoSandboxError where none can be made. What a checkpoint
    adds to the plan is known only once it has run, and is not among the steps.
    """
    with scratch() as home:
        given = home / "inputs"
        given.mkdir()
        paths: dict[str, str] = {}
        for name in code:
            place = given / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(directory / name, place)
            paths[name] = ""
        for name in data:
            if name not in paths:
                place = given / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
                paths[name] = ""
        where = str(directory / snakefile)
        return _plan(home, Given(given, paths), snakefile, where, config, targets, confined, cores)


def plan_given(
    directory: Path,
    given: Given,
    snakefile: str,
    config: Mapping[str, Any],
    targets: Iterable[str],
    confined: Confinement,
    *,
    cores: int,
) -> WorkflowPlan:
    """Return the plan of what would run from nothing on files that are staged.

    `directory` is where the user has the Snakefile. Raises as `plan_steps` does.
    """
    with scratch() as home:
        where = str(directory / snakefile)
        return _plan(home, given, snakefile, where, config, targets, confined, cores)


def _plan(
    home: Path,
    given: Given,
    snakefile: str,
    where: str,
    config: Mapping[str, Any],
    targets: Iterable[str],
    confined: Confinement,
    cores: int | None,
) -> WorkflowPlan:
    """Plan in an empty workspace below a directory of ours; errors name `where`."""
    root = home / "workspace"
    root.mkdir()
    taker = _Taker()
    log = home / LOG
    driven = drive(
        confined,
        Workspace(root, given),
        snakefile,
        (),
        config,
        tuple(targets),
        log,
        taker,
        cancel=threading.Event(),
        workers=cores or len(os.sched_getaffinity(0)),
    )
    if taker.plan is None:
        error = driven.error(log, snakefile) or driven.complaint(log, snakefile)
        in_directory(error, Path(where.removesuffix(snakefile)))
        if error.place == str(log):  # which is gone with the directory
            error.place, error.hint = where, edit_command(Path(where))
        raise error
    return taker.plan
