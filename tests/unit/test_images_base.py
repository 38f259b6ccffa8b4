"""Base layers that images share, and the licences in the locks."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from reprun.images.builder.build import build
from reprun.images.builder.licences import (
    deb_licence,
    wheel_licence,
    with_deb_licences,
    with_wheel_licences,
)
from reprun.images.catalogue.lockfiles import BASE
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from tests.images_support import GREET, Kitchen, deb_bytes, kitchen, member, tiny, wheel_bytes

LIBRARY = (member("./usr/lib/library.so", b"library"), member("./usr/bin/mawk", b"awk"))


def based(directory: Path, *more: str) -> Kitchen:
    """Return an image whose package `library` is in its base, and `more` above it."""
    made = kitchen(directory)
    made.deb(deb_bytes(LIBRARY, name="library"), "library")
    made.debs[0] = replace(made.debs[0], layer=BASE)
    for name in more:
        made.deb(deb_bytes([member(f"./usr/lib/{name}", b"x")], name=name), name)
    made.wheel(wheel_bytes())
    return made


def test_images_with_the_same_base_share_its_layer(tmp_path: Path) -> None:
    one = build(based(tmp_path / "1").definition(), based(tmp_path / "1").store, Silent())
    made = based(tmp_path / "2", "extra")
    two = build(made.definition(), made.store, Silent())
    assert [layer.comment for layer in two.image.layers] == [
        *("Debian base", "Debian packages", "Python wheels", "reprun documents")
    ]
    assert one.image.layers[0] == two.image.layers[0]
    assert one.image.layers[1] != two.image.layers[1]
    root = unpacked_root(two.image, made.store)
    status = (root / "var/lib/dpkg/status").read_text()
    assert [line for line in status.splitlines() if line.startswith("Package")] == [
        *("Package: extra", "Package: library")
    ]
    assert (root / "usr/bin/awk").readlink() == Path("mawk")
    assert (root / "etc/localtime").is_symlink()
    with tarfile.open(made.store.blob_path(two.image.layers[0].digest)) as tar:
        assert "var/lib/dpkg/status" not in tar.getnames()


def test_a_layer_above_may_not_replace_what_the_base_brings(tmp_path: Path) -> None:
    made = based(tmp_path)
    made.deb(deb_bytes([member("./lib/library.so", b"another")], name="other"), "other")
    with pytest.raises(Exception, match=r"replaces usr/lib/library\.so of a lower layer"):
        build(made.definition(), made.store, Silent())


DEP5 = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License:  GPL-2+
 text of it

Files: debian/*
License: Expat

License: GPL-2+
 once more
"""


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (DEP5, "Expat, GPL-2+"),
        ("This is free software.\nLicense: whatever\n", "see copyright"),
        (DEP5.partition("\n")[0], "see copyright"),
        ("", "see copyright"),
    ],
)
def test_the_licence_of_a_package(text: str, licence: str) -> None:
    assert deb_licence(text) == licence


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        ("License: BSD 3-Clause\n", "BSD 3-Clause"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        (f"License: {'long ' * 40}\n", "see its files"),
        ("License: of\n two lines\nClassifier: License :: A\nClassifier: License :: B\n", "A, B"),
        ("Name: x\n", "see its files"),
    ],
)
def test_the_licence_of_a_wheel(metadata: str, licence: str) -> None:
    assert wheel_licence(metadata.encode() + b"\nLicense: text below the headers\n") == licence


def test_licences_are_read_from_the_files_and_followed_through_links(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    linked = [
        member("./usr/share/doc/other", b"", type=tarfile.SYMTYPE, linkname="hello"),
    ]
    made.debs.clear()
    home = "./usr/share/doc/hello/copyright"
    made.deb(deb_bytes([member(home, DEP5.encode())]))
    made.deb(deb_bytes(linked, name="other"), "other")
    made.deb(deb_bytes([], name="bare"), "bare")
    named = {deb.name: deb.licence for deb in with_deb_licences(made.debs, made.store)}
    licence = "Expat, GPL-2+"
    assert named == {"hello": licence, "other": licence, "bare": "see copyright"}
    made.wheels.clear()
    metadata = GREET["greet-2.0.dist-info/METADATA"].replace(b"\n\n", b"\nLicense: ISC\n\n")
    made.wheel(wheel_bytes({**GREET, "greet-2.0.dist-info/METADATA": metadata}))
    assert [wheel.licence for wheel in with_wheel_licences(made.wheels, made.store)] == ["ISC"]
