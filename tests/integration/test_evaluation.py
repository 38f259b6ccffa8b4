"""Outputs are read in a sandbox; what comes back is read like anything of a stranger."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

from reprun.documents.analysis import ComparisonRule
from reprun.engines.base import MIB, ContainerResult, Ending
from reprun.errors import (
    EngineError,
    ExitCode,
    NothingToCompareError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
)
from reprun.report.model import AnalysisInfo
from reprun.runs import asked as module
from reprun.runs.evaluated import evaluated
from reprun.runs.evaluation import evaluate
from reprun.runs.outputs import read_outputs
from reprun.runs.question import ANSWER, FILES, Declared, Question
from reprun.runs.reference import bless, write_objects
from reprun.runs.rewriting import rewrite
from reprun.runs.rewritten import rewritten
from reprun.store.store import Store
from tests.parquet_files import KEYS, TYPES, parquet
from tests.unit import builders

QUESTION = Question(
    analysis=AnalysisInfo(name="tiny", title="Tiny"),
    outputs=("out/yields.csv",),
    rules=(ComparisonRule(match="*", kind="float", relative=0.1, reason="rounding"),),
    today=dt.date(2026, 1, 1),
    shared_events=False,
    steps=(),
)


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    made = tmp_path / "run" / "outputs"
    (made / "out").mkdir(parents=True)
    (made / "out/yields.csv").write_text("row,x\na,1.05\n")
    return made


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    made = tmp_path / "reference"
    made.mkdir()
    (made / "yields.csv").write_text("row,x\na,1.0\n")
    return made


def test_the_sandbox_answers_what_the_same_code_does_here(
    outputs: Path, reference: Path, store: Store
) -> None:
    found = evaluated(QUESTION, outputs, reference, store)
    assert found.found == evaluate(QUESTION, outputs, reference)
    assert found.found.report.reproduced
    assert found.notes == ()


def test_trees_are_read_in_the_sandbox_too(outputs: Path, reference: Path, store: Store) -> None:
    with uproot.recreate(outputs / "out/events.root") as file:
        file.mktree("Events", {"pt": np.dtype("f8")})
        file["Events"].extend({"pt": np.arange(1000.0)})
    trees = ("out/events.root",)
    question = QUESTION.model_copy(update={"outputs": QUESTION.outputs + trees, "trees": trees})
    objects = read_outputs(outputs, question.outputs, trees)
    bless(
        reference,
        partial(write_objects, objects),
        builders.record(),
        reason="right",
        author="A. Nobody",
    )
    found = evaluated(question, outputs, reference, store)
    assert found.found == evaluate(question, outputs, reference)
    assert found.found.report.reproduced
    assert {item.name for item in found.found.report.items} == {"Events", "yields"}


def test_tables_in_parquet_are_read_in_the_sandbox_too(
    outputs: Path, reference: Path, store: Store
) -> None:
    (outputs / "out/events.parquet").write_bytes(parquet({**KEYS, **TYPES}))
    trees = ("out/events.parquet",)
    question = QUESTION.model_copy(update={"outputs": QUESTION.outputs + trees, "trees": trees})
    objects = read_outputs(outputs, question.outputs, trees)
    write = partial(write_objects, objects)
    bless(reference, write, builders.record(), reason="right", author="A. Nobody")
    found = evaluated(question, outputs, reference, store)
    assert found.found == evaluate(question, outputs, reference)
    assert (found.found.report.reproduced, found.notes) == (True, ())


def test_an_error_is_the_same_and_names_the_file_of_the_host(
    outputs: Path, reference: Path, store: Store
) -> None:
    (outputs / "out/yields.csv").write_text("row,x\na,word\n")
    with pytest.raises(OutputMissingError, match="'word' in column 'x' is not a number") as error:
        evaluated(QUESTION, outputs, reference, store)
    assert error.value.place == f"{outputs}/out/yields.csv:2"


def test_without_a_reference_everything_is_shown(outputs: Path, store: Store) -> None:
    found = evaluated(QUESTION, outputs, None, store).found.report
    assert (found.status, found.exit_code) == ("no reference", ExitCode.NOTHING_TO_COMPARE)
    assert {item.verdict for item in found.items} == {"new"}
    assert found.tables
    assert found.first_drift is None


def test_a_reference_without_files_is_none(outputs: Path, tmp_path: Path, store: Store) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToCompareError, match="there is no reference") as error:
        evaluated(QUESTION, outputs, tmp_path / "empty", store)
    assert error.value.place == str(tmp_path / "empty")


def test_it_has_limits_of_memory_and_time(
    outputs: Path, reference: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = "".join(f"r{n},{n}\n" for n in range(200_000))
    (outputs / "out/yields.csv").write_text(f"row,x\n{cells}")
    for limits, words in (
        (dataclasses.replace(module.LIMITS, memory_bytes=64 * MIB), "takes more than 67.1 MB"),
        (dataclasses.replace(module.LIMITS, seconds=0.05), "takes more than 0 seconds"),
    ):
        monkeypatch.setattr(module, "LIMITS", limits)
        with pytest.raises(OutputMissingError, match=words):
            evaluated(QUESTION, outputs, reference, store)
        with (
            pytest.raises(OutputMissingError, match=words),
            rewritten(Declared(outputs=QUESTION.outputs), outputs, store),
        ):
            pass


def test_without_a_sandbox_a_note_says_so(
    outputs: Path, reference: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise EngineError("runc is not installed")

    monkeypatch.setattr("reprun.engines.containers._program", missing)
    found = evaluated(QUESTION, outputs, reference, store)
    assert found.found.report.reproduced
    (note,) = found.notes
    assert note.startswith("the outputs were read outside of a sandbox: no sandbox can be made")


class Misled:
    """A sandbox whose program leaves something else than an answer."""

    def __init__(self, left: Any) -> None:
        self._left = left

    def seen(self, mount: Any) -> str:
        return str(mount.source)

    def run(self, _: object, *, mounts: Any, output: Any, **__: object) -> ContainerResult:
        self._left(mounts[0].source / ANSWER)
        output(b"Traceback\nSomeError: it was led astray\n")
        return ContainerResult(Ending.EXITED, 1, 0.1, None, None)


@pytest.mark.parametrize("kind", ["nothing", "a link", "a directory", "text", "both", "neither"])
def test_what_is_no_answer_is_not_believed(
    outputs: Path,
    reference: Path,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    right = tmp_path / "right.json"
    found = evaluate(QUESTION, outputs, reference).model_dump_json()
    right.write_text(f'{{"found": {found}}}')
    both = f'{{"found": {found}, "problem": {{"kind": "ReprunError", "message": "x"}}}}'
    leave = {
        "nothing": lambda _: None,
        "a link": lambda place: place.symlink_to(right),
        "a directory": lambda place: place.mkdir(),
        "text": lambda place: place.write_text("reproduced"),
        "both": lambda place: place.write_text(both),
        "neither": lambda place: place.write_text("{}"),
    }[kind]
    monkeypatch.setattr(module, "Box", lambda _: Misled(leave))
    with pytest.raises(OutputMissingError, match=r"ended with: SomeError: it was led astray"):
        evaluated(QUESTION, outputs, reference, store)


def test_the_sandbox_writes_the_reference_that_the_same_code_writes_here(
    outputs: Path, tmp_path: Path, store: Store
) -> None:
    declared = Declared(outputs=QUESTION.outputs)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    with rewritten(declared, outputs, store) as found:
        assert found.notes == ()
        names = found.write(there)
    assert names == list(rewrite(declared, outputs, here).files) == ["yields.csv"]
    assert (there / "yields.csv").read_text() == (here / "yields.csv").read_text()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("row,x\na,word\n", OutputMissingError, "'word' in column 'x' is not a number"),
        ("row,x\na,nan\n", SpecificationError, "yields contains NaN or infinity and cannot be"),
    ],
)
def test_what_cannot_be_blessed_is_refused_as_anywhere(
    outputs: Path, store: Store, text: str, error: type[ReprunError], words: str
) -> None:
    (outputs / "out/yields.csv").write_text(text)
    with (
        pytest.raises(error, match=words),
        rewritten(Declared(outputs=QUESTION.outputs), outputs, store),
    ):
        pass


NAMES = (
    "../yields.csv",
    "/etc/x.csv",
    ".csv",
    "blessed.json",
    "a b.csv",
    "x.root",
    "x",
    "",
    "\x1b.csv",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_is_answered_leads_out_of_the_reference(
    outputs: Path, store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said = json.dumps(
        {
            "made": {
                "files": ["histograms.json", "yields.csv", "yields_2.csv", name],
                "objects": 1,
                "integrals": {},
                "hashes": {},
            }
        }
    )
    monkeypatch.setattr(module, "Box", lambda _: Misled(lambda place: place.write_text(said)))
    with (
        pytest.raises(OutputMissingError, match="is not the name of a reference file"),
        rewritten(Declared(outputs=QUESTION.outputs), outputs, store),
    ):
        pass


@pytest.mark.parametrize(
    "kind", ["a link", "a pipe", "a directory", "nothing", "a linked directory"]
)
def test_what_takes_the_place_of_a_reference_file_is_not_blessed(
    outputs: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "yields.csv").write_text("row,x\na,1\n")

    def leave(place: Path) -> None:
        made = {"files": ["yields.csv"], "objects": 1, "integrals": {}, "hashes": {}}
        place.write_text(json.dumps({"made": made}))
        files = place.parent / FILES
        if kind == "a linked directory":
            files.symlink_to(secret)
            return
        files.mkdir()
        match kind:
            case "a link":
                (files / "yields.csv").symlink_to(secret / "yields.csv")
            case "a pipe":
                os.mkfifo(files / "yields.csv")
            case "a directory":
                (files / "yields.csv").mkdir()

    monkeypatch.setattr(module, "Box", lambda _: Misled(leave))
    target = tmp_path / "reference"
    with (
        pytest.raises(OutputMissingError),
        rewritten(Declared(outputs=QUESTION.outputs), outputs, store) as found,
    ):
        bless(target, found.write, builders.record(), reason="right", author="A. Nobody")
    assert not target.exists()
