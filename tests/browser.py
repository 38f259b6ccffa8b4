"""A page in a headless chromium, after its script ran."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
    "--window-size=1280,4000",
    "--dump-dom",
)


def dumped(page: Path, profile: Path) -> tuple[str, list[str]]:
    """Return the page's elements after its script ran, and what its console was told."""
    browser = shutil.which("chromium")
    if browser is None:
        pytest.fail("this test needs chromium: apt-get install -y --no-install-recommends chromium")
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={profile}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
