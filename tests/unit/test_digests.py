"""Digests: against published values, and the laws that make them identities."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.digests import (
    CHUNK,
    adler32_file,
    canonical_json,
    digest_of_mapping,
    sha256_bytes,
    sha256_file,
    sha256_tree,
    short,
)

# FIPS 180-4 examples (NIST, "SHA256.pdf"): the empty message and "abc".
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

NAMED = st.dictionaries(st.text(), st.text(), max_size=8)


@pytest.mark.parametrize(("data", "digest"), [(b"", EMPTY), (b"abc", ABC)])
def test_sha256_of_known_messages(data: bytes, digest: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(data)
    assert sha256_bytes(data) == digest
    assert sha256_file(file) == digest


def test_adler32_as_the_portal_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"Wikipedia")  # the example of RFC 1950's readers: 0x11E60398
    assert adler32_file(file) == "11e60398"
    file.write_bytes(b"")
    assert adler32_file(file) == "00000001"


def test_adler32_over_several_chunks(tmp_path: Path) -> None:
    data = bytes(range(256)) * (2 * CHUNK // 256) + b"tail"
    file = tmp_path / "file"
    file.write_bytes(data)
    assert int(adler32_file(file), 16) == zlib.adler32(data)


@given(NAMED, st.randoms())
def test_digest_of_a_mapping_does_not_depend_on_its_order(
    files: dict[str, str], random: Any
) -> None:
    items = list(files.items())
    random.shuffle(items)
    assert digest_of_mapping(dict(items)) == digest_of_mapping(files)


@given(NAMED, NAMED)
def test_digest_of_a_mapping_tells_different_ones_apart(
    one: dict[str, str], other: dict[str, str]
) -> None:
    assert (digest_of_mapping(one) == digest_of_mapping(other)) == (one == other)


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"x": float("nan")})


def test_canonical_json_is_one_text() -> None:
    assert canonical_json({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'.encode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b" / "deep" / "c").write_bytes(b"")
    return tmp_path


def test_tree_names_every_file_by_its_path(tree: Path) -> None:
    assert sha256_tree(tree) == {"a": ABC, "b/deep/c": EMPTY}


def test_tree_leaves_named_directories_out_at_any_depth(tree: Path) -> None:
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "x").touch()
    assert sha256_tree(tree, skip=["deep", "__pycache__"]) == {"a": ABC}


def test_tree_sees_a_link_that_points_elsewhere(tree: Path) -> None:
    link = tree / "link"
    link.symlink_to("a")
    before = sha256_tree(tree)
    link.unlink()
    link.symlink_to("b/deep/c")
    after = sha256_tree(tree)
    assert {name for name in before if before[name] != after[name]} == {"link"}


def test_tree_does_not_follow_a_link_to_a_directory(tree: Path) -> None:
    (tree / "loop").symlink_to(tree)
    assert set(sha256_tree(tree)) == {"a", "b/deep/c", "loop"}


def test_short_is_for_people() -> None:
    assert short(ABC) == "ba7816bf8f01"
    assert short("ba7816bf8f01cfea", 4) == "ba78"
