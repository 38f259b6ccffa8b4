"""The store of a home, or of a cache, that is a symbolic link: the rule on clusters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("link", ["home", ".cache", "both", "xdg"])
def test_a_home_or_cache_that_is_a_link_is_resolved(tmp_path: Path, link: str) -> None:
    real, home = tmp_path / "real", tmp_path / "home"
    real.mkdir()
    if link in ("home", "both"):
        home.symlink_to(real)
    else:
        home.mkdir()
    if link in (".cache", "both", "xdg"):
        (tmp_path / "cache").mkdir()
        (home / ".cache").symlink_to(tmp_path / "cache")
    text = "from reprun.store.store import Store; print(Store.default().root)"
    variables = {"HOME": str(home)} | (
        {"XDG_CACHE_HOME": str(home / ".cache")} if link == "xdg" else {}
    )
    environment = {
        n: v for n, v in os.environ.items() if n not in ("REPRUN_STORE", "XDG_CACHE_HOME")
    }
    done = subprocess.run(
        [sys.executable, "-c", text],
        env=environment | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    root = Path(done.stdout.strip())
    assert root == root.resolve()
    assert root == (tmp_path / "cache" / "reprun" if link != "home" else real / ".cache" / "reprun")
