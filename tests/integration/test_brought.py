"""A project that came as an archive brings what no clone does, and starts nothing by it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from reprun.authoring.ignored import ignored_files
from reprun.documents.project import Project
from reprun.documents.selection import choose
from tests.unit import builders

HOOK = "#!/bin/sh\ntouch {}\n"


def test_no_program_that_a_configuration_of_git_names_is_started(tmp_path: Path) -> None:
    home = tmp_path / "project"
    (home / "demo").mkdir(parents=True)
    (home / "demo" / "analysis.lock").write_text("{}")
    (home / "demo" / "analysis.yaml").write_text("datasets: {}")
    project = Project(home, analyses_in=".")
    chosen = choose(builders.analysis(datasets={}), home / "demo", project)
    started = tmp_path / "started"
    hook = home / "hook"
    hook.write_text(HOOK.format(started))
    hook.chmod(0o755)

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *who, "-C", str(home), *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    git("config", "core.fsmonitor", "./hook")
    (home / ".gitignore").write_text("analysis.lock\n")
    subprocess.run(["git", "-C", str(home), "status"], check=True, capture_output=True)
    assert started.exists(), "git itself starts it"
    started.unlink()
    ignored_files(chosen, [])
    assert not started.exists()
