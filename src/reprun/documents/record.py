"""The run record: what really ran, with which digests, for how long, on what host.

It is written when a run ends, however it ends, and read again to decide whether anything
has changed since.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.digests import canonical_json, sha256_bytes, sha256_file
from reprun.documents.reading import Document, State, state_of
from reprun.files import write_atomically

# What lies in a run directory beside the workspace.
RECORD = "record.json"
REPORT_JSON = "report.json"
REPORT_HTML = "report.html"
CANDIDATE = "candidate.json"
REPORTS = (REPORT_JSON, REPORT_HTML, CANDIDATE)
"""What a comparison writes, and seals in the record."""
EVALUATED_BY = "evaluated by"
"""Where a report's provenance holds the digest of what decided its verdict."""

Sandbox = Literal["runc", "none, trusted by --trust-snakefile"]
"""What confined the program that executed a Snakefile."""
TRUSTED: Sandbox = "none, trusted by --trust-snakefile"
"""Nothing did, as the user wanted."""


class StepRecord(Document):
    """One job of the workflow, as its container ran it."""

    rule: str
    job: int
    wildcards: Mapping[str, str] = {}
    command: str
    image: str
    engine: str
    inputs: Mapping[str, str | None] = {}
    """What it declared to read, by path in the workspace, each with the digest of the file when
    the step began; null for a directory, and where the step ran elsewhere."""
    outputs: Mapping[str, str | None] = {}
    """What it declared to write, each with the digest of the file when the step had ended."""
    ending: str
    exit_code: int
    started: dt.datetime
    wall_seconds: float
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    cpus: float
    memory_limit_bytes: int
    log: str
    """Path of what the step printed, relative to the run directory."""
    last_lines: tuple[str, ...] = ()
    """The end of what a failed step printed."""
    fault: str | None = None
    """What is wrong with what it left, though its command ended well."""
    kept: bool = False
    """The step ran in an earlier run and its outputs still hold."""

    @property
    def succeeded(self) -> bool:
        """Whether the container ended by itself with exit code 0 and left its outputs."""
        return self.ending == "exited" and self.exit_code == 0 and self.fault is None

    @property
    def name(self) -> str:
        """What people call it: its rule, and the values of its wildcards behind it."""
        return "-".join((self.rule, *self.wildcards.values()))

    @property
    def key(self) -> str:
        """What tells a job from every other of its workflow, as in `PlannedStep.key`."""
        return canonical_json([self.rule, dict(self.wildcards)]).decode()


class EngineRecord(Document):
    """The engine that ran the steps."""

    name: str
    version: str
    unenforced: tuple[str, ...] = ()


class ImageVerification(Document):
    """What was hashed of an image's unpacked files."""

    full: dt.datetime
    """When every file was, the last time."""
    sampled_files: int
    sampled_bytes: int
    """At random, when the run began."""


class ImageRecord(Document):
    """The image the steps ran in."""

    name: str
    image_id: str
    manifest: str


class HostRecord(Document):
    """The machine, as far as results or resources may depend on it."""

    system: str
    kernel: str
    architecture: str
    python: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int
    memory_bytes: int
    cgroup_version: int


class Inputs(Document):
    """Digests of all that may decide the result, by part and name."""

    images: Mapping[str, str] = {}
    datasets: Mapping[str, Mapping[str, str]] = {}
    conditions: Mapping[str, Mapping[str, str]] = {}
    code: Mapping[str, str] = {}
    parameters: Mapping[str, str | int | float | bool] = {}
    outputs: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """One digest over all of it."""
        return sha256_bytes(canonical_json(self.model_dump(mode="json")))


class RunRecord(Document):
    """The whole of `record.json`."""

    schema_version: Literal[2] = 2
    reprun_version: str
    snakemake_version: str
    analysis: str
    variant: str
    dataset: str | None
    tier: str | None = None
    """The part of the events, e.g. `max-events-10000`; null for all."""
    status: Literal["finished", "failed", "interrupted"]
    started: dt.datetime
    finished: dt.datetime
    command: tuple[str, ...]
    inputs: Inputs
    engine: EngineRecord
    image: ImageRecord
    verified: Mapping[str, ImageVerification] = {}
    """What was verified of each image before the run, beside its layers; none is named where a
    daemon keeps the files."""
    host: HostRecord
    deviations: tuple[str, ...] = ()
    """What was not as locked, each a sentence."""
    sandbox: Sandbox | None = None
    """What confined Snakemake, in this run or in an earlier one whose steps were taken over; null
    where it ran elsewhere, or not at all."""
    hermetic: bool = True
    """Whether all that the steps saw is locked: False where conditions come over a network."""
    steps: tuple[StepRecord, ...]
    outputs: Mapping[str, str]
    """Every file a step declared and left behind, by path in the workspace: its sha256."""
    reports: Mapping[str, str] = {}
    """What the comparison wrote beside this record, by name: its sha256. Empty before it."""

    @property
    def wall_seconds(self) -> float:
        """Wall time of the run in seconds."""
        return (self.finished - self.started).total_seconds()


def write_record(record: RunRecord, run_directory: Path) -> None:
    """Write `record.json`."""
    write_atomically(run_directory / RECORD, (record.model_dump_json(indent=1) + "\n").encode())


def read_record(run_directory: Path) -> RunRecord | None:
    """Return the last run's record; None if there is none or it is of another version."""
    try:
        return RunRecord.model_validate_json(
            read_text(run_directory / RECORD, limits.WRITTEN_BYTES)
        )
    except (OSError, UnicodeDecodeError, LimitError, ValidationError):
        return None


def unread_record(run_directory: Path) -> State | None:
    """Return why the record that is there is none for `read_record`; None where there is none."""
    path = run_directory / RECORD
    return state_of(RunRecord, path) if os.path.lexists(path) else None


def changed_reports(record: RunRecord, run_directory: Path) -> list[str]:
    """Return the names of reports that are there, but not as the comparison wrote them."""
    return [
        name
        for name in REPORTS
        if (path := run_directory / name).is_file()
        and sha256_file(path) != record.reports.get(name)
    ]


def this_host() -> HostRecord:
    """Describe the machine this runs on."""
    processor: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            processor.setdefault(key.strip(), value.strip())
    return HostRecord(
        system=_distribution(),
        kernel=platform.release(),
        architecture=platform.machine(),
        python=platform.python_version(),
        cpu=processor.get("model name", "unknown"),
        cpu_flags=tuple(processor.get("flags", "").split()),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=memory_of_this_host(),
        cgroup_version=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
    )


def memory_of_this_host() -> int:
    """Return the bytes of memory of the machine this runs on."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _distribution() -> str:
    with suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return platform.system()
