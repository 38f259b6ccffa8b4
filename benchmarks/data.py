"""How fast data are verified, fetched and planned, as ratios to bare tools on this machine.

python benchmarks/data.py [--tiny]  # needs some 2.5 GB of disk below TMPDIR
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from reprun.data.files import fetch
from reprun.digests import sha256_bytes
from reprun.documents.manifest import DataFile, Dataset, load_manifest, manifest_text
from reprun.progress import Silent
from reprun.store import collection as keeping
from reprun.store.store import Store

REPEATS = 3


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each part handles."""

    verified: int
    """MiB in each of 16 files."""
    small: int
    """Files of 1 kB over loopback."""
    planned: int
    """Files of a manifest."""
    sparse: int
    """MiB of the one large file."""


WHOLE = Sizes(verified=64, small=1000, planned=10_000, sparse=4096)
TINY = Sizes(verified=1, small=10, planned=10, sparse=8)
FILES = 16


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def verification(home: Path, sizes: Sizes) -> None:
    """Hash 16 files in the store, and the same files with sha256sum, as many at a time."""
    store = Store(home / "verified")
    digests = [store.add_bytes(os.urandom(sizes.verified << 20)) for _ in range(FILES)]
    paths = "\n".join(str(store.blob_path(digest)) for digest in digests)
    jobs = len(os.sched_getaffinity(0))

    def bare() -> None:
        command = ["xargs", "-P", str(jobs), "-n", "1", "sha256sum"]
        subprocess.run(command, input=paths.encode(), stdout=subprocess.DEVNULL, check=True)

    pairs = [
        (seconds(lambda: keeping.verify(store, digests, Silent(), jobs=jobs)), seconds(bare))
        for _ in range(REPEATS)
    ]
    ours, theirs = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    print(
        f"verify of {FILES * sizes.verified} MiB, {jobs} at a time: {ours:.2f} s, "
        f"{ours / theirs:.2f} x sha256sum"
    )


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # as every real web server sets it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""


def small_files(home: Path, sizes: Sizes) -> None:
    """Fetch files of 1 kB over loopback HTTP."""
    served = home / "served"
    served.mkdir()
    contents = {f"{n}.bin": os.urandom(1000) for n in range(sizes.small)}
    for name, content in contents.items():
        (served / name).write_bytes(content)
    handler = partial(_Quiet, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            files = [
                DataFile(
                    path=name,
                    size=len(content),
                    sha256=sha256_bytes(content),
                    uris=(f"{address}/{name}",),
                )
                for name, content in contents.items()
            ]
            spent = seconds(lambda: fetch(files, Store(home / "small"), Silent()))
        finally:
            server.shutdown()
            thread.join()
    print(f"{sizes.small} small files over loopback: {1000 * spent / sizes.small:.2f} ms a file")


def planning(home: Path, sizes: Sizes) -> None:
    """Read and validate a manifest of many files."""
    files = [
        {
            "path": f"data/{n:05d}.root",
            "size": n,
            "sha256": f"{n:064x}",
            "adler32": f"{n:08x}",
            "uris": [f"root://eospublic.cern.ch//eos/opendata/cms/{n:05d}.root"],
        }
        for n in range(sizes.planned)
    ]
    dataset = Dataset.model_validate({"title": "many", "files": files})
    for suffix in ("json", "yaml"):
        path = home / f"manifest.{suffix}"
        path.write_text(manifest_text(dataset, as_json=suffix == "json"))
        spent = min(seconds(lambda: load_manifest(path)) for _ in range(REPEATS))  # noqa: B023
        print(f"manifest of {sizes.planned} files as {suffix.upper()}: {spent:.2f} s")


def memory(home: Path, sizes: Sizes) -> None:
    """Fetch one large sparse file, in a process of its own, and print its peak memory."""
    big = home / "big"
    with big.open("wb") as stream:
        stream.truncate(sizes.sparse << 20)
    command = [sys.executable, __file__, "--memory", str(big), str(home / "sparse")]
    subprocess.run(command, check=True)


def _measure_memory(big: Path, root: Path) -> None:
    from reprun.digests import sha256_file  # noqa: PLC0415 - in the process that is measured

    digest = sha256_file(big)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    file = DataFile(path="big", size=big.stat().st_size, sha256=digest, uris=(big.as_uri(),))
    spent = seconds(lambda: fetch([file], Store(root), Silent()))
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"{file.size >> 20} MiB file: {spent:.1f} s, {more / 1024:.1f} MB more memory than before"
    )


def main() -> None:
    """Print every figure."""
    if sys.argv[1:2] == ["--memory"]:
        _measure_memory(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    sizes = TINY if parser.parse_args().tiny else WHOLE
    for part in (verification, small_files, planning, memory):
        with tempfile.TemporaryDirectory() as directory:
            part(Path(directory), sizes)


if __name__ == "__main__":
    main()
