"""Compiled Python for an image, beside it: faster imports that are not part of its identity.

Importing uproot, hist and matplotlib from source costs seconds in every job. The image itself
stays free of byte code, so that building it needs no code of it to run. Instead the image's
own interpreter compiles the sources once, in a container like any other job (it imports none
of them), and engines mount the result read-only where the image's PYTHONPYCACHEPREFIX points.
The files carry no time stamp and do not look at their source again (PEP 552, unchecked hash):
right here, because an image's files never change.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from reprun.digests import PREFIX, sha256_file
from reprun.files import scratch, storage_errors
from reprun.images.archives.tree import Kind, Listed
from reprun.images.model import Image
from reprun.images.rootfs.sealed import PARTIAL, arriving, check, locked, seal, seal_fits
from reprun.store.store import Store

PREFIX_VARIABLE = "PYTHONPYCACHEPREFIX"

COMPILER = """\
import os, sys, warnings
import _imp
import importlib._bootstrap_external as external

warnings.simplefilter("ignore")
out, workers = sys.argv[1], int(sys.argv[2])
version = "python%d.%d" % sys.version_info[:2]
suffix = ".%s.pyc" % sys.implementation.cache_tag
skipped = {"test", "tests", "idlelib", "lib2to3"}
files = []
for top in ("/usr/lib/" + version, "/usr/lib/python3", "/usr/local/lib/" + version):
    for directory, inner, names in os.walk(top):
        inner[:] = sorted(set(inner) - skipped)
        files += [os.path.join(directory, name) for name in sorted(names) if name.endswith(".py")]

def compile_share(worker):
    for path in files[worker::workers]:
        with open(path, "rb") as stream:
            source = stream.read()
        try:
            code = compile(source, path, "exec", dont_inherit=True, optimize=0)
        except (SyntaxError, ValueError):
            continue
        source_hash = _imp.source_hash(external._RAW_MAGIC_NUMBER, source)
        target = out + path[:-3] + suffix
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as stream:
            stream.write(external._code_to_hash_pyc(code, source_hash, False))

children = []
for worker in range(1, workers):
    child = os.fork()
    if child == 0:
        compile_share(worker)
        os._exit(0)
    children.append(child)
compile_share(0)
sys.exit(max([os.waitpid(child, 0)[1] for child in children], default=0) and 1)
"""


def compiled(
    image: Image, store: Store, compile_into: Callable[[Path], bool]
) -> tuple[Path, str] | None:
    """Return a directory and where to mount it in the image read-only, or None.

    `compile_into` runs COMPILER in a container of the image with a directory to fill and says
    whether that went well; it is called once in the life of an image. None means that the
    image asks for no byte code or that compiling failed: jobs then start more slowly and do
    the same. Raises IntegrityError when files made at an earlier call have changed.
    """
    target = image.environment.get(PREFIX_VARIABLE)
    if target is None:
        return None
    home = store.directory("unpacked")
    place = home / "bytecode" / image.image_id.removeprefix(PREFIX)
    if not seal_fits(place):
        with storage_errors(home), locked(home):
            if place.is_dir():
                check(place, f"byte code of image '{image.name}'", home)
            elif not _compile(place, home, compile_into):
                return None
    return place / "root", target


def _compile(place: Path, home: Path, compile_into: Callable[[Path], bool]) -> bool:
    with scratch(home, PARTIAL) as made:
        if not compile_into(made):
            return False
        with arriving(place, home) as partial:
            (partial / "root").rmdir()
            (made / "out").rename(partial / "root")
            seal(partial, _listed(partial / "root"))
    return True


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
