"""A unit test starts no process: what needs one belongs in tests/integration or tests/engines."""

from __future__ import annotations

import multiprocessing.util
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import typer.main
import typer.testing

from reprun.authoring import surveyed
from reprun.conditions.answers import naming
from reprun.progress import Progress
from reprun.runs import blessing, compare_files, judge, looked_up, preview
from reprun.runs.compared import answered
from reprun.runs.evaluated import Evaluated
from reprun.runs.evaluation import evaluate
from reprun.runs.looked_up import LookedUp, LookUp, Opened
from reprun.runs.question import Declared, Question
from reprun.runs.rewriting import rewrite
from reprun.runs.rewritten import Written
from reprun.store.store import Store

# The program's commands are made once for all tests that call it, not for each of their calls.
_command = cache(typer.main.get_command)
typer.main.get_command = _command
typer.testing._get_command = _command  # type: ignore[attr-defined]

# Importing h5py asks for it, and Python starts `uname -p` the first time: not in any test.
platform.processor()

SLOW_AS_A_WHOLE = "\npytestmark = pytest.mark.slow\n"

STARTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.system",
        "subprocess.Popen",
    }
)
"""Audit events of every way in which Python starts a process that raises one."""


class Guard:
    """Fails the test that is running when it starts a process."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Refuse the event; also remember it, because the code under test may catch anything."""
        if self.active and event in STARTS:
            self.seen.append(f"{event}{arguments!r}"[:200])
            pytest.fail(f"a unit test starts no process: {self.seen[-1]}")


GUARD = Guard()
"""One for the session: an audit hook cannot be removed."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import a module none of whose tests would run: some take seconds."""
    if config.option.markexpr != "not slow" or collection_path.suffix != ".py":
        return None
    return SLOW_AS_A_WHOLE in collection_path.read_text(encoding="utf-8") or None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Watch a test from before its first fixture, of whatever scope."""
    GUARD.seen.clear()
    GUARD.active = True
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Iterator[None]:
    """Watch it until after its last."""
    try:
        return (yield)
    finally:
        GUARD.active = False


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """Fail a test that starts a process, even where the refusal was swallowed."""

    def spawn(*arguments: object) -> None:
        GUARD("subprocess.Popen", arguments)

    # The one way that raises no audit event: multiprocessing's spawn and forkserver.
    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", spawn)
    yield GUARD
    if GUARD.seen:
        pytest.fail(f"a unit test starts no process: {GUARD.seen[0]}")


def _copied(source: Path, names: Sequence[str], target: Path) -> Sequence[str]:
    for name in names:
        shutil.copy(source / name, target / name)
    return names


@pytest.fixture(autouse=True)
def outputs_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read outputs in this process; tests/integration/test_evaluation.py has the sandbox."""

    def here(question: Question, outputs: Path, reference: Path, _: Store) -> Evaluated:
        return Evaluated(evaluate(question, outputs, reference))

    @contextmanager
    def written_here(declared: Declared, outputs: Path, _: Store) -> Iterator[Written]:
        with TemporaryDirectory() as target:
            made = rewrite(declared, outputs, Path(target))
            yield Written(partial(_copied, Path(target), made.files), made)

    def looked_up_here(question: LookUp, opened: list[Opened], _: Store, __: Progress) -> LookedUp:
        with ExitStack() as held:
            for one in opened:
                held.enter_context(naming(one.snapshot, one.files))
            return looked_up.found_in(question, opened)

    monkeypatch.setattr(looked_up, "look_up", looked_up_here)
    monkeypatch.setattr(surveyed, "in_sandbox", lambda *_: surveyed.look)
    monkeypatch.setattr(compare_files, "in_sandbox", lambda *_: answered)
    monkeypatch.setattr(judge, "evaluated", here)
    monkeypatch.setattr(preview, "evaluated", here)
    monkeypatch.setattr(blessing, "rewritten", written_here)
