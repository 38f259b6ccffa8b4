"""A shell for tests that run whole workflows with the real commands."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from reprun.store.store import Store
from tests.hints import hold_to_what_it_advises

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 600


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands in a directory with the tests' store."""

    directory: Path
    store: Store
    variables: dict[str, str]

    def __call__(
        self, *command: str, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; fail unless it ends with `code` (None: any)."""
        done = subprocess.run(
            command,
            cwd=self.directory,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        if code is not None and done.returncode != code:
            pytest.fail(
                f"{command} ended with {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of the commands."""
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "REPRUN_STORE": str(self.store.root),
            "REPRUN_PROJECT": str(ROOT),
            "REPRUN_RESULTS": "results",  # of the shell's own directory: the project may be ours
            **self.variables,
            **variables,
        }

    def reprun(
        self, *arguments: str, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `reprun`, and type what it advises where that costs nothing."""
        program = (sys.executable, "-m", "reprun")
        done = self(*program, *arguments, code=code, **variables)

        def typed(words: list[str]) -> tuple[int, str]:
            again = self(*program, *words, code=None, **variables)
            return again.returncode, again.stdout + again.stderr

        hold_to_what_it_advises(done.stdout + done.stderr, typed)
        return done

    def snakemake(
        self, *arguments: str, code: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run plain Snakemake with our executor."""
        return self(
            *(sys.executable, "-m", "snakemake", "--executor", "reprun", "--cores", "2"),
            *arguments,
            code=code,
            **variables,
        )

    def write(self, name: str, text: str) -> Path:
        """Write a file of the directory from an indented text."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path
