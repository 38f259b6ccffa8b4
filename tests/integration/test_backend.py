"""A Snakemake that somebody kills is not a fault of the Snakefile, and is not reported as one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reprun.errors import BackendError, SpecificationError
from reprun.progress import Silent
from reprun.workflow import planned, snakemake
from reprun.workflow.snakemake import WorkflowRequest, run_workflow, run_workflows

KILLED = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
FAULTY = "raise SystemExit('NameError in line 2')"
MESSAGE = "Snakemake was killed by SIGKILL before it finished"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a Python script take Snakemake's place."""

    def replace(script: str) -> None:
        command = [sys.executable, "-c", script]
        for module in (snakemake, planned):
            monkeypatch.setattr(module, "snakemake_command", lambda *_: command)

    return replace


@pytest.fixture
def request_of(tmp_path: Path) -> WorkflowRequest:
    workspace = tmp_path / "cell" / "workspace"
    workspace.mkdir(parents=True)
    return WorkflowRequest(
        workspace=workspace,
        run_directory=workspace.parent,
        snakefile="Snakefile",
        images=(tmp_path / "images",),
        config={},
        targets=("out",),
        engine="runc",
        cores=1,
    )


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [(KILLED, BackendError, MESSAGE), (FAULTY, SpecificationError, "NameError in line 2")],
)
def test_who_is_at_fault(
    script: str,
    kind: type[Exception],
    message: str,
    stand_in: Callable[[str], None],
    request_of: WorkflowRequest,
    tmp_path: Path,
) -> None:
    stand_in(script)
    alone = run_workflow(request_of, Silent()).error
    together = run_workflows({"cell": request_of}, tmp_path, Silent())["cell"].error
    for error in (alone, together):
        assert type(error) is kind
        assert message in str(error)
    with pytest.raises(kind, match=message):
        planned.plan_steps(tmp_path, "Snakefile", (), (), {}, ("out",))
