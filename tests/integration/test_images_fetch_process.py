"""Wheels through the user's own pip, and systems without apt."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.errors import InputsGoneError, ToolError
from reprun.images.builder.fetch import (
    Sources,
    fetch,
    run_pip,
    system_debian_mirrors,
)
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import GREET, mirror, tiny, wheel_bytes

pytestmark = pytest.mark.usefixtures("no_waiting")


def test_wheels_come_through_the_users_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny(tmp_path)
    made.debs.clear()
    directory = tmp_path / "wheels"
    directory.mkdir()
    mirror(made, directory)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nno-index = true\nfind-links = {directory}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    store = Store(tmp_path / "fresh")
    fetch(made.definition(), store, Silent(), Sources())
    assert store.has(made.wheels[0].digest)

    made.wheel(wheel_bytes({**GREET, "gone.py": b""}), name="gone")
    fresh = Store(tmp_path / "fresher")
    with pytest.raises(InputsGoneError, match=r"1 locked file any more: gone-2\.0"):
        fetch(made.definition(), fresh, Silent(), Sources())
    assert fresh.has(made.wheels[0].digest)


def test_a_python_without_pip_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr("reprun.images.builder.fetch.sys.executable", str(python))
    with pytest.raises(ToolError, match="pip is needed") as caught:
        run_pip(["download"], tiny(tmp_path).definition())
    assert caught.value.hint == f"{python} -m ensurepip"


def test_a_system_without_apt_has_no_debian_mirror(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert system_debian_mirrors() == ()
    mirrors = (str(tmp_path / "a"), str(tmp_path / "b"))
    for mirror_directory in mirrors:
        Path(mirror_directory).mkdir()
    monkeypatch.setenv("REPRUN_MIRRORS", ":".join(mirrors))
    monkeypatch.setenv("REPRUN_DEBIAN_MIRROR", "http://one http://two")
    assert Sources.from_environment() == Sources(mirrors, ("http://one", "http://two"))
    named = Sources.from_environment(debian_mirror="http://three")
    assert named.debian == ("http://three",)


def test_pip_is_asked_for_the_tags_of_the_locked_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr("reprun.images.builder.fetch.sys.executable", str(python))
    name = "greet-2.0-cp311-abi3.cp311m-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl"
    said = run_pip(["download"], tiny(tmp_path).definition(), [name]).stdout
    for option in (
        "--abi abi3",
        "--abi cp311m",
        "--platform manylinux_2_27_x86_64",
        "--platform manylinux_2_28_x86_64",
    ):
        assert said.count(f"{option} ") + said.count(f"{option}\n") == 1
