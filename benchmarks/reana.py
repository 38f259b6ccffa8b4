"""REANA: 1 GB up and down in bounded memory, and many submissions in a row of which none is lost.

Against the server of the tests, on loopback. `benchmarks/reana.py memory` and
`benchmarks/reana.py submissions [--number N]`; both without an argument. `--tiny` sends 1 MiB and
submits once.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reana_server import TOKEN, running_reana  # noqa: E402

from reprun.digests import sha256_file  # noqa: E402
from reprun.images.catalogue.catalogue import Catalogue  # noqa: E402
from reprun.images.ensure import ensure  # noqa: E402
from reprun.progress import Silent  # noqa: E402
from reprun.reana.remote.access import Token  # noqa: E402
from reprun.reana.remote.client import Client  # noqa: E402
from reprun.reana.remote.environment import client_python  # noqa: E402
from reprun.store.store import Store  # noqa: E402

MEBIBYTES = 1024
SUBMISSIONS = 50
LIMIT_MB = 200
WHERE = "registry.example.org/hep/columnar"
SPECIFICATION = {"workflow": {"type": "snakemake", "specification": {}}, "inputs": {}}


def store() -> Store:
    """Return the store of the tests, so that the image is built once."""
    named = os.environ.get("REPRUN_TEST_STORE")
    return Store(Path(named) if named else ROOT / "build" / "test-store")


def openapi(python: Path) -> Path:
    """Return REANA's OpenAPI document."""
    document = "reana_commons/openapi_specifications/reana_server.json"
    (found,) = python.parent.parent.glob(f"lib/python*/site-packages/{document}")
    return found


def memory(home: Path, mebibytes: int) -> bool:
    """Send and fetch a file; the driver is a child whose largest memory the kernel tells."""
    python = client_python(store(), Silent())
    catalogue = Catalogue(ROOT / "images")
    source, back = home / "big", home / "back"
    with source.open("wb") as stream:
        for block in range(mebibytes):
            stream.write(os.urandom(1 << 20) if block % 64 == 0 else bytes(1 << 20))
    with running_reana(home / "server", openapi(python), catalogue, store(), {}) as server:
        with Client(python, server.url, Token(TOKEN)) as client:
            identity, _ = client.create("big", SPECIFICATION)
            began = time.monotonic()
            client.upload(identity, source, "big")
            up = time.monotonic() - began
            began = time.monotonic()
            got = client.download(identity, "big", back, home)
            down = time.monotonic() - began
        # The client's process was waited for when it was closed.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    same = got.sha256 == sha256_file(source) == sha256_file(back)
    print(
        f"{mebibytes} MiB up in {up:.1f} s, down in {down:.1f} s; "
        f"{peak:.0f} MB (limit {LIMIT_MB} MB)"
    )
    print(f"the bytes are the same: {same}")
    return same and peak <= LIMIT_MB


def submissions(home: Path, number: int) -> bool:
    """Submit cms-h4l many times in a row; each must come back reproduced, each started once."""
    stored = store()
    catalogue = Catalogue(ROOT / "images")
    image = ensure(catalogue.locked("columnar"), catalogue, stored, Silent())
    python = client_python(stored, Silent())
    images = {f"{WHERE}@{image.manifest}": image.reference}
    os.environ["REPRUN_STORE"] = str(stored.root)
    seconds: list[float] = []
    good = 0
    with running_reana(home / "server", openapi(python), catalogue, stored, images) as server:
        environment = {
            **os.environ,
            "REANA_SERVER_URL": server.url,
            "REANA_ACCESS_TOKEN": TOKEN,
            "REPRUN_PROJECT": str(ROOT),
        }
        command = [
            *(sys.executable, "-m", "reprun", "submit", "cms-h4l", "--variant", "columnar"),
            *("--follow", "--again", "--image", f"columnar={WHERE}", "--results", str(home)),
        ]
        local = time_of_a_local_run(environment, home)
        for one in range(number):
            began = time.monotonic()
            done = subprocess.run(
                command, env=environment, cwd=home, capture_output=True, text=True, check=False
            )
            seconds.append(time.monotonic() - began)
            good += done.returncode == 0 and "✓ reproduced: 36 objects" in done.stdout
            if (one + 1) % 10 == 0:
                print(f"{one + 1}: {good} reproduced", file=sys.stderr, flush=True)
            if done.returncode != 0:
                print(f"{one + 1}: exit code {done.returncode}\n{done.stderr[-2000:]}")
        workflows = list(server.workflows.values())
        once = sum(each.starts == 1 and each.status == "finished" for each in workflows)
    middle = sorted(seconds)[len(seconds) // 2]
    print(
        f"{good} of {number} submissions reproduced; {len(workflows)} workflows on the server, "
        f"{once} of them started once and finished; {middle:.1f} s each (median)"
    )
    limit = 1.5 * local + 15
    print(f"a local run takes {local:.1f} s; the limit for submit to verdict is {limit:.1f} s")
    return good == once == len(workflows) == number and middle <= limit


def time_of_a_local_run(environment: Mapping[str, str], home: Path) -> float:
    """Return the seconds of `reprun run`, every step run."""
    command = [
        *(sys.executable, "-m", "reprun", "run", "cms-h4l", "--variant", "columnar"),
        *("--again", "--results", str(home / "local")),
    ]
    began = time.monotonic()
    subprocess.run(command, env=environment, cwd=home, capture_output=True, check=True)
    return time.monotonic() - began


def main() -> None:
    """Run what is asked for; exit 1 if a limit is not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="?", choices=("memory", "submissions"))
    parser.add_argument("--number", type=int, default=SUBMISSIONS, help="of submissions")
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    chosen = parser.parse_args()
    mebibytes, number = (1, 1) if chosen.tiny else (MEBIBYTES, chosen.number)
    good = True
    with tempfile.TemporaryDirectory(prefix="reprun-reana-") as home:
        if chosen.only != "submissions":
            good = memory(Path(home), mebibytes) and good
        if chosen.only != "memory":
            good = submissions(Path(home), number) and good
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
