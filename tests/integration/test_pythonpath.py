"""What other people's environments put before our packages changes nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.line import TABLE, shell


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a project and a table."""
    (tmp_path / "reprun.toml").write_text("schema_version = 1\n")
    (tmp_path / "one.csv").write_text(TABLE)
    return tmp_path


BOGUS = ("typer", "pydantic", "rich", "yaml", "numpy", "click", "jinja2", "uproot", "requests",
         "scipy", "docker", "packaging", "pydantic_core", "snakemake", "cramjam")  # fmt: skip


@pytest.mark.parametrize(
    "command", ["--version", "--help", "list", "compare one.csv one.csv", "matrix --help"]
)
@pytest.mark.parametrize("form", ["{0}", "{0}:", "/nowhere:{0}", ":{0}:{0}", "./bogus", "{0}/"])
def test_pythonpath_changes_nothing(here: Path, command: str, form: str) -> None:
    bogus = here / "bogus"
    for name in BOGUS:
        (bogus / name).mkdir(parents=True)
        (bogus / name / "__init__.py").write_text("raise SystemExit('the wrong one')\n")
    plain = shell(here, f"$R {command}")
    assert plain.returncode == 0
    found = shell(here, f"$R {command}", PYTHONPATH=form.format(bogus))
    assert (found.returncode, found.stdout, found.stderr) == (0, plain.stdout, "")


def test_what_is_only_in_pythonpath_is_still_found(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "only_here.py").write_text("")
    text = "import sys\nsys.argv = ['reprun', '--version']\nfrom reprun.__main__ import main\n"
    text += "main()\nimport only_here\n"
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": str(here / "mine")},
        check=False,
    )
    assert done.returncode == 0


def test_the_directory_of_a_stranger_is_not_imported_from(here: Path) -> None:
    for name in BOGUS:
        (here / f"{name}.py").write_text("raise SystemExit('the wrong one')\n")
    for program in ("$R", f"{sys.executable} -m reprun"):
        done = shell(here, f"{program} compare one.csv one.csv")
        assert (done.returncode, done.stderr) == (0, "")
