"""Locks: what is written is read again; what is malformed is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.errors import SpecificationError
from reprun.images.catalogue.image_lock import read_image_lock
from reprun.images.catalogue.lockfiles import (
    DebEntry,
    ImageLock,
    WheelEntry,
    debs_text,
    image_lock_text,
    read_debs,
    read_wheels,
    wheels_text,
)
from reprun.images.model import Layer

A, B = "a" * 64, "b" * 64
GOOD_DEB = f"bash 5.2-1 amd64 10 {A} pool/main/b/bash/bash_5.2-1_amd64.deb own GPL-3+"
GOOD_WHEEL = f"numpy 2.4.6 numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl {A} 10 BSD 3-Clause"

names = st.from_regex(r"[a-z][a-z0-9]{1,8}", fullmatch=True)


@given(st.lists(st.tuples(names, st.integers(0, 10**12)), unique_by=lambda pair: pair[0]))
@pytest.mark.slow
def test_locks_survive_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, int]]
) -> None:
    directory = tmp_path_factory.mktemp("locks")
    debs = [
        DebEntry(name, "1:2.0~rc1+b1", "all", size, A, f"pool/main/x/{name}/{name}_2.0_all.deb")
        for name, size in pairs
    ]
    wheels = [WheelEntry(n, "1.0", f"{n}-1.0-py3-none-any.whl", B, size) for n, size in pairs]
    (directory / "debs.lock").write_text(debs_text(debs))
    (directory / "wheels.lock").write_text(wheels_text(wheels))
    assert sorted(debs, key=lambda each: each.name) == list(read_debs(directory / "debs.lock"))
    assert sorted(wheels, key=lambda e: e.name) == list(read_wheels(directory / "wheels.lock"))


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        ([GOOD_DEB, GOOD_DEB], 2, "bash is duplicated: on lines 1 and 2"),
        ([GOOD_DEB, GOOD_DEB.replace("5.2", "5.3")], 2, "with different contents"),
        ([GOOD_DEB, GOOD_DEB.replace("bash ", "bash2 ", 1)], 2, "under two names"),
        ([GOOD_DEB, GOOD_DEB.replace("bash", "apt")], 2, "apt comes after bash"),
        (["# comment", "bash 5.2"], 2, "expected 8 fields"),
        ([GOOD_DEB.replace(A, A.upper())], 1, "lower-case hex"),
        ([GOOD_DEB.replace(" 10 ", " ten ")], 1, "'ten' is not a size"),
        ([GOOD_DEB.replace("pool/", "/pool/")], 1, "not a path pool/"),
        ([GOOD_DEB.replace("main/b", "main/..")], 1, "not a path pool/"),
        ([GOOD_DEB.replace("bash ", "Bash ", 1)], 1, "not a Debian package name"),
        ([GOOD_DEB.replace(" own ", " top ")], 1, "'top' is not a layer: it is base or own"),
        ([GOOD_DEB.replace("5.2-1 ", "5_2 ", 1)], 1, "not a Debian version"),
    ],
)
def test_a_faulty_package_lock_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], line: int, message: str
) -> None:
    path = tmp_path / "debs.lock"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(SpecificationError, match=message) as caught:
        read_debs(path)
    assert caught.value.place == f"{path}:{line}"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (GOOD_WHEEL.removesuffix(" BSD 3-Clause"), "expected 6 fields"),
        (f"{GOOD_WHEEL}\n{GOOD_WHEEL}", "numpy is duplicated: on lines 1 and 2"),
        (f"{GOOD_WHEEL}\n{GOOD_WHEEL.replace(A, B)}", "numpy is duplicated with different"),
        (GOOD_WHEEL + " ", "is not a licence on one line"),
        (GOOD_WHEEL.replace("numpy ", "scipy ", 1), "is not a wheel of scipy"),
        (GOOD_WHEEL.replace("2.4.6 ", "2.4.7 ", 1), "is not a wheel of numpy 2.4.7"),
        (GOOD_WHEEL.replace("numpy-2", "../numpy-2"), "not the file name of a wheel"),
        (GOOD_WHEEL.replace("-cp311-cp311", "-cp311"), "not the file name of a wheel: .*parts"),
        (GOOD_WHEEL.replace("2.4.6", "two"), "not the file name of a wheel: .*version"),
        (GOOD_WHEEL.replace("2.4.6 ", "two ", 1), "Invalid version: 'two'"),
        (GOOD_WHEEL.replace("numpy ", "Num_py ", 1), "not a normalised Python package name"),
    ],
)
def test_a_faulty_wheel_lock_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "wheels.lock"
    path.write_text(line + "\n")
    with pytest.raises(SpecificationError, match=message):
        read_wheels(path)


LOCK = ImageLock(2, f"sha256:{A}", f"sha256:{B}", f"sha256:{A}", (Layer(f"sha256:{B}", 5, "x"),))


def test_an_image_lock_survives_writing_and_reading(tmp_path: Path) -> None:
    path = tmp_path / "image.lock"
    path.write_text(image_lock_text(LOCK))
    assert read_image_lock(path) == LOCK


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("builder = 2", "builder = 7", None, "builder format 7"),
        ("builder = 2", "builder = yes", 2, "not valid TOML"),
        ("builder = 2", "builder = true", 2, "builder: must be .*, is true"),
        ('tree = "sha256:', 'tree = "md5:', 5, "tree: must be a digest: sha256: and 64 digits"),
        ('tree = "sha256:', 'tree = "', 5, "tree: must be a digest: sha256:"),
        ("manifest", "manifesto", 4, "manifesto: unknown field. Did you mean 'manifest'"),
        ("size = 5", "size = -5", 9, r"layers\.0\.size: must be at least 0, is the number -5"),
    ],
)
def test_a_faulty_image_lock_is_refused(
    tmp_path: Path, old: str, new: str, line: int | None, message: str
) -> None:
    path = tmp_path / "image.lock"
    path.write_text(image_lock_text(LOCK).replace(old, new))
    with pytest.raises(SpecificationError, match=message) as caught:
        read_image_lock(path)
    assert caught.value.place == (f"{path}:{line}" if line else str(path))
    assert (caught.value.hint or "").startswith(f"reprun images lock {tmp_path.name}")


def test_a_missing_lock_says_what_to_type(tmp_path: Path) -> None:
    for read, name in (
        (read_debs, "debs.lock"),
        (read_wheels, "wheels.lock"),
        (read_image_lock, "image.lock"),
    ):
        with pytest.raises(SpecificationError, match="not locked") as caught:
            read(tmp_path / "columnar" / name)
        assert caught.value.hint == "reprun images lock columnar"


def test_a_lock_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "debs.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(SpecificationError, match=r"cannot read debs.lock: .utf-8. codec"):
        read_debs(tmp_path / "debs.lock")
