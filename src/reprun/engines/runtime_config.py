"""The OCI runtime configuration of a hardened job (runtime-spec 1.0.2), as runc takes it."""

from __future__ import annotations

import os
import platform
import re
import resource
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reprun.engines.base import HOSTNAME, SHM_BYTES, ULIMIT_FILES, UMASK
from reprun.engines.seccomp import OWN_SECCOMP, SECCOMP

Entry = dict[str, Any]

MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
]
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
CAPABILITY_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
QUIET = ["nosuid", "noexec", "nodev"]


def configuration(
    *,
    root: Path,
    argv: list[str],
    environment: Mapping[str, str],
    working_directory: str,
    mounts: Sequence[Entry],
    rootless: bool,
    own_programs: bool = False,
    tmp_bytes: int = 1 << 20,
    rlimits: Mapping[str, int] = MappingProxyType({}),
    network: bool = False,
    terminal: bool = False,
    hostname: str = HOSTNAME,
    umask: int = UMASK,
    user: int | None = None,
) -> Entry:
    """Return the configuration of one job: nothing writable but its mounts and /tmp.

    Rootless, or for a program of our own, the caller is root inside a user namespace that maps no
    other user; files it writes are the caller's own all the same. Programs of our own find no
    /sys, and have no system call of another architecture. `user` is another than the caller, which
    only root may ask for.
    """
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = ULIMIT_FILES if most_files < 0 else min(ULIMIT_FILES, most_files)
    uid, gid = (0, 0) if rootless or own_programs else (os.getuid(), os.getgid())
    if user is not None:
        uid = gid = user
    namespaces = ["pid", "ipc", "uts", "mount", *([] if network else ["network"])]
    linux: Entry = {
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "seccomp": OWN_SECCOMP if own_programs else SECCOMP,
    }
    if rootless or own_programs:
        namespaces.append("user")
        linux["uidMappings"] = [{"containerID": 0, "hostID": os.getuid(), "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": os.getgid(), "size": 1}]
    linux["namespaces"] = [{"type": name} for name in namespaces]
    bounds = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": files, **rlimits}
    nothing: list[str] = []
    return {
        "ociVersion": "1.0.2",
        "hostname": hostname,
        "root": {"path": str(root), "readonly": True},
        "process": {
            "terminal": terminal,
            "user": {"uid": uid, "gid": gid, "umask": umask},
            "args": argv,
            "env": [f"{key}={value}" for key, value in sorted(environment.items())],
            "cwd": working_directory,
            "noNewPrivileges": True,
            "capabilities": dict.fromkeys(CAPABILITY_SETS, nothing),
            "rlimits": [
                {"type": name, "hard": value, "soft": value} for name, value in bounds.items()
            ],
        },
        "mounts": [
            *_system_mounts(rootless=rootless, system_tree=not own_programs),
            tmpfs("/tmp", tmp_bytes, "exec"),
            *mounts,
        ],
        "linux": linux,
    }


def bind(source: Path, target: str, *, read_only: bool) -> Entry:
    """Return a bind mount of a host path."""
    options = ["bind", "nosuid", "nodev", "ro" if read_only else "rw"]
    return {"destination": target, "type": "bind", "source": str(source), "options": options}


def tmpfs(target: str, size: int, *more: str) -> Entry:
    """Return an empty file system in memory that everybody may write."""
    options = ["nosuid", "nodev", "mode=1777", f"size={size}", *more]
    return {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": options}


def _system_mounts(*, rootless: bool, system_tree: bool) -> list[Entry]:
    terminal = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]
    system = ("none", "/sys", ["rbind", _read_only()]) if rootless else ("sysfs", "sysfs", ["ro"])
    tree = [("/sys", system[0], system[1], [*QUIET, *system[2]])] if system_tree else []
    kinds = [
        ("/proc", "proc", "proc", QUIET),
        ("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        ("/dev/pts", "devpts", "devpts", terminal),
        ("/dev/shm", "tmpfs", "shm", [*QUIET, "mode=1777", f"size={SHM_BYTES}"]),
        *tree,
    ]
    return [
        {"destination": target, "type": kind, "source": source, "options": options}
        for target, kind, source, options in kinds
    ]


def _read_only() -> str:
    """Return what makes a mount read-only with all that is mounted below it, where that exists.

    mount_setattr(2) came with Linux 5.12; runc takes the option from version 1.1 on.
    """
    return "rro" if kernel_since(5, 12) else "ro"


def kernel_since(major: int, minor: int) -> bool:
    """Tell whether the kernel is of a release or newer; False where it does not say."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    return release is not None and (int(release[1]), int(release[2])) >= (major, minor)
