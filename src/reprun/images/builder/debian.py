"""What Debian packages become in an image: files, the package database, and a few rules.

No maintainer script runs. What the scripts of the packages we use would have done is written
down here as rules: `/usr` merged by path, `/etc/passwd` from its master, the usual
alternatives, UTC. Manuals, translations and documentation are left out; every copyright file
stays.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reprun.errors import IntegrityError
from reprun.images.archives.archive import deb_tar, tar_reader
from reprun.images.archives.tree import Spool, Tree, inner_path
from reprun.images.catalogue.lockfiles import DebEntry
from reprun.progress import Task
from reprun.store.store import Store

RULES = "the base rules"
MERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
"""Top-level directories that are links into usr/."""

LEFT_OUT = ("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian")
DOCUMENTATION = "usr/share/doc"

ALTERNATIVES: Mapping[str, str] = {
    "usr/bin/awk": "mawk",
    "usr/bin/c++": "g++",
    "usr/bin/cc": "gcc",
    "usr/bin/which": "which.debianutils",
}
"""Links that maintainer scripts make, each only where its target is installed."""

EMPTY_DIRECTORIES: Mapping[str, int] = {
    "cvmfs": 0o755,
    "dev": 0o755,
    "home": 0o755,
    "home/analysis": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "var/cache/reprun/bytecode": 0o755,
    "var/tmp": 0o1777,
    "work": 0o755,
}
"""Directories an engine mounts something on, or programs expect."""

ETC: Mapping[str, str] = {
    "etc/hosts": "127.0.0.1 localhost reprun\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/timezone": "Etc/UTC\n",
}
USERS: Mapping[str, str] = {
    "passwd": "analysis:x:1000:1000:analysis:/home/analysis:/bin/sh\n",
    "group": "analysis:x:1000:\n",
}


@dataclass(frozen=True, slots=True)
class Package:
    """What the package database knows of a package."""

    name: str
    control: str


def debian_tree(
    debs: Iterable[DebEntry],
    store: Store,
    spool: Spool,
    task: Task,
    *,
    is_lowest: bool = True,
    is_topmost: bool = True,
    below: Sequence[DebEntry] = (),
) -> Tree:
    """Return the tree of one layer of locked packages, whose files are in the store.

    The lowest layer has the directories, links and users that every image has; it depends on
    its own packages alone, so that images share it. The topmost one has the package database,
    which also lists the packages of the layer `below`.

    Raises IntegrityError for a package that is damaged, unsafe or not the locked one, and
    SpecificationError for two that do not go together.
    """
    tree = Tree(spool)
    if is_lowest:
        _begin(tree)
    packages = [_package(deb, store.verified(deb.digest)) for deb in below]
    for deb in debs:
        packages.append(add_deb(tree, deb, store.verified(deb.digest)))
        task.advance(deb.size)
    _add_alternatives(tree)
    if is_lowest:
        _add_users_and_etc(tree)
    if is_topmost:
        _add_database(tree, packages)
    tree.close()
    return tree


def merged_path(path: str) -> str:
    """Return where a path lies once `/bin`, `/sbin` and `/lib*` are links into `/usr`."""
    head, slash, _ = path.partition("/")
    return f"usr/{path}" if head in MERGED and slash else path


def is_left_out(path: str) -> bool:
    """Tell whether the rules leave a path out: manuals, translations, documentation."""
    if any(path == each or path.startswith(f"{each}/") for each in LEFT_OUT):
        return True
    if not path.startswith(f"{DOCUMENTATION}/"):
        return False
    below = path.removeprefix(f"{DOCUMENTATION}/").split("/")
    return len(below) > 1 and below[1:] != ["copyright"]


def add_deb(tree: Tree, deb: DebEntry, path: Path) -> Package:
    """Put one package's files and its database entries into the tree."""
    archive = deb.filename
    with path.open("rb") as stream:
        control = _control_files(stream, archive)
        fields = _fields(control.get("control", b"").decode("utf-8"))
        _check_identity(deb, fields)
        listed = ["/."]
        with deb_tar(stream, "data", archive) as tar:
            for member in tar:
                name = inner_path(member.name, archive=archive)
                if name:
                    listed.append(f"/{name}")
                    _add_member(tree, tar, member, merged_path(name), archive)
    name = f"{deb.name}:{deb.architecture}" if fields.get("Multi-Arch") == "same" else deb.name
    info = f"var/lib/dpkg/info/{name}"
    tree.add_file(f"{info}.list", "\n".join(listed) + "\n", origin=archive)
    for part in ("conffiles", "md5sums"):
        if part in control:
            tree.add_file(f"{info}.{part}", control[part], origin=archive)
    return Package(deb.name, control["control"].decode("utf-8"))


def database(debs: Iterable[DebEntry], store: Store) -> str:
    """Return the package database that says locked packages are installed, as dpkg writes it.

    Raises IntegrityError for a package that is damaged or not the locked one.
    """
    return _status(_package(deb, store.verified(deb.digest)) for deb in debs)


def _package(deb: DebEntry, path: Path) -> Package:
    with path.open("rb") as stream:
        control = _control_files(stream, deb.filename).get("control", b"").decode("utf-8")
    _check_identity(deb, _fields(control))
    return Package(deb.name, control)


def _control_files(stream: IO[bytes], archive: str) -> dict[str, bytes]:
    files = {}
    with deb_tar(stream, "control", archive) as tar:
        for member in tar:
            name = inner_path(member.name, archive=archive)
            if member.isfile() and name in ("control", "conffiles", "md5sums"):
                files[name] = tar_reader(tar, member)(member.size)
    return files


def _fields(control: str) -> dict[str, str]:
    fields = {}
    for line in control.splitlines():
        key, colon, value = line.partition(": ")
        if colon and not line.startswith((" ", "\t")):
            fields[key] = value.strip()
    return fields


def _check_identity(deb: DebEntry, fields: Mapping[str, str]) -> None:
    for key, expected in (
        ("Package", deb.name),
        ("Version", deb.version),
        ("Architecture", deb.architecture),
    ):
        if fields.get(key) != expected:
            raise IntegrityError(
                f"{deb.filename} says {key}: {fields.get(key)}, debs.lock says {expected}"
            )


def _add_member(
    tree: Tree, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, archive: str
) -> None:
    if path in MERGED or is_left_out(path):
        return
    if member.isdir():
        tree.add_directory(path, member.mode, origin=archive)
    elif member.issym():
        tree.add_symlink(path, member.linkname, origin=archive)
    elif member.islnk():
        target = inner_path(member.linkname, archive=archive)
        tree.add_hardlink(path, merged_path(target), origin=archive)
    elif member.isfile():
        content = tree.spool.add(tar_reader(tar, member))
        if content.size != member.size:
            raise IntegrityError(f"{archive} is truncated in {path}")
        tree.add_content(path, content, member.mode, origin=archive)
    else:
        raise IntegrityError(
            f"{archive} has a member that is not a file, directory or link: {member.name}"
        )


def _begin(tree: Tree) -> None:
    for top in ("bin", "lib", "lib64", "sbin"):
        tree.add_directory(f"usr/{top}", origin=RULES)
        tree.add_symlink(top, f"usr/{top}", origin=RULES)
    for path, mode in EMPTY_DIRECTORIES.items():
        tree.add_directory(path, mode, origin=RULES)


def _add_database(tree: Tree, packages: Iterable[Package]) -> None:
    tree.add_file("var/lib/dpkg/status", _status(packages), origin=RULES)


def _status(packages: Iterable[Package]) -> str:
    stanzas = []
    for package in sorted(packages, key=lambda each: each.name):
        head, _, rest = package.control.partition("\n")
        stanzas.append(f"{head}\nStatus: install ok installed\n{rest.rstrip()}\n\n")
    return "".join(stanzas)


def _add_alternatives(tree: Tree) -> None:
    for path, target in ALTERNATIVES.items():
        installed = tree.entries.get(f"{path.rpartition('/')[0]}/{target}")
        if installed is not None and path not in tree.entries:
            tree.add_symlink(path, target, origin=RULES)


def _add_users_and_etc(tree: Tree) -> None:
    for name, own in USERS.items():
        master = tree.read(f"usr/share/base-passwd/{name}.master") or b""
        tree.add_file(
            f"etc/{name}", master.decode("utf-8").replace(":*:", ":x:") + own, origin=RULES
        )
    tree.remove("etc/mtab")
    for path, text in ETC.items():
        tree.remove(path)
        tree.add_file(path, text, origin=RULES)
    tree.remove("etc/localtime")
    tree.add_symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC", origin=RULES)
