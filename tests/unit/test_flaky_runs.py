"""Which runs are made to find what varies, and what comes of those that fail; nothing is run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reprun.documents.record import CANDIDATE
from reprun.engines.base import EngineStatus, Setting
from reprun.errors import EngineError, InterruptedRunError, StepFailedError, StorageError
from reprun.flaky import measure as module
from reprun.flaky.measure import ITSELF, Measured, measure
from reprun.flaky.variations import Variation
from reprun.progress import Progress, Silent
from reprun.runs.apart import Ended
from reprun.runs.directory import WORKSPACE
from reprun.runs.request import RunRequest
from reprun.store.store import Store
from tests.unit import builders

HOME, PATH, STILL = (
    Variation("home", "the home", "x", Setting(environment={"HOME": "/x"})),
    Variation("path", "the path", "x", Setting(workspace="/x")),
    Variation("still", "the addresses", "x", Setting(fixed_addresses=True), settles=True),
)
Answer = Callable[[int], dict[str, Any] | Exception]
GOOD = {"a": "1", "b": "2"}


def good(_: int) -> dict[str, Any]:
    return GOOD


class Runs:
    """Answers in the place of runs: by variation and by how many of it there were."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.made: list[str] = []
        self.left: list[Path] = []

    def __call__(self, request: RunRequest, store: Store, progress: Progress) -> Ended:
        assert isinstance(progress, Silent)
        every = (HOME, PATH, STILL)
        name = next((one.name for one in every if one.setting is request.setting), ITSELF)
        answer = self.answers.get(name, good)(self.made.count(name))
        self.made.append(name)
        selection = request.selection
        self.left.append(selection.run_directory)
        (selection.run_directory / WORKSPACE).mkdir(parents=True)
        record = builders.record()
        if isinstance(answer, InterruptedRunError):
            raise answer
        if isinstance(answer, StorageError | EngineError | StepFailedError):
            return Ended(selection, None, answer, None)
        document = {"analysis": "demo", "variant": "columnar", "dataset": None, "objects": answer}
        (selection.run_directory / CANDIDATE).write_text(json.dumps(document))
        report: Any = SimpleNamespace(items=[])
        return Ended(selection, report, None, record)


@pytest.fixture
def measured_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Runs], Measured]]:
    store = Store(tmp_path / "store")

    def measured(runs: Runs) -> Measured:
        monkeypatch.setattr(module, "run_apart", runs)
        monkeypatch.setattr(module, "copied", lambda selection, _: selection)
        monkeypatch.setattr(module, "_make_reference", lambda *_: None)
        found = EngineStatus("runc", "1"), dict.fromkeys(("home", "path", "still"))
        monkeypatch.setattr(module, "plan", lambda *_: found)
        request = RunRequest(builders.selection())
        return measure((HOME, PATH, STILL), request, store, Silent())

    yield measured
    assert list((store.root / "incoming").iterdir()) == []


def states(found: Measured) -> dict[str, str]:
    return {one.name: one.state for one in found.tried}


def test_where_nothing_varies_two_unvaried_runs_suffice(
    measured_with: Callable[[Runs], Measured],
) -> None:
    runs = Runs()
    found = measured_with(runs)
    assert runs.made == [ITSELF, ITSELF, "home", "path", "still"]
    assert states(found) == dict.fromkeys((ITSELF, "home", "path", "still"), "same")
    assert (found.varies, found.runs, found.findings) == (False, 5, ())


def test_what_a_variation_changes_is_confirmed_by_one_more_unvaried_run(
    measured_with: Callable[[Runs], Measured],
) -> None:
    runs = Runs(path=lambda _: {**GOOD, "b": "9"})
    found = measured_with(runs)
    assert runs.made[-1] == ITSELF
    assert states(found)["path"] == "varies"
    assert [(one.object, one.variation) for one in found.findings] == [("b", "path")]
    late = Runs(
        path=lambda _: {**GOOD, "b": "9"}, unvaried=lambda n: {**GOOD, "b": "8"} if n == 2 else GOOD
    )
    found = measured_with(late)
    assert [(one.object, one.variation) for one in found.findings] == [("b", ITSELF)]
    assert (states(found)["path"], states(found)[ITSELF]) == ("same", "varies")


def test_what_settles_is_run_twice_where_something_differs_by_itself(
    measured_with: Callable[[Runs], Measured],
) -> None:
    runs = Runs(
        unvaried=lambda n: {"a": str(n), "b": str(n)},
        home=lambda _: {"a": "7", "b": "7"},
        still=lambda n: {"a": "5", "b": f"x{n}"},
    )
    found = measured_with(runs)
    assert runs.made.count("still") == 2
    assert states(found) == {ITSELF: "varies", "home": "same", "path": "same", "still": "varies"}
    assert {one.object: one.settled_by for one in found.findings} == {"a": "still", "b": ""}


def test_a_step_that_fails_in_a_setting_is_a_finding(
    measured_with: Callable[[Runs], Measured],
) -> None:
    found = measured_with(Runs(path=lambda _: StepFailedError("step fill failed: exit code 1")))
    (failed,) = [one for one in found.tried if one.state == "fails"]
    assert (failed.name, failed.why) == ("path", "step fill failed: exit code 1")
    assert found.varies


def test_an_engine_that_refuses_a_setting_has_not_varied_it(
    measured_with: Callable[[Runs], Measured],
) -> None:
    found = measured_with(Runs(still=lambda _: EngineError("runc could not start the container")))
    assert states(found)["still"] == "not varied"
    assert not found.varies


@pytest.mark.parametrize("name", ["unvaried", "path"])
def test_what_fails_for_another_reason_is_no_finding(
    measured_with: Callable[[Runs], Measured], name: str
) -> None:
    full = StorageError("the disk is full", place="/copy/x", hint="df /copy/x")
    with pytest.raises(StorageError) as raised:
        measured_with(Runs(**{name: lambda _: full}))
    # Nothing of the copy, which is gone, is named.
    assert (raised.value.place, raised.value.hint) == (None, "reprun run demo")


def test_an_unvaried_run_that_fails_is_the_answer(
    measured_with: Callable[[Runs], Measured],
) -> None:
    with pytest.raises(StepFailedError, match="exit code 1"):
        measured_with(Runs(unvaried=lambda _: StepFailedError("step fill failed: exit code 1")))


def test_an_interrupted_run_promises_nothing(measured_with: Callable[[Runs], Measured]) -> None:
    kept = InterruptedRunError("interrupted; finished steps are kept", hint="go on")
    with pytest.raises(InterruptedRunError, match="copy are gone") as raised:
        measured_with(Runs(path=lambda _: kept))
    assert raised.value.hint is None


def test_where_nothing_can_be_varied_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = {"home": "no reason"}
    monkeypatch.setattr(module, "plan", lambda *_: (EngineStatus("runc", "1"), lacking))
    with pytest.raises(EngineError, match="nothing can be varied here: home: no reason") as raised:
        measure((HOME,), RunRequest(builders.selection()), Store(tmp_path / "store"), Silent())
    assert raised.value.hint == "reprun flaky demo --list"
