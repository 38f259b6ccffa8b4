"""What Python wheels become in an image: installed packages, without running an installer.

Every member is checked against the wheel's RECORD. Scripts get the image's interpreter,
entry points become scripts, `.data` goes where its scheme says, byte code is left out, and
each package gets a RECORD and INSTALLER of its own, so that `importlib.metadata` and pip see
it as installed.
"""

from __future__ import annotations

import configparser
import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from packaging.utils import canonicalize_name, canonicalize_version

from reprun.errors import IntegrityError
from reprun.images.archives.archive import WheelArchive, WheelMember, record_hash
from reprun.images.archives.tree import Spool, Tree, inner_path
from reprun.images.catalogue.definition import PythonTarget
from reprun.images.catalogue.lockfiles import WheelEntry
from reprun.progress import Task
from reprun.store.store import Store

RULES = "the wheel rules"
INSTALLER = "reprun\n"

_ENTRY_POINT = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)")
_SCRIPT_NAME = re.compile(r"[\w.+-]+")


def wheels_tree(
    wheels: Iterable[WheelEntry],
    target: PythonTarget,
    store: Store,
    spool: Spool,
    task: Task,
    *,
    is_lowest: bool = True,
) -> Tree:
    """Return the tree of one layer of locked wheels, whose files are in the store.

    The lowest layer has what every image has besides: the command `python`.

    Raises IntegrityError for a wheel that is damaged, unsafe or not the locked one, and
    SpecificationError for two that do not go together.
    """
    tree = Tree(spool)
    if is_lowest:
        tree.add_symlink(f"{target.scripts}/python", target.executable, origin=RULES)
    for wheel in wheels:
        add_wheel(tree, wheel, store.verified(wheel.digest), target)
        task.advance(wheel.size)
    tree.close()
    return tree


def add_wheel(tree: Tree, wheel: WheelEntry, path: Path, target: PythonTarget) -> None:
    """Put one wheel's files into the tree."""
    archive = WheelArchive(path, wheel.filename)
    try:
        _check_identity(archive, wheel)
        rows = [_add_member(tree, archive, member, target) for member in archive.members]
        rows += _add_entry_points(tree, archive, target)
    finally:
        archive.close()
    info = f"{target.site}/{archive.dist_info}"
    rows.append(_add(tree, f"{info}/INSTALLER", INSTALLER.encode(), 0o644, wheel.filename))
    record = "".join(
        f"{posixpath.relpath(name, target.site)},{record_hash(sha256)},{size}\n"
        for name, sha256, size in sorted(row for row in rows if row is not None)
    )
    own = f"{archive.dist_info}/RECORD"
    tree.add_file(f"{target.site}/{own}", f"{record}{own},,\n", origin=wheel.filename)


Row = tuple[str, str, int]


def _check_identity(archive: WheelArchive, wheel: WheelEntry) -> None:
    fields: dict[str, str] = {}
    for line in archive.read(f"{archive.dist_info}/METADATA").decode("utf-8").splitlines():
        if not line:
            break
        key, colon, value = line.partition(": ")
        if colon:
            fields.setdefault(key, value.strip())
    found, version = canonicalize_name(fields.get("Name", "")), fields.get("Version", "")
    if found != wheel.name or canonicalize_version(version) != canonicalize_version(wheel.version):
        raise IntegrityError(
            f"{wheel.filename} says it is {found} {version}, "
            f"wheels.lock says {wheel.name} {wheel.version}"
        )


def _add_member(
    tree: Tree, archive: WheelArchive, member: WheelMember, target: PythonTarget
) -> Row | None:
    name = inner_path(member.name, archive=archive.archive)
    if name.endswith(".pyc") or name == f"{archive.dist_info}/INSTALLER":
        return None
    with archive.reader(member) as read:
        content = tree.spool.add(read)
    archive.check(member, content.sha256)
    path, is_script = _destination(name, archive, target)
    mode = (0o755 if member.executable or is_script else 0o644) | member.set_id_bits
    if is_script:
        tree.spool.flush()
        data = b"".join(tree.spool.chunks(content))
        if data.startswith(b"#!python"):
            rest = data.partition(b"\n")[2]
            data = f"#!{target.executable}\n".encode() + rest
            return _add(tree, path, data, mode, archive.archive)
    tree.add_content(path, content, mode, origin=archive.archive)
    return path, content.sha256, content.size


def _destination(name: str, archive: WheelArchive, target: PythonTarget) -> tuple[str, bool]:
    if not name.startswith(archive.data_prefix):
        return f"{target.site}/{name}", False
    scheme, _, rest = name.removeprefix(archive.data_prefix).partition("/")
    package = archive.dist_info.partition("-")[0]
    directories = {
        "purelib": target.site,
        "platlib": target.site,
        "scripts": target.scripts,
        "data": target.prefix,
        "headers": f"{target.prefix}/include/{package}",
    }
    if scheme not in directories or not rest:
        raise IntegrityError(f"{archive.archive} has a member of an unknown scheme: {name}")
    return f"{directories[scheme]}/{rest}", scheme == "scripts"


def _add_entry_points(tree: Tree, archive: WheelArchive, target: PythonTarget) -> list[Row]:
    name = f"{archive.dist_info}/entry_points.txt"
    if not archive.has(name):
        return []
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(archive.read(name).decode("utf-8"))
    except configparser.Error as error:
        raise IntegrityError(f"{name} in {archive.archive} cannot be read: {error}") from error
    rows = []
    for section in ("console_scripts", "gui_scripts"):
        for script, value in sorted(parser.items(section)) if parser.has_section(section) else []:
            found = _ENTRY_POINT.fullmatch(value.split("[")[0].strip())
            if found is None or not _SCRIPT_NAME.fullmatch(script):
                raise IntegrityError(f"{archive.archive} has a malformed entry point: {script}")
            text = (
                f"#!{target.executable}\nimport sys\n"
                f"from {found['module']} import {found['attribute'].partition('.')[0]}\n"
                f"if __name__ == '__main__':\n    sys.exit({found['attribute']}())\n"
            )
            path = f"{target.scripts}/{script}"
            rows.append(_add(tree, path, text.encode(), 0o755, archive.archive))
    return rows


def _add(tree: Tree, path: str, data: bytes, mode: int, origin: str) -> Row:
    content = tree.spool.add_bytes(data)
    tree.add_content(path, content, mode, origin=origin)
    return path, content.sha256, content.size
