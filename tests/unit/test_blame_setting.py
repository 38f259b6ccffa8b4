"""An analysis is set to the factors of any run, by their digests, or it is said why it is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from reprun.blame.setting import Settings
from reprun.blame.sources import Sources
from reprun.digests import canonical_json, digest_of_mapping, sha256_bytes
from reprun.documents.record import Inputs
from reprun.documents.selection import Selection
from reprun.engines.base import EngineStatus
from reprun.errors import EngineError
from reprun.history.database import Database, looked_into
from reprun.history.evidence import Evidence, made_of
from reprun.history.model import Factor
from reprun.runs.cell import load_planned_cell
from reprun.runs.reference import reference_digests
from reprun.runs.request import RunRequest
from tests.history_support import Nights
from tests.images_support import MORE, wheel_bytes
from tests.unit import builders
from tests.whole_project import Whole

if TYPE_CHECKING:
    from reprun.blame.repository import Repository


def inputs_of(selection: Selection) -> Inputs:
    """Return what a run of the analysis as it is now would be made from."""
    return load_planned_cell(RunRequest(selection)).plan.inputs


def factors_of(selection: Selection) -> list[Factor]:
    """Return the factors that such a run would have, and its reference."""
    record = builders.record(inputs=inputs_of(selection))
    digest = sha256_bytes(canonical_json(record.model_dump(mode="json")))
    found = made_of(Evidence(record, digest, None), None, {}).factors
    reference = digest_of_mapping(reference_digests(selection.reference))
    every = [*found, Factor(kind="reference", name="reference", digest=reference)]
    return [each for each in every if each.kind not in ("host", "program", "engine")]


@pytest.fixture
def whole(tmp_path: Path) -> Whole:
    return Whole.made(tmp_path)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A history that has kept one code file."""
    nights = Nights(tmp_path / "results")
    nights.add(0, texts=(b"fill()\n",))
    with looked_into(nights.path) as found:
        assert found is not None
        yield found


def settings(whole: Whole, database: Database) -> Settings:
    store = whole.kitchen.store
    sources = Sources(whole.selection, database, store, None)
    return Settings(whole.selection, sources, whole.directory / "home", store)


def obstacles(found: Settings, factors: Sequence[Factor]) -> dict[str, str]:
    return {each.name: why for each in factors if (why := found.obstacle(each))}


def test_every_factor_is_set_as_it_was_and_as_it_is(whole: Whole, database: Database) -> None:
    was, factors = inputs_of(whole.selection), factors_of(whole.selection)
    store = whole.kitchen.store
    store.add_bytes(b"all,102\n")
    store.add_bytes(b"dsid,events\n1,5\n")
    whole.write("code/fill.py", "fill(2)\n")
    whole.write("code/new.py", "new()\n")
    whole.data_is("all,1003\n", bins=20)
    whole.rows_are("dsid,events\n1,6\n2,7\n")
    whole.kitchen.wheel(wheel_bytes(MORE), "more", "1.5")
    whole.kitchen.locked()
    now, later = inputs_of(whole.selection), factors_of(whole.selection)
    assert was.images != now.images
    found = settings(whole, database)
    assert obstacles(found, [*factors, *later]) == {}
    before = {path: path.read_bytes() for path in sorted(whole.root.rglob("*")) if path.is_file()}
    for wanted, given in ((was, factors), (now, later), (was, factors)):
        assert inputs_of(found.set_to(given)) == wanted
    results = {found.set_to(given).results for given in (factors, later)}
    assert len(results) == 2
    mixed = [each for each in factors if each.kind != "code"]
    mixed += [each for each in later if each.kind == "code"]
    made = inputs_of(found.set_to(mixed))
    assert (made.code, made.images) == (now.code, was.images)
    assert {path: path.read_bytes() for path in before} == before


def test_what_is_gone_is_said(whole: Whole, database: Database) -> None:
    factors = factors_of(whole.selection)
    image = next(each.digest for each in factors if each.kind == "image")
    whole.write("lib/more.py", "more(2)\n")
    whole.write("reference/a.csv", "cut,events\nall,2\n")
    whole.data_is("all,1003\n", bins=20)
    whole.rows_are("dsid,events\n1,6\n")
    whole.kitchen.wheel(wheel_bytes(MORE), "more", "1.5")
    whole.kitchen.locked()
    whole.kitchen.store.blob_path(image).unlink()
    found = obstacles(settings(whole, database), factors)
    assert found.keys() == {"lib/more.py", "data/a.csv", "rows/rows.csv", "tiny", "reference"}
    for why in found.values():
        assert "neither in the project, the store nor the history" in why


class Past:
    """A repository that has one commit: a copy of the project as it was."""

    def __init__(self, whole: Whole) -> None:
        self.root = whole.directory.resolve()
        self.tree = whole.directory / "past"
        shutil.copytree(whole.root, self.tree / "project")
        shutil.copytree(whole.kitchen.directory, self.tree / "images")

    def commits_of(self, _: Path) -> list[str]:
        return ["one"]

    def check_out_below(self, _: str, directory: Path) -> Path:
        return self.tree / directory.relative_to(self.root)

    def versions(self, path: Path) -> Iterator[tuple[str, bytes]]:
        yield "one", (self.tree / path.relative_to(self.root)).read_bytes()


def test_what_only_git_has_is_taken_from_there(whole: Whole, database: Database) -> None:
    was, factors = inputs_of(whole.selection), factors_of(whole.selection)
    image = next(each.digest for each in factors if each.kind == "image")
    past = Past(whole)
    whole.write("lib/more.py", "more(2)\n")
    whole.write("reference/a.csv", "cut,events\nall,2\n")
    whole.data_is("all,1003\n", bins=20)
    whole.rows_are("dsid,events\n1,6\n")
    whole.kitchen.wheel(wheel_bytes(MORE), "more", "1.5")
    whole.kitchen.locked()
    store = whole.kitchen.store
    store.blob_path(image).unlink()
    sources = Sources(whole.selection, database, store, cast("Repository", past))
    found = Settings(whole.selection, sources, whole.directory / "home", store)
    assert obstacles(found, factors) == {}
    copy = found.set_to(factors)
    assert inputs_of(copy) == was
    assert (copy.reference / "a.csv").read_text() == "cut,events\nall,1\n"


def test_very_many_files_are_set_as_they_are_now_alone(
    whole: Whole, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = SimpleNamespace(value=0)
    monkeypatch.setattr("reprun.history.evidence.limits.HISTORY_FILES", few)
    was, factors = inputs_of(whole.selection), factors_of(whole.selection)
    assert {each.name for each in factors} >= {"all files", "small", "rows"}
    found = settings(whole, database)
    assert obstacles(found, factors) == {}
    assert inputs_of(found.set_to(factors)) == was
    whole.write("lib/more.py", "more(2)\n")
    whole.data_is("all,1003\n", bins=20)
    whole.rows_are("dsid,events\n1,6\n")
    said = obstacles(settings(whole, database), factors)
    assert said == dict.fromkeys(
        ("all files", "small", "rows"), "it is too many files for the history to keep each"
    )


def test_what_nobody_can_set_is_said(
    whole: Whole, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(name: str, _: object) -> SimpleNamespace:
        if name == "docker":
            raise EngineError("no daemon")
        return SimpleNamespace(self_check=lambda: EngineStatus("runc", "1.1"))

    monkeypatch.setattr("reprun.blame.setting.make_engine", engine)
    found = settings(whole, database)
    given = {
        "host": "it is of the host",
        "program": "it is of the host",
        "rules": "are not kept",
        "engine": "this host has no",
    }
    for kind, why in given.items():
        factor = {"kind": kind, "name": "x", "digest": builders.digest("a"), "value": "x 1"}
        assert why in found.obstacle(Factor.model_validate(factor))
    long = Factor(kind="parameter", name="x", digest=builders.digest("a"), value='"xx…')
    assert "too long" in found.obstacle(long)
    other = Factor(kind="code", name="outputs of analysis.yaml", digest=builders.digest("a"))
    assert "declares other outputs" in found.obstacle(other)
    assert found.obstacle(None) == ""
    same = {"kind": "engine", "name": "engine", "digest": builders.digest("a"), "value": "runc 1.1"}
    here = Factor.model_validate(same)
    assert (found.obstacle(here), found.engine_of([here])) == ("", "runc")
