# ruff: noqa: E501 - long rows of alternatives
"""Every reader on damaged and hostile files: only our errors come out, within bounds.

`python -m tests.fuzz --rounds 20` takes seconds and is a test; `make fuzz` takes longer. The same
seed gives the same files. A file that fails is kept, with the command that reads it alone.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uproot  # noqa: F401 - once, before the processes are forked
import yaml

from reprun.compare import compare
from reprun.documents.analysis import load_analysis
from reprun.documents.manifest import load_manifest
from reprun.documents.project import read_project
from reprun.documents.record import RECORD, read_record
from reprun.errors import ReprunError
from reprun.histograms import (
    Axis,
    Histogram,
    Table,
    content_hash,
    read_objects,
    table_text,
    uhi_text,
    write_hepdata,
    write_histograms,
)
from reprun.report.model import read_report, report_json
from reprun.runs.lock import LOCK, read_lock
from reprun.wording import visible
from tests.hostile_files import CUBE_OF_YODA, DATA, cases
from tests.parquet_files import KEYS, TYPES, parquet
from tests.sample_report import sample
from tests.unit import builders

SECONDS = 10
"""For one file."""
MEMORY = 1_000_000_000
"""Bytes for one file, above what a process has that has read nothing."""
AT_A_TIME = 50
TODAY = dt.date(2026, 1, 1)
PARQUET: tuple[dict[str, Any], ...] = (
    {}, {"compression": "zstd", "data_page_version": "2.0", "row_group_size": 2},
    {"compression": "NONE", "use_dictionary": False},
)  # fmt: skip
ROOT = Path(__file__).resolve().parents[1]
TOKENS = (b"[", b"]", b"{", b"}", b"*a", b"&a ", b"- ", b": ", b'"', b"'", b"\n", b"\x00", b"\xff",
          b"1e999", b"NaN", b"-1", b"null", b"999999999", b"\\ud800", b"---\n", b"<<: ", b"!!int ")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """What reads a file, and files that it reads."""

    name: str
    file: str
    """What the file has to be called."""
    seeds: tuple[bytes, ...]
    read: Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Input:
    """One file for one reader."""

    reader: Reader
    what: str
    data: bytes


def objects_of(path: Path) -> None:
    """Read, hash and compare what a file holds, as far as a comparison of files goes."""
    found = read_objects(path)
    for thing in found.values():
        content_hash(thing)
    if found.names:
        compare(found, found, [], TODAY)


def readers(home: Path) -> tuple[Reader, ...]:
    """Return every reader with honest files of its own."""
    histograms = [
        Histogram("h", (Axis.regular(3, 0, 1, title="m [GeV]"),), np.arange(5.0), np.arange(5.0)),
        Histogram("d/two", (Axis.regular(2, 0, 1),) * 2, np.ones((4, 4)), storage="float32"),
        Histogram("c", (Axis.categories(("a", "b")),), np.arange(4.0)),
    ]
    written = home / "written.root"
    write_histograms(written, histograms[:2])
    samples = [DATA / "root_sample.root", DATA / "root_profiles.root"]
    tables = [one for one in read_objects(samples[0]).values() if isinstance(one, Table)]
    submission, *others = write_hepdata(home / "hepdata", histograms[:2], comment="x", keywords={})
    record = home / "record"
    record.mkdir()
    analysis = builders.analysis().model_dump(mode="json", exclude_defaults=True)
    dataset = analysis["datasets"]["small"]
    document = yaml.safe_dump({**analysis, "schema_version": 1})

    def histogram_reader(name: str, suffix: str, *seeds: bytes) -> Reader:
        return Reader(name, f"x{suffix}", seeds, objects_of)

    return (
        histogram_reader("ROOT", ".root", written.read_bytes(), *(p.read_bytes() for p in samples)),
        histogram_reader("UHI", ".json", uhi_text(histograms).encode()),
        histogram_reader("YODA", ".yoda", CUBE_OF_YODA.encode()),
        histogram_reader("HEPData", ".yaml", *(p.read_bytes() for p in (submission, *others))),
        histogram_reader("CSV", ".csv", *(table_text(one).encode() for one in tables)),
        histogram_reader(
            "Parquet", ".parquet", *(parquet({**KEYS, **TYPES}, **how) for how in PARQUET)),
        Reader("analysis", "analysis.yaml", (document.encode(),), lambda p: load_analysis(p.parent)),
        Reader("manifest", "m.json", (json.dumps(dataset).encode(),), load_manifest),
        Reader("project", "reprun.toml", ((ROOT / "reprun.toml").read_bytes(),),
               lambda p: read_project(p.parent)),
        Reader("record", RECORD, (builders.record().model_dump_json().encode(),),
               lambda p: read_record(p.parent)),
        Reader("report", "report.json", (report_json(sample()).encode(),), read_report),
        Reader("lock", LOCK, (builders.lock().model_dump_json(indent=1).encode(),),
               lambda p: read_lock(p.parent)),
    )  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Return a file with a few faults: bytes, lengths, cuts, repetitions, words of the format."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not changed:
            break
        at = rng.randrange(len(changed))
        match rng.randrange(9):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFE, 0xFF))
            case 2 | 3:  # a length that lies
                lie = rng.choice(
                    (-1, 0, 1, 2**31 - 1, -(2**31), 2**30, 65_536, rng.getrandbits(31))
                )
                changed[at : at + 4] = struct.pack(">i", lie)[: len(changed) - at]
            case 4:
                changed[at : at + 2] = struct.pack(">h", rng.choice((-1, 0, 32_767, -32_768, 255)))
            case 5:
                del changed[at:]
            case 6:
                end = at + rng.randrange(1, 200)
                changed[at:at] = changed[at:end] * rng.choice((1, 2, 100))
            case 7:
                del changed[at : at + rng.randrange(1, 40)]
            case _:
                changed[at:at] = rng.choice(TOKENS) * rng.choice((1, 1, 3, 3_000))
    return bytes(changed)


def inputs(home: Path, rounds: int, seed: int) -> Iterator[Input]:
    """Yield the hostile files, then `rounds` damaged ones for each reader."""
    known = readers(home)
    by_suffix = {Path(one.file).suffix: one for one in known[:6]}
    for case in cases():
        yield Input(by_suffix[case.suffix], str(case), case.data)
    for reader in known:
        rng = random.Random(f"{seed} {reader.name}")
        for n in range(rounds):
            yield Input(reader, f"{reader.name} {n}", damaged(rng.choice(reader.seeds), rng))


def read_one(given: Input, directory: Path) -> str | None:
    """Read one file; return what went wrong, None for nothing."""
    path = directory / given.reader.file
    path.write_bytes(given.data)
    try:
        given.reader.read(path)
    except ReprunError as error:
        if not error.message or len(error.message) > 2_000:
            return f"an error of {len(error.message)} characters"
        visible(error.message).encode("utf-8")
    except BaseException as error:  # noqa: BLE001 - that is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        return (
            f"{type(error).__name__}: {error}"[:300]
            + f" at {frames[-1].filename}:{frames[-1].lineno}"
        )
    finally:
        path.unlink()
    return None


def memory_of_this_process() -> tuple[int, int]:
    """Return the bytes of address space and of resident memory that this process has."""
    size, resident = Path("/proc/self/statm").read_text().split()[:2]
    return int(size) * resource.getpagesize(), int(resident) * resource.getpagesize()


def in_a_process(batch: Sequence[Input], directory: Path) -> list[tuple[Input, str]]:
    """Read a batch in a process with limits; return what went wrong.

    A process that is killed says nothing: then each is read in a process of its own.
    """
    read, write = os.pipe()
    addresses, before = memory_of_this_process()
    child = os.fork()
    if not child:
        os.close(read)
        # above what the tests before have reserved, which is no part of what a file takes
        _read_batch(batch, directory, write, addresses + 3 * MEMORY)
    os.close(write)
    with os.fdopen(read, "rb") as stream:
        told = stream.read()
    _, status, usage = os.wait4(child, 0)
    code = os.waitstatus_to_exitcode(status)
    grown = usage.ru_maxrss * 1024 - before
    if code == 0 and grown < MEMORY:
        return [(batch[n], what) for n, what in json.loads(told)]
    if len(batch) == 1:
        return [(batch[0], f"ended with {code}, {grown / 1e6:.0f} MB more, {usage.ru_utime:.1f} s")]
    return [found for one in batch for found in in_a_process([one], directory)]


def _read_batch(batch: Sequence[Input], directory: Path, write: int, most: int) -> None:
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        warnings.simplefilter("error")
        found = []
        for n, one in enumerate(batch):
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of processor time: it kills
            if (what := read_one(one, directory)) is not None:
                found.append((n, what))
        os.write(write, json.dumps(found).encode())
        code = 0
    finally:
        os._exit(code)


def campaign(rounds: int, seed: int, keep: Path | None, say: Callable[[str], Any] = print) -> int:
    """Read everything; return how many files went wrong."""
    wrong = 0
    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        (home / "read").mkdir()
        everything = list(inputs(home, rounds, seed))
        for start in range(0, len(everything), AT_A_TIME):
            for given, what in in_a_process(everything[start : start + AT_A_TIME], home / "read"):
                wrong += 1
                say(f"{given.what}: {what}")
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{wrong}-{given.reader.file}").write_bytes(given.data)
        say(f"{len(everything):,} files, {wrong:,} wrong")
    finally:
        shutil.rmtree(home)
    return wrong


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="damaged files for each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="directory for the files that went wrong")
    given = parser.parse_args()
    sys.exit(1 if campaign(given.rounds, given.seed, given.keep) else 0)


if __name__ == "__main__":
    main()
