"""The command line in a process of its own: what it imports, and a pipe that is closed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from reprun import __version__

HEAVY = ("numpy", "uproot", "snakemake", "docker", "matplotlib", "scipy", "jinja2")


def outside(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "reprun", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_version() -> None:
    answer = outside("--version")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"reprun {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_asking_imports_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from reprun.__main__ import main\n"
        f"sys.argv = ['reprun', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout
    loaded = set(answer.stderr.splitlines()[-1].split())
    assert "reprun" in loaded
    assert not loaded & set(HEAVY)
    if arguments == ["--version"]:
        assert not loaded & {"typer", "rich", "pydantic", "yaml"}


@pytest.mark.parametrize("arguments", [["list"], ["list", "--format", "json"]])
def test_a_reader_that_goes_away_is_no_verdict(arguments: list[str]) -> None:
    """`reprun list | head` must not end with 1, which says: not reproduced."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        answer = subprocess.run(
            [sys.executable, "-m", "reprun", *arguments],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (answer.returncode, answer.stderr) == (141, "")
