"""Mount points in an image of somebody else's: its links lead nowhere on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.engines import mountpoints
from reprun.engines.mountpoints import inside, root_with
from reprun.errors import EngineError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    for name in ("etc", "proc", "opt/data", "usr/lib"):
        (root / name).mkdir(parents=True)
    (root / "etc/hosts").write_text("the image's")
    (root / "lib").symlink_to("usr/lib")
    return root


@pytest.mark.parametrize(
    ("link", "to", "place"),
    [
        ("work", "/opt/data", "/opt/data"),
        ("work", "opt/../../../opt/./data", "/opt/data"),
        ("work", "../../../../opt", "/opt"),
        ("work", "/lib/python3", "/usr/lib/python3"),
        ("work", "/nowhere", "/nowhere"),
    ],
)
def test_a_link_of_an_image_is_the_images_own(image: Path, link: str, to: str, place: str) -> None:
    (image / link).symlink_to(to)
    assert str(inside(image, f"/{link}")) == place


@pytest.mark.parametrize("to", ["/proc/self/fd/7", "proc/1/root", "/dev", "/sys/fs", "/tmp/x"])
def test_no_link_leads_a_mount_to_what_the_runtime_mounts(image: Path, to: str) -> None:
    (image / "work").symlink_to(to)
    with pytest.raises(EngineError, match="the image has a link at /work that leads to /"):
        inside(image, "/work")


def test_links_without_an_end_are_refused(image: Path) -> None:
    (image / "work").symlink_to("again")
    (image / "again").symlink_to("work")
    with pytest.raises(EngineError, match="have no end"):
        inside(image, "/work")


def test_no_directory_is_made_on_this_machine(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mountpoints, "BY_THE_RUNTIME", ("/proc",))  # tests lie below /tmp
    outside = tmp_path / "outside"
    outside.mkdir()
    (image / "cvmfs").symlink_to(outside)
    home = tmp_path / "home"
    home.mkdir()
    root, _ = root_with(image, ["/cvmfs/conditions.example.org"], home, network=False)
    assert list(outside.iterdir()) == []
    there = root / outside.relative_to("/") / "conditions.example.org"
    assert there.is_dir()


def test_no_file_of_this_machine_is_replaced_for_a_network(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mountpoints, "BY_THE_RUNTIME", ("/proc",))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "hosts").write_text("mine")
    (image / "etc").rename(image / "old")
    (image / "etc").symlink_to(outside)
    home = tmp_path / "home"
    home.mkdir()
    with pytest.raises(EngineError, match="can have no network"):
        root_with(image, [], home, network=True)
    assert (outside / "hosts").read_text() == "mine"
