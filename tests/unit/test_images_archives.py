"""What packages and wheels become, and everything about them that is refused or dropped."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.errors import IntegrityError, ReprunError, SpecificationError
from reprun.images.archives.tree import Kind, Listed, Spool, Tree, inner_path, tree_digest
from reprun.images.builder.build import build
from reprun.images.builder.debian import is_left_out, merged_path
from reprun.images.rootfs.sealed import read_listing
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from tests.images_support import (
    GREET,
    HELLO,
    SITE,
    ar_bytes,
    deb_bytes,
    kitchen,
    member,
    record_row,
    tar_bytes,
    tiny,
    wheel_bytes,
)


def refused(tmp_path: Path, *, deb: bytes | None = None, wheel: bytes | None = None) -> ReprunError:
    """Return the error with which a build refuses an input."""
    made = kitchen(tmp_path)
    made.deb(deb_bytes() if deb is None else deb)
    made.wheel(wheel_bytes() if wheel is None else wheel)
    with pytest.raises(ReprunError) as caught:
        build(made.definition(), made.store, Silent())
    assert list((tmp_path / "store" / "incoming").iterdir()) == []
    return caught.value


def test_a_package_and_a_wheel_become_files(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    image = build(made.definition(), made.store, Silent()).image
    root = unpacked_root(image, made.store)
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "usr/bin/hello").read_text() == "#!/bin/sh\necho hello\n"
    assert stat.S_IMODE((root / "usr/bin/hello").stat().st_mode) == 0o755
    assert (root / "usr/share/doc/hello/copyright").read_text() == "free\n"
    assert not (root / "usr/share/doc/hello/README").exists()
    assert not (root / "usr/share/man").exists()
    assert (root / "usr/lib/hello/.hidden").read_text() == "dot\n"
    assert (root / "usr/lib/hello/link").readlink() == Path("data.txt")
    assert (root / "usr/lib/hello/hard").stat().st_ino == (
        root / "usr/lib/hello/data.txt"
    ).stat().st_ino
    for empty in ("work", "proc", "sys", "dev", "tmp", "var/cache/reprun/bytecode"):
        assert list((root / empty).iterdir()) == []
    assert (root / "usr/share/reprun/debs.lock").read_text() == (
        made.definition().debs_lock.read_text()
    )
    status = (root / "var/lib/dpkg/status").read_text()
    assert "Package: hello\nStatus: install ok installed\n" in status
    assert "/bin/hello\n" in (root / "var/lib/dpkg/info/hello.list").read_text()

    assert (root / SITE / "greet/__init__.py").is_file()
    assert not (root / SITE / "greet/module.pyc").exists()
    assert (root / "usr/local/bin/tool").read_text() == "#!/usr/bin/python3\nprint('tool')\n"
    assert "from greet import main" in (root / "usr/local/bin/greet").read_text()
    assert stat.S_IMODE((root / "usr/local/bin/greet").stat().st_mode) == 0o755
    assert (root / "usr/local/share/greet/table").read_text() == "1 2 3\n"
    record = (root / SITE / "greet-2.0.dist-info/RECORD").read_text()
    assert record_row("greet/__init__.py", GREET["greet/__init__.py"]) in record
    assert "../../../bin/greet,sha256=" in record
    assert "module.pyc" not in record


def test_packages_for_several_architectures_keep_their_qualified_name(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.deb(deb_bytes([], name="libx", extra="Multi-Arch: same\n"), name="libx")
    image = build(made.definition(), made.store, Silent()).image
    root = unpacked_root(image, made.store)
    assert (root / "var/lib/dpkg/info/libx:amd64.list").read_text() == "/.\n"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("/etc/evil", b"x"), "absolute path: /etc/evil"),
        (member("./a/../../evil", b"x"), "leaves the tree"),
        (member("./evil\nname", b"x"), "control character"),
        (member("./dev/sda", b"", type=tarfile.BLKTYPE), "not a file, directory or link"),
        (member("./dev/tty", b"", type=tarfile.CHRTYPE), "not a file, directory or link"),
        (member("./pipe", b"", type=tarfile.FIFOTYPE), "not a file, directory or link"),
        (member("./h", b"", type=tarfile.LNKTYPE, linkname="../../etc/shadow"), "leaves the tree"),
        (member("./h", b"", type=tarfile.LNKTYPE, linkname="/etc/shadow"), "absolute path"),
        (member("./h", b"", type=tarfile.LNKTYPE, linkname="./etc/none"), "hard link out of"),
        (member("./s", b"", type=tarfile.SYMTYPE, linkname="a\nb"), "without a proper target"),
    ],
)
def test_an_unsafe_member_of_a_package_is_refused(
    tmp_path: Path, bad: tuple[tarfile.TarInfo, bytes], message: str
) -> None:
    error = refused(tmp_path, deb=deb_bytes([*HELLO, bad]))
    assert isinstance(error, IntegrityError)
    assert message in error.message
    assert "hello_1.0-1_amd64.deb" in error.message


def test_set_id_bits_are_dropped_and_said(tmp_path: Path) -> None:
    made = kitchen(tmp_path)
    made.deb(deb_bytes([member("./usr/bin/su", b"su", mode=0o4755)]))
    made.wheel(wheel_bytes())
    built = build(made.definition(), made.store, Silent())
    assert built.dropped == ("set-ID bit of usr/bin/su (hello_1.0-1_amd64.deb)",)
    root = unpacked_root(built.image, made.store)
    assert stat.S_IMODE((root / "usr/bin/su").stat().st_mode) == 0o755


def test_set_id_bits_of_a_wheel_are_dropped_and_said(tmp_path: Path) -> None:
    place = tmp_path / "greet.whl"
    place.write_bytes(wheel_bytes())
    name = "greet/su"
    with zipfile.ZipFile(place) as archive:
        record = archive.read(f"{INFO}/RECORD").decode() + record_row(name, b"su")
    place.write_bytes(wheel_bytes(record=record))
    with zipfile.ZipFile(place, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (stat.S_IFREG | 0o6755) << 16
        archive.writestr(info, b"su")
    made = kitchen(tmp_path)
    made.deb(deb_bytes())
    made.wheel(place.read_bytes())
    built = build(made.definition(), made.store, Silent())
    assert built.dropped == (f"set-ID bit of {SITE}/greet/su (greet-2.0-py3-none-any.whl)",)
    mode = (unpacked_root(built.image, made.store) / SITE / "greet/su").stat().st_mode
    assert stat.S_IMODE(mode) == 0o755


def test_a_file_below_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    link = member("./opt/link", b"", type=tarfile.SYMTYPE, linkname="/etc")
    error = refused(tmp_path, deb=deb_bytes([link, member("./opt/link/passwd", b"x")]))
    assert isinstance(error, SpecificationError)
    assert "opt/link is a symlink" in error.message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an ar archive"),
        (b"PK\x03\x04 not a deb", "not an ar archive"),
        (deb_bytes()[:-40], "truncated"),
        (deb_bytes()[:100], "no ar header|truncated"),
        (ar_bytes({"debian-binary": b"2.0\n"}), "0 control members"),
        (
            ar_bytes({"control.tar.xz": tar_bytes([member("./control", b"Package: other\n")])}),
            "says Package: other, debs.lock says hello",
        ),
        (deb_bytes(version="6.6"), "says Version: 6.6, debs.lock says 1.0-1"),
        (deb_bytes(data_name="data.tar.zst"), "compressed as '.zst'"),
        (
            ar_bytes({"control.tar.xz": tar_bytes([member("./control", b"x")])[:-30] + b"y" * 30}),
            "cannot be unpacked",
        ),
    ],
)
def test_a_damaged_package_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    error = refused(tmp_path, deb=data)
    assert any(part in error.message for part in message.split("|")), error.message


def test_a_package_whose_data_is_cut_short_is_refused(tmp_path: Path) -> None:
    control = b"Package: hello\nVersion: 1.0-1\nArchitecture: amd64\n"
    for data in (tar_bytes(HELLO)[:-60], tar_bytes(HELLO, "w")[:1541]):
        name = "data.tar.xz" if data[:1] == b"\xfd" else "data.tar"
        deb = ar_bytes({"control.tar.xz": tar_bytes([member("./control", control)]), name: data})
        error = refused(tmp_path / name, deb=deb)
        assert isinstance(error, IntegrityError)


INFO = "greet-2.0.dist-info"


def with_files(**changes: bytes) -> bytes:
    """Return the wheel with more or other files."""
    return wheel_bytes({**GREET, **changes})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no zip", "is not a wheel"),
        (wheel_bytes()[:-200], "is not a wheel"),
        (wheel_bytes(record=f"{INFO}/RECORD,,\n"), "has no sha256 for greet/__init__.py"),
        (
            wheel_bytes(
                record="".join(
                    record_row(n, b"other" if n == "greet/__init__.py" else d)
                    for n, d in GREET.items()
                )
            ),
            "says greet/__init__.py has 5 bytes",
        ),
        (
            wheel_bytes(
                record="".join(
                    record_row(n, d[::-1] if n == "greet/__init__.py" else d)
                    for n, d in GREET.items()
                )
            ),
            "greet/__init__.py in greet-2.0-py3-none-any.whl differs from its RECORD",
        ),
        (
            wheel_bytes(record="".join(record_row(*item) for item in GREET.items()) + "gone,,\n"),
            "lacks gone",
        ),
        (wheel_bytes(record="greet/__init__.py,sha256=abcde,\n"), "malformed hash"),
        (with_files(**{"/etc/evil": b"x"}), "absolute path"),
        (with_files(**{"../evil": b"x"}), "leaves the tree"),
        (with_files(**{"greet/a/../../../../../x": b"x"}), "leaves the tree"),
        (with_files(**{"greet-2.0.data/kernel/x": b"x"}), "unknown scheme"),
        (with_files(**{"other-1.dist-info/METADATA": b"x"}), "2 .dist-info directories"),
        (
            with_files(**{f"{INFO}/METADATA": b"Name: greet\nVersion: 9\n"}),
            "says it is greet 9, wheels.lock says greet 2.0",
        ),
        (
            with_files(**{f"{INFO}/entry_points.txt": b"[console_scripts]\n../x = greet:main\n"}),
            "malformed entry point",
        ),
        (
            with_files(**{f"{INFO}/entry_points.txt": b"[console_scripts]\nx = os; evil\n"}),
            "malformed entry point",
        ),
        (with_files(**{f"{INFO}/entry_points.txt": b"no section\n"}), "cannot be read"),
    ],
)
def test_a_damaged_or_unsafe_wheel_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    error = refused(tmp_path, wheel=data)
    assert isinstance(error, IntegrityError)
    assert any(part in error.message for part in message.split("|")), error.message


def test_a_wheel_with_a_symbolic_link_or_a_file_twice_is_refused(tmp_path: Path) -> None:
    made = wheel_bytes()
    (tmp_path / "link.whl").write_bytes(made)
    with zipfile.ZipFile(tmp_path / "link.whl", "a") as archive:
        info = zipfile.ZipInfo("greet/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    error = refused(tmp_path / "a", wheel=(tmp_path / "link.whl").read_bytes())
    assert "not a plain file: greet/link" in error.message

    (tmp_path / "twice.whl").write_bytes(made)
    with (
        zipfile.ZipFile(tmp_path / "twice.whl", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("greet/__init__.py", "evil")
    error = refused(tmp_path / "b", wheel=(tmp_path / "twice.whl").read_bytes())
    assert "has a duplicate file" in error.message


def test_two_packages_with_one_path_go_together_only_when_it_is_the_same(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    made.deb(deb_bytes([member("./bin/hello", HELLO[2][1], mode=0o755)], name="same"), name="same")
    build(made.definition(), made.store, Silent())
    made.deb(deb_bytes([member("./usr/bin/hello", b"other")], name="zother"), name="zother")
    with pytest.raises(SpecificationError, match="both bring usr/bin/hello") as caught:
        build(made.definition(), made.store, Silent())
    assert "zother" in caught.value.message


def test_a_wheel_may_not_replace_a_file_of_a_package(tmp_path: Path) -> None:
    made = kitchen(tmp_path)
    made.deb(deb_bytes([member("./usr/local/bin/tool", b"mine")]))
    made.wheel(wheel_bytes())
    with pytest.raises(IntegrityError, match="replaces usr/local/bin/tool"):
        build(made.definition(), made.store, Silent())


parts = st.sampled_from(["a", "b", "..", ".", "", "usr"])


@given(st.lists(parts, min_size=1, max_size=6).map("/".join))
def test_an_inner_path_never_leaves_the_tree(name: str) -> None:
    try:
        path = inner_path(name, archive="x")
    except IntegrityError:
        assert name.startswith("/") or ".." in name.split("/")
        return
    assert not path.startswith("/")
    assert not {"..", ".", ""} & set(path.split("/") if path else [])


@given(
    st.lists(st.sampled_from(["bin", "lib", "lib64", "usr", "etc", "x"]), min_size=1).map("/".join)
)
def test_merging_usr_twice_is_merging_it_once(path: str) -> None:
    assert merged_path(merged_path(path)) == merged_path(path)


def test_copyright_stays_and_documentation_goes() -> None:
    assert not is_left_out("usr/share/doc/bash/copyright")
    assert not is_left_out("usr/share/doc/bash")
    assert is_left_out("usr/share/doc/bash/examples/copyright")
    assert is_left_out("usr/share/doc/bash/changelog.gz")
    assert is_left_out("usr/share/man/man1/bash.1.gz")
    assert not is_left_out("usr/share/manual-of-physics")


listed = st.builds(Listed, st.sampled_from(Kind), st.integers(0, 0o777), st.text("ab", max_size=3))
listings = st.dictionaries(st.text("abc/", min_size=1, max_size=4), listed, max_size=5)


@given(listings, listings)
def test_equal_tree_digests_mean_equal_trees(
    one: dict[str, Listed], other: dict[str, Listed]
) -> None:
    assert (tree_digest(one) == tree_digest(other)) == (one == other)
    assert tree_digest(dict(reversed(one.items()))) == tree_digest(one)


def test_the_files_an_engine_writes_are_no_part_of_a_tree() -> None:
    assert tree_digest({"etc/hosts": Listed(Kind.FILE, 0o644, "x")}) == tree_digest({})


def test_a_spool_that_was_cut_short_is_noticed(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        tree = Tree(spool)
        tree.add_file("a", b"abc", origin="test")
        tree.close()
        spool._stream.truncate(1)
        with pytest.raises(IntegrityError, match="truncated"):
            tree.read("a")


def test_the_listing_of_an_image_is_the_built_one(tmp_path: Path) -> None:
    made = tiny(tmp_path)
    built = build(made.definition(), made.store, Silent())
    root = unpacked_root(built.image, made.store)
    assert tree_digest(read_listing(root.parent)[0]) == built.lock.tree
