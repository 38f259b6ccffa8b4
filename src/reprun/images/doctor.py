"""What an image needs of the host, whether this host has it, and the remedy where it has not.

Old experiment images ask for things that newer kernels no longer give by themselves: an SLC 6
program ends with exit code 139 where the kernel has no vsyscall page, and a registry may still
hold an image only as manifest schema 1.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reprun.digests import PREFIX
from reprun.errors import SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.image_toml import Needs
from reprun.images.model import Image
from reprun.images.stored import is_stored
from reprun.store.store import Store
from reprun.wording import size_of

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
MB = 1_000_000


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    """The image will not run, or not as it should."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """What is known of a machine; made by hand in tests."""

    machine: str
    is_root: bool
    has_vsyscall: bool
    cgroups: str
    """`v1`, `v2` or `none`."""
    user_namespaces: str
    """Empty when an ordinary user may make them, else the setting that forbids it."""
    memory_bytes: int
    free_bytes: int

    @classmethod
    def this(cls, store: Store, root: Path = Path("/")) -> Host:
        """Look at this machine; `root` is where its /proc and /sys lie."""
        return cls(
            machine=platform.machine(),
            is_root=os.geteuid() == 0,
            has_vsyscall="[vsyscall]" in _read(root / "proc/self/maps"),
            cgroups=_cgroups(root / "sys/fs/cgroup"),
            user_namespaces=_user_namespaces(root / "proc/sys"),
            memory_bytes=_memory(_read(root / "proc/meminfo")),
            free_bytes=shutil.disk_usage(store.directory("incoming")).free,
        )


def examine(
    name: str, catalogue: Catalogue, store: Store, host: Host | None = None
) -> list[Finding]:
    """Return what this host has to offer an image, one finding a need.

    Raises SpecificationError for an unknown image.
    """
    host = host or Host.this(store)
    needs, image = Needs(), None
    findings = []
    if catalogue.is_external(name):
        external = catalogue.external(name)
        needs = external.needs
        try:
            image = catalogue.locked(name)
            findings.append(Finding(Level.OK, f"pinned to {image.image_id}"))
        except SpecificationError as error:
            findings.append(Finding(Level.PROBLEM, error.message, error.hint or ""))
        if needs.old_manifest and image is None:
            findings.append(_old_manifest())
    else:
        image = catalogue.locked(name)
    findings += [
        _architecture(needs, host),
        *([_vsyscall(host)] if needs.vsyscall else []),
        _namespaces(host),
        _cgroup_mode(host),
        _memory_finding(needs, host),
        _disk(needs, image, store, host),
    ]
    return findings


def _architecture(needs: Needs, host: Host) -> Finding:
    own = MACHINES.get(host.machine, host.machine)
    if own == needs.architecture:
        return Finding(Level.OK, f"architecture {own}")
    return Finding(
        Level.PROBLEM,
        f"the image is for {needs.architecture}, this machine is {own}",
        "run it on an x86-64 machine; under emulation (apt-get install qemu-user-static "
        "binfmt-support) it is slow and floating point may differ",
    )


def _vsyscall(host: Host) -> Finding:
    if host.has_vsyscall:
        return Finding(Level.OK, "vsyscall page for the image's old C library")
    return Finding(
        Level.PROBLEM,
        "the kernel has no vsyscall page: programs of this image end at once with exit code 139",
        "boot with vsyscall=emulate on the kernel command line "
        "(WSL: kernelCommandLine = vsyscall=emulate in .wslconfig)",
    )


def _namespaces(host: Host) -> Finding:
    if host.is_root:
        return Finding(Level.OK, "running as root: user namespaces are not needed")
    if not host.user_namespaces:
        return Finding(Level.OK, "user namespaces for ordinary users")
    setting, _, value = host.user_namespaces.partition("=")
    good = {"kernel.apparmor_restrict_unprivileged_userns": "0", "user.max_user_namespaces": "9999"}
    return Finding(
        Level.PROBLEM,
        f"an ordinary user may not make user namespaces ({setting} is {value})",
        f"sudo sysctl -w {setting}={good.get(setting, '1')}   # or: --engine docker",
    )


def _cgroup_mode(host: Host) -> Finding:
    if host.cgroups == "none":
        return Finding(
            Level.WARNING,
            "no control groups: limits of memory, processes and CPU are not enforced",
            "mount -t cgroup2 none /sys/fs/cgroup",
        )
    if host.cgroups == "v2" and not host.is_root:
        return Finding(
            Level.WARNING,
            "control groups v2: an ordinary user sets limits only below a delegated group",
            "systemd-run --user --scope -p Delegate=yes reprun run ANALYSIS",
        )
    return Finding(Level.OK, f"control groups {host.cgroups}")


def _memory_finding(needs: Needs, host: Host) -> Finding:
    found, needed = size_of(host.memory_bytes), needs.memory_mb * MB
    if host.memory_bytes and host.memory_bytes < needed:
        return Finding(
            Level.PROBLEM,
            f"{found} of memory, the image needs {size_of(needed)}",
            "add memory or swap, or run it on another machine",
        )
    return Finding(Level.OK, f"{found} of memory")


def _disk(needs: Needs, image: Image | None, store: Store, host: Host) -> Finding:
    needed = needs.disk_mb * MB
    if image is not None:
        size = sum(layer.size for layer in image.layers)
        unpacked = store.root / "unpacked/images" / image.image_id.removeprefix(PREFIX)
        needed = (0 if is_stored(image, store) else size) + (0 if unpacked.is_dir() else size)
    free = size_of(host.free_bytes)
    if host.free_bytes < needed:
        return Finding(
            Level.PROBLEM,
            f"{free} free in {store.root}, the image needs {size_of(needed)} more there",
            "export REPRUN_STORE=DIRECTORY   # on a larger disk; or: reprun images prune",
        )
    return Finding(Level.OK, f"{free} free in the store, {size_of(needed)} needed")


def _old_manifest() -> Finding:
    return Finding(
        Level.WARNING,
        "its registry may have it only as manifest schema 1, which no current tool reads",
        "skopeo copy with a release before 1.15 converts it into a file for: reprun images import",
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _cgroups(place: Path) -> str:
    if (place / "cgroup.controllers").is_file():
        return "v2"
    return "v1" if (place / "memory").is_dir() else "none"


def _user_namespaces(place: Path) -> str:
    """Return `setting=value` of what forbids user namespaces, or an empty string."""
    for setting, forbidding in (
        ("kernel.unprivileged_userns_clone", "0"),
        ("user.max_user_namespaces", "0"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1"),
    ):
        if _read(place / setting.replace(".", "/", 1)).strip() == forbidding:
            return f"{setting}={forbidding}"
    return ""


def _memory(meminfo: str) -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, flags=re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
