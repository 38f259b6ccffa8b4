"""Commands of `[check]`: each runs in the image, and the first that fails is named."""

from __future__ import annotations

import threading

from reprun.engines.base import ContainerJob, ContainerResult, Ending, Output
from reprun.engines.checks import first_failure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.engines.fake import FakeEngine

IMAGE = Image("tiny", f"sha256:{'1' * 64}", f"sha256:{'2' * 64}", (), {})
ENDINGS = {
    "works": (Ending.EXITED, 0, b""),
    "does not\nwork": (Ending.EXITED, 3, b"first\nlast words\n\n"),
    "hangs": (Ending.TIMED_OUT, 137, b""),
}


class Scripted(FakeEngine):
    """Ends as `ENDINGS` says, and remembers what ran."""

    def __init__(self) -> None:
        super().__init__()
        self.ran: list[str] = []

    def run(
        self, job: ContainerJob, *, stdout: Output, stderr: Output, cancel: threading.Event
    ) -> ContainerResult:
        """End as the script says."""
        assert list(job.argv[:2]) == ["sh", "-c"]
        assert not job.network
        (workspace,) = job.mounts
        assert not workspace.read_only
        assert list(workspace.source.iterdir()) == []
        command = job.argv[2]
        self.ran.append(command)
        ending, code, said = ENDINGS[command]
        stderr(said)
        return ContainerResult(ending, code, 0.0, None, None)


def test_the_first_command_that_fails_is_named(store: Store) -> None:
    engine = Scripted()
    assert first_failure(IMAGE, ["works", "works"], engine, store, Silent()) is None
    failed = first_failure(IMAGE, ["works", "does not\nwork", "works"], engine, store, Silent())
    assert failed == "`does not` failed (exit code 3): last words"
    assert engine.ran[2:] == ["works", "does not\nwork"]
    assert first_failure(IMAGE, ["hangs"], engine, store, Silent()) == "`hangs` failed (timed out)"
    assert first_failure(IMAGE, [], engine, store, Silent()) is None
