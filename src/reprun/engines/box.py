"""A sandbox for programs of our own that work on what others wrote.

A Snakefile is a stranger's Python. The program that reads it runs here: in a container of runc
that holds this Python environment read-only, no other file of this machine but the directories
it is given, no network, no environment variable of the user's, no capability, and name spaces
of its own for processes, mounts and users.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from reprun.digests import PREFIX, sha256_bytes
from reprun.documents.record import Sandbox
from reprun.engines import runtime_config
from reprun.engines.base import MIB, ContainerResult, Ending, Limits, Mount, Output
from reprun.engines.containers import Containers
from reprun.errors import EngineError, NoSandboxError
from reprun.files import scratch, settle, storage_errors
from reprun.store.store import Store

HOME = "/run/reprun"
"""Where the box finds what it is given; a path at which no environment is installed."""

ROOTS = "runc/roots"
"""Where, in the store, the empty roots of sandboxes are."""

LIMITS = Limits(cpus=2.0, memory_bytes=4096 * MIB, processes=512, tmp_bytes=256 * MIB)
LONGEST_FILE = 1 << 30
"""Bytes of a file that a program in the box may write."""

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache")
_PACKAGES = ("reprun", "snakemake", "snakemake_executor_plugin_reprun", "pydantic")
ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",
    "USER": "reprun",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    # A plan must be the same each time, also one that goes through a set.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
}
_USERS = {
    "etc/passwd": "reprun:x:0:0::/tmp:/usr/sbin/nologin\n",
    "etc/group": "reprun:x:0:\n",
}
_LINK = "-> "
_START = "import runpy, sys; sys.path[:0] = sys.argv.pop(1).split(':'); "


class Box:
    """Starts programs of this Python environment, confined."""

    sandbox: Sandbox = "runc"
    mounts = True

    def __init__(self, store: Store) -> None:
        self._containers = Containers(store)
        self._store = store

    def run(
        self,
        program: Sequence[str],
        *,
        mounts: Sequence[Mount],
        working_directory: str,
        output: Output,
        cancel: threading.Event,
        keeps: Sequence[int] = (),
        limits: Limits = LIMITS,
    ) -> ContainerResult:
        """Run a program as `Confinement.run` says."""
        with _as_no_sandbox(), self._containers.bundle({}) as bundle:
            with storage_errors(self._store.root):
                environment = list(_environment_mounts())
                root = self._root(_layout([*environment, *mounts]))
            config = runtime_config.configuration(
                root=root,
                argv=command_of(program),
                environment=ENVIRONMENT,
                working_directory=working_directory,
                mounts=[
                    runtime_config.bind(one.source, one.target, read_only=one.read_only)
                    for one in (*environment, *mounts)
                ],
                rootless=self._containers.rootless,
                own_programs=True,
                tmp_bytes=limits.tmp_bytes,
                rlimits={"RLIMIT_FSIZE": LONGEST_FILE},
            )
            bundle.write(self._containers.limited(config, bundle, limits))
            return self._containers.run(
                bundle,
                stdout=output,
                stderr=output,
                cancel=cancel,
                seconds=limits.seconds,
                keeps=keeps,
            )

    def _root(self, layout: Mapping[str, str | None]) -> Path:
        """Return an empty root with all mount points, made once: removing one takes milliseconds.

        Nothing in a sandbox can write there.
        """
        home = self._store.directory(ROOTS)
        root = home / sha256_bytes(json.dumps(layout).encode()).removeprefix(PREFIX)
        if not root.is_dir():
            with scratch(home) as making:
                _lay_out(made := making / "root", layout)
                try:
                    settle(made, root)
                except OSError:
                    if not root.is_dir():  # otherwise another process was faster
                        raise
        return root

    def seen(self, mount: Mount) -> str:
        """Return where a program finds what is mounted."""
        return mount.target

    def check(self) -> None:
        """Raise NoSandboxError unless a program of ours can start in a sandbox."""
        said = bytearray()
        ended = self.run(
            ("reprun", "--version"),
            mounts=(),
            working_directory="/",
            output=said.extend,
            cancel=threading.Event(),
        )
        if ended.ending is not Ending.EXITED or ended.exit_code:
            last = (said.decode(errors="replace").strip() or "no message").splitlines()[-1]
            raise NoSandboxError(
                f"no sandbox can be made: reprun does not start in it: {last}", hint="reprun doctor"
            )


@contextmanager
def _as_no_sandbox() -> Iterator[None]:
    """Let what keeps a container from being started be told from errors of the steps."""
    try:
        yield
    except EngineError as error:
        raise NoSandboxError(f"no sandbox can be made: {error.message}", hint=error.hint) from error


def command_of(program: Sequence[str]) -> list[str]:
    """Return what starts a module: isolated from the directory it works in and from the user's."""
    module, *arguments = program
    start = f"{_START}sys.argv[0] = {module!r}; runpy.run_module({module!r}, run_name='__main__')"
    return [
        sys.executable,
        "-s",
        "-P",
        "-c",
        start,
        ":".join(map(str, _imported_from())),
        *arguments,
    ]


def _imported_from() -> list[Path]:
    """Return the directories that this program and its Snakemake are imported from."""
    found: dict[Path, None] = {}
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            found[Path(spec.origin).resolve().parents[1]] = None
    return list(found)


def _environment_mounts() -> Iterator[Mount]:
    """Yield what of this machine is this Python environment; nothing below another one twice."""
    wanted = [Path(path) for path in _SYSTEM if not Path(path).is_symlink()]
    wanted += [Path(sys.base_prefix), Path(sys.prefix), *_imported_from()]
    bound: list[Path] = []
    for path in sorted(dict.fromkeys(wanted)):
        if path.exists() and not any(path.is_relative_to(other) for other in bound):
            bound.append(path)
            yield Mount(path, str(path))


def _layout(mounts: Sequence[Mount]) -> dict[str, str | None]:
    """Return what an empty root has below it: links with their targets, directories, files.

    A directory has no value; the value of a link begins with `LINK`, all else is text of a file.
    """
    layout: dict[str, str | None] = dict.fromkeys(("proc", "dev", "tmp", "etc"))
    layout |= _USERS
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            layout[str(path.relative_to("/"))] = f"{_LINK}{path.readlink()}"
    inside: list[str] = []
    for one in sorted(mounts, key=lambda mount: mount.target):
        if any(one.target.startswith(f"{outer}/") for outer in inside):
            continue  # its mount point lies in what is mounted there
        inside.append(one.target)
        layout[one.target.lstrip("/")] = None if one.source.is_dir() else ""
    return layout


def _lay_out(root: Path, layout: Mapping[str, str | None]) -> None:
    """Make what a layout says."""
    for name, what in layout.items():
        place = root / name
        if what is None:
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if what.startswith(_LINK):
            place.symlink_to(what.removeprefix(_LINK))
        else:
            place.write_text(what)
