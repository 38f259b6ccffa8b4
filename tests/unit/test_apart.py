"""A copy of an analysis in which anything may be changed, and nothing of the user's."""

from __future__ import annotations

from pathlib import Path

from reprun.images.catalogue.catalogue import Catalogue
from reprun.runs.apart import copied
from reprun.runs.lock import compute_lock
from tests.whole_project import Whole


def test_a_copy_is_the_same_analysis_and_can_be_changed_alone(tmp_path: Path) -> None:
    whole = Whole.made(tmp_path)
    selection = whole.selection
    before = {path: path.read_bytes() for path in sorted(whole.root.rglob("*")) if path.is_file()}
    copy = copied(selection, tmp_path / "home")
    lock = compute_lock(selection)
    assert compute_lock(copy) == lock
    assert lock.code.keys() == {"Snakefile", "code/fill.py", "lib/more.py"}
    assert not list(copy.project.root.rglob("large.txt"))
    assert copy.run_directory.is_relative_to(tmp_path / "home")
    for path in sorted(copy.project.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            path.write_bytes(b"changed")
    assert {path: path.read_bytes() for path in before} == before
    assert Catalogue.of(selection.project).locked("tiny").image_id == lock.images["tiny"]
