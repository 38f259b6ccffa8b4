"""Locked files into the store, from wherever the right bytes still are.

In this order: the store itself, the mirrors of `REPRUN_MIRRORS` (directories or URLs, also
another store), then the Debian mirror for packages and the Python package index for wheels.
No source is trusted: a file enters the store when its size and sha256 are the locked ones.

The Debian mirror is what the system's own apt is set to, or `REPRUN_DEBIAN_MIRROR`; the package
index is what the user's own pip is set to. This module names neither.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from reprun.digests import CHUNK, PREFIX
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import DebEntry, WheelEntry
from reprun.progress import Progress, Task
from reprun.store.store import Store
from reprun.wording import count_of

CONNECTIONS = 8
PIPS = 3
ATTEMPTS = 3
TIMEOUT_SECONDS = 30.0
BACK_OFF_SECONDS = 0.5
GONE = (403, 404, 410)

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
        """Return what the environment and the system's own apt say."""
        named = debian_mirror or environment.get("REPRUN_DEBIAN_MIRROR", "")
        return cls(
            mirrors=tuple(split_mirrors(environment.get("REPRUN_MIRRORS", ""))),
            debian=tuple(named.split()) or system_debian_mirrors(),
        )


def split_mirrors(text: str) -> list[str]:
    """Split a list at spaces and colons, leaving the colons of URLs alone."""
    mirrors: list[str] = []
    for word in text.split():
        separator = r":(?=/(?!/)|[a-z]+://)" if "://" in word else ":"
        mirrors += [part for part in re.split(separator, word) if part]
    return mirrors


def system_debian_mirrors() -> tuple[str, ...]:
    """Return the Debian archives this system's apt uses; empty where there are none."""
    form = "$(ORIGIN)\t$(RELEASE)\t$(COMPONENT)\t$(REPO_URI)"
    try:
        done = subprocess.run(
            ["apt-get", "indextargets", "--format", form, "Identifier: Packages"],
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
    fetcher = _Fetcher(store, sources)
    total = sum(entry.size for entry in missing)
    with progress.task(f"fetching {definition.name}", total) as task:
        _in_parallel(fetcher.from_mirrors, missing, task)
        debs = [each for each in definition.debs if not store.has(each.digest)]
        wheels = [each for each in definition.wheels if not store.has(each.digest)]
        with ThreadPoolExecutor(1 + PIPS) as pool:
            jobs = [pool.submit(_in_parallel, fetcher.from_debian, debs, task)]
            jobs += [
                pool.submit(fetcher.from_index, batch, definition, task)
                for batch in (_batches(wheels) if sources.index else [])
            ]
            for job in jobs:
                job.result()
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
            f"{entry.filename} had other bytes in the store: set aside as {aside}, fetched anew"
        )
        return False
    return True


class _Fetcher:
    """Tries sources for one file after the other.

    It remembers who had wrong bytes, and which hosts did not answer in any attempt: those
    are not asked again.
    """

    def __init__(self, store: Store, sources: Sources) -> None:
        self._store = store
        self._sources = sources
        self._silent: set[str] = set()
        self.wrong: list[str] = []

    def from_mirrors(self, entry: Locked) -> bool:
        """Try the mirrors for a file."""
        return any(
            self._take(location, entry)
            for mirror in self._sources.mirrors
            for location in _locations(mirror, entry)
        )

    def from_debian(self, entry: Locked) -> bool:
        """Try the Debian archives for a package."""
        assert isinstance(entry, DebEntry)
        quoted = urllib.parse.quote(entry.path)
        return any(
            self._take(f"{base.rstrip('/')}/{quoted}", entry) for base in self._sources.debian
        )

    def from_index(self, wheels: Sequence[WheelEntry], definition: Definition, task: Task) -> None:
        """Ask the user's package index for wheels: all at once, then one by one if need be."""
        with tempfile.TemporaryDirectory() as scratch:
            if not pip_download(wheels, definition, Path(scratch)) and len(wheels) > 1:
                for wheel in wheels:
                    if not Path(scratch, wheel.filename).is_file():
                        pip_download([wheel], definition, Path(scratch))
            for wheel in wheels:
                if self._take(str(Path(scratch, wheel.filename)), wheel):
                    task.advance(wheel.size)

    def _take(self, location: str, entry: Locked) -> bool:
        """Put what lies at a path or URL into the store if it is the locked file."""
        url = urllib.parse.urlsplit(location)
        if url.scheme in ("", "file"):
            path = Path(urllib.request.url2pathname(url.path) if url.scheme else location)
            if not path.is_file():
                return False
            with path.open("rb") as stream:
                return self._store_stream(stream, location, entry)
        for attempt in range(ATTEMPTS):
            if url.netloc in self._silent:
                return False
            if attempt:
                time.sleep(BACK_OFF_SECONDS * 2**attempt)
            try:
                with urllib.request.urlopen(location, timeout=TIMEOUT_SECONDS) as stream:  # noqa: S310
                    return self._store_stream(stream, location, entry)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in GONE:
                    return False
            except (OSError, HTTPException):
                continue
        self._silent.add(url.netloc)
        return False

    def _store_stream(self, stream: IO[bytes], location: str, entry: Locked) -> bool:
        with self._store.incoming() as incoming:
            while chunk := stream.read(CHUNK):
                incoming.write(chunk)
                if incoming.size > entry.size:
                    break
            if incoming.size < entry.size and "://" in location:
                raise HTTPException("the connection ended early")
            if incoming.size != entry.size or incoming.digest != entry.digest:
                self.wrong.append(f"{entry.filename} at {location}")
                return False
            self._store.commit(incoming, expected=entry.digest)
        return True


def _batches(wheels: Sequence[WheelEntry]) -> list[list[WheelEntry]]:
    """Split wheels into about equal amounts of bytes, one for each pip."""
    batches: list[list[WheelEntry]] = [[] for _ in range(PIPS)]
    for wheel in sorted(wheels, key=lambda each: each.size, reverse=True):
        min(batches, key=lambda batch: sum(each.size for each in batch)).append(wheel)
    return [batch for batch in batches if batch]


def _in_parallel(attempt: Callable[[Locked], bool], entries: Sequence[Locked], task: Task) -> None:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for entry, found in zip(entries, pool.map(attempt, entries), strict=True):
            if found:
                task.advance(entry.size)


def _locations(mirror: str, entry: Locked) -> Iterator[str]:
    """Yield where a mirror may hold a file: as a store, by pool path, by name."""
    base = mirror.rstrip("/")
    quote = urllib.parse.quote if "://" in mirror else str
    hexadecimal = entry.digest.removeprefix(PREFIX)
    yield f"{base}/blobs/sha256/{hexadecimal[:2]}/{hexadecimal}"
    if isinstance(entry, DebEntry):
        yield f"{base}/{quote(entry.path)}"
    yield f"{base}/{quote(entry.filename)}"


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
    """Run this Python's pip for the image's Python: wheels only, no dependencies."""
    abis: dict[str, None] = {"none": None}
    platforms = dict.fromkeys(definition.platforms)
    tag = "cp" + definition.python.version.replace(".", "")
    # Python 2 of Debian has wide Unicode: its wheels say `mu`.
    abis.update(dict.fromkeys([tag, f"{tag}mu" if definition.python.is_legacy else "abi3"]))
    for filename in filenames:
        abi, platform = filename.removesuffix(".whl").split("-")[-2:]
        abis.update(dict.fromkeys(abi.split(".")))
        platforms.update(dict.fromkeys(platform.split(".")))
    command = [
        *(sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"),
        *(*arguments, "--quiet", "--no-deps", "--only-binary", ":all:"),
        *("--python-version", definition.python.version, "--implementation", "cp"),
        *(word for abi in abis for word in ("--abi", abi)),
        *(word for platform in platforms if platform != "any" for word in ("--platform", platform)),
    ]
    # Files lying about on this machine are no source: every other pip setting is the user's.
    environment = {key: value for key, value in os.environ.items() if key != "PIP_FIND_LINKS"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if "No module named pip" in done.stderr:
        raise SpecificationError(
            "pip is needed to download wheels, and this Python has none",
            place=sys.executable,
            hint=f"{sys.executable} -m ensurepip",
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
    names = ", ".join(entry.filename for entry in gone)
    others = [each for each in wrong if any(each.startswith(e.filename) for e in gone)]
    if others and len(others) >= len(gone):
        return IntegrityError(
            f"image '{definition.name}': other bytes than the locked ones at every source: "
            + "; ".join(others),
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
        f"anew: reprun images lock {definition.name}",
    )
