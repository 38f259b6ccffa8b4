"""What an image needs of a host, on hosts that lack it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reprun.files import remove_tree
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.doctor import Finding, Host, Level, examine
from reprun.images.rootfs.unpack import unpacked_root
from reprun.images.transfer import export_file, import_file
from reprun.progress import Silent
from reprun.store.store import Store
from tests.images_support import Kitchen, external_toml, tiny

GOOD = Host(
    machine="x86_64",
    is_root=False,
    has_vsyscall=True,
    cgroups="v1",
    user_namespaces="",
    memory_bytes=16_000_000_000,
    free_bytes=100_000_000_000,
)
NEEDS = "\n[needs]\nvsyscall = true\nmemory_mb = 4096\ndisk_mb = 30000\nold_manifest = true\n"


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    """An image of ours, and an old one that others built, imported from a file."""
    kitchen = tiny(tmp_path)
    catalogue = kitchen.locked()
    home = kitchen.directory / "old"
    home.mkdir()
    (home / "image.toml").write_text(external_toml("old", "docker.io/some/thing") + NEEDS)
    export_file(catalogue.locked("tiny"), kitchen.store, tmp_path / "old.tar")
    import_file("old", tmp_path / "old.tar", catalogue, kitchen.store, Silent())
    remove_tree(kitchen.store.root / "unpacked")  # as it was copied from another machine
    return kitchen


def faults(made: Kitchen, host: Host, name: str = "old", store: Store | None = None) -> list[str]:
    found = examine(name, Catalogue(made.directory), store or made.store, host)
    assert all(finding.remedy for finding in found if finding.level is not Level.OK)
    return [finding.what for finding in found if finding.level is not Level.OK]


def test_a_good_host_has_all_it_needs(made: Kitchen) -> None:
    assert faults(made, GOOD) == []
    assert faults(made, GOOD, "tiny") == []


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        ({"machine": "aarch64"}, "the image is for amd64, this machine is arm64"),
        ({"has_vsyscall": False}, "no vsyscall page: programs of this image end at once"),
        ({"cgroups": "none"}, "no control groups"),
        ({"cgroups": "v2"}, "only below a delegated group"),
        ({"user_namespaces": "user.max_user_namespaces=0"}, "user.max_user_namespaces is 0"),
        ({"memory_bytes": 2_000_000_000}, "2.0 GB of memory, the image needs 4.1 GB"),
        ({"free_bytes": 10}, "10 bytes free in"),
    ],
)
def test_what_is_missing_is_named_with_a_remedy(
    made: Kitchen, fact: dict[str, Any], what: str
) -> None:
    (found,) = faults(made, replace(GOOD, **fact))
    assert what in found


def test_only_what_an_image_needs_is_asked_for(made: Kitchen) -> None:
    assert faults(made, replace(GOOD, has_vsyscall=False, memory_bytes=1_000_000_000), "tiny") == []
    assert faults(made, replace(GOOD, is_root=True, user_namespaces="x=0", cgroups="v2")) == []


def test_disk_is_needed_only_for_what_is_not_there_yet(made: Kitchen, tmp_path: Path) -> None:
    poor = replace(GOOD, free_bytes=10)
    image = Catalogue(made.directory).locked("tiny")
    assert any("free in" in each for each in faults(made, poor, "tiny", Store(tmp_path / "new")))
    unpacked_root(image, made.store)
    assert faults(made, poor, "tiny") == []


def test_an_image_without_a_digest_is_a_problem(made: Kitchen) -> None:
    (made.directory / "old" / "external.lock").unlink()
    found = faults(made, GOOD)
    assert "no digest is known" in found[0]
    assert "manifest schema 1" in found[1]


def test_a_host_is_read_from_its_proc_and_sys(tmp_path: Path) -> None:
    for name, text in {
        "proc/self/maps": "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n",
        "proc/meminfo": "MemTotal:       1000 kB\nMemFree: 1 kB\n",
        "proc/sys/kernel/unprivileged_userns_clone": "1\n",
        "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
        "sys/fs/cgroup/cgroup.controllers": "memory\n",
    }.items():
        place = tmp_path / "host" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    host = Host.this(Store(tmp_path / "store"), tmp_path / "host")
    assert (host.has_vsyscall, host.memory_bytes, host.cgroups) == (True, 1_024_000, "v2")
    assert host.user_namespaces == "kernel.apparmor_restrict_unprivileged_userns=1"
    bare = Host.this(Store(tmp_path / "store"), tmp_path / "nothing")
    assert (bare.has_vsyscall, bare.memory_bytes, bare.cgroups) == (False, 0, "none")
    (tmp_path / "nothing/sys/fs/cgroup/memory").mkdir(parents=True)
    assert Host.this(Store(tmp_path / "store"), tmp_path / "nothing").cgroups == "v1"


def test_this_host_answers(made: Kitchen) -> None:
    found = examine("tiny", Catalogue(made.directory), made.store)
    assert all(isinstance(finding, Finding) for finding in found)
    assert any(finding.what.startswith("architecture") for finding in found)
