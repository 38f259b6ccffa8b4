"""`reana.yaml` as REANA 0.9 and 0.95 define it, with the line of every fault.

Source of the fields: the JSON Schema of the specification and the schema of serial workflows,
both in the PyPI package reana-commons (0.9.11 and 0.95.0a26).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from reprun.bounded import limits
from reprun.bounded.limits import LimitError
from reprun.bounded.texts import read_text
from reprun.documents.reading import Document, InsidePath, Lines, read_document, validated
from reprun.errors import SpecificationError
from reprun.wording import quoted

NAME = "reana.yaml"
SUFFIXES = (".yaml", ".yml")
Backend = Literal["kubernetes", "htcondorcern", "slurmcern", "compute4punch"]


class Files(Document):
    """Files and directories of the project."""

    files: tuple[InsidePath, ...] = ()
    directories: tuple[InsidePath, ...] = ()


class Inputs(Files):
    """What is uploaded into the workspace, and the parameters."""

    parameters: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}


class Tests(Document):
    """The project's own acceptance tests."""

    files: tuple[InsidePath, ...] = ()


class Dask(Document):
    """A Dask cluster that REANA starts beside the workflow."""

    image: str
    number_of_workers: int | None = None
    single_worker_memory: str | None = None
    single_worker_threads: int | None = None


class Resources(Document):
    """What the whole workflow wants of the cluster."""

    cvmfs: tuple[str, ...] = ()
    kerberos: bool = False
    voms_proxy: bool = False
    rucio: bool = False
    dask: Dask | None = None


class ParametersFile(Document):
    """A file with parameters."""

    file: InsidePath


class SerialStep(Document):
    """One step of a serial workflow; each of its commands is a job of its own."""

    name: str = ""
    environment: str
    commands: tuple[str, ...] = Field(min_length=1)
    compute_backend: Backend = "kubernetes"
    unpacked_img: bool = False
    kerberos: bool = False
    voms_proxy: bool = False
    rucio: bool = False
    kubernetes_uid: int | None = None
    kubernetes_cpu_request: str | None = None
    kubernetes_cpu_limit: str | None = None
    kubernetes_memory_request: str | None = None
    kubernetes_memory_limit: str | None = None
    kubernetes_job_timeout: int | None = Field(default=None, gt=0)
    kubernetes_queue: str | None = None
    htcondor_max_runtime: str | None = None
    htcondor_accounting_group: str | None = None
    htcondor_request_cpus: str | None = None
    htcondor_request_memory: str | None = None
    htcondor_request_disk: str | None = None
    htcondor_requirements: str | None = None
    slurm_partition: str | None = None
    slurm_time: str | None = None
    c4p_cpu_cores: str | None = None
    c4p_memory_limit: str | None = None
    c4p_additional_requirements: str | None = None


class SerialSpecification(Document):
    """Steps, one after the other."""

    steps: tuple[SerialStep, ...] = Field(min_length=1)


class Workflow(Files):
    """How the analysis runs."""

    type: Literal["serial", "snakemake"]
    file: InsidePath | None = None
    specification: SerialSpecification | None = None
    parameters: ParametersFile | None = None
    resources: Resources = Resources()


class Workspace(Document):
    """Where REANA keeps the workspace, and for how long: nothing that matters here."""

    root_path: str | None = None
    retention_days: Mapping[str, int] = {}


class Specification(Document):
    """The whole of `reana.yaml`."""

    version: str | None = None
    inputs: Inputs = Inputs()
    workflow: Workflow
    outputs: Files = Files()
    tests: Tests = Tests()
    workspace: Workspace = Workspace()


@dataclass(frozen=True, slots=True)
class ReanaProject:
    """A REANA specification and where it stands; paths in it are relative to its directory."""

    path: Path
    specification: Specification
    lines: Lines

    @property
    def directory(self) -> Path:
        """The directory of the project."""
        return self.path.parent

    @property
    def name(self) -> str:
        """What people call it: its directory."""
        return self.directory.name

    @property
    def type(self) -> str:
        """The kind of workflow."""
        return self.specification.workflow.type

    @property
    def workflow_file(self) -> str:
        """The Snakefile; a Snakemake project has one."""
        file = self.specification.workflow.file
        assert file is not None
        return file

    def place(self, *location: str | int) -> str:
        """Return `file:line` of a field, or of the nearest thing around it."""
        return f"{self.path}:{self.line(*location)}"

    def line(self, *location: str | int) -> int:
        """Return the line of a field, or of the nearest thing around it."""
        found = (location[:n] for n in range(len(location), -1, -1))
        return next((self.lines[part] for part in found if part in self.lines), 1)


def project_file(argument: str) -> Path | None:
    """Return the REANA specification that an argument of the command line names, if it does.

    That is a YAML file with a `workflow`, or called `reana….yaml`; or a directory with a
    reana.yaml and no analysis.yaml.
    """
    given = Path(argument).expanduser()
    if given.is_dir():
        found = given / NAME
        return found if found.is_file() and not (given / "analysis.yaml").exists() else None
    if given.suffix not in SUFFIXES or not given.is_file() or given.name == "analysis.yaml":
        return None
    if given.name.startswith("reana"):
        return given
    document, _ = read_document(given)
    return given if isinstance(document, dict) and "workflow" in document else None


def read_project(path: Path) -> ReanaProject:
    """Return a REANA project.

    Raises SpecificationError with the line of each fault, and for kinds of workflow that do not
    run here.
    """
    path = path.resolve()
    document, lines = read_document(path)
    _refuse_other_kinds(document, path, lines)
    specification = validated(Specification, document, path, lines)
    project = ReanaProject(path, specification, lines)
    workflow = specification.workflow
    if workflow.type == "snakemake" and workflow.file is None:
        raise SpecificationError(
            "a Snakemake workflow needs `file:`, its Snakefile", place=project.place("workflow")
        )
    if workflow.file is not None and not (project.directory / workflow.file).is_file():
        raise SpecificationError(
            f"workflow.file names {workflow.file}, which does not exist",
            place=project.place("workflow", "file"),
        )
    if workflow.type == "serial" and workflow.specification is None:
        if workflow.file is None:
            raise SpecificationError(
                "a serial workflow needs `specification:` with `steps:`",
                place=project.place("workflow"),
            )
        return _with_steps_of_file(project, project.directory / workflow.file)
    return project


def _with_steps_of_file(project: ReanaProject, file: Path) -> ReanaProject:
    steps, lines = read_document(file)
    read = validated(SerialSpecification, steps, file, lines)
    workflow = project.specification.workflow.model_copy(update={"specification": read})
    specification = project.specification.model_copy(update={"workflow": workflow})
    return ReanaProject(project.path, specification, project.lines)


_OTHER_KINDS = {
    "yadage": "Yadage",
    "cwl": "CWL",
}


def _text(path: Path) -> str:
    """Return the text of a file as far as it has one: it is only looked into for a hint."""
    with suppress(OSError, LimitError):
        return read_text(path, limits.YAML_BYTES, "replace")
    return ""


def _refuse_other_kinds(document: Any, path: Path, lines: Lines) -> None:
    workflow = document.get("workflow") if isinstance(document, dict) else None
    kind = workflow.get("type") if isinstance(workflow, dict) else None
    if kind not in _OTHER_KINDS:
        return
    beside = sorted(
        other.name
        for suffix in SUFFIXES
        for other in path.parent.glob(f"reana*{suffix}")
        if other != path and f"type: {kind}" not in _text(other)
    )
    raise SpecificationError(
        f"this is a {_OTHER_KINDS[kind]} workflow, and reprun runs serial and Snakemake "
        "workflows only",
        place=f"{path}:{lines.get(('workflow', 'type'), 1)}",
        hint=f"reprun run {quoted(path.parent / beside[0])}   # the same project in another form"
        if beside
        else f"reana-client run -f {quoted(path)}   # on a REANA server",
    )
