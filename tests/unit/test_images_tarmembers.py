"""The reader of foreign tars agrees with tarfile on good ones and refuses all others."""

from __future__ import annotations

import io
import tarfile
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.errors import IntegrityError
from reprun.images.archives.tarmembers import BLOCK, Member, MemberKind, members
from tests.images_support import HELLO, member, tar_bytes

END = bytes(2 * BLOCK)


def read(data: bytes) -> list[Member]:
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        return list(members(stream.fileno(), "layer 1"))


def contents(data: bytes, found: Member) -> bytes:
    made = bytearray(found.size)
    for start, offset, length in found.segments:
        made[start : start + length] = data[offset : offset + length]
    return bytes(made)


def block(name: str = "f", size: int = 0, kind: bytes = b"0", **fields: bytes) -> bytes:
    """Return a header of 512 bytes, its checksum right, with `at_OFFSET` fields overwritten."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    header = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    for key, value in fields.items():
        at = int(key.removeprefix("at_"))
        header[at : at + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def special(kind: bytes, data: bytes) -> bytes:
    return block("x", len(data), kind) + padded(data)


def pax(*records: tuple[str, str], kind: bytes = b"x") -> bytes:
    lines = b""
    for key, value in records:
        body = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        size = len(body) + 1
        while len(f"{size}") + len(body) != size:
            size += 1
        lines += f"{size}".encode() + body
    return special(kind, lines)


NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=300
)
KINDS = {
    tarfile.REGTYPE: MemberKind.FILE,
    tarfile.DIRTYPE: MemberKind.DIRECTORY,
    tarfile.SYMTYPE: MemberKind.SYMLINK,
    tarfile.LNKTYPE: MemberKind.HARDLINK,
    tarfile.FIFOTYPE: MemberKind.PIPE,
    tarfile.CHRTYPE: MemberKind.DEVICE,
}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(NAMES, NAMES, st.sampled_from(list(KINDS)), st.binary(max_size=1500)), max_size=6
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
@pytest.mark.slow
def test_what_tarfile_writes_is_read(
    written: list[tuple[str, str, bytes, bytes]], form: Literal[1, 2]
) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, target, kind, data in written:
            is_file = kind == tarfile.REGTYPE
            info, _ = member(name, b"", type=kind, linkname="" if is_file else target)
            info.size = len(data) if is_file else 0
            tar.addfile(info, io.BytesIO(data) if is_file else None)
    found = read(buffer.getvalue())
    assert len(found) == len(written)
    for each, (name, target, kind, data) in zip(found, written, strict=True):
        slashed = kind == tarfile.REGTYPE and name.endswith("/")
        assert each.kind is (MemberKind.DIRECTORY if slashed else KINDS[kind])
        assert each.name.rstrip("/") == name.rstrip("/")
        if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            assert each.target == target
        if each.kind is MemberKind.FILE:
            assert contents(buffer.getvalue(), each) == data


@settings(max_examples=300, deadline=None)
@given(st.data())
@pytest.mark.slow
def test_damage_is_refused_or_read_but_nothing_else(data: st.DataObject) -> None:
    good = bytearray(tar_bytes(HELLO, "w"))
    for _ in range(data.draw(st.integers(1, 6))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    try:
        for each in read(bytes(good[:cut])):
            assert all(s.offset + s.length <= cut for s in each.segments)
    except IntegrityError:
        pass


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=2000),
            st.builds(
                lambda kind, size, name: block("n", 0, kind, at_124=size, at_0=name),
                st.sampled_from([b"0", b"1", b"5", b"L", b"K", b"x", b"g", b"S", b"X"]),
                st.one_of(st.binary(min_size=12, max_size=12), st.just(b"00000001000\0")),
                st.binary(min_size=1, max_size=100),
            ),
            st.builds(pax, st.tuples(st.sampled_from(["path", "size", "GNU.sparse.map"]), NAMES)),
        ),
        max_size=8,
    )
)
@pytest.mark.slow
def test_anything_ends_soon(parts: list[bytes]) -> None:
    try:
        read(b"".join(parts))
    except IntegrityError as error:
        assert error.message.startswith("layer 1 ")  # noqa: PT017


@pytest.mark.parametrize("data", [b"", END, bytes(BLOCK)])
def test_an_empty_layer_is_one(data: bytes) -> None:
    assert read(data) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"hello" * 200, "is not a tar archive"),
        (b"\x1f\x8b" + bytes(600), "is not a tar archive"),
        (b"short", "is truncated"),
        (block(size=600) + bytes(BLOCK), "is truncated in f"),
        (block(size=5), "is truncated in f"),
        (block() + b"x" * BLOCK, "damaged at byte 512|is not a number"),
        (block() + block()[:300], "is truncated"),
        (block(at_124=b"\xff" * 12), "whose size is out of range"),
        (block(at_124=b"\x80" + b"\x7f" * 11), "whose size is out of range"),
        (block(at_124=b"12x45678901\0"), "is not a tar archive"),
        (block() + block(at_100=b"zzzzzzz\0"), "whose mode is not a number"),
        (special(b"x", b"12 path=abc\n"), "belongs to no member"),
        (special(b"x", b"99 path=abc\n") + block(), "malformed pax header"),
        (special(b"x", b"0 path=abc\n") + block(), "malformed pax header"),
        (special(b"x", b"path=abc\n") + block(), "malformed pax header"),
        (special(b"x", b"-9 path=a\n") + block(), "malformed pax header"),
        (special(b"x", b"9" * 5000 + b" path=a\n") + block(), "malformed pax header"),
        (special(b"x", b"11 path abc\n") + block(), "malformed pax header"),
        (pax(("size", "-1")) + block(), "a bad number: -1"),
        (pax(("size", "9" * 30)) + block(), "a bad number: 999"),
        (pax(("size", "4096")) + block(), "is truncated in f"),
        (block("x", 2 << 20, b"x") + bytes(3 << 20), r"an extended header of 2\.1 MB"),
        (block("x", 2 << 20, b"L") + bytes(3 << 20), r"an extended header of 2\.1 MB"),
        (block("x", 7 << 30, b"K"), r"an extended header of 7\.5 GB"),
        (pax(("path", "a")) * 17 + block(), "more than 16 extended headers before one"),
        (special(b"L", b"a\0") * 5000 + block(), "more than 16 extended headers before one"),
        (special(b"g", b"") * 5000 + block(), "more than 16 extended headers before one"),
    ],
)  # fmt: skip
def test_a_bad_header_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=f"^layer 1 .*({message})"):
        read(data)


def test_the_last_word_on_a_name_counts() -> None:
    long = special(b"L", b"long\0") + special(b"K", b"target\0")
    assert read(long + block(kind=b"2"))[0][:4] == ("long", MemberKind.SYMLINK, 0o644, "target")
    both = long + pax(("path", "pax"), ("linkpath", "other"))
    assert read(both + block(kind=b"2"))[0][0] == "pax"
    assert read(pax(("path", "")) + block())[0].name == "f"
    assert read(pax(("path", "all"), kind=b"g") + block())[0].name == "f"
    assert read(long + block() + block("g"))[1].name == "g"


def test_old_and_odd_headers() -> None:
    v7 = block("dir/", at_257=bytes(255), kind=b"\0")
    assert read(v7)[0].kind is MemberKind.DIRECTORY
    prefixed = block("name", at_345=b"some/prefix")
    assert read(prefixed)[0].name == "some/prefix/name"
    gnu = block("name", at_257=b"ustar  \0", at_345=b"14533434123\0")  # a time there
    assert read(gnu)[0].name == "name"
    star = block("name", at_345=b"pre\0", at_476=b"01234567012", at_508=b"tar\0")
    assert read(star)[0].name == "pre/name"
    signed = bytearray(block("caf\xe9"))
    signed[148:156] = b" " * 8
    total = sum(signed) - 256 * sum(each > 127 for each in signed)
    signed[148:156] = f"{total:06o}\0 ".encode()
    assert len(read(bytes(signed))) == 1
    assert read(block("h", 512, b"1") + block("i"))[1].name == "i"  # links have no contents
    big = block("f", at_124=b"\x80" + bytes(9) + b"\x00\x05")
    assert read(big + padded(b"hello"))[0].size == 5
    assert read(block(size=5) + b"hello")[0].size == 5  # the last padding may be missing


OLD_MAP = b"00000000000\x0000000000002\x00" + b"00000001000\x0000000000003\x00"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            block("f", 5, b"S", at_386=OLD_MAP, at_483=b"00000002000\0") + padded(b"abcde"),
            b"ab" + bytes(510) + b"cde" + bytes(509),
        ),
        (
            pax(("GNU.sparse.map", "1,2,6,3"), ("GNU.sparse.size", "10"), ("GNU.sparse.name", "f"))
            + block("x", 5)
            + padded(b"abcde"),
            b"\0ab\0\0\0cde\0",
        ),
        (
            pax(
                ("GNU.sparse.size", "10"),
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.offset", "1"),
                ("GNU.sparse.numbytes", "2"),
                ("GNU.sparse.offset", "6"),
                ("GNU.sparse.numbytes", "3"),
            )
            + block("f", 5)
            + padded(b"abcde"),
            b"\0ab\0\0\0cde\0",
        ),
        (
            pax(
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.name", "f"),
                ("GNU.sparse.realsize", "10"),
            )
            + block("x", 512 + 5)
            + padded(b"2\n1\n2\n6\n3\n")
            + padded(b"abcde"),
            b"\0ab\0\0\0cde\0",
        ),
    ],
)
def test_sparse_files_of_all_forms(data: bytes, expected: bytes) -> None:
    first, second = read(data + block("next"))
    assert (first.name, second.name) == ("f", "next")
    assert contents(data, first) == expected


def old(
    entries: bytes, size: bytes = b"00000002000\0", stored: int = 5, more: bytes = b"\0"
) -> bytes:
    return block("f", stored, b"S", at_386=entries, at_483=size, at_482=more)


ENTRY = b"00000000000\x0000000000005\x00"


def map_of(text: str, size: int = 1024) -> bytes:
    records = [("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "10")]
    return pax(*records) + block("f", size) + padded(text.encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (old(ENTRY * 2) + padded(b"abcde"), "a map that does not fit: f"),
        (old(ENTRY, b"00000000004\0") + padded(b"abcde"), "a map that does not fit"),
        (old(ENTRY, stored=6) + padded(b"abcdef"), "a map that does not fit"),
        (old(ENTRY, stored=4) + padded(b"abcd"), "a map that does not fit"),
        (old(b"\xff" * 24) + padded(b"abcde"), "out of range"),
        (old(ENTRY, more=b"\1"), "is truncated"),
        (old(ENTRY, more=b"\1") + (b"\1" * BLOCK) * 3, "not a number"),
        (old(b"", more=b"\1") + (bytes(504) + b"\1" + bytes(7)) * 9, "is truncated"),
        (map_of("200000\n"), "more than 100,000 pieces"),
        (map_of("9" * 600), "map is malformed|a bad number"),
        (map_of("x\n"), "a bad number: x"),
        (map_of("3\n1\n"), "map is malformed"),
        (map_of(""), "is truncated in the map|map is malformed"),
        (map_of("1\n0\n99\n") + bytes(BLOCK), "a map that does not fit"),
        (pax(("GNU.sparse.map", "0,1,2"), ("GNU.sparse.size", "9")) + block(size=1) + padded(b"a"),
         "a map that does not fit"),
        (pax(("GNU.sparse.map", "0,x"), ("GNU.sparse.size", "9")) + block(), "a bad number: x"),
        (pax(("GNU.sparse.map", "0,1")) + block(size=1) + padded(b"a"), "a bad number"),
        (pax(("GNU.sparse.size", "9"), ("GNU.sparse.offset", "x")) + block(), "a bad number: x"),
    ],
)  # fmt: skip
def test_a_bad_map_of_a_sparse_file_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        read(data)


@pytest.mark.slow
def test_a_great_many_members_take_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.tar"
    path.write_bytes(block("f") * 20_000)
    with path.open("rb") as stream:
        tracemalloc.start()
        start = time.monotonic()
        assert sum(1 for _ in members(stream.fileno(), "x")) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1_000_000
    assert time.monotonic() - start < 20
