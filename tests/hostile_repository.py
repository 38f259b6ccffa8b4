"""A Git repository that has Git execute something wherever it can."""

from __future__ import annotations

import subprocess
from pathlib import Path

CONFIGURATION = """\
[core]
	fsmonitor = {evil}
	sshCommand = {evil}
	pager = {evil}
	editor = {evil}
	repositoryformatversion = 1
[filter "evil"]
	smudge = {evil}
	clean = {evil}
	required = true
[diff "evil"]
	textconv = {evil}
	command = {evil}
[diff]
	external = {evil}
[protocol]
	allow = always
[protocol "ext"]
	allow = always
[remote "origin"]
	url = ext::{evil}
	promisor = true
[extensions]
	partialClone = origin
"""
HOOKS = ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc")


def git(directory: Path, *arguments: str) -> str:
    """Run Git as the user does; return what it prints."""
    who = ("-c", "user.name=A. User", "-c", "user.email=a@example.org", "-c", "core.fsmonitor=")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def make_hostile(repository: Path, mark: Path) -> None:
    """Let whatever Git executes of a repository leave a mark."""
    evil = mark.with_name("evil.sh")
    evil.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    evil.chmod(0o755)
    for hook in HOOKS:
        (repository / ".git/hooks" / hook).symlink_to(evil)
    (repository / ".git/info/attributes").write_text("* filter=evil diff=evil\n")
    with (repository / ".git/config").open("a") as stream:
        stream.write(CONFIGURATION.format(evil=evil))
