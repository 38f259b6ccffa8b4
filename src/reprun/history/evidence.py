"""What a run directory proves of a run: the record there, and the report that the record seals.

Nothing that a process says of itself comes into the history: not an exit code, not a sentence on a
terminal. A report counts where the record names its very bytes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from reprun.bounded import limits
from reprun.digests import canonical_json, digest_of_mapping, sha256_bytes
from reprun.documents.record import RECORD, REPORT_JSON, RunRecord
from reprun.documents.validation import DIGEST
from reprun.history.model import Factor, Judged, Kind, Made, Object, Step
from reprun.report.model import Report, ReportItem
from reprun.wording import shortened
from reprun.workflow.evidence import last_of_each

GIB = 1 << 30
DECLARED_OUTPUTS = "outputs of analysis.yaml"
"""The factor of kind `code` that is no file."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The bytes of a record and of the report that it seals, read once."""

    record: RunRecord
    record_digest: str
    report: bytes | None
    """None where the run was not judged, or the report is not what the record says."""

    @property
    def report_digest(self) -> str | None:
        """Digest of the report, as the record has it."""
        return None if self.report is None else self.record.reports[REPORT_JSON]

    def judged(self) -> Report | None:
        """Return the report that is sealed. Raises ValidationError for one of another version."""
        return None if self.report is None else Report.model_validate_json(self.report)


def evidence_in(run_directory: Path) -> Evidence | None:
    """Return what lies in a run directory; None where there is no record that can be read."""
    try:
        data = _read(run_directory / RECORD)
        record = RunRecord.model_validate_json(data)
    except (OSError, ValidationError):
        return None
    report: bytes | None = None
    if record.status == "finished" and REPORT_JSON in record.reports:
        try:
            report = _read(run_directory / REPORT_JSON)
        except OSError:
            report = None
        if report is not None and sha256_bytes(report) != record.reports[REPORT_JSON]:
            report = None
    return Evidence(record, sha256_bytes(data), report)


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(limits.WRITTEN_BYTES.value + 1)
    if len(data) > limits.WRITTEN_BYTES.value:
        raise OSError(f"{path} is larger than {limits.WRITTEN_BYTES.words}")
    return data


def made_of(evidence: Evidence, report: Report | None, tables: Mapping[str, str]) -> Made:
    """Return what a record says; `tables` has the column that names the rows, by snapshot."""
    record = evidence.record
    every = [*_inputs(record, tables), *_surroundings(record), *_judging(report)]
    steps = list(last_of_each(record.steps).values())
    return Made(
        digest=evidence.record_digest,
        finished=record.finished,
        wall_seconds=record.wall_seconds,
        factors=tuple({factor.key: factor for factor in every}.values()),
        steps=tuple(
            Step(
                name=_short(step.name),
                seconds=step.wall_seconds,
                cpu_seconds=step.cpu_seconds,
                max_rss_bytes=step.peak_memory_bytes,
                kept=step.kept,
            )
            for step in steps[: limits.HISTORY_STEPS.value]
        ),
    )


def judged_of(evidence: Evidence, report: Report) -> Judged:
    """Return what a sealed report says."""
    assert evidence.report_digest is not None
    most = limits.HISTORY_OBJECTS.value
    return Judged(
        digest=evidence.report_digest,
        verdict=report.status,
        sentence=_short(report.sentence),
        objects=tuple(map(_object, report.items[:most])),
        left_out=max(len(report.items) - most, 0),
    )


def _object(item: ReportItem) -> Object:
    return Object(
        name=_short(item.name),
        verdict=item.verdict,
        passes=item.passes,
        content_hash=item.monitored_hash,
        largest_deviation=_number(item.max_relative),
        largest_pull=_number(item.max_pull),
    )


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _short(text: str) -> str:
    return shortened(text, limits.HISTORY_TEXT.value)


def _factor(kind: Kind, name: str, said: str, value: str = "") -> Factor:
    """Return a factor; what is no digest itself is known by that of what it says."""
    if re.match(DIGEST, said):
        return Factor(kind=kind, name=_short(name), digest=said, value=_short(value))
    digest = sha256_bytes(said.encode(errors="surrogatepass"))
    return Factor(kind=kind, name=_short(name), digest=digest, value=_short(value or said))


def _inputs(record: RunRecord, tables: Mapping[str, str]) -> Iterator[Factor]:
    inputs = record.inputs
    for name, digest in inputs.images.items():
        yield _factor("image", name, digest)
    for name, files in inputs.datasets.items():
        yield from _files("data", name, files)
    for name, files in inputs.conditions.items():
        yield from _files("conditions", name, files, tables)
    yield from _files("code", "all files", inputs.code)
    for name, value in inputs.parameters.items():
        yield _factor("parameter", name, canonical_json(value).decode())
    yield _factor("code", DECLARED_OUTPUTS, ", ".join(inputs.outputs))


def _files(
    kind: Kind, of: str, files: Mapping[str, str], tables: Mapping[str, str] | None = None
) -> Iterator[Factor]:
    """Yield a factor for each file; of very many, one for all, called as what they are of."""
    if len(files) > limits.HISTORY_FILES.value:
        yield _factor(kind, of, digest_of_mapping(files), f"{len(files):,} files")
        return
    for path, digest in files.items():
        name = f"{of}/{path}" if kind == "conditions" else path
        yield _factor(kind, name, digest, (tables or {}).get(name, ""))


def _surroundings(record: RunRecord) -> Iterator[Factor]:
    host, engine = record.host, record.engine
    yield _factor("engine", "engine", f"{engine.name} {engine.version}")
    yield from _host(
        {
            "system": host.system,
            "kernel": host.kernel,
            "architecture": host.architecture,
            "processor": host.cpu,
            "processor flags": " ".join(sorted(host.cpu_flags)),
            "cores": str(host.cores),
            # What a kernel keeps for itself changes with it: no fact of the machine.
            "memory": f"{round(host.memory_bytes / GIB)} GiB",
            "control groups": f"version {host.cgroup_version}",
        }
    )
    yield _factor("program", "reprun", record.reprun_version)
    yield _factor("program", "snakemake", record.snakemake_version)
    yield _factor("program", "python", host.python)
    for said in record.deviations:
        yield _factor("deviation", said, said)
    for what in engine.unenforced:
        yield _factor("deviation", f"not enforced: {what}", what)
    if not record.hermetic:
        yield _factor("deviation", "not hermetic: conditions came over a network", "network")
    if record.sandbox is not None:
        yield _factor("program", "sandbox", record.sandbox)


def _host(facts: Mapping[str, str]) -> Iterable[Factor]:
    return [_factor("host", name, said) for name, said in facts.items()]


def _judging(report: Report | None) -> Iterator[Factor]:
    if report is None:
        return
    if (reference := report.reference) is not None:
        about = f"blessed on {reference.date} by {reference.author}" if reference.date else ""
        yield _factor("reference", "reference", reference.digest, about)
    rules = {each.rule.model_dump_json() for each in report.items if each.rule is not None}
    rules |= {each.model_dump_json(include={"reason", "expires"}) for each in report.ignored}
    digest = sha256_bytes(canonical_json(sorted(rules)))
    yield _factor("rules", "compare", digest)
