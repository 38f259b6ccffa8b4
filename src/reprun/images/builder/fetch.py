"""Locked files into the store, from wherever the right bytes still are.

In this order: the store itself, the mirrors of `REPRUN_MIRRORS`, then the Debian mirror for
packages and the Python package index for wheels. No source is trusted: a file enters the store
when its size and sha256 are the locked ones.

The Debian mirror is what the system's own apt is set to, or `REPRUN_DEBIAN_MIRROR`; the package
index is what the user's own pip is set to. This module names neither.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from reprun.data.mirrors import locations, named_mirrors
from reprun.data.transfer import Wanted, download
from reprun.errors import InputsGoneError, IntegrityError, ToolError
from reprun.files import scratch
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import DebEntry, WheelEntry
from reprun.progress import Progress, Task, announced
from reprun.store.store import Store
from reprun.wording import count_of, listed, quoted

CONNECTIONS = 8
PIPS = 3

Locked = DebEntry | WheelEntry


@dataclass(frozen=True, slots=True)
class Sources:
    """Where locked files may come from."""

    mirrors: tuple[str, ...] = ()
    """Directories or URLs that hold files by name, by pool path, or as a store."""
    debian: tuple[str, ...] = ()
    """Base URLs of Debian archives: what comes before `pool/`."""
    index: bool = True
    """Whether the user's package index may be asked for wheels."""

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, debian_mirror: str | None = None
    ) -> Sources:
        """Return what the environment and the system's own apt say.

        Raises SpecificationError for a mirror that is neither a directory nor a URL.
        """
        named = debian_mirror or environment.get("REPRUN_DEBIAN_MIRROR", "")
        return cls(
            mirrors=named_mirrors(environment),
            debian=tuple(named.split()) or system_debian_mirrors(),
        )


def system_debian_mirrors() -> tuple[str, ...]:
    """Return the Debian archives this system's apt uses; empty where there are none."""
    form = "$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)"
    try:
        done = subprocess.run(
            announced(["apt-get", "indextargets", "--format", form, "Identifier: Packages"]),
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ()
    is_debian = _os_id() == "debian"
    found: dict[str, None] = {}
    for line in done.stdout.splitlines():
        origin, release, component, uri = line.split("\t")
        # Before the first `apt-get update` apt does not know the origin of its own sources.
        ours = origin == "Debian" or (is_debian and origin in ("", "$(ORIGIN)"))
        if ours and component == "main" and "-" not in release:
            found[uri] = None
    return tuple(found)


def fetch(
    definition: Definition, store: Store, progress: Progress, sources: Sources
) -> tuple[Locked, ...]:
    """Put every locked file of an image into the store; return those that were not there.

    What is there already is not fetched again, so an interrupted fetch goes on where it was. A
    file whose bytes have changed in the store is set aside, said, and fetched like a missing one.
    Raises InputsGoneError that lists what no source has, and IntegrityError when the sources
    have only other bytes under a locked name.
    """
    locked: list[Locked] = [*definition.debs, *definition.wheels]
    missing = [entry for entry in locked if not _is_there(entry, store, progress)]
    if not missing:
        return ()
    total = sum(entry.size for entry in missing)
    with progress.task(f"fetching {definition.name}", total) as task:
        fetcher = _Fetcher(definition, store, sources, progress, task)
        fetcher.bring(missing)
    gone = [entry for entry in missing if not store.has(entry.digest)]
    if gone:
        raise _gone(definition, gone, sources, fetcher.wrong)
    return tuple(missing)


def _is_there(entry: Locked, store: Store, progress: Progress) -> bool:
    if not store.has(entry.digest):
        return False
    try:
        store.verified(entry.digest)
    except IntegrityError:
        aside = store.quarantine(entry.digest)
        progress.say(
            f"{entry.filename} was corrupt in the store: moved to {aside}, fetching it again"
        )
        return False
    return True


class _Fetcher:
    """Brings the locked files of one image; remembers which sources had other bytes."""

    def __init__(
        self,
        definition: Definition,
        store: Store,
        sources: Sources,
        progress: Progress,
        task: Task,
    ) -> None:
        self._definition = definition
        self._store = store
        self._sources = sources
        self._progress = progress
        self._task = task
        self.wrong: list[str] = []

    def bring(self, entries: Sequence[Locked]) -> None:
        """Bring what the sources have: the mirrors first, then the archives and the index."""
        self._download(entries, self._in_mirrors)
        debs = [each for each in entries if isinstance(each, DebEntry)]
        wheels = [each for each in self._absent(entries) if isinstance(each, WheelEntry)]
        batches = _batches(wheels) if self._sources.index else []
        with ThreadPoolExecutor(PIPS) as pool:
            jobs = [pool.submit(self._from_index, batch) for batch in batches]
            self._download(debs, self._in_archives)
            for job in jobs:
                job.result()

    def _absent(self, entries: Iterable[Locked]) -> list[Locked]:
        return [each for each in entries if not self._store.has(each.digest)]

    def _download(
        self, entries: Iterable[Locked], places: Callable[[Locked], Iterable[str]]
    ) -> None:
        wanted = [
            Wanted(each.filename, each.size, each.digest, tuple(places(each)))
            for each in self._absent(entries)
        ]
        outcomes = download(wanted, self._store, self._progress, self._task, parallel=CONNECTIONS)
        self.wrong += [
            f"{name} at {answer.source}"
            for name, outcome in outcomes.items()
            for answer in outcome.answers
            if answer.other_bytes
        ]

    def _in_mirrors(self, entry: Locked) -> Iterator[str]:
        names = [entry.path] if isinstance(entry, DebEntry) else []
        for mirror in self._sources.mirrors:
            yield from locations(mirror, [*names, entry.filename], entry.digest)

    def _in_archives(self, entry: Locked) -> Iterator[str]:
        assert isinstance(entry, DebEntry)
        for base in self._sources.debian:
            yield f"{base.rstrip('/')}/{urllib.parse.quote(entry.path)}"

    def _from_index(self, wheels: Sequence[WheelEntry]) -> None:
        """Ask the user's package index for wheels: all at once, then one by one if need be."""
        with scratch() as directory:
            if not pip_download(wheels, self._definition, directory) and len(wheels) > 1:
                for wheel in wheels:
                    if not (directory / wheel.filename).is_file():
                        pip_download([wheel], self._definition, directory)
            self._download(wheels, lambda wheel: [str(directory / wheel.filename)])


def _batches(wheels: Sequence[WheelEntry]) -> list[list[WheelEntry]]:
    """Split wheels into about equal amounts of bytes, one for each pip."""
    batches: list[list[WheelEntry]] = [[] for _ in range(PIPS)]
    for wheel in sorted(wheels, key=lambda each: each.size, reverse=True):
        min(batches, key=lambda batch: sum(each.size for each in batch)).append(wheel)
    return [batch for batch in batches if batch]


def pip_download(wheels: Sequence[WheelEntry], definition: Definition, directory: Path) -> bool:
    """Let the user's pip download exactly these wheels; tell whether it got them all."""
    lines = [f"{each.name}=={each.version} --hash={each.digest}\n" for each in wheels]
    wanted = directory / "requirements.txt"
    wanted.write_text("".join(lines), encoding="utf-8")
    done = run_pip(
        ["download", "--require-hashes", "-r", str(wanted), "-d", str(directory)],
        definition,
        (each.filename for each in wheels),
    )
    return done.returncode == 0


def run_pip(
    arguments: Sequence[str], definition: Definition, filenames: Iterable[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run this Python's pip for the image's Python: wheels only, no dependencies.

    Raises ToolError where this Python has no pip.
    """
    abis: dict[str, None] = {"none": None}
    platforms = dict.fromkeys(definition.platforms)
    tag = "cp" + definition.python.version.replace(".", "")
    # Python 2 of Debian has wide Unicode: its wheels say `mu`.
    abis.update(dict.fromkeys([tag, f"{tag}mu" if definition.python.is_legacy else "abi3"]))
    for filename in filenames:
        for each in sorted(parse_wheel_filename(filename)[3], key=str):
            abis[each.abi] = platforms[each.platform] = None
    command = [
        *(sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"),
        *(*arguments, "--quiet", "--no-deps", "--only-binary", ":all:"),
        *("--python-version", definition.python.version, "--implementation", "cp"),
        *(word for abi in abis for word in ("--abi", abi)),
        *(word for platform in platforms if platform != "any" for word in ("--platform", platform)),
    ]
    # Files lying about on this machine are not a source: every other pip setting is the user's.
    environment = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
    done = subprocess.run(
        announced(command), capture_output=True, text=True, check=False, env=environment
    )
    if "No module named pip" in done.stderr:
        raise ToolError(
            "pip is needed to download wheels, and this Python has none",
            place=sys.executable,
            hint=f"{quoted(sys.executable)} -m ensurepip",
        )
    return done


def _os_id() -> str:
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r'^ID="?([\w.-]+)', text, flags=re.MULTILINE)
    return found[1] if found else ""


def _gone(
    definition: Definition, gone: Sequence[Locked], sources: Sources, wrong: Sequence[str]
) -> InputsGoneError | IntegrityError:
    names = listed(entry.filename for entry in gone)
    others = [each for each in wrong if any(each.startswith(e.filename) for e in gone)]
    if others and len(others) >= len(gone):
        return IntegrityError(
            f"image '{definition.name}': checksum mismatch at every source: "
            + listed(others, separator="; "),
            place=str(definition.directory),
            hint="export REPRUN_MIRRORS=DIRECTORY   # one that holds the locked files",
        )
    no_debian = any(isinstance(each, DebEntry) for each in gone) and not sources.debian
    if no_debian:
        return InputsGoneError(
            f"image '{definition.name}': this system's apt knows no Debian mirror, and no mirror "
            f"of REPRUN_MIRRORS has {count_of(len(gone), 'locked file')}: {names}",
            place=str(definition.directory),
            hint="export REPRUN_DEBIAN_MIRROR=URL   # of a Debian archive: what precedes pool/; "
            f"or: reprun images pull {definition.name} --from HOST/REPOSITORY",
        )
    return InputsGoneError(
        f"image '{definition.name}': no source has "
        f"{count_of(len(gone), 'locked file')} any more: {names}",
        place=str(definition.directory),
        hint="export REPRUN_MIRRORS=DIRECTORY   # a store or directory that holds them; or lock "
        f"again: reprun images lock {definition.name}",
    )
