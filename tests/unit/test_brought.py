"""What a project of somebody else's may bring besides its analyses, and what it does: nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.documents.reading import read_document
from reprun.errors import IntegrityError, SpecificationError, StorageError
from reprun.files import remove_tree
from reprun.history.database import FILE, opened
from reprun.progress import Silent
from reprun.runs.clean import remove
from reprun.runs.directory import alone, take_over
from reprun.runs.lock import code_files
from reprun.store.store import Store
from tests.projects import mark_project
from tests.unit import builders


class Telling(Silent):
    """Keeps what is said."""

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A directory of the user's."""
    home = tmp_path / "home"
    (home / "outputs").mkdir(parents=True)
    (home / "precious.txt").write_text("precious")
    home.chmod(0o750)
    return home


def is_as_it_was(home: Path) -> bool:
    names = sorted(path.name for path in home.iterdir())
    text = (home / "precious.txt").read_text()
    return (names, text, home.stat().st_mode & 0o777) == (
        ["outputs", "precious.txt"],
        "precious",
        0o750,
    )


def test_a_link_in_the_place_of_a_directory_is_removed_and_nothing_behind_it(
    tmp_path: Path, precious: Path
) -> None:
    for name, target in (("link", precious), ("broken", tmp_path / "nowhere")):
        link = tmp_path / name
        link.symlink_to(target)
        remove_tree(link)
        assert not link.is_symlink()
    assert is_as_it_was(precious)


@pytest.mark.parametrize(
    "place", ["", "..", "workspace", "inputs", "outputs", "logs", "conditions", "record.json"]
)
def test_a_link_in_the_results_is_refused_before_anything_is_written(
    tmp_path: Path, precious: Path, place: str
) -> None:
    selection = builders.selection(results=tmp_path / "results")
    run = selection.run_directory
    link = {"": run, "..": run.parent}.get(place, run / place)
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    with (
        pytest.raises(StorageError, match="in the results is a symbolic link") as refused,
        alone(selection.run_directory, Store(tmp_path / "store"), Silent()),
    ):
        pass
    assert refused.value.place == str(link)
    with pytest.raises(StorageError, match="in the results is a symbolic link"):
        remove([run], Store(tmp_path / "store"), Silent(), workspaces=False)
    assert is_as_it_was(precious)


def test_the_directory_of_all_results_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "results").symlink_to("scratch")
    selection = builders.selection(results=tmp_path / "results")
    with alone(selection.run_directory, Store(tmp_path / "store"), Silent()):
        assert selection.run_directory.is_relative_to(tmp_path / "scratch")
        assert selection.run_directory.is_dir()


def test_what_results_of_somebody_else_say_is_not_believed(tmp_path: Path) -> None:
    selection = builders.selection(results=tmp_path / "results")
    home = selection.run_directory
    said: list[str] = []
    store, other = Store(tmp_path / "store"), Store(tmp_path / "other")

    def record() -> bool:
        take_over(home, store, Telling(said))
        return (home / "record.json").exists()

    def bring() -> None:
        for name in ("record.json", "report.json", "report.html", "plan.json"):
            (home / name).write_text("{}")

    home.mkdir(parents=True)
    bring()
    (home / ".made-here").write_text("0" * 32)
    assert not record(), "a token that the store does not know"
    (note,) = said
    assert note.startswith("note: these results were not made with this store")
    bring()
    assert record(), "now it is known, wherever it is"
    moved = home.with_name("moved")
    home.rename(moved)
    take_over(moved, store, Silent())
    assert (moved / "record.json").exists()
    take_over(moved, other, Silent())
    assert [path.name for path in moved.iterdir()] == [".made-here"]


@pytest.mark.parametrize("name", ["analysis.yaml", "image.toml", "files.json"])
def test_no_document_shows_a_file_of_this_machine(tmp_path: Path, name: str) -> None:
    home = mark_project(tmp_path / "project")
    (tmp_path / "shadow").write_text("root:*:20228:0\n")
    document = home / "examples" / name
    document.parent.mkdir()
    document.symlink_to(tmp_path / "shadow")
    with pytest.raises(SpecificationError, match="is a link that leads out of the project"):
        read_document(document)
    document.unlink()
    document.symlink_to(document.name)
    with pytest.raises(SpecificationError, match=f"cannot read {name}"):
        read_document(document)
    document.unlink()
    (home / "shared").write_text("{}" if name != "image.toml" else "")
    document.symlink_to(home / "shared")
    assert read_document(document)[0] == {}


def test_code_that_is_a_link_to_itself_is_not_there(tmp_path: Path) -> None:
    for name in ("Snakefile", "Snakefile.legacy"):
        (tmp_path / name).write_text("")
    (tmp_path / "make.py").symlink_to("make.py")
    with pytest.raises(SpecificationError, match=r"names make\.py, which does not exist"):
        code_files(builders.analysis(code=["make.py"]), tmp_path)


@pytest.mark.parametrize("there", [True, False])
def test_no_history_is_made_where_a_link_leads(tmp_path: Path, there: bool) -> None:
    target, path = tmp_path / "mine", tmp_path / "results" / FILE
    path.parent.mkdir()
    path.symlink_to(target)
    if there:
        target.touch()
    with pytest.raises(IntegrityError, match="it is a symbolic link"), opened(path):
        pass
    assert not target.exists() or target.read_bytes() == b""
