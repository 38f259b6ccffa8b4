"""Compiled Python for an image, beside it: faster imports that are no part of its identity.

Importing uproot, hist and matplotlib from source costs seconds in every job. The image itself
stays free of byte code, so that building it needs no code of it to run. Instead the image's
own interpreter, started through the image's own loader, compiles the sources once (it imports
none of them), and engines mount the result read-only where the image's PYTHONPYCACHEPREFIX
points. The files carry no time stamp and do not look at their source again (PEP 552,
unchecked hash): right here, because an image's files never change.
"""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path

from reprun.digests import PREFIX, sha256_file
from reprun.images.model import Image
from reprun.images.sealed import PARTIAL, arriving, check, locked, seal, seal_fits
from reprun.images.tree import Kind, Listed
from reprun.images.unpack import unpacked_root
from reprun.store import Store, storage_errors

PREFIX_VARIABLE = "PYTHONPYCACHEPREFIX"
LOADER = "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
INTERPRETER = "usr/bin/python3"
WORKERS = 2

COMPILER = """\
import os, sys, warnings
import _imp
import importlib._bootstrap_external as external

warnings.simplefilter("ignore")
root, out, worker, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
version = "python%d.%d" % sys.version_info[:2]
suffix = ".%s.pyc" % sys.implementation.cache_tag
skipped = {"test", "tests", "idlelib", "lib2to3"}
files = []
for top in ("usr/lib/" + version, "usr/lib/python3", "usr/local/lib/" + version):
    for directory, inner, names in os.walk(os.path.join(root, top)):
        inner[:] = sorted(set(inner) - skipped)
        files += [os.path.join(directory, name) for name in sorted(names) if name.endswith(".py")]
for path in files[worker::workers]:
    with open(path, "rb") as stream:
        source = stream.read()
    inside = path[len(root):]
    try:
        code = compile(source, inside, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        continue
    source_hash = _imp.source_hash(external._RAW_MAGIC_NUMBER, source)
    target = out + inside[:-3] + suffix
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "wb") as stream:
        stream.write(external._code_to_hash_pyc(code, source_hash, False))
"""


def compiled(image: Image, store: Store) -> tuple[Path, str] | None:
    """Return a directory and where to mount it in the image read-only, or None.

    None means that the image asks for no byte code, or that its interpreter does not run
    outside a container on this machine: jobs then start more slowly and do the same.
    Raises IntegrityError when files made at an earlier call have changed.
    """
    target = image.environment.get(PREFIX_VARIABLE)
    if target is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    home = store.directory("unpacked")
    place = home / "bytecode" / image.image_id.removeprefix(PREFIX)
    if not seal_fits(place):
        root = unpacked_root(image, store)
        if not all((root / needed).exists() for needed in (LOADER, INTERPRETER)):
            return None
        with storage_errors(home), locked(home):
            if place.is_dir():
                check(place, f"byte code of image '{image.name}'", home)
            elif not _compile_into(place, home, root):
                return None
    return place / "root", target


def _compile_into(place: Path, home: Path, root: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix=PARTIAL, dir=home) as scratch:
        out = Path(scratch, "out")
        out.mkdir()
        if not _compile(root, out, Path(scratch, "compile_image.py")):
            return False
        with arriving(place, home) as partial:
            (partial / "root").rmdir()
            out.rename(partial / "root")
            seal(partial, _listed(partial / "root"), [])
    return True


def _compile(root: Path, out: Path, script: Path) -> bool:
    environment = {
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONHOME": str(root / "usr"),
    }
    script.write_text(COMPILER, encoding="utf-8")
    command = [
        *(str(root / LOADER), "--library-path", str(root / LIBRARIES)),
        *(str(root / INTERPRETER), "-S", str(script), str(root), str(out)),
    ]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number in range(WORKERS):
            workers.append(  # noqa: PERF401 - those started are ended when a later one fails
                subprocess.Popen(
                    [*command, str(number), str(WORKERS)],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        return [worker.wait() for worker in workers] == [0] * WORKERS
    except OSError:
        return False
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


def _listed(root: Path) -> dict[str, Listed]:
    entries = {}
    for directory, _, names in os.walk(root):
        here = Path(directory)
        if here != root:
            entries[str(here.relative_to(root))] = Listed(Kind.DIRECTORY, 0o755, "")
        for name in names:
            path = here / name
            path.chmod(0o644)
            digest = sha256_file(path).removeprefix(PREFIX)
            entries[str(path.relative_to(root))] = Listed(Kind.FILE, 0o644, digest)
    return entries
