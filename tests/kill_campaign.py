"""reprun killed at random moments: nothing is lost, the next command succeeds, nothing is left.

`python -m tests.kill_campaign STRIKES SEED` strikes in turn at every deed of `DEEDS`, each time
after a random part of the time that the deed takes, with SIGKILL or with Ctrl-C typed twice. A
deed is struck several times in a row, so most strikes meet what the one before has left; then it
must succeed. As many scenes are struck side by side as there are cores.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from reprun.digests import PREFIX, sha256_bytes, sha256_file
from reprun.documents.record import RECORD, REPORT_JSON, changed_reports, read_record
from reprun.files import MARKED, remove_tree
from reprun.history import rows
from reprun.history.database import FILE, looked_into
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.rootfs.unpack import unpacked_root
from reprun.progress import Silent
from reprun.runs.blessed import read_blessing
from reprun.runs.reference import load_reference
from reprun.runs.reference_check import check_references
from reprun.store.collection import stored
from reprun.store.store import Store
from tests.images_support import tiny
from tests.projects import mark_project

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 240
LARGE = 1 << 22
"""Bytes of a blob above which it is hashed only when the campaign ends."""
DATA = b"muon,energy\n" * (1 << 18)
INTERRUPTED = 130
IN_A_ROW = 8

ANALYSIS = """\
schema_version: 1
name: tiny
title: A table
experiment: none
dphep_level: "1"
code: [make.py]
datasets:
  small:
    title: Some numbers
    files:
      - {{path: data/numbers.csv, size: {size}, sha256: {digest}, uris: ["{uri}"]}}
variants:
  columnar: {{image: columnar}}
outputs:
  tables: [out/yields.csv]
compare:
  - {{match: "*", kind: count}}
"""
SNAKEFILE = """\
rule make:
    input: "make.py", "data/numbers.csv"
    output: "out/yields.csv"
    container: config["image"]
    resources: mem_mb=500
    shell: "python3 make.py {input[1]} {output}"
"""
MAKE = """\
import sys, time
time.sleep(0.3)
lines = sum(1 for _ in open(sys.argv[1]))
open(sys.argv[2], "w").write(f"cut,data\\nall,{lines}\\n")
"""
BLESS = ("bless", "tiny", "--reason", "counted by hand", "--author", "the tests")
DEEDS: Mapping[str, tuple[str, ...]] = {
    "run": ("run", "tiny", "--again"),
    "build": ("images", "build", "tiny"),
    "unpack": ("images", "verify", "tiny"),
    "fetch": ("data", "fetch", "tiny"),
    "matrix": ("matrix", "--again"),
    "bless": BLESS,
}


@dataclass
class Scene:
    """A store, a project and the results of an analysis that ran and was blessed."""

    home: Path
    chance: random.Random
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each deed takes when nothing strikes."""

    @property
    def store(self) -> Store:
        return Store(self.home / "store")

    @property
    def temporary(self) -> Path:
        return self.home / "tmp"

    @property
    def analysis(self) -> Path:
        return self.home / "project" / "examples" / "tiny"

    @property
    def run_directory(self) -> Path:
        return self.home / "results" / "tiny" / "columnar.small"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "REPRUN_STORE": str(self.store.root),
            "REPRUN_PROJECT": str(self.home / "project"),
            "REPRUN_RESULTS": str(self.home / "results"),
            "TMPDIR": str(self.temporary),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start reprun."""
        return subprocess.Popen(
            [sys.executable, "-m", "reprun", *arguments],
            cwd=self.home,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def succeed(self, *arguments: str, code: int = 0) -> None:
        """Run reprun; fail unless it ends as it should."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=SECONDS)
        assert process.returncode == code, f"{arguments} ended with {process.returncode}:\n{said}"

    def fill(self, filled: Store) -> None:
        """Set it up; images come from a store that has them."""
        self.temporary.mkdir()
        mark_project(self.home / "project")
        made = tiny(self.home)
        made.directory = self.home / "project" / "images"
        made.locked()
        (made.directory / "columnar").symlink_to(ROOT / "images" / "columnar")
        image = ensure("columnar", Catalogue(ROOT / "images"), filled, Silent())
        for digest in (image.image_id, image.manifest, *(one.digest for one in image.layers)):
            filled.place(digest, self.store.blob_path(digest))
        unpacked_root(image, self.store)
        source = self.home / "numbers.csv"
        source.write_bytes(DATA)
        digest = sha256_bytes(DATA).removeprefix(PREFIX)
        text = ANALYSIS.format(size=len(DATA), digest=digest, uri=source.as_uri())
        self.analysis.mkdir(parents=True)
        (self.analysis / "analysis.yaml").write_text(text)
        (self.analysis / "Snakefile").write_text(SNAKEFILE)
        (self.analysis / "make.py").write_text(MAKE)
        self.succeed("lock", "tiny")
        self.succeed("run", "tiny", code=5)
        self.succeed(*BLESS)
        for deed, arguments in DEEDS.items():
            self.undo(deed)
            began = time.monotonic()
            self.succeed(*arguments)
            self.seconds[deed] = time.monotonic() - began

    def undo(self, deed: str) -> None:
        """Let a deed have something to do."""
        if deed == "fetch":
            self.store.remove(sha256_bytes(DATA))
        elif deed == "unpack":
            image = Catalogue(self.home / "project" / "images").locked("tiny")
            home = self.store.root / "unpacked"
            places = [home / "images" / image.image_id.removeprefix(PREFIX)]
            places += [home / "layers" / one.digest.removeprefix(PREFIX) for one in image.layers]
            for place in places:
                if place.exists():
                    remove_tree(place)
        elif deed == "build":
            image = Catalogue(self.home / "project" / "images").locked("tiny")
            for layer in image.layers:
                self.store.remove(layer.digest)

    def strike(self, deed: str) -> str:
        """Strike at a deed, and check that all is there that was."""
        self.undo(deed)
        how = self.chance.choice(("SIGKILL", "SIGKILL", "Ctrl-C twice"))
        process = self.start(*DEEDS[deed])
        time.sleep(self.chance.uniform(0, self.seconds[deed]))
        if how == "SIGKILL":
            process.kill()
        else:
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(self.chance.uniform(0, 0.1))
        said, _ = process.communicate(timeout=SECONDS)
        ends = {0, -signal.SIGKILL, INTERRUPTED}
        if not said:  # before Python has started no program can end with a code of its own
            ends.add(-signal.SIGINT)
        assert process.returncode in ends, (process.returncode, said)
        assert "Traceback" not in said, said
        self.refuse_lost()
        return f"{deed}, {how}"

    def recover(self, deed: str) -> None:
        """Do what was struck at, without more ado; nothing is lost, and nothing left."""
        self.succeed(*DEEDS[deed])
        self.succeed("run", "tiny")
        self.refuse_lost()
        self.refuse_forgotten()
        left = list(self.left())
        assert left == [], left  # said, where no pytest explains it

    def refuse_forgotten(self) -> None:
        """Fail where the history misses the run that succeeded, or believes in one that did not."""
        with looked_into(self.home / "results" / FILE) as history:
            assert history is not None
            assert history.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert rows.begun(history) == []
            (cell,) = rows.cells(history)
            last = rows.nights(history, cell)[-1]
            record, report = rows.seals(history, last)
        assert last.verdict == "reproduced"
        assert record is not None
        assert report is not None
        assert record.digest == sha256_file(self.run_directory / RECORD)
        assert report.digest == sha256_file(self.run_directory / REPORT_JSON)

    def refuse_lost(self, largest: int = LARGE) -> None:
        """Fail where a reference, report or blob is not whole."""
        blessing = read_blessing(self.analysis / "reference")
        assert blessing is not None
        assert set(load_reference(self.analysis / "reference")) == {"yields"}
        # Its log is the one that belongs to it, and holds.
        assert check_references(self.analysis, "tiny", self.store, Silent())
        record = read_record(self.run_directory)
        assert record is not None
        assert changed_reports(record, self.run_directory) == []
        for digest in stored(self.store):
            if self.store.blob_path(digest).stat().st_size <= largest:
                self.store.verify(digest)

    def left(self) -> Iterator[str]:
        """Yield what a killed process left: files, containers, mounts, processes."""
        for directory, inner, names in os.walk(self.home):
            inner[:] = [name for name in inner if name not in ("root", "blobs")]
            yield from (f"{directory}/{name}" for name in (*inner, *names) if MARKED.search(name))
        yield from (str(path) for path in self.temporary.iterdir())
        for place in ("bundles", "state"):
            yield from (str(path) for path in (self.store.root / "runc" / place).iterdir())
        home = str(self.home)
        yield from (line for line in Path("/proc/mounts").read_text().splitlines() if home in line)
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if f"{home}/store" in command:
                    yield command


def campaign(
    home: Path,
    filled: Store,
    strikes: int,
    seed: int,
    told: Callable[[str], None],
    *,
    in_a_row: int = 1,
) -> Counter[str]:
    """Strike so often; return how often at what. Fails at the first thing that goes wrong.

    Up to `in_a_row` strikes are at one deed before it is let through.
    """
    scene = Scene(home.resolve(), random.Random(seed))
    scene.fill(filled)
    struck: Counter[str] = Counter()
    deeds = itertools.cycle(DEEDS)
    while (left := strikes - struck.total()) > 0:
        deed = next(deeds)
        for _ in range(min(left, scene.chance.randint(1, in_a_row))):
            what = scene.strike(deed)
            struck[what] += 1
            told(f"{struck.total()}: {what}")
        scene.recover(deed)
    scene.refuse_lost(largest=1 << 40)
    return struck


def scene_of_its_own(strikes: int, seed: int) -> Counter[str]:
    """Strike at a scene in a directory of its own, from a process of its own."""
    filled = Store(Path(os.environ.get("REPRUN_TEST_STORE", ROOT / "build" / "test-store")))

    def told(text: str) -> None:
        print(f"seed {seed}, {text}", flush=True)

    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="kills-") as home:
        try:
            return campaign(Path(home), filled, strikes, seed, told, in_a_row=IN_A_ROW)
        except (AssertionError, subprocess.SubprocessError) as error:
            told(f"failed: {error}")  # said at once: the other scenes go on to their ends
            raise


def main() -> None:
    """Strike as often as is asked for."""
    strikes, seed = (int(each) for each in (*sys.argv[1:], *("1000", "1")[len(sys.argv) - 1 :]))
    (ROOT / "build").mkdir(exist_ok=True)
    scenes = len(os.sched_getaffinity(0))
    shares = [len(range(number, strikes, scenes)) for number in range(scenes)]
    with ProcessPoolExecutor(scenes) as pool:
        counts = list(pool.map(scene_of_its_own, shares, itertools.count(seed)))
    struck = dict(sum(counts, Counter[str]()))
    print(f"{strikes} strikes, seed {seed}, nothing lost and nothing left: {struck}")


if __name__ == "__main__":
    main()
