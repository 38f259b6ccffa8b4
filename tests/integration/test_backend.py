"""A Snakemake that somebody kills is not a fault of the Snakefile, and is not reported as one."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reprun.engines import box
from reprun.engines.box import Box
from reprun.errors import BackendError, SpecificationError
from reprun.progress import Silent
from reprun.store.store import Store
from reprun.workflow import driver
from reprun.workflow.planning import plan_steps
from reprun.workflow.snakemake import WorkflowRequest, run_workflow, run_workflows
from reprun.workflow.workspace import Given
from tests.engines.fake import FakeEngine

WAITING = "import time; time.sleep(60)  # until somebody kills it"
FAULTY = "raise SystemExit('NameError in line 2')"
MESSAGE = "Snakemake was killed before it finished"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let a Python script take Snakemake's place in the sandbox."""

    def replace(script: str) -> None:
        monkeypatch.setattr(box, "command_of", lambda _: [sys.executable, "-I", "-c", script])

    return replace


@pytest.fixture
def request_of(tmp_path: Path, store: Store) -> WorkflowRequest:
    workspace = tmp_path / "cell" / "workspace"
    workspace.mkdir(parents=True)
    return WorkflowRequest(
        workspace=workspace,
        run_directory=workspace.parent,
        snakefile="Snakefile",
        images=(tmp_path / "images",),
        config={},
        targets=("out",),
        given=Given(workspace.parent / "inputs"),
        confined=Box(store),
    )


@contextmanager
def killing(store: Store) -> Iterator[None]:
    """Kill whatever waits in a sandbox of this process, from outside, as the kernel does."""
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(0.05):
            for state in store.root.glob("runc/state/reprun-*/state.json"):
                with suppress(OSError, ValueError):
                    pid = json.loads(state.read_text())["init_process_pid"]
                    if b"until somebody kills it" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        ended.set()
        killer.join()


@pytest.mark.parametrize(
    ("script", "kind", "message"),
    [(WAITING, BackendError, MESSAGE), (FAULTY, SpecificationError, "NameError in line 2")],
)
def test_who_is_at_fault(
    script: str,
    kind: type[Exception],
    message: str,
    stand_in: Callable[[str], None],
    request_of: WorkflowRequest,
    store: Store,
    tmp_path: Path,
) -> None:
    stand_in(script)
    engine = FakeEngine()
    started = time.monotonic()
    with killing(store):
        alone = run_workflow(request_of, engine, 1, store, Silent()).error
        together = run_workflows({"cell": request_of}, engine, 1, store, Silent())["cell"].error
        for error in (alone, together):
            assert type(error) is kind
            assert message in str(error)
        with pytest.raises(kind, match=message):
            plan_steps(tmp_path, "Snakefile", (), (), {}, ("out",), Box(store))
    assert time.monotonic() - started < 60
    assert engine.jobs == []


def test_a_snakefile_that_hangs_stalls_nothing(
    request_of: WorkflowRequest,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "PLANNING_SECONDS", 3.0)
    (tmp_path / "Snakefile").write_text("import time\ntime.sleep(600)\n")
    started = time.monotonic()
    with pytest.raises(BackendError, match="has made no plan within 3 seconds"):
        plan_steps(tmp_path, "Snakefile", ["Snakefile"], (), {}, ("out",), Box(store))
    (request_of.workspace / "Snakefile").write_text("import time\ntime.sleep(600)\n")
    error = run_workflow(request_of, FakeEngine(), 1, store, Silent()).error
    assert isinstance(error, BackendError)
    assert "has made no plan within 3 seconds" in str(error)
    assert time.monotonic() - started < 60
