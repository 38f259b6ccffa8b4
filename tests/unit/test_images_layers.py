"""What layers of any builder become on disk: names, links, whiteouts, modes, what is left out."""

from __future__ import annotations

import os
import posixpath
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprun.errors import IntegrityError, StorageError
from reprun.files import remove_tree
from reprun.images.model import Layer
from reprun.images.rootfs import extract as extraction
from reprun.images.rootfs.sealed import check, walk
from reprun.images.rootfs.unpack import notes_of, unpacked_root
from tests.images_support import layered, member, tar_bytes
from tests.store_support import of_a_killed_process

Members = list[tuple[tarfile.TarInfo, bytes]]


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=tarfile.LNKTYPE, linkname=target)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, b"", type=tarfile.SYMTYPE, linkname=target)


def tree_of(directory: Path, *layers: Iterable[tuple[tarfile.TarInfo, bytes]]) -> dict[str, str]:
    """Unpack layers; return what is at each path that is not a directory."""
    root = unpacked_root(*layered(directory, *layers))
    return {
        path: f"-> {Path(entry.path).readlink()}"
        if entry.is_symlink()
        else Path(entry.path).read_text()
        for path, entry in walk(root)
        if not entry.is_dir(follow_symlinks=False)
    }


# -- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("usr/bin/python", "./usr/bin/python", "/usr/bin/python", "//usr/bin/python"),
        *("/./usr/bin/python", "usr//bin/python", "usr/./bin/python", "././usr/bin/./python"),
        *("usr/lib/../bin/python", "/usr/lib/../bin/python", "x/../usr/bin/python"),
        *("///usr///bin///python", "usr/bin/x/../python", "./x/./../usr/bin/python"),
    ],
)
@pytest.mark.parametrize("form", [0, 1, 2])
def test_a_name_is_one_of_the_image(tmp_path: Path, name: str, form: Literal[0, 1, 2]) -> None:
    info, data = member("x", b"py")
    info.name = name
    block = info.tobuf(form) + data.ljust(512, b"\0")
    image, store = layered(tmp_path, block)
    assert (unpacked_root(image, store) / "usr/bin/python").read_text() == "py"


@pytest.mark.parametrize(
    "name", ["..", "../x", "a/../../x", "/..", "/../x", "./../x", "a/b/../../../x", "x/../.."]
)
def test_a_name_that_leaves_the_tree_is_refused(tmp_path: Path, name: str) -> None:
    for members in (
        [member(name, b"x")],
        [link("good", name)],
        [member("f", b""), link(name, "f")],
    ):
        image, store = layered(tmp_path, members)
        with pytest.raises(IntegrityError, match="leaves the tree"):
            unpacked_root(image, store)


@pytest.mark.parametrize("name", ["a\nb", "\n", "a/b\n", "a\n/b"])
def test_a_line_feed_in_a_name_is_refused(tmp_path: Path, name: str) -> None:
    image, store = layered(tmp_path, [member(name, b"x")])
    with pytest.raises(IntegrityError, match="with a control character") as caught:
        unpacked_root(image, store)
    assert "\n" not in caught.value.message


def test_a_name_that_is_not_utf_8_is_kept(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    root = unpacked_root(*layered(tmp_path, [member(name, b"x"), symlink("l", name)]))
    assert sorted(path for path, _ in walk(root)) == [name, "l"]
    os.utime(root / name)
    check(root.parent, "image", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a/" * 257 + "f", r"member 258 directories deep, more than 256"),
        ("a/" * 2500 + "f", r"member 2,501 directories deep, more than 256"),
        ("d/" * 100_000 + "f", r"member 100,001 directories deep"),
        ("n" * 256, r"a name of 256 bytes, no file may have more than 255"),
        ("é" * 128, r"a name of 256 bytes"),
        ("x/" + "n" * 300 + "/y", r"a name of 300 bytes"),
        ("/".join(["n" * 200] * 11), r"a path of 2,210 bytes, more than 2,048"),
        ("n" * 5000, r"a path of 5,000 bytes"),
    ],
)
def test_a_path_that_no_file_system_takes_is_refused(
    tmp_path: Path, name: str, message: str
) -> None:
    for members in (
        [member(name, b"x")],
        [member(name)],
        [symlink(name, "x")],
        [member("f", b""), link(name, "f")],
        [member(f"{name.rpartition('/')[0]}/.wh.x".lstrip("/"), b""), member(name, b"")],
    ):
        image, store = layered(tmp_path, members)
        with pytest.raises(IntegrityError, match=message) as caught:
            unpacked_root(image, store)
        assert len(caught.value.message) < 400
        assert caught.value.hint


def test_the_longest_and_deepest_paths_are_unpacked_checked_and_removed(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 255) + "/f"
    long = "/".join(["n" * 255] * 8)
    image, store = layered(tmp_path, [member(deep, b"deep"), member(long, b"long")])
    root = unpacked_root(image, store)
    assert (root / deep).read_text() == "deep"
    assert (root / long).read_text() == "long"
    (root / deep).touch()
    assert unpacked_root(image, store) == root
    remove_tree(store.root / "unpacked")
    assert not (store.root / "unpacked").exists()


def test_an_image_that_is_refused_is_in_no_other_ones_way(tmp_path: Path) -> None:
    good, store = layered(tmp_path, [member("f", b"good")])
    data = tar_bytes([member("a/" * 2500 + "f", b"x")], "w")
    bad = replace(
        good,
        image_id=store.add_bytes(b"bad"),
        layers=(Layer(store.add_bytes(data), len(data), "bad"),),
    )
    with pytest.raises(IntegrityError):
        unpacked_root(bad, store)
    assert (unpacked_root(good, store) / "f").read_text() == "good"
    assert not list((store.root / "unpacked").glob("partial-*"))


@pytest.mark.slow
def test_a_tree_of_any_depth_is_removed(tmp_path: Path) -> None:
    """What an older reprun left behind: deeper than any path can say."""
    good, store = layered(tmp_path, [member("f", b"good")])
    top = store.directory("unpacked") / of_a_killed_process("partial-")
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(2500):
        os.mkdir("deep", dir_fd=here)
        inner = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    assert (unpacked_root(good, store) / "f").read_text() == "good"
    assert not top.exists()


def test_what_cannot_be_removed_is_in_nobodys_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, store = layered(tmp_path, [member("f", b"good")])
    (store.directory("unpacked") / of_a_killed_process("partial-")).mkdir()

    def refuse(path: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("reprun.files.remove_tree", refuse)
        assert (unpacked_root(good, store) / "f").read_text() == "good"


def test_another_refusal_of_the_system_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, store = layered(tmp_path, [member("f", b"good")])

    def refuse(descriptor: int, data: bytes) -> None:
        raise OSError(36, "File name too long", "f")

    monkeypatch.setattr(extraction, "_write_all", refuse)
    with pytest.raises(StorageError, match="image 'made' cannot be unpacked: File name too long"):
        unpacked_root(image, store)


# -- links -----------------------------------------------------------------------------------

FILE = member("usr/bin/gawk", b"awk")


@pytest.mark.parametrize(
    "links",
    [
        [link("awk", "usr/bin/gawk")],
        [link("awk", "/usr/bin/gawk")],
        [link("awk", "./usr/bin/gawk")],
        [link("/awk", "//usr//bin/gawk")],
        [link("awk", "usr/lib/../bin/gawk")],
        [link("nawk", "/usr/bin/gawk"), link("awk", "nawk")],
        [link("nawk", "usr/bin/gawk"), link("mawk", "/nawk"), link("awk", "./mawk")],
        [link("awk", "nawk"), link("nawk", "usr/bin/gawk")],
        [link("awk", "mawk"), link("mawk", "nawk"), link("nawk", "/usr/bin/gawk")],
        [link("awk", "usr/bin/gawk"), link("awk", "usr/bin/gawk")],
        [link("awk", "usr/bin/gawk"), link("awk", "awk")],
        [member("awk", b"old"), link("awk", "usr/bin/gawk")],
        [link("a/b/c/d", "usr/bin/gawk"), link("awk", "a/b/c/d")],
    ],
)
@pytest.mark.parametrize("where", ["before", "after", "below"])
def test_hard_links_mean_files_of_the_image(tmp_path: Path, links: Members, where: str) -> None:
    layers = {
        "before": [[FILE, *links]],
        "after": [[*links, FILE]],
        "below": [[FILE], [member("other", b"x")], links],
    }[where]
    root = unpacked_root(*layered(tmp_path, *layers))
    assert (root / "awk").read_text() == "awk"
    assert (root / "awk").stat().st_ino == (root / "usr/bin/gawk").stat().st_ino


@pytest.mark.slow
def test_a_long_chain_of_hard_links_is_followed(tmp_path: Path) -> None:
    chain = [link(f"l{n}", f"l{n - 1}") for n in range(1, 3000)]
    for number, members in enumerate(
        ([member("l0", b"x"), *chain], [*chain[::-1], member("l0", b"x")])
    ):
        root = unpacked_root(*layered(tmp_path / str(number), members))
        assert (root / "l2999").stat().st_nlink > 2999


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([link("a", "a")], "in a loop: a"),
        ([link("a", "b"), link("b", "a")], "in a loop: a -> b"),
        ([link("a", "/b"), link("b", "c"), link("/c", "./a")], "in a loop"),
        ([link("x", "a"), link("a", "b"), link("b", "a")], "in a loop"),
        ([link(f"l{n}", f"l{(n + 1) % 5000}") for n in range(5000)], "in a loop"),
        ([link("a", "none")], "no file of this layer or one below: a -> none"),
        ([link("a", "b"), link("b", "none")], "no file of this layer or one below: a -> none"),
        ([member("d"), link("a", "d")], "hard link to a directory: a -> d"),
        ([link("a", "d"), member("d")], "hard link to a directory: a -> d"),
        ([link("a", "d"), member("d/f", b"")], "hard link to a directory: a -> d"),
        ([link("a", "")], "hard link to the root"),
        ([link("a", "/")], "hard link to the root"),
        ([link("a", ".")], "hard link to the root"),
        ([member("f", b""), link("a", "f"), member("a/b", b"")], "below a, which is not a dir"),
        ([link("a", "f"), member("a/b", b""), member("f", b"")], "below a, which is not a dir"),
        ([symlink("a", "")], "without a proper target"),
        ([symlink("a", "x" * 4096)], "a symbolic link of 4,096 bytes"),
        ([symlink("a", "/etc"), member("a/b", b"")], "below a, which is not a directory"),
        ([member("a", b""), member("a/b", b"")], "below a, which is not a directory"),
        ([symlink(".", "/etc")], "symbolic link in place of the root"),
        ([member(".", b"x")], "file in place of the root"),
    ],
)
def test_a_link_to_nothing_is_refused(tmp_path: Path, members: Members, message: str) -> None:
    image, store = layered(tmp_path, members)
    with pytest.raises(IntegrityError, match=message) as caught:
        unpacked_root(image, store)
    assert caught.value.hint
    assert not list((store.root / "unpacked").glob("partial-*"))
    assert not list((store.root / "unpacked/images").glob("*"))


def test_links_to_links_are_links(tmp_path: Path) -> None:
    found = tree_of(
        tmp_path,
        [
            member("file", b"x"),
            symlink("one", "file"),
            symlink("two", "one"),
            link("three", "two"),
            link("four", "three"),
            symlink("loop", "loop"),
            symlink("up", "../../../etc/passwd"),
            symlink("abs", "/etc/passwd"),
        ],
        [link("five", "four"), symlink("one", "two")],
    )
    assert found == {
        "file": "x",
        "one": "-> two",
        "two": "-> one",
        **dict.fromkeys(("three", "four", "five"), "-> one"),
        "loop": "-> loop",
        "up": "-> ../../../etc/passwd",
        "abs": "-> /etc/passwd",
    }


def test_a_hard_link_means_the_file_below_as_it_was(tmp_path: Path) -> None:
    found = tree_of(
        tmp_path,
        [member("old", b"old"), member("gone", b"gone")],
        [link("kept", "old"), link("saved", "gone"), member(".wh.gone", b"")],
        [member("old", b"new"), link("both", "old")],
    )
    assert found == {"old": "new", "kept": "old", "saved": "gone", "both": "new"}


def test_more_links_than_a_file_system_takes_are_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def limited(source: str, target: str, **how: bool) -> None:
        if Path(source).stat().st_nlink > 2:
            raise OSError(31, "Too many links", source, None, target)
        real(source, target, **how)

    monkeypatch.setattr(os, "link", limited)
    names = [f"l{n}" for n in range(6)]
    image, store = layered(
        tmp_path, [member("f", b"x" * 3000, mode=0o755), *(link(n, "f") for n in names)]
    )
    root = unpacked_root(image, store)
    for name in names:
        assert (root / name).read_bytes() == b"x" * 3000
        assert (root / name).stat().st_mode & 0o7777 == 0o755
    check(root.parent, "image", tmp_path)


# -- a path more than once ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected", "noted"),
    [
        ([member("d"), member("d"), member("d/f", b"1"), member("d")], {"d/f": "1"}, 0),
        ([member("f", b"1"), member("f", b"2")], {"f": "2"}, 1),
        ([member("f", b"1"), member("f", b"1")], {"f": "1"}, 1),
        ([member("f", b"1"), member("./f", b"2"), member("/f", b"3")], {"f": "3"}, 1),
        ([member("f", b"1"), symlink("f", "x")], {"f": "-> x"}, 1),
        ([symlink("f", "x"), member("f", b"1")], {"f": "1"}, 1),
        ([member("f", b"1"), link("h", "f"), member("f", b"2")], {"f": "2", "h": "1"}, 1),
        ([member("d/f", b"1"), member("d", b"2")], {"d": "2"}, 1),
        ([member("d", b"2"), member("d"), member("d/f", b"1")], {"d/f": "1"}, 1),
        ([member("d/e/f", b"1"), symlink("d", "x"), member("d"), member("d/g", b"2")],
         {"d/g": "2"}, 1),
        ([member("p", b"1"), member("p", b"", type=tarfile.FIFOTYPE)], {}, 1),
        ([member("p", b"", type=tarfile.FIFOTYPE), member("p", b"1")], {"p": "1"}, 0),
    ],
)  # fmt: skip
def test_of_a_path_more_than_once_the_last_counts(
    tmp_path: Path, members: Members, expected: dict[str, str], noted: int
) -> None:
    image, store = layered(tmp_path, members)
    root = unpacked_root(image, store)
    assert tree_of(tmp_path / "again", members) == expected
    assert len(notes_of(image, store)) == noted
    assert root.is_dir()


# -- what is left out ----------------------------------------------------------------------------

DEVICES = (tarfile.CHRTYPE, tarfile.BLKTYPE)


@pytest.mark.parametrize("kind", [*DEVICES, tarfile.FIFOTYPE])
@pytest.mark.parametrize("name", ["run/pipe", "/run/pipe", "pipe", "var/spool/x/pipe", "devil/x"])
def test_what_no_image_needs_is_left_out_with_a_note(
    tmp_path: Path, kind: bytes, name: str
) -> None:
    image, store = layered(tmp_path, [member("f", b"x"), member(name, b"", type=kind)])
    root = unpacked_root(image, store)
    assert [path for path, entry in walk(root) if not entry.is_dir()] == ["f"]
    word = "named pipe" if kind == tarfile.FIFOTYPE else "device node"
    assert notes_of(image, store) == [
        f"layer 0 of image 'made': 1 {word} left out: {name.lstrip('/')}"
    ]


@pytest.mark.parametrize("kind", [*DEVICES, tarfile.FIFOTYPE])
def test_dev_is_the_engines_and_needs_no_note(tmp_path: Path, kind: bytes) -> None:
    nodes = [member(f"dev/{n}", b"", type=kind) for n in ("null", "/shm/x")]
    image, store = layered(tmp_path, [*nodes, link("dev/core", "dev/null")])
    unpacked_root(image, store)
    assert [note for note in notes_of(image, store) if "hard link" not in note] == []


def test_many_that_are_left_out_are_counted(tmp_path: Path) -> None:
    pipes = [member(f"p{n}", b"", type=tarfile.FIFOTYPE) for n in range(90)]
    links = [link("a", "p1"), link("b", "a"), link("z", "q")]
    late = [member("q", b"", type=tarfile.FIFOTYPE)]
    image, store = layered(tmp_path, [*pipes, *links, *late])
    assert list(walk(unpacked_root(image, store))) == []
    assert notes_of(image, store) == [
        "layer 0 of image 'made': 91 named pipes left out: p0, p1, p2 and 88 more",
        "layer 0 of image 'made': 3 hard links to such left out: a, b, z",
    ]


@pytest.mark.parametrize("letter", [b"V", b"M", b"D", b"N", b"A", b"s", b"9", b"\xff"])
def test_a_member_of_a_type_no_layer_holds_is_refused(tmp_path: Path, letter: bytes) -> None:
    image, store = layered(tmp_path, [member("f", b"x", type=letter)])
    with pytest.raises(IntegrityError, match=r"of the tar type .* which no layer holds: f"):
        unpacked_root(image, store)


# -- whiteouts -----------------------------------------------------------------------------------

BELOW = [
    member("etc/one", b"1"),
    member("etc/two", b"2"),
    member("opt/a/b/c", b"c"),
    symlink("lnk", "etc"),
    member("top", b"top"),
]
ALL = {"etc/one": "1", "etc/two": "2", "opt/a/b/c": "c", "lnk": "-> etc", "top": "top"}


def without(*prefixes: str) -> dict[str, str]:
    return {k: v for k, v in ALL.items() if not k.startswith(prefixes)}


@pytest.mark.parametrize(
    ("upper", "expected"),
    [
        ([member(".wh..wh..opq", b""), member("new", b"n")], {"new": "n"}),
        ([member("new", b"n"), member(".wh..wh..opq", b"")], {"new": "n"}),
        ([member("./.wh..wh..opq", b""), member("new", b"n")], {"new": "n"}),
        ([member("/.wh..wh..opq", b""), member("new", b"n")], {"new": "n"}),
        ([member("./"), member("./.wh..wh..opq", b""), member("etc/n", b"n")], {"etc/n": "n"}),
        ([member(".wh..wh..opq", b"")], {}),
        ([member("opt/.wh..wh..opq", b"")], without("opt")),
        ([member("opt/a/.wh..wh..opq", b"")], without("opt")),
        ([member("opt/"), member("opt/n", b"n"), member("opt/.wh..wh..opq", b"")],
         {**without("opt"), "opt/n": "n"}),
        ([member(".wh.etc", b"")], without("etc")),
        ([member("/.wh.etc", b"")], without("etc")),
        ([member(".wh.etc", b""), member("etc/n", b"n")], {**without("etc"), "etc/n": "n"}),
        ([member("etc/n", b"n"), member(".wh.etc", b"")], {**without("etc"), "etc/n": "n"}),
        ([member("etc/.wh.one", b"")], without("etc/one")),
        ([member("etc/.wh.one", b""), member("etc/one", b"!")], {**ALL, "etc/one": "!"}),
        ([member("etc/.wh.none", b"")], ALL),
        ([member("none/.wh.none", b"")], ALL),
        ([member(".wh.lnk", b"")], without("lnk")),
        ([member(".wh.top")], without("top")),
        ([member(".wh..wh.plnk"), member(".wh..wh.aufs", b""), member(".wh..wh.plnk/1.2", b"x")],
         ALL),
        ([member("top.wh.x", b"not one")], {**ALL, "top.wh.x": "not one"}),
    ],
)  # fmt: skip
def test_a_whiteout_hides_what_is_below(
    tmp_path: Path, upper: Members, expected: dict[str, str]
) -> None:
    assert tree_of(tmp_path, BELOW, upper) == expected


@pytest.mark.parametrize("name", [".wh.", "a/.wh.", ".wh..", ".wh...", "a/.wh.b/c", ".wh.b/c"])
def test_a_whiteout_of_nothing_is_refused(tmp_path: Path, name: str) -> None:
    image, store = layered(tmp_path, BELOW, [member(name, b"")])
    with pytest.raises(IntegrityError, match="whiteout"):
        unpacked_root(image, store)


@pytest.mark.slow
def test_many_whiteouts_take_no_time(tmp_path: Path) -> None:
    """Each looked at everything once: 6,000 of 6,000 would be a minute."""
    names = [f"d/{n}" for n in range(6000)]
    image, store = layered(
        tmp_path,
        [symlink(name, "x") for name in names],
        [member(f"d/.wh.{n}", b"") for n in range(6000)],
    )
    assert [path for path, _ in walk(unpacked_root(image, store))] == ["d"]


# -- modes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o4000, 0o2000, 0o1000, 0o6000, 0o7000, 0o5000, 0o3000])
@pytest.mark.parametrize("kind", ["file", "directory", "hard link", "upper", "sparse name"])
def test_no_set_id_bit_survives(tmp_path: Path, bits: int, kind: str) -> None:
    su = member("bin/su", b"#!", mode=0o755 | bits)
    layers: list[Members] = {
        "file": [[su]],
        "directory": [[member("bin/su", mode=0o755 | bits)]],
        "hard link": [[su, link("bin/sudo", "bin/su")]],
        "upper": [[member("bin/su", b"")], [su]],
        "sparse name": [[(su[0], su[1]), link("x", "/bin/su")]],
    }[kind]
    root = unpacked_root(*layered(tmp_path, *layers))
    for path, entry in walk(root):
        mode = entry.stat(follow_symlinks=False).st_mode
        assert not mode & 0o6000, path
        assert entry.is_dir() or not mode & 0o1000, path
    if kind == "directory":
        assert (root / "bin/su").stat().st_mode & 0o1000 == bits & 0o1000  # as /tmp has it


def test_no_capability_survives(tmp_path: Path) -> None:
    info, data = member("bin/ping", b"#!", mode=0o755)
    info.pax_headers = {
        "SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00 \x00\x00",
        "LIBARCHIVE.xattr.security.capability": "AQAAAgAgAAAAAAAAAAAAAAAAAAA",
        "SCHILY.xattr.user.note": "x",
        "SCHILY.acl.access": "user::rwx,user:0:rwx",
    }
    root = unpacked_root(*layered(tmp_path, [(info, data)]))
    assert os.listxattr(root / "bin/ping") == []


def test_the_owner_may_always_read(tmp_path: Path) -> None:
    """Else an ordinary user can neither check nor remove what is unpacked."""
    root = unpacked_root(
        *layered(
            tmp_path, [member("etc/shadow", b"x", mode=0), member("d", mode=0), member("d/f", b"x")]
        )
    )
    assert (root / "etc/shadow").stat().st_mode & 0o777 == 0o400
    assert (root / "d").stat().st_mode & 0o777 == 0o500


def test_a_directory_that_is_only_passed_through_keeps_its_mode(tmp_path: Path) -> None:
    image, store = layered(
        tmp_path,
        [member("tmp", mode=0o1777), member("root", mode=0o700), member("var", mode=0o711)],
        [member("tmp/x", b""), member("root/.x", b""), member("var", mode=0o755)],
    )
    root = unpacked_root(image, store)
    modes = {name: (root / name).stat().st_mode & 0o7777 for name in ("tmp", "root", "var")}
    assert modes == {"tmp": 0o1777, "root": 0o700, "var": 0o755}


@pytest.mark.parametrize("mtime", [0, 1, 315532800, 2**33, -1, 1e-3])
def test_times_are_those_of_the_image(tmp_path: Path, mtime: float) -> None:
    """jib writes 1970, buildpacks 1980."""
    info, data = member("f", b"x")
    info.mtime = mtime
    image, store = layered(tmp_path, [(info, data)])
    assert (unpacked_root(image, store) / "f").stat().st_mtime == 1_700_000_000


# -- laws ----------------------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", ".wh.a", "c"]), max_size=4).map(
    lambda parts: "/".join(parts) or "a"
)
MEMBERS = st.tuples(NAMES, st.sampled_from(["file", "directory", "symlink", "hard", "pipe"]), NAMES)


def made(name: str, kind: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    match kind:
        case "file":
            return member(name, target.encode())
        case "directory":
            return member(name)
        case "symlink":
            return symlink(name, target)
        case "hard":
            return link(name, target)
    return member(name, b"", type=tarfile.FIFOTYPE)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(MEMBERS, max_size=6), min_size=1, max_size=3))
@pytest.mark.slow
def test_any_layers_are_unpacked_as_listed_or_refused_and_reach_nothing_outside(
    layers: list[list[tuple[str, str, str]]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        image, store = layered(home, *([made(*each) for each in layer] for layer in layers))
        try:
            root = unpacked_root(image, store)
        except IntegrityError as error:
            hints = [error.hint]
        else:
            hints = ["none is needed"]
            check(root.parent, "image", home)
            for path, _ in walk(root):
                assert posixpath.normpath(path) == path
                assert ".wh." not in path
        assert all(hints)
        assert not list((store.root / "unpacked").glob("partial-*"))
        assert {path.name for path in home.iterdir()} == {"store"}
        assert {path.name for path in store.root.iterdir()} <= {
            *("blobs", "stamps", "incoming", "unpacked"),
        }
