"""A Git repository of the user, whose objects are read and nothing of which is executed.

A repository brings a configuration, hooks and filters that Git executes. Git works here in an empty
repository of our own that borrows the objects of the user's (gitrepository-layout(5),
`objects/info/alternates`); in the user's it only resolves names, and fetches nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from reprun.errors import SpecificationError, ToolError
from reprun.files import git_root, make_directory, remove
from reprun.progress import announced
from reprun.wording import quoted, shortened, visible

LONGEST_SUBJECT = 120
"""Characters of a subject or an author's name: both are a stranger's."""
MOST_VERSIONS = 500
"""Versions of one file that are looked at for the bytes of a run."""
SECONDS = 600
_NOTHING_ELSE: Mapping[str, str] = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
}
_OPTIONS = (
    "--no-pager",
    "--literal-pathspecs",
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"),
    *("-c", "core.attributesFile=/dev/null", "-c", "protocol.allow=never"),
    *("-c", "safe.directory=*", "-c", "gc.auto=0", "-c", "maintenance.auto=false"),
)


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; author and subject are a stranger's text, cut to a line."""

    name: str
    author: str
    date: dt.date
    subject: str

    @property
    def short(self) -> str:
        """The digits by which people name it."""
        return self.name[:12]

    def __str__(self) -> str:
        """Name it as a sentence does."""
        return f"commit {self.short} of {self.date} by {self.author}: {self.subject}"


class Repository:
    """The objects of a repository, and a work tree of our own."""

    def __init__(self, root: Path, tree: Path, program: str, head: str | None) -> None:
        self.root = root
        """The top of the user's work tree."""
        self.tree = tree
        """Ours, into which commits are checked out."""
        self._program = program
        self._head = head

    @classmethod
    def of(cls, directory: Path, tree: Path) -> Self | None:
        """Return the repository that a directory is in; None where there is none, or no Git.

        `tree` is where our own work tree is made. Raises ToolError where Git cannot read it.
        """
        program, root = shutil.which("git"), git_root(directory)
        if program is None or root is None:
            return None
        asked = ("--git-path", "objects", "--git-path", "shallow", "--show-object-format")
        said = _git(program, root, "rev-parse", "--path-format=absolute", *asked).splitlines()
        objects, shallow, kind = said
        make_directory(tree)
        init = ("init", "-q", "--template=", "--initial-branch=none", f"--object-format={kind}")
        _git(program, tree, *init)
        (tree / ".git/objects/info").mkdir(exist_ok=True)
        (tree / ".git/objects/info/alternates").write_text(f"{objects}\n")
        if Path(shallow).is_file():
            shutil.copyfile(shallow, tree / ".git/shallow")
        found = cls(root, tree, program, None)
        with suppress(SpecificationError):  # nothing is committed yet
            found._head = found.commit_called("HEAD")
        return found

    def commit_called(self, name: str) -> str:
        """Return the full name of the commit that a name means in the user's repository.

        Raises SpecificationError where there is none.
        """
        try:
            said = _git(
                self._program,
                self.root,
                *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"),
            )
        except ToolError as error:
            raise SpecificationError(
                f"there is no commit '{name}' in {self.root}",
                hint=f"git -C {quoted(self.root)} log --oneline",
            ) from error
        return said.split()[-1]

    def between(self, good: str, bad: str, paths: Sequence[Path]) -> list[Commit]:
        """Return the commits after a good one up to a bad one that change any of some paths.

        The oldest is the first; of a merge the first parent is followed. Raises SpecificationError
        where the good one is no ancestor of the bad one.
        """
        if self._own("merge-base", good, bad).strip() != good:
            raise SpecificationError(
                f"{good[:12]} is not an ancestor of {bad[:12]}: nothing is between them",
                hint=f"git -C {quoted(self.root)} merge-base {good[:12]} {bad[:12]}",
            )
        said = self._own(
            *("log", "-z", "--first-parent", "--reverse", "--format=%H%n%an%n%aI%n%s"),
            *(f"{good}..{bad}", "--", *map(self._below, paths)),
        )
        return [_commit(each) for each in said.split("\0") if each]

    def versions(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """Yield the versions of a file, each with a commit that has it, the latest first."""
        if self._head is None or not path.is_relative_to(self.root) or "\n" in str(path):
            return
        inner = self._below(path)
        for commit in self.commits_of(path):
            try:
                yield commit, self._bytes("cat-file", "blob", f"{commit}:{inner}")
            except ToolError:
                continue  # removed in this commit, or not in this clone

    def commits_of(self, path: Path) -> list[str]:
        """Return the commits that changed anything at or below a path, the latest first."""
        if self._head is None or not path.is_relative_to(self.root):
            return []
        most = f"--max-count={MOST_VERSIONS}"
        listing = ("log", "--format=%H", "--full-history", most, self._head, "--")
        return self._own(*listing, self._below(path)).split()

    def check_out(self, commit: str) -> Path:
        """Let the work tree be what a commit has, and nothing else; return where it is.

        Raises ToolError for a commit that is not whole in this clone.
        """
        self._own("checkout", "-q", "-f", "--detach", commit)
        self._own("clean", "-q", "-ffdx")
        return self.tree

    def check_out_below(self, commit: str, directory: Path) -> Path:
        """Let a directory, and nothing else, be there as a commit has it; return where it is.

        Raises ToolError where the commit has it not, or is not whole in this clone.
        """
        there = self.tree / self._below(directory)
        if os.path.lexists(there):
            remove(there)
        self._own("checkout", "-q", "-f", commit, "--", self._below(directory))
        return there

    def _below(self, path: Path) -> str:
        """Return a path as Git has it, from the top of the work tree."""
        return path.relative_to(self.root).as_posix()

    def _own(self, *arguments: str) -> str:
        return _git(self._program, self.tree, *arguments)

    def _bytes(self, *arguments: str) -> bytes:
        return _git_bytes(self._program, self.tree, *arguments)


def _commit(said: str) -> Commit:
    name, author, date, subject = (said.split("\n", 3) + [""] * 3)[:4]
    return Commit(
        name,
        shortened(visible(author), LONGEST_SUBJECT),
        dt.datetime.fromisoformat(date).date(),
        shortened(visible(" ".join(subject.split())), LONGEST_SUBJECT),
    )


def _git(program: str, directory: Path, *arguments: str) -> str:
    return _git_bytes(program, directory, *arguments).decode(errors="replace")


def _git_bytes(program: str, directory: Path, *arguments: str) -> bytes:
    """Run Git in a directory with nothing of anybody's configuration but the repository's."""
    environment = {"PATH": f"{Path(program).parent}:/usr/bin:/bin", "HOME": "/nonexistent"}
    try:
        done = subprocess.run(
            announced([program, *_OPTIONS, *arguments]),
            cwd=directory,
            env={**environment, **_NOTHING_ELSE},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"git {arguments[0]}: {error}", hint="git --version") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise ToolError(
            f"git {arguments[0]}: {shortened(said)}",
            place=str(directory),
            hint=f"git -C {quoted(directory)} fsck",
        )
    return done.stdout
