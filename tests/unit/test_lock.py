"""The lock: every kind of change is named with both digests; nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.conditions.answers import verified_files
from reprun.conditions.snapshot import Snapshot, load_snapshot
from reprun.digests import sha256_bytes
from reprun.documents.analysis import Analysis
from reprun.documents.project import Project
from reprun.documents.selection import Selection, choose
from reprun.errors import IntegrityError, OutputMissingError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.runs.lock import (
    AnalysisLock,
    code_files,
    compute_lock,
    differences,
    enforce_lock,
    read_lock,
    renew_lock,
    write_lock,
)
from reprun.store.store import Store
from tests.projects import mark_project
from tests.unit import builders
from tests.unit.builders import digest

Letters = dict[str, str]
"""What the ID of each image is made of, which a test may change."""


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> Letters:
    letters = {"columnar": "1", "legacy": "5"}

    def locked(_: Catalogue, name: str) -> Image:
        return builders.image(name, letters[name])

    monkeypatch.setattr(Catalogue, "locked", locked)
    return letters


def of(analysis: Analysis, directory: Path) -> Selection:
    return choose(analysis, directory, Project(directory))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for path in ("Snakefile", "Snakefile.legacy", "code/x.py", "reference/h.json", "config.yaml"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


@pytest.fixture
def analysis() -> Analysis:
    return builders.analysis()


def test_code_is_snakefiles_configuration_and_trees(analysis: Analysis, directory: Path) -> None:
    (directory / "code" / "__pycache__").mkdir()
    (directory / "code" / "__pycache__" / "x.pyc").touch()
    found = code_files(analysis, directory)
    assert list(found) == ["Snakefile", "Snakefile.legacy", "code/x.py", "config.yaml"]


def test_code_may_be_single_files(directory: Path) -> None:
    (directory / "config.yaml").unlink()
    found = code_files(builders.analysis(code=["code/x.py"]), directory)
    assert list(found) == ["Snakefile", "Snakefile.legacy", "code/x.py"]


@pytest.mark.parametrize("name", ["Snakefile", "Snakefile.legacy", "code/x.py"])
def test_code_that_is_missing_is_refused(directory: Path, name: str) -> None:
    (directory / name).unlink()
    with pytest.raises(SpecificationError, match=f"names {name}, which does not exist") as error:
        code_files(builders.analysis(code=["code/x.py"]), directory)
    assert error.value.place == str(directory / name)


def test_first_lock_is_asked_for_then_written(analysis: Analysis, directory: Path) -> None:
    with pytest.raises(SpecificationError, match=r"demo has no analysis\.lock yet") as error:
        enforce_lock(of(analysis, directory))
    assert error.value.hint == "reprun lock demo"
    written, changes = renew_lock(of(analysis, directory))
    assert changes == []
    assert read_lock(directory) is None  # the caller writes it, once it has proved to run
    write_lock(written, directory)
    assert enforce_lock(of(analysis, directory)) == written


def test_the_lock_on_disk_has_one_digest_a_line(directory: Path) -> None:
    write_lock(builders.lock(), directory)
    lines = (directory / "analysis.lock").read_text().splitlines()
    assert max(line.count("sha256:") for line in lines) == 1
    assert read_lock(directory) == builders.lock()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 2}', "\0"])
def test_a_lock_that_cannot_be_read_is_no_missing_lock(directory: Path, text: str) -> None:
    (directory / "analysis.lock").write_text(text)
    with pytest.raises(SpecificationError, match=r"analysis\.lock cannot be read") as error:
        read_lock(directory)
    assert error.value.place == f"{directory / 'analysis.lock'}:1"


@pytest.mark.parametrize("read", [enforce_lock, renew_lock])
def test_the_command_that_restores_a_lock_names_what_was_typed(
    analysis: Analysis, directory: Path, read: Callable[[Selection], object]
) -> None:
    project = directory / "a b"
    project.mkdir()
    for name in ("Snakefile", "Snakefile.legacy", "code", "reference"):
        (project / name).symlink_to(directory / name)
    place = project / "analysis.lock"
    place.write_text("{}")
    selection = choose(analysis, project, Project(project), called="../a b/demo")
    with pytest.raises(SpecificationError) as error:
        read(selection)
    assert error.value.hint == f"rm '{place}' && reprun lock '../a b/demo'"
    (project / ".git").mkdir()
    with pytest.raises(SpecificationError) as error:
        read(selection)
    assert error.value.hint == f"git checkout -- '{place}'"


def test_the_command_that_makes_a_first_lock_is_quoted(analysis: Analysis, directory: Path) -> None:
    with pytest.raises(SpecificationError, match=r"has no analysis\.lock yet") as error:
        enforce_lock(choose(analysis, directory, Project(directory), called="../a b/demo"))
    assert error.value.hint == "reprun lock '../a b/demo'"


def write(path: str) -> Any:
    return lambda directory, *_: (directory / path).write_text("changed")


def remove(path: str) -> Any:
    return lambda directory, *_: (directory / path).unlink()


def update_image(_: Path, letters: Letters, __: dict[str, Any]) -> None:
    letters["columnar"] = "f"


def document(**changes: Any) -> Any:
    return lambda _, __, changed: changed.update(changes)


SMALL = {"title": "small", "files": [{"path": "data/a.csv", "size": 1, "sha256": "b" * 64}]}
LARGE = {"title": "large", "files": [{"path": "data/b.csv", "size": 1, "sha256": "a" * 64}]}
CHANGES: Mapping[str, tuple[Any, str]] = {
    "image": (update_image, f"image: columnar changed ({'1' * 12} → {'f' * 12})"),
    "dataset": (
        document(datasets={"small": SMALL, "large": LARGE}),
        f"dataset small: data/a.csv changed ({'a' * 12} → {'b' * 12})",
    ),
    "dataset gone": (
        document(datasets={"large": LARGE}),
        f"dataset small: data/a.csv is gone (was {'a' * 12})",
    ),
    "code changed": (write("code/x.py"), "code: code/x.py changed ("),
    "Snakefile changed": (write("Snakefile"), "code: Snakefile changed ("),
    "configuration changed": (write("config.yaml"), "code: config.yaml changed ("),
    "code new": (write("code/new.py"), "code: code/new.py is new ("),
    "code gone": (remove("config.yaml"), "code: config.yaml is gone (was "),
    "parameter": (document(parameters={"bins": 11}), "analysis.yaml: parameters changed ("),
    "rule": (
        document(compare=[{"match": "*", "kind": "float"}]),
        "analysis.yaml: compare changed (",
    ),
    "outputs": (
        document(outputs={"plots": ["p.png"]}),
        "analysis.yaml: outputs changed (",
    ),
    "name": (document(name="other"), "analysis.yaml: name changed (demo → other)"),
    "reference changed": (write("reference/h.json"), "reference: h.json changed ("),
    "reference new": (write("reference/t.csv"), "reference: t.csv is new ("),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_every_kind_of_change_is_named_refused_and_accepted_on_request(
    kind: str, analysis: Analysis, directory: Path, letters: Letters
) -> None:
    before, _ = renew_lock(of(analysis, directory))
    write_lock(before, directory)
    change, said = CHANGES[kind]
    changed: dict[str, Any] = {}
    change(directory, letters, changed)
    now = builders.analysis(**changed)
    with pytest.raises(IntegrityError, match="differs from its lock") as error:
        enforce_lock(of(now, directory))
    assert error.value.message.count("\n    ") == 1
    assert f"\n    {said}" in error.value.message
    assert "--update-lock" in str(error.value.hint)
    assert read_lock(directory) == before
    locked, changes = renew_lock(of(now, directory))
    assert [str(difference)[: len(said)] for difference in changes] == [said]
    assert read_lock(directory) == before
    write_lock(locked, directory)
    assert enforce_lock(of(now, directory)) == locked


def test_a_missing_reference_is_an_output_that_is_missing(
    analysis: Analysis, directory: Path
) -> None:
    write_lock(renew_lock(of(analysis, directory))[0], directory)
    (directory / "reference" / "h.json").unlink()
    for read in (enforce_lock, renew_lock):
        with pytest.raises(OutputMissingError, match="the reference of demo is missing"):
            read(of(analysis, directory))


def test_an_analysis_without_reference_can_be_locked(analysis: Analysis, directory: Path) -> None:
    (directory / "reference" / "h.json").unlink()
    (directory / "reference").rmdir()
    assert compute_lock(of(analysis, directory)).reference == {}


TEXTS = st.sampled_from(["a", "b", "a/b", "dataset x", "code"])
DIGESTS = st.sampled_from([digest("1"), digest("2")])
NAMED = st.dictionaries(TEXTS, DIGESTS, max_size=3)
LOCKS = st.builds(
    AnalysisLock,
    analysis=st.sampled_from(["one", "two"]),
    images=NAMED,
    datasets=st.dictionaries(
        TEXTS, st.dictionaries(TEXTS, DIGESTS, min_size=1, max_size=2), max_size=2
    ),
    code=NAMED,
    specification=NAMED,
    reference=NAMED,
)


@given(LOCKS, LOCKS)
@pytest.mark.slow
def test_no_difference_if_and_only_if_equal(one: AnalysisLock, other: AnalysisLock) -> None:
    assert (differences(one, other) == []) == (one == other)
    assert differences(one, one.model_copy(deep=True)) == []


@given(LOCKS, LOCKS)
@pytest.mark.slow
def test_differences_are_the_same_seen_from_the_other_side(
    one: AnalysisLock, other: AnalysisLock
) -> None:
    there = [(d.part, d.name, d.before, d.now) for d in differences(one, other)]
    back = [(d.part, d.name, d.now, d.before) for d in differences(other, one)]
    assert there == back


@given(LOCKS)
@pytest.mark.slow
def test_a_lock_survives_the_disk(
    tmp_path_factory: pytest.TempPathFactory, one: AnalysisLock
) -> None:
    directory = tmp_path_factory.getbasetemp()
    write_lock(one, directory)
    assert read_lock(directory) == one


SNAPSHOT = """
schema_version = 1
name = "gold"
kind = "{kind}"
title = "t"
key = "k"
mount = "{mount}"
[[files]]
path = "a"
size = 1
sha256 = "{sha}"
"""


def test_conditions_are_locked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table is metadata, everything else conditions; both are named with both digests."""
    (directory / "images").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(directory)))
    own = directory / "conditions" / "gold"
    own.mkdir(parents=True)

    def write_snapshot(kind: str, sha: str, mount: str = "/conditions/gold") -> None:
        (own / "snapshot.toml").write_text(SNAPSHOT.format(kind=kind, sha=sha * 64, mount=mount))

    analysis = builders.analysis(conditions=["gold"])
    for kind, part in (("lumi-json", "conditions"), ("table", "metadata")):
        write_snapshot(kind, "a")
        write_lock(renew_lock(of(analysis, directory))[0], directory)
        assert read_lock(directory) == compute_lock(of(analysis, directory))
        write_snapshot(kind, "b")
        with pytest.raises(IntegrityError) as error:
            enforce_lock(of(analysis, directory))
        assert f"{part} gold: a changed ({'a' * 12} → {'b' * 12})" in error.value.message
        locked, changes = renew_lock(of(analysis, directory))
        assert [change.part for change in changes] == [f"{part} gold"]
        write_lock(locked, directory)
    write_snapshot("table", "b", "/conditions/other")
    with pytest.raises(IntegrityError, match=r"metadata gold: snapshot\.toml changed"):
        enforce_lock(of(analysis, directory))


def test_a_changed_row_of_a_locked_table_is_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Snapshot, table, row, column and both values, where the old table is in the store."""
    (directory / "images").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(directory)))
    own = directory / "conditions" / "gold"
    own.mkdir(parents=True)
    store = Store(tmp_path / "store")
    analysis = builders.analysis(conditions=["gold"])

    def write(table: str) -> Snapshot:
        (own / "a").write_text(table)
        text = SNAPSHOT.format(kind="table", sha="", mount="/conditions/gold")
        digest = sha256_bytes(table.encode())
        text = text.replace('sha256 = ""', f'sha256 = "{digest}"')
        (own / "snapshot.toml").write_text(text.replace("size = 1", f"size = {len(table)}"))
        return load_snapshot(own)

    def refused() -> str:
        with pytest.raises(IntegrityError) as error:
            enforce_lock(of(analysis, directory), store)
        return error.value.message

    old = write("k,xsec\n410000,1.0\n410001,2.0\n")
    write_lock(renew_lock(of(analysis, directory))[0], directory)
    verified_files(old, own, store, Silent())
    write("k,xsec\n410000,1.5\n410001,2.0\n")
    assert "metadata gold: a changed (" in refused()
    assert "\n      metadata: row 410000: xsec 1.0 → 1.5" in refused()
    _, (change,) = renew_lock(of(analysis, directory), store)
    assert str(change).endswith("metadata: row 410000: xsec 1.0 → 1.5")
    write("k,xsec\n" + "".join(f"{n},1\n" for n in range(9)))
    assert "\n      and 6 more" in refused()
    write("other,xsec\n410000,1.5\n")
    assert "its rows cannot be compared: a has no column 'k'" in refused()
    (own / "a").unlink()
    assert "reprun conditions verify gold" in refused()
    store.remove(old.files[0].digest)
    assert "the locked rows are not available" in refused()
    assert "git" not in refused()
    (directory / ".git").mkdir()
    assert f"the locked rows are not available, see: git log -p -- {own}" in refused()


def test_a_snapshot_that_does_not_exist(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "images").mkdir()
    monkeypatch.setenv("REPRUN_PROJECT", str(mark_project(directory)))
    with pytest.raises(SpecificationError, match="there is no conditions snapshot 'gold'"):
        compute_lock(of(builders.analysis(conditions=["gold"]), directory))


def test_a_file_known_by_adler32_alone_is_locked_as_such(directory: Path) -> None:
    file = {"path": "data/a", "size": 3, "adler32": "00000001"}
    analysis = builders.analysis(datasets={"small": {"title": "t", "files": [file]}})
    made = compute_lock(of(analysis, directory))
    assert made.datasets == {"small": {"data/a": "adler32:00000001+3"}}
