"""How fast the event loops of the dimuon example are, on 5 million events.

The file is the real one, 50 times over, made below TMPDIR (180 MB). RDataFrame is compared with
a program written by hand for this file alone (dimuon.C), in the same image: both are compiled
the same way and run in turns, and the fastest of each counts, since a shared machine only ever
makes a run slower. Of the columnar variant speed and peak memory are printed.

python benchmarks/dimuon.py [--tiny] [FILE]    # default: the file in ../shared/data

`--tiny` takes the file once and runs each program once, interpreted: compiling takes longer.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import threading
from pathlib import Path

from reprun.documents.project import Project
from reprun.engines.base import MIB, ContainerEngine, ContainerJob, ContainerResult, Limits, Mount
from reprun.engines.choose import make_engine
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store

ROOT = Path(__file__).parents[1]
REAL = ROOT.parent / "shared/data/cms-dimuon/Run2012BC_DoubleMuParked_Muons_first100k.root"
COPIES = 50
PAIRS = 7
RUNS = 3
LOOP = re.compile(r"(\d+) of \d+ events in ([0-9.e+-]+) s")

REPEAT = """void repeat(int copies)
{
   TChain chain("Events");
   for (int i = 0; i < copies; ++i) chain.Add("one.root");
   chain.Merge("events.root", "fast");
}
"""
COMPILE = """
for macro in code/root/fill.C dimuon.C; do
    root -l -b -q -e 'gSystem->SetBuildDir("/work/build", true)' -e ".L $macro+"
done
"""
OURS = """
root -l -b -q -e '.L MACRO' \
    -e 'fill("nanoaod", "events.root", 0, 1., "histograms.root", "cutflow.csv")'
"""
BY_HAND = """root -l -b -q -e '.L MACRO' -e 'dimuon("events.root")'"""
COLUMNAR = "python3 code/columnar/fill.py nanoaod events.root histograms.root cutflow.csv"


class Container:
    """Runs commands in one image, with the example's code and a directory to work in."""

    def __init__(self, engine: ContainerEngine, image: Image, home: Path) -> None:
        engine.prepare(image)
        self._engine, self._image = engine, image
        self._mounts = (
            Mount(home, "/work", read_only=False),
            Mount(ROOT / "examples/cms-dimuon/code", "/work/code"),
            Mount(ROOT / "benchmarks/dimuon.C", "/work/dimuon.C"),
        )

    def run(self, command: str) -> tuple[str, ContainerResult]:
        """Return what a command printed, and what is known of its container."""
        said = bytearray()
        result = self._engine.run(
            ContainerJob(
                self._image,
                ("bash", "-euc", command),
                self._mounts,
                environment={"PYTHONWARNINGS": "ignore"},
                limits=Limits(cpus=1.0, memory_bytes=4096 * MIB),
            ),
            stdout=said.extend,
            stderr=said.extend,
            cancel=threading.Event(),
        )
        text = said.decode()
        if result.exit_code:
            sys.exit(f"{command}\nended with {result.exit_code}:\n{text}")
        return text, result


def speed(printed: str) -> float:
    """Return the events per second that a program said its event loop did."""
    found = LOOP.search(printed)
    if found is None:
        sys.exit(f"no speed in:\n{printed}")
    return int(found[1]) / float(found[2])


def rdataframe(container: Container, pairs_run: int, *, compiled: bool) -> None:
    """Print the speeds of both RDataFrame programs and their ratio."""
    fill, dimuon = ("code/root/fill.C", "dimuon.C")
    if compiled:
        container.run(COMPILE)
        fill, dimuon = ("build/fill_C.so", "build/dimuon_C.so")
    ours, by_hand = [], []
    for _ in range(pairs_run):
        ours.append(speed(container.run(OURS.replace("MACRO", fill))[0]))
        by_hand.append(speed(container.run(BY_HAND.replace("MACRO", dimuon))[0]))
    pairs = sorted(one / other for one, other in zip(ours, by_hand, strict=True))
    print(
        f"RDataFrame: {max(ours) / 1e6:.2f} million events/s, by hand {max(by_hand) / 1e6:.2f}: "
        f"ratio {max(ours) / max(by_hand):.2f} (target 0.9 or more; of {pairs_run} pairs "
        f"{pairs[0]:.2f} to {pairs[-1]:.2f}, median {pairs[pairs_run // 2]:.2f})"
    )


def columnar(container: Container, times: int) -> None:
    """Print progress, speed and peak memory of the columnar variant."""
    runs = [container.run(COLUMNAR) for _ in range(times)]
    said, _ = min(runs, key=lambda run: run[1].wall_seconds)
    print(said, end="")
    memory = max(result.peak_memory_bytes or 0 for _, result in runs)
    wall = min(result.wall_seconds for _, result in runs)
    events = int(re.findall(r"of ([0-9,]+) events", said)[-1].replace(",", ""))
    print(
        f"columnar: {events / wall / 1e6:.2f} million events/s, start included; peak memory "
        f"{memory / MIB:.0f} MiB (target 1 GB or less)"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=REAL)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    chosen = parser.parse_args()
    real: Path = chosen.file
    if not real.is_file():
        sys.exit(f"{real} is missing: reprun data fetch cms-dimuon, and name the file")
    catalogue = Catalogue.of(Project.find())
    store = Store.default()
    engine = make_engine("runc", store)
    engine.self_check()
    images = {name: ensure(name, catalogue, store, Silent()) for name in ("root-6.40", "columnar")}
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "build").mkdir()
        (home / "one.root").write_bytes(real.read_bytes())
        (home / "repeat.C").write_text(REPEAT)
        root = Container(engine, images["root-6.40"], home)
        root.run(f"root -l -b -q 'repeat.C({1 if chosen.tiny else COPIES})'")
        rdataframe(root, 1 if chosen.tiny else PAIRS, compiled=not chosen.tiny)
        columnar(Container(engine, images["columnar"], home), 1 if chosen.tiny else RUNS)


if __name__ == "__main__":
    main()
