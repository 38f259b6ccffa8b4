"""The verdict on a REANA project: its outputs and its own tests; as a document and as text."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from reprun.documents.reading import Document
from reprun.documents.record import RunRecord
from reprun.reana.local.acceptance import Judged
from reprun.reana.local.evidence import Evidence
from reprun.reana.local.specification import ReanaProject
from reprun.wording import count_of, listed, size_of

MARKS = {"passed": "✓", "failed": "✗", "skipped": "-", "not understood": "?", "left out": "-"}


class OutputResult(Document):
    """A file or directory that `outputs:` declares."""

    path: str
    kind: Literal["file", "directory"]
    present: bool
    size: int | None = None
    """Bytes; of a directory those of all its files."""
    files: int | None = None
    """How many files a directory holds."""
    fault: str = ""
    """What is there in its place; empty where nothing is."""


class ScenarioResult(Document):
    """A scenario of the project's own tests."""

    file: str
    line: int
    feature: str
    name: str
    status: Literal["passed", "failed", "skipped", "not understood", "left out"]
    sentence: str


class StepResult(Document):
    """A job that ran."""

    name: str
    command: str
    image: str
    exit_code: int
    wall_seconds: float
    peak_memory_bytes: int | None
    memory_limit_bytes: int


class ProjectReport(Document):
    """The whole of a project's `report.json`."""

    schema_version: Literal[1] = 1
    kind: Literal["reana project"] = "reana project"
    project: str
    specification: str
    workflow: str
    status: Literal["passed", "not passed", "failed", "nothing checked"]
    sentence: str
    deviations: tuple[str, ...]
    """What was not as the project says, each a sentence."""
    notes: tuple[str, ...]
    tests_read_by: str
    outputs: tuple[OutputResult, ...]
    scenarios: tuple[ScenarioResult, ...]
    steps: tuple[StepResult, ...]
    started: dt.datetime
    finished: dt.datetime

    @property
    def passed(self) -> bool:
        """Whether all that was to be checked was checked and holds."""
        return self.status == "passed"

    @property
    def missing(self) -> str:
        """Which of the declared outputs are not there, in words; empty if all are."""
        return _missing(self.outputs)


def make_report(
    project: ReanaProject,
    record: RunRecord,
    names: Sequence[str],
    run: Evidence,
    judged: Sequence[Judged],
    *,
    tests_read_by: str,
    notes: Sequence[str],
) -> ProjectReport:
    """Join what is known of a run into its report."""
    outputs = tuple(_outputs(run))
    scenarios = tuple(
        ScenarioResult(
            file=one.feature.path.relative_to(project.directory).as_posix(),
            line=one.scenario.line,
            feature=one.feature.name,
            name=one.scenario.name,
            status=one.status,
            sentence=one.sentence,
        )
        for one in judged
    )
    status, sentence = _verdict(project.name, run, outputs, scenarios)
    return ProjectReport(
        project=project.name,
        specification=str(project.path),
        workflow=project.type,
        status=status,
        sentence=sentence,
        deviations=record.deviations,
        notes=tuple(notes),
        tests_read_by=tests_read_by,
        outputs=outputs,
        scenarios=scenarios,
        steps=tuple(
            StepResult(
                name=name or step.rule,
                command=step.command,
                image=step.image,
                exit_code=step.exit_code,
                wall_seconds=step.wall_seconds,
                peak_memory_bytes=step.peak_memory_bytes,
                memory_limit_bytes=step.memory_limit_bytes,
            )
            for name, step in zip(names, record.steps, strict=True)
        ),
        started=record.started,
        finished=record.finished,
    )


def _outputs(run: Evidence) -> Iterator[OutputResult]:
    for path in run.outputs.files:
        size = run.files.get(path)
        fault = "is a directory, and declared as a file" if path in run.directories else ""
        yield OutputResult(path=path, kind="file", present=size is not None, size=size, fault=fault)
    for path in run.outputs.directories:
        sizes = [size for name, size in run.files.items() if name.startswith(f"{path}/")]
        fault = ""
        if path in run.files:
            fault = "is a file, and declared as a directory"
        elif path in run.directories and not sizes:
            # An empty directory is not an output: nothing was written.
            fault = "is an empty directory"
        yield OutputResult(
            path=path,
            kind="directory",
            present=bool(sizes),
            size=sum(sizes) if sizes else None,
            files=len(sizes),
            fault=fault,
        )


def _missing(outputs: Sequence[OutputResult]) -> str:
    absent = [output.path for output in outputs if not output.present and not output.fault]
    found = [f"the run left no {listed(absent)}"] if absent else []
    return "; ".join([*found, *(f"{one.path} {one.fault}" for one in outputs if one.fault)])


def _verdict(
    name: str,
    run: Evidence,
    outputs: Sequence[OutputResult],
    scenarios: Sequence[ScenarioResult],
) -> tuple[Literal["passed", "not passed", "failed", "nothing checked"], str]:
    missing = _missing(outputs)
    wrong = [one for one in scenarios if one.status in ("failed", "not understood")]
    held = sum(one.status == "passed" for one in scenarios)
    present = sum(output.present for output in outputs)
    if run.status != "finished":
        return "failed", f"✗ {name}: the workflow failed"
    if missing:
        return "failed", f"✗ {name}: {missing}"
    if not present and not held and not wrong:
        return "nothing checked", f"✗ {name}: no declared output, no scenario that was checked"
    parts = [f"{count_of(present, 'output')} there"] if outputs else ["no output declared"]
    parts += [f"{held} of {count_of(len(scenarios), 'scenario')} passed"] if scenarios else []
    if wrong:
        named = listed(f"'{one.name}'" for one in wrong)
        return "not passed", f"✗ {name} did not pass: {', '.join(parts)}; not: {named}"
    return "passed", f"✓ {name} passed: {', '.join(parts)}"


def render_text(report: ProjectReport, report_place: Path) -> str:
    """Return the report as text; the verdict stands at the end, before the paths."""
    lines = [f"{report.project}: {report.workflow} workflow", ""]
    for step in report.steps:
        state = "✓" if step.exit_code == 0 else "✗"
        memory = step.peak_memory_bytes
        used = f", {size_of(memory)}" if memory is not None else ""
        image = step.image.partition("@")[0]
        lines.append(f"  {state} {step.name} in {image}: {step.wall_seconds:.1f} s{used}")
    for output in report.outputs:
        mark = "✓" if output.present else "✗"
        many = f" in {count_of(output.files, 'file')}" if output.files else ""
        size = f"{size_of(output.size)}{many}" if output.size is not None else "missing"
        lines.append(f"  {mark} {output.kind} {output.path}: {output.fault or size}")
    for one in report.scenarios:
        lines.append(f"  {MARKS[one.status]} {one.name}: {one.status}")
        if one.sentence:
            lines.append(f"      {one.file}:{one.line}: {one.sentence}")
    lines += [f"  deviation: {what}" for what in report.deviations]
    lines += [f"  note: {what}" for what in report.notes]
    if report.scenarios:
        lines.append(f"  tests read by {report.tests_read_by}")
    return "\n".join([*lines, "", report.sentence, f"report: {report_place}", ""])
