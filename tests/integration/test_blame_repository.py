"""A stranger's repository is read by Git, and nothing of it is executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.blame.repository import LONGEST_SUBJECT, Repository
from reprun.errors import SpecificationError, ToolError
from tests.hostile_repository import git, make_hostile


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A repository of five commits, of which three change `other`."""
    root = tmp_path / "theirs"
    (root / "sub").mkdir(parents=True)
    git(root, "init", "-q")
    for number in range(5):
        (root / "sub/file").write_text(f"{number}\n")
        (root / "other").write_text(f"{number // 2}\n")
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", f"Change {number} \x1b[31m{'x' * 300}\n\nbody")
    return root


def read(directory: Path, tree: Path) -> Repository:
    found = Repository.of(directory, tree)
    assert found is not None
    return found


@pytest.mark.parametrize("linked", [False, True])
def test_commits_and_versions_are_read(theirs: Path, tmp_path: Path, linked: bool) -> None:
    home = tmp_path / "linked" if linked else theirs
    if linked:
        git(theirs, "worktree", "add", "-q", "--detach", str(home))
    good, bad = git(theirs, "rev-parse", "HEAD~4"), git(theirs, "rev-parse", "HEAD")
    make_hostile(theirs, tmp_path / "mark")
    found = read(home / "sub", tmp_path / "ours")
    assert found.commit_called(good[:8]) == good
    commits = found.between(good, found.commit_called("HEAD"), [home / "other"])
    assert [commit.subject.split()[1] for commit in commits] == ["2", "4"]
    assert all(len(commit.subject) == LONGEST_SUBJECT for commit in commits)
    assert not any("\x1b" in commit.subject for commit in commits)
    assert commits[-1].name == bad
    assert commits[-1].author == "A. User"
    versions = [data for _, data in found.versions(home / "sub/file")]
    assert versions == [f"{number}\n".encode() for number in (4, 3, 2, 1, 0)]
    for commit, text in ((good, "0\n"), (bad, "4\n")):
        tree = found.check_out(commit)
        assert (tree / "sub/file").read_text() == text
        (tree / "left.txt").write_text("of a run")
    assert not (found.check_out(good) / "left.txt").exists()
    for commit in found.commits_of(home / "sub"):
        sub = found.check_out_below(commit, home / "sub")
        assert [path.name for path in sub.iterdir()] == ["file"]
        (sub / "left.txt").write_text("of a look")
    assert (found.check_out(bad) / "sub/file").read_text() == "4\n"
    assert not (sub / "left.txt").exists()
    assert (home / "sub/file").read_text() == "4\n"
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", ["nope", "-h", "--all", "HEAD:sub", "", "HEAD~99"])
def test_what_is_no_commit_is_an_error(theirs: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(SpecificationError, match="there is no commit"):
        read(theirs, tmp_path / "ours").commit_called(name)


def test_what_is_missing_in_a_clone_is_not_fetched(theirs: Path, tmp_path: Path) -> None:
    good, blob = git(theirs, "rev-parse", "HEAD~4"), git(theirs, "rev-parse", "HEAD~4:sub/file")
    (theirs / ".git/objects" / blob[:2] / blob[2:]).unlink()
    make_hostile(theirs, tmp_path / "mark")
    found = read(theirs, tmp_path / "ours")
    with pytest.raises(ToolError, match="git checkout: "):
        found.check_out(good)
    assert [data for _, data in found.versions(theirs / "sub/file")][-1] == b"1\n"
    assert not (tmp_path / "mark").exists()


def test_a_good_commit_that_is_no_ancestor_is_an_error(theirs: Path, tmp_path: Path) -> None:
    found = read(theirs, tmp_path / "ours")
    good, bad = (found.commit_called(name) for name in ("HEAD", "HEAD~2"))
    with pytest.raises(SpecificationError, match="is not an ancestor of"):
        found.between(good, bad, [theirs])


def test_a_directory_without_a_repository_has_none(tmp_path: Path) -> None:
    assert Repository.of(tmp_path, tmp_path / "ours") is None
    (tmp_path / ".git").mkdir()
    with pytest.raises(ToolError, match="git rev-parse: "):
        Repository.of(tmp_path, tmp_path / "ours")
