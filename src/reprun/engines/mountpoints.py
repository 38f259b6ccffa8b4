"""Mount points that an image does not have, without writing into its unpacked files.

runc makes a missing mount point in the root it is given, and ours is sealed and shared. So a
job that needs one gets a root of its own: a directory into which the image's directories are
bound, with the mount points beside them.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from reprun.engines.runtime_config import Entry, bind

HOSTS_OWN = ("resolv.conf", "hosts")
BY_THE_RUNTIME = ("/proc", "/sys", "/dev", "/tmp")


def root_with(
    image_root: Path, targets: Iterable[str], home: Path, *, network: bool
) -> tuple[Path, list[Entry]]:
    """Return a root in which every target exists, and the mounts that fill it.

    It is the image's own where nothing is missing. With a network the job also gets the host's
    own ways to find other hosts.
    """
    missing = [target for target in targets if not (image_root / target.lstrip("/")).exists()]
    if not missing and not network:
        return image_root, []
    root = home / "root"
    opened = {parent for target in missing for parent in PurePosixPath(target).parents}
    if network:
        opened.add(PurePosixPath("/etc"))
    mounts = _lay_out(image_root, root, PurePosixPath("/"), opened)
    for name in HOSTS_OWN if network else ():
        if Path("/etc", name).is_file():
            (root / "etc").mkdir(exist_ok=True)
            (root / "etc" / name).unlink(missing_ok=True)
            shutil.copy(Path("/etc", name), root / "etc" / name)
    for target in missing:
        (root / target.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root, mounts


def _lay_out(
    source: Path, place: Path, path: PurePosixPath, opened: Collection[PurePosixPath]
) -> list[Entry]:
    """Make a directory like the image's: links and files copied, directories to be bound."""
    place.mkdir()
    mounts: list[Entry] = []
    for entry in sorted(source.iterdir()):
        here, inside = place / entry.name, path / entry.name
        if entry.is_symlink():
            here.symlink_to(entry.readlink())
        elif entry.is_file():
            shutil.copy(entry, here)
        elif inside in opened:
            mounts += _lay_out(entry, here, inside, opened)
        else:
            here.mkdir()
            if str(inside) not in BY_THE_RUNTIME:
                mounts.append(bind(entry, str(inside), read_only=True))
    return mounts
