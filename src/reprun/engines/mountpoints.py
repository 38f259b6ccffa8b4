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
from reprun.errors import EngineError

HOSTS_OWN = ("resolv.conf", "hosts")
ETC = PurePosixPath("/etc")
MOST_LINKS = 40
"""So many links on a path are followed, as the kernel does."""
BY_THE_RUNTIME = ("/proc", "/sys", "/dev", "/tmp")


def root_with(
    image_root: Path, targets: Iterable[str], home: Path, *, network: bool
) -> tuple[Path, list[Entry]]:
    """Return a root in which every target exists, and the mounts that fill it.

    It is the image's own where nothing is missing. With a network the job also gets the host's
    own ways to find other hosts. Raises EngineError for an image whose links lead a target to
    where the runtime mounts something of its own.
    """
    wanted = [inside(image_root, target) for target in targets]
    missing = [place for place in wanted if not (image_root / place.relative_to("/")).exists()]
    if not missing and not network:
        return image_root, []
    root = home / "root"
    opened = {parent for place in missing for parent in place.parents}
    if network:
        if inside(image_root, "/etc") != ETC:
            raise EngineError(f"the image has a link at {ETC}: its jobs can have no network")
        opened.add(ETC)
    mounts = _lay_out(image_root, root, PurePosixPath("/"), opened)
    for name in HOSTS_OWN if network else ():
        if Path("/etc", name).is_file():
            (root / "etc").mkdir(exist_ok=True)
            (root / "etc" / name).unlink(missing_ok=True)
            shutil.copy(Path("/etc", name), root / "etc" / name)
    for place in missing:
        (root / place.relative_to("/")).mkdir(parents=True, exist_ok=True)
    return root, mounts


def inside(image_root: Path, target: str) -> PurePosixPath:
    """Return where a path of an image leads: its links are the image's own, not this machine's.

    What does not exist there leads where it says. Raises EngineError for links without an end,
    and for a path that they lead to what the runtime mounts.
    """
    found, left, links = PurePosixPath("/"), list(PurePosixPath(target).parts[1:]), 0
    while left:
        part = left.pop(0)
        here = found.parent if part == ".." else found / part
        place = image_root / here.relative_to("/")
        if not place.is_symlink():
            found = here
            continue
        to = PurePosixPath(place.readlink())
        links += 1
        if links > MOST_LINKS:
            raise EngineError(f"the links of the image at {target} have no end")
        found = PurePosixPath("/") if to.is_absolute() else found
        left = [*(one for one in to.parts if one != "/"), *left]
    if links and any(found.is_relative_to(own) for own in BY_THE_RUNTIME):
        raise EngineError(f"the image has a link at {target} that leads to {found}")
    return found


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
