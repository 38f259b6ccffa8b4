"""A copy of an analysis in which anything may be changed, and nothing of the user's."""

from __future__ import annotations

from pathlib import Path

from reprun.digests import sha256_bytes
from reprun.documents.project import read_project
from reprun.documents.selection import select
from reprun.images.catalogue.catalogue import Catalogue
from reprun.runs.apart import copied
from reprun.runs.lock import compute_lock
from tests.images_support import tiny
from tests.projects import mark_project
from tests.unit import builders

TABLE = b"all,102\n"


def project_in(directory: Path) -> Path:
    """Write a project with an analysis that has one of each: code, data, conditions, reference."""
    root = mark_project(directory / "project")
    own = root / "examples/demo"
    document = builders.ANALYSIS.replace("image: columnar", "image: tiny")
    document += (
        "code: [code, lib/more.py]\nconditions: [shared]\ndatasets:\n  small:\n    title: Small\n"
        f"    files: [{{path: data/a.csv, size: 8, sha256: {sha256_bytes(TABLE)[7:]}}}]\n"
    )
    texts = {
        "analysis.yaml": document,
        "Snakefile": "rule all:\n",
        "code/fill.py": "fill()\n",
        "lib/more.py": "more()\n",
        "data/a.csv": TABLE.decode(),
        "reference/a.csv": "cut,events\n",
        "notes/large.txt": "no part of it\n",
        "../../conditions/shared/snapshot.toml": (
            'schema_version = 1\nname = "shared"\nkind = "cvmfs"\ntitle = "t"\nmount = "/cvmfs/x"\n'
            f'source = "/cvmfs/x"\nrevision = 3\nroot_hash = "{"a" * 40}"\n'
        ),
    }
    for name, text in texts.items():
        (own / name).parent.mkdir(parents=True, exist_ok=True)
        (own / name).write_text(text)
    made = tiny(directory)
    made.locked()
    (root / "images").symlink_to(made.directory)
    return root


def test_a_copy_is_the_same_analysis_and_can_be_changed_alone(tmp_path: Path) -> None:
    root = project_in(tmp_path)
    selection = select(read_project(root), "demo")
    before = {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
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
