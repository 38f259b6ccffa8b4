"""Of an image that changed the packages are named, where those of both are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.images.packages import Packages, changed_packages, packages_of
from reprun.runs.blessed import causes, read_blessing
from reprun.runs.lock import LOCK, renew_lock
from tests.images_support import MORE, Kitchen, tiny, wheel_bytes
from tests.projects import mark_project
from tests.unit import builders
from tests.unit.builders import digest

OLD = Packages(
    wheels={"awkward": "2.8.1", "numpy": "2.4.6", "old": "1"}, debian={"libc6": "2.41-1"}
)
NEW = Packages(
    wheels={"awkward": "2.8.2", "numpy": "2.3.5", "new": "3"}, debian={"libc6": "2.41-2"}
)


def test_what_changed_most_comes_first_and_the_rest_is_counted() -> None:
    assert changed_packages(OLD, NEW) == (
        ": numpy 2.4.6 → 2.3.5, awkward 2.8.1 → 2.8.2, new 3 is new and 2 more"
    )
    one = Packages(wheels={**OLD.wheels, "numpy": "2.3.5"}, debian=OLD.debian)
    assert changed_packages(OLD, one) == ": numpy 2.4.6 → 2.3.5"
    assert changed_packages(OLD, OLD) == ": the same packages"
    assert changed_packages(None, OLD) == changed_packages(OLD, None) == ""


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    made = tiny(tmp_path)
    made.locked()
    return made


def test_packages_are_those_of_the_image_that_is_asked_about(kitchen: Kitchen) -> None:
    catalogue = kitchen.catalogue()
    image_id = catalogue.locked("tiny").image_id
    known = packages_of({"tiny": image_id}, catalogue)
    assert known == {"tiny": Packages(wheels={"greet": "2.0"}, debian={"hello": "1.0-1"})}
    assert packages_of({"tiny": digest("f"), "unknown": digest("1")}, catalogue) == {}


def test_a_cause_names_them(tmp_path: Path) -> None:
    blessed = {
        "schema_version": 1,
        "reason": "r",
        "author": "a",
        "date": "2026-03-01",
        "variant": "columnar",
        "dataset": "small",
        "inputs": builders.inputs().model_dump(mode="json"),
        "files": {},
    }

    def found(**more: object) -> list[str]:
        (tmp_path / "blessed.json").write_text(json.dumps({**blessed, **more}))
        blessing = read_blessing(tmp_path)
        inputs = builders.inputs(images={"columnar": digest("f")})
        return causes(blessing, "columnar", inputs, tmp_path, {"columnar": NEW})

    digests = f"({'1' * 12} → {'f' * 12})"
    said = f"since the reference was blessed on 2026-03-01, image: columnar changed {digests}"
    assert found(packages={"columnar": OLD.model_dump()}) == [f"{said}{changed_packages(OLD, NEW)}"]
    assert found() == [said]  # blessed before packages were written


def test_the_lock_names_them_where_a_blessing_knows_what_was_locked(
    kitchen: Kitchen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "examples" / "demo"
    (directory / "reference" / "max-events-5").mkdir(parents=True)
    (directory / "code").mkdir()
    (directory / "Snakefile").touch()
    text = builders.ANALYSIS.replace("image: columnar", "image: tiny")
    (directory / "analysis.yaml").write_text(text)
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(tmp_path)))
    selection = select(read_project(tmp_path), "demo")
    lock, _ = renew_lock(selection)
    before = lock.images["tiny"]
    (directory / LOCK).write_text(lock.model_dump_json())
    inputs = builders.inputs(images={"tiny": before}).model_dump(mode="json")
    (directory / "reference" / "max-events-5" / "blessed.json").write_text(
        json.dumps(
            {
                "schema_version": 1, "reason": "r", "author": "a", "date": "2026-03-01",
                "variant": "tiny", "dataset": None, "inputs": inputs, "files": {},
                "packages": {"tiny": {"wheels": {"greet": "2.0"}, "debian": {"hello": "1.0-1"}}},
            }
        )
    )  # fmt: skip
    kitchen.wheel(wheel_bytes(MORE), "more", "1.5")
    now = kitchen.locked().locked("tiny").image_id
    assert now != before
    (changed,) = (each for each in renew_lock(selection)[1] if each.part == "image")
    assert str(changed).endswith("): more 1.5 is new")
