"""Building and unpacking images: seconds, peak memory, beside `buildah` and plain `tar -x`.

python benchmarks/images.py [IMAGE ...]      # needs their inputs: reprun images fetch IMAGE
python benchmarks/images.py --tiny           # an image of a few files, as the tests make it

Every build runs in a process of its own, so that its peak memory is its own. buildah gets the
generated Dockerfile and the layer tars that reprun has built: less work than reprun's own, which
unpacks packages and wheels first. tar gets the layers that reprun unpacks; reprun also hashes every
byte twice, as part of the layer and as part of its file.

Run it when the machine has rested: for some minutes after many files were deleted, ext4 looks for
a free inode among all the deleted ones, and making a file takes twenty times as long, for both.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from reprun.documents.project import Project
from reprun.images.archives.tarlayer import EPOCH
from reprun.images.builder.dockerfile import write_context
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from reprun.store.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.images_support import tiny

BUILD = """\
import sys
from pathlib import Path
from reprun.images.builder.build import build
from reprun.images.catalogue.catalogue import Catalogue
from reprun.progress import Silent
from reprun.store.store import Store

build(Catalogue(Path(sys.argv[1])).definition(sys.argv[3]), Store(Path(sys.argv[2])), Silent())
"""


def main() -> None:
    """Print a block for each image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", nargs="*", default=["columnar", "root-6.40"], metavar="IMAGE")
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    chosen = parser.parse_args()
    if not chosen.tiny:
        measure(chosen.images, Catalogue.of(Project.find()), Store.default())
        return
    with tempfile.TemporaryDirectory() as directory:
        made = tiny(Path(directory))
        measure([made.name], made.locked(), made.store)


def measure(names: Sequence[str], catalogue: Catalogue, store: Store) -> None:
    """Print a block for each image; the others of them are what an image is unpacked beside."""
    for name in names:
        image = ensure(name, catalogue, store, Silent())
        size = sum(layer.size for layer in image.layers)
        print(f"{name}: {size / 1e6:.0f} MB in {len(image.layers)} layers")
        seconds, peak = build_seconds(name, catalogue, store)
        print(f"  build            {seconds:5.1f} s   {size / 1e6 / seconds:.0f} MB/s")
        print(f"  peak memory      {peak / 1e6:5.0f} MB  {peak / size:.2f} of the image")
        unpacked = unpack_seconds(image, store, others=[])
        print(f"  first unpack     {unpacked:5.1f} s   {unpacked / seconds:.2f} of a build")
        plain = tar_seconds(image, store)
        print(f"  tar -x           {plain:5.1f} s   unpack: {unpacked / plain:.2f} of it")
        for other in [each for each in names if each != name][:1]:
            present = ensure(other, catalogue, store, Silent())
            shared = unpack_seconds(image, store, others=[present])
            print(f"  beside {other:<9} {shared:5.1f} s   {shared / unpacked:.2f} of the first")
        if shutil.which("buildah"):
            beside = buildah_seconds(name, catalogue, store, image)
            print(f"  buildah bud      {beside:5.1f} s   build: {seconds / beside:.2f} of it")
        else:
            print("  buildah bud      not installed")


def build_seconds(name: str, catalogue: Catalogue, store: Store) -> tuple[float, int]:
    """Return how long a build takes, and its peak memory in bytes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            BUILD,
            str(catalogue.definition(name).directory.parent),
            str(store.root),
            name,
        ]
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, "the build failed"
    return time.perf_counter() - started, used.ru_maxrss * 1024


def unpack_seconds(image: Image, store: Store, *, others: list[Image]) -> float:
    """Return how long unpacking takes in a store that has unpacked `others` before."""
    with tempfile.TemporaryDirectory(dir=store.root) as directory:
        empty = Store(Path(directory))
        for each in (*others, image):
            digests = (each.image_id, each.manifest, *(layer.digest for layer in each.layers))
            for digest in digests:
                store.place(digest, empty.blob_path(digest))
                empty.verify(digest)
        for each in others:
            unpacked_root(each, empty)
        started = time.perf_counter()
        unpacked_root(image, empty)
        return time.perf_counter() - started


def tar_seconds(image: Image, store: Store) -> float:
    """Return how long tar takes for the same layers into one directory."""
    with tempfile.TemporaryDirectory(dir=store.root) as directory:
        started = time.perf_counter()
        for layer in image.layers:
            subprocess.run(
                ["tar", "-x", "-C", directory, "-f", str(store.verified(layer.digest))], check=True
            )
        return time.perf_counter() - started


def buildah_seconds(name: str, catalogue: Catalogue, store: Store, image: Image) -> float:
    """Return how long buildah takes for the same files from the generated Dockerfile."""
    with tempfile.TemporaryDirectory(dir=store.root) as directory:
        home = Path(directory)
        write_context(catalogue.definition(name), image, store, home / "context")
        started = time.perf_counter()
        subprocess.run(
            [
                *("buildah", "--root", str(home / "root"), "--runroot", str(home / "run")),
                *("--storage-driver", "vfs", "bud", "--quiet", "--isolation", "chroot"),
                *("--timestamp", str(EPOCH), "--tag", "bench", str(home / "context")),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
