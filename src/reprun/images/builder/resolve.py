"""Locks made again: which packages and wheels an image's requirements come to today.

Packages are resolved by the system's own apt in a private root with an empty package database:
signatures are checked, nothing is installed, the system's own lists are not touched. Only the
suite's main archive is asked. Its files stay for years, while those of the security and
updates archives are deleted weeks after they are superseded. Wheels are resolved for the
image's Python and platform, then the one file that is used is locked.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from packaging.utils import parse_wheel_filename

from reprun.digests import PREFIX
from reprun.errors import InputsGoneError, SpecificationError, ToolError
from reprun.files import scratch
from reprun.images.builder.fetch import Sources, run_pip
from reprun.images.catalogue.definition import Definition
from reprun.images.catalogue.lockfiles import BASE, DebEntry, WheelEntry
from reprun.progress import Progress, announced
from reprun.store.store import Store
from reprun.wording import count_of, listed

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_PIN = re.compile(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!+_-]+")
_URI_LINE = re.compile(r"^'(?P<uri>[^']+)' \S+ \d+", flags=re.MULTILINE)
_ERROR_PREFIXES = ("E:", "ERROR:", "error:")
"""Of apt, pip and uv."""


def resolve_debs(
    definition: Definition, sources: Sources, progress: Progress, *, keyring: Path = KEYRING
) -> tuple[DebEntry, ...]:
    """Return the packages an image wants, with all they depend on, as the archive has them now.

    Raises SpecificationError for a package the suite does not have, ToolError without apt
    or keyring, and InputsGoneError when the archive does not answer or is not signed.
    """
    with archive(definition, sources, progress, keyring=keyring) as apt:
        base = apt.resolve(definition.base) if definition.base else ()
        entries = apt.resolve((*definition.base, *definition.packages))
    if beyond := [entry.name for entry in base if entry not in entries]:
        raise SpecificationError(
            "debian.packages changes what debian.base comes to: " + listed(beyond),
            place=str(definition.place),
            hint="name the package that decides it in debian.base",
        )
    return tuple(replace(each, layer=BASE) if each in base else each for each in entries)


@contextmanager
def archive(
    definition: Definition,
    sources: Sources,
    progress: Progress,
    *,
    keyring: Path = KEYRING,
    installed: str = "",
) -> Iterator[Apt]:
    """Yield an apt that knows the suite's packages, and those `installed` (a dpkg database).

    Raises ToolError without apt or keyring, and InputsGoneError when no archive answers or
    it is not signed.
    """
    if shutil.which("apt-get") is None:
        raise ToolError(
            "locking Debian packages needs apt, which this system does not have",
            hint=f"reprun images lock {definition.name}   # on a Debian or Ubuntu host",
        )
    if not keyring.is_file():
        raise ToolError(
            "locking Debian packages needs the archive's public keys",
            place=str(keyring),
            hint="apt-get install debian-archive-keyring",
        )
    if not sources.debian:
        raise InputsGoneError(
            "no Debian mirror is known: this system's apt names none",
            hint="export REPRUN_DEBIAN_MIRROR=URL   # of a Debian archive: what precedes pool/",
        )
    with scratch() as home:
        apt = Apt(home, definition, sources.debian[0], keyring, installed)
        with progress.task(f"reading the package lists of {definition.suite}", None, "list"):
            apt.update()
        yield apt


class Apt:
    """The system's apt, looking at a private root."""

    def __init__(
        self, root: Path, definition: Definition, mirror: str, keyring: Path, installed: str
    ) -> None:
        self._root = root
        self._definition = definition
        self._installed = installed
        self._base = mirror.rstrip("/") + "/"
        for inner in ("state/lists/partial", "cache/archives/partial", "etc"):
            (root / inner).mkdir(parents=True)
        (root / "status").write_text(installed, encoding="utf-8")
        (root / "sources.list").write_text(
            f"deb [signed-by={keyring}] {self._base} {definition.suite} main\n", encoding="utf-8"
        )
        architecture = definition.architecture
        (root / "apt.conf").write_text(
            f'Dir "{root}";\nDir::State "state";\nDir::State::status "{root}/status";\n'
            f'Dir::Cache "cache";\nDir::Etc "etc";\nDir::Etc::sourcelist "{root}/sources.list";\n'
            f'APT::Architecture "{architecture}";\nAPT::Architectures {{ "{architecture}"; }};\n'
            'APT::Install-Recommends "0";\nAPT::Install-Suggests "0";\n'
            'APT::Sandbox::User "root";\nAPT::Update::Error-Mode "any";\n'
            f'Acquire::Languages "none";\n{_proxies()}',
            encoding="utf-8",
        )

    def update(self) -> None:
        """Fetch the signed package list."""
        done = self._run("apt-get", "update")
        if done.returncode != 0:
            raise InputsGoneError(
                f"the package list of Debian {self._definition.suite} is not available: "
                + reason_of(done.stderr),
                place=str(self._definition.place),
                hint="apt-get update   # does it work for this system?",
            )

    def resolve(self, packages: Sequence[str]) -> tuple[DebEntry, ...]:
        """Return what installing the wanted packages would install."""
        done = self._run("apt-get", "install", "--yes", "--no-remove", "--print-uris", *packages)
        if done.returncode != 0:
            raise SpecificationError(
                f"{_field(self._definition, 'debian', 'packages')} cannot be resolved: "
                + reason_of(done.stderr),
                place=str(self._definition.place),
            )
        wanted = {
            urllib.parse.unquote(found["uri"]).removeprefix(self._base)
            for found in _URI_LINE.finditer(done.stdout)
        }
        available = self._run("apt-cache", "dumpavail").stdout
        entries = [
            DebEntry(
                name=fields["Package"],
                version=fields["Version"],
                architecture=fields["Architecture"],
                size=int(fields["Size"]),
                sha256=fields["SHA256"],
                path=fields["Filename"],
            )
            for fields in _stanzas(available)
            if fields.get("Filename") in wanted
        ]
        if len(entries) != len(wanted) or not (entries or self._installed):
            raise SpecificationError(
                f"apt requires {len(wanted)} packages but describes {len(entries)} of them",
                place=str(self._definition.place),
            )
        return tuple(sorted(entries, key=lambda entry: entry.name))

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "APT_CONFIG": str(self._root / "apt.conf"),
            "LC_ALL": "C.UTF-8",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        return subprocess.run(
            announced(command), capture_output=True, text=True, check=False, env=environment
        )


def resolve_wheels(
    definition: Definition, store: Store, progress: Progress
) -> tuple[WheelEntry, ...]:
    """Return the wheels an image wants, with all they depend on; the files go to the store.

    Raises SpecificationError when the requirements cannot be met by wheels for the image's
    Python, and ToolError when uv, which resolves for another Python than ours, is missing.
    """
    if definition.python.is_legacy:
        return download(
            listed_pins(definition, definition.requirements), definition, store, progress
        )
    what = f"resolving {count_of(len(definition.requirements), 'Python requirement')}"
    with progress.task(what, None, "requirement"):
        done = compile_pins(definition, definition.requirements)
    if done.returncode != 0:
        raise SpecificationError(
            f"{_field(definition, 'python', 'requirements')} cannot be resolved: "
            + reason_of(done.stderr),
            place=str(definition.place),
        )
    return download(done.stdout, definition, store, progress)


def download(
    pins: str, definition: Definition, store: Store, progress: Progress
) -> tuple[WheelEntry, ...]:
    """Put the wheels of pinned requirements, one a line, into the store and return them.

    Raises SpecificationError when one of them has no wheel that runs in the image.
    """
    with scratch() as home:
        wanted = home / "requirements.txt"
        wanted.write_text(pins, encoding="utf-8")
        with progress.task("downloading wheels", None, "wheel"):
            done = run_pip(["download", "-r", str(wanted), "-d", str(home / "wheels")], definition)
        if done.returncode != 0:
            raise SpecificationError(
                f"{_field(definition, 'python', 'requirements')} cannot be downloaded: "
                + reason_of(done.stderr),
                place=str(definition.place),
            )
        return tuple(_wheel_entry(path, store) for path in sorted((home / "wheels").glob("*.whl")))


def compile_pins(
    definition: Definition, requirements: Sequence[str], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run uv's resolver for the image's Python and platform; its output has a pin a line.

    Raises ToolError when uv, which resolves for another Python than ours, is missing.
    """
    # A uv in our own environment counts even where that is not activated.
    uv = shutil.which(str(Path(sys.executable).with_name("uv"))) or shutil.which("uv")
    if uv is None:
        raise ToolError("locking wheels needs uv", hint="pip install uv")
    command = [
        *(uv, "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--no-config"),
        *("--only-binary", ":all:", "--python-version", definition.python.version),
        *("--python-platform", _uv_platform(definition), *options, "-"),
    ]
    wanted = "\n".join(requirements) + "\n"
    return subprocess.run(
        announced(command), input=wanted, capture_output=True, text=True, check=False
    )


def listed_pins(definition: Definition, requirements: Sequence[str]) -> str:
    """Return requirements as they are: no resolver knows Python 2 any more.

    Raises SpecificationError for one that is not pinned.
    """
    loose = [each for each in requirements if not _PIN.fullmatch(each)]
    if loose:
        raise SpecificationError(
            f"{_field(definition, 'python', 'requirements')}: Python {definition.python.version} "
            "needs every package pinned as name==version, its dependencies too: " + listed(loose),
            place=str(definition.place),
        )
    return "\n".join(requirements) + "\n"


def _field(definition: Definition, table: str, name: str) -> str:
    """Return what a field is called in the image.toml of a definition."""
    return name if definition.parent else f"{table}.{name}"


def _wheel_entry(path: Path, store: Store) -> WheelEntry:
    name, version, *_ = parse_wheel_filename(path.name)
    return WheelEntry(
        name=name,
        version=str(version),
        filename=path.name,
        sha256=store.add_file(path).removeprefix(PREFIX),
        size=path.stat().st_size,
    )


def _uv_platform(definition: Definition) -> str:
    newest = max(
        (int(found[1]), int(found[2]))
        for platform in definition.platforms
        if (found := re.fullmatch(r"manylinux_(\d+)_(\d+)_x86_64", platform))
    )
    return f"x86_64-manylinux_{newest[0]}_{newest[1]}"


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    for stanza in text.split("\n\n"):
        fields = {}
        for line in stanza.splitlines():
            key, colon, value = line.partition(": ")
            if colon and not key.startswith(" "):
                fields[key] = value
        yield fields


def _proxies() -> str:
    """Return the proxy settings of the system's own apt, as its configuration writes them."""
    done = subprocess.run(
        announced(["apt-config", "dump", "Acquire"]), capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if "::proxy" in line.lower()]
    return "".join(f"{line}\n" for line in lines)


def reason_of(stderr: str) -> str:
    """Return uv's explanation of a conflict as one line, or the first error of any program."""
    explained = re.search(r"\bBecause .*?(?=\n\s*\n|\Z)", stderr, re.DOTALL)
    if explained:
        return " ".join(explained[0].split())
    lines: Sequence[str] = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith((*_ERROR_PREFIXES, "\u00d7"))]
    first = (errors or lines or ["no reason given"])[0]
    return next(
        (first.removeprefix(each).strip() for each in _ERROR_PREFIXES if first.startswith(each)),
        first,
    )
