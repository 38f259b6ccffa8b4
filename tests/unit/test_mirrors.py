"""REPRUN_MIRRORS: one syntax for data and images, and faults that are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.data.mirrors import locations, named_mirrors, split_mirrors
from reprun.errors import SpecificationError

DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("/a:/b /c", ("/a", "/b", "/c")),
        ("/a /b\t/c\n", ("/a", "/b", "/c")),
        ("../data:dir", ("../data", "dir")),
        (":/a::/b:", ("/a", "/b")),
        ("https://host:8080/x:/dir", ("https://host:8080/x", "/dir")),
        ("https://host:/dir", ("https://host", "/dir")),
        ("/dir:https://host/x:http://other:81", ("/dir", "https://host/x", "http://other:81")),
        ("/dir:near:https://host:81:/x", ("/dir", "near", "https://host:81", "/x")),
        ("http://[::1]:80/a:/b", ("http://[::1]:80/a", "/b")),
        ("https://host/a:b", ("https://host/a:b",)),
        ("https://host/x:", ("https://host/x",)),
        ("file:///a%3Ab:/c", ("file:///a%3Ab", "/c")),
        ("root://host:1094//eos/a:/b", ("root://host:1094//eos/a", "/b")),
    ],
)
def test_a_list_of_mirrors_is_split(text: str, expected: tuple[str, ...]) -> None:
    assert split_mirrors(text) == expected


@given(st.lists(st.from_regex(r"(https?://[a-z]{1,5}(:[0-9]{2})?)?/[a-z]{1,5}", fullmatch=True)))
@pytest.mark.slow
def test_joined_mirrors_are_split_again(mirrors: list[str]) -> None:
    assert split_mirrors(":".join(mirrors)) == tuple(mirrors)
    assert split_mirrors(" ".join(mirrors)) == tuple(mirrors)


def test_a_directory_whose_name_has_a_colon(tmp_path: Path) -> None:
    """Data took such a word as it is, and a file:// URL spells any name."""
    odd = tmp_path / "a:b c"
    odd.mkdir()
    (tmp_path / "a:b").mkdir()
    assert named_mirrors({"REPRUN_MIRRORS": f"{tmp_path}/a:b"}) == (f"{tmp_path}/a:b",)
    assert named_mirrors({"REPRUN_MIRRORS": f"{odd.as_uri()}:{tmp_path}"}) == (
        odd.as_uri(),
        str(tmp_path),
    )


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("nowhere", "neither an existing directory nor a URL"),
        ("file:///nowhere/at/all", "neither an existing directory nor a URL"),
        ("https:/host/x", "neither an existing directory nor a URL"),
        ("ftp://host/x", "ftp:// is not supported"),
        ("https:///x", "no valid host"),
        ("http://host:port/x", "no valid host and port"),
        ("http://[::1/x", "no valid host"),
    ],
)
def test_what_is_no_mirror_is_reported(entry: str, fault: str, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=fault) as caught:
        named_mirrors({"REPRUN_MIRRORS": f"{tmp_path} {entry}"})
    assert caught.value.place == "REPRUN_MIRRORS"
    assert (caught.value.hint or "").startswith("export REPRUN_MIRRORS=")


def test_a_file_of_this_machine_is_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecificationError, match="neither an existing directory"):
        named_mirrors({"REPRUN_MIRRORS": str(tmp_path / "file")})
    assert named_mirrors({}) == ()


def test_a_mirror_holds_a_file_by_name_or_by_digest() -> None:
    blob = f"blobs/sha256/ab/{DIGEST[7:]}"
    assert list(locations("/m/", ["pool/a b.deb", "a b.deb"], DIGEST)) == [
        "/m/pool/a b.deb",
        "/m/a b.deb",
        f"/m/{blob}",
    ]
    assert list(locations("https://h/m", ["a b#1"], DIGEST)) == [
        "https://h/m/a%20b%231",
        f"https://h/m/{blob}",
    ]
    assert list(locations("/m", ["a"], "adler32:01234567+9")) == ["/m/a"]
