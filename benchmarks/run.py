"""How much reprun costs over the bare commands, side by side in one run.

python benchmarks/run.py [--tiny]   # with a Docker daemon on DOCKER_HOST also docker
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from reprun.documents.project import Project
from reprun.engines.base import ContainerEngine, ContainerJob, Mount
from reprun.engines.box import Box
from reprun.engines.choose import ENGINES, make_engine
from reprun.errors import EngineError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store

STARTS = 15
RUNS = 3
PAIRS = 10
SANDBOX_SECONDS = 0.1


def seconds(action: Callable[[], object]) -> float:
    """Return how long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """Return the CPU time of all processes that this one has started and seen end."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def bare() -> None:
    """Start a process of the host."""
    subprocess.run(["/bin/true"], check=True)


def contained(engine: ContainerEngine, image: Image, workspace: Path) -> None:
    """Start the same program in a container."""
    job = ContainerJob(image, ("/bin/true",), (Mount(workspace, "/work", read_only=False),))
    result = engine.run(job, stdout=_drop, stderr=_drop, cancel=threading.Event())
    assert result.exit_code == 0


def _drop(_: bytes) -> None:
    """Take what is not looked at."""


def job_starts(store: Store, image: Image, starts: int) -> None:
    """Print the cost of a job's start for each engine that answers."""
    with tempfile.TemporaryDirectory() as directory:
        for name in ENGINES:
            engine = make_engine(name, store)
            try:
                status = engine.self_check()
            except EngineError as error:
                print(f"{name}: not measured ({error.message})")
                continue
            engine.prepare(image)
            contained(engine, image, Path(directory))
            pairs = [
                (seconds(lambda: contained(engine, image, Path(directory))), seconds(bare))  # noqa: B023
                for _ in range(starts)
            ]
            cost = statistics.median(inside - outside for inside, outside in pairs)
            print(f"{name} {status.version}: a job costs {cost:.3f} s over the bare command")


def sandboxed(box: Box) -> None:
    """Start Python in Snakemake's sandbox."""
    result = box.run(
        ("this",), mounts=(), working_directory="/", output=_drop, cancel=threading.Event()
    )
    assert result.exit_code == 0


def sandbox_starts(store: Store, starts: int) -> None:
    """Print what the sandbox costs over the same Python on the host.

    The smallest of either side: others may use this machine.
    """
    box = Box(store)
    sandboxed(box)
    bare_python = [sys.executable, "-I", "-m", "this"]
    pairs = [
        (
            seconds(lambda: sandboxed(box)),
            seconds(lambda: subprocess.run(bare_python, check=True, stdout=subprocess.DEVNULL)),
        )
        for _ in range(starts)
    ]
    inside, outside = (min(times) for times in zip(*pairs, strict=True))
    cost = inside - outside
    print(
        f"sandbox: a start takes {inside:.3f} s, of the same Python without {outside:.3f} s; "
        f"{cost:.3f} s, of which a run has two: {2 * cost / SANDBOX_SECONDS:.2f} of the limit "
        f"(smallest of {starts})"
    )


UNCONFINED = """
import sys
import reprun.engines.confinement, reprun.runs.asked
from reprun.engines.trusted import Trusted
for module in (reprun.engines.confinement, reprun.runs.asked):
    module.Box = lambda store: Trusted()
from reprun.__main__ import main
main()
"""
"""reprun, with ordinary processes in the place of both sandboxes of a run."""


def sandboxes_of_a_run(runs: int) -> None:
    """Print what both sandboxes, Snakemake's and that of the evaluation, add to the same run.

    The smallest of many on either side, which ran in turn: others may use this machine. The CPU
    time is theirs alone.
    """
    commands = {"with": ["-m", "reprun"], "without": ["-c", UNCONFINED]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    worked: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as directory:

        def run(how: str) -> None:
            arguments = ["run", "cms-h4l", "--again", "--results", f"{directory}/{how}"]
            subprocess.run(
                [sys.executable, *commands[how], *arguments], check=True, capture_output=True
            )

        for how in commands:
            run(how)
        for _ in range(runs):
            for how in commands:
                before = cpu_seconds()
                times[how].append(seconds(lambda: run(how)))  # noqa: B023
                worked[how].append(cpu_seconds() - before)
    confined, free = min(times["with"]), min(times["without"])
    cost, work = confined - free, min(worked["with"]) - min(worked["without"])
    print(
        f"sandboxes: a run of cms-h4l takes {confined:.2f} s with both and {free:.2f} s without; "
        f"{cost:.2f} s, {cost / SANDBOX_SECONDS:.2f} of the limit, {work:.2f} s of it CPU "
        f"(smallest of {runs})"
    )


def whole_runs(runs: int) -> None:
    """Print a warm run, a run with nothing to do, and both over the bare steps' time."""
    command = [sys.executable, "-m", "reprun", "run", "cms-h4l"]
    with tempfile.TemporaryDirectory() as directory:
        arguments = [*command, "--results", directory]

        def run(*more: str) -> None:
            subprocess.run([*arguments, *more], check=True, capture_output=True)

        run()
        warm = [seconds(lambda: run("--again")) for _ in range(runs)]
        idle = [seconds(run) for _ in range(runs)]
    empty = statistics.median(
        seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))
        for _ in range(runs)
    )
    for label, times in (("warm run", warm), ("nothing to do", idle)):
        middle = statistics.median(times)
        print(
            f"reprun run cms-h4l, {label}: {middle:.2f} s "
            f"({middle / empty:.0f} times an empty Python; min {min(times):.2f}, "
            f"max {max(times):.2f})"
        )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="seconds: the figures mean nothing")
    tiny = parser.parse_args().tiny
    project = Project.find()
    catalogue = Catalogue.of(project)
    store = Store.default()
    image = ensure("columnar", catalogue, store, Silent())
    print(f"{len(os.sched_getaffinity(0))} cores")
    job_starts(store, image, 1 if tiny else STARTS)
    sandbox_starts(store, 1 if tiny else STARTS)
    sandboxes_of_a_run(1 if tiny else PAIRS)
    whole_runs(1 if tiny else RUNS)


if __name__ == "__main__":
    main()
