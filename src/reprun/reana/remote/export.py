"""An analysis as a complete REANA project, in a directory that nothing of reprun is needed for.

The Snakefile goes as it is, but for one thing: where a rule says `mem_mb` and nothing that REANA
knows, `kubernetes_memory_limit` is added beside it, so that the limit holds there as well.
`reana.smk` includes it and adds one rule, which asks for the declared outputs (REANA runs the
first rule) and writes their sha256, so that a download can be compared with what the cluster had.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from reprun import data
from reprun.authoring.lint import Finding, lint_snakefile
from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.conditions.snapshot import Snapshot
from reprun.documents.selection import Selection
from reprun.engines.confinement import Confinement
from reprun.errors import InputsGoneError, IntegrityError, SpecificationError
from reprun.files import storage_errors
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.catalogue.external import read_external_lock
from reprun.images.model import Image
from reprun.images.oci.registry import Registry, parse_reference
from reprun.progress import Progress
from reprun.runs.cell import Cell, conditions_entry
from reprun.store.store import Store
from reprun.workflow.planned import PlannedStep
from reprun.workflow.planning import plan_steps
from reprun.workflow.snakefiles import read_snakefile, read_text

SPECIFICATION = "reana.yaml"
WORKFLOW = "reana.smk"
PARAMETERS = "reana-parameters.yaml"
DIGESTS = "reana-digests.sha256"
CONDITIONS = "conditions"
DIGEST_RULE = "reprun_digests"
_OWN = (SPECIFICATION, WORKFLOW, PARAMETERS, DIGESTS)
_MEMORY = re.compile(r"\bmem_mb\s*=\s*(\d+)\b(?!\s*[*+/(-])")


@dataclass(frozen=True, slots=True)
class Exported:
    """A project as it lies in its directory."""

    directory: Path
    files: tuple[str, ...]
    """What is uploaded, besides reana.yaml."""
    images: Mapping[str, str]
    """Where the cluster pulls each image, by its name here."""
    steps: tuple[PlannedStep, ...]
    """What will run, as our own Snakemake plans it."""
    changes: tuple[str, ...]
    """What is not as in the analysis, each a sentence."""


def export(
    cell: Cell,
    directory: Path,
    references: Mapping[str, str],
    confined: Confinement,
    store: Store,
    progress: Progress,
) -> Exported:
    """Write the project of a cell into a directory of its own, in the place of an earlier one.

    Raises SpecificationError for what would not work on REANA, with the first place of each
    finding, and what `data.resolve` raises.
    """
    _refuse_what_cannot_travel(cell, confined)
    files: tuple[data.ResolvedFile, ...] = ()
    if cell.selection.data is not None:
        files = data.resolve(cell.selection.data, cell.selection.directory, store, progress)
    wanted = {
        path: data.ResolvedFile(path, digest, cell.selection.directory / path)
        for path, digest in cell.lock.code.items()
    }
    files += tuple(_conditions(cell, store, progress))
    wanted |= {file.path: file for file in files}
    for name in _OWN:
        if name in wanted:
            raise SpecificationError(
                f"{name} is a name that the export uses itself; rename it in the analysis",
                place=str(cell.selection.directory / name),
            )
    with storage_errors(directory):
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
        data.stage(wanted, directory, store, linked=False)
        changes = add_memory_limits(directory / cell.selection.snakefile, directory)
        config = dict(cell.plan.config)
        for entry, image in cell.images.items():
            config[entry] = f"docker://{references[image.name]}"
        for snapshot in cell.snapshots.values():
            config[conditions_entry(snapshot.name)] = f"{CONDITIONS}/{snapshot.name}"
        (directory / PARAMETERS).write_text(yaml.safe_dump(config), encoding="utf-8")
        workflow = workflow_text(cell.selection.snakefile, cell.plan.targets)
        (directory / WORKFLOW).write_text(workflow, encoding="utf-8")
        listed = sorted({*wanted, WORKFLOW, PARAMETERS})
        document = {
            "inputs": {"files": listed, "parameters": {"input": PARAMETERS}},
            "workflow": {"type": "snakemake", "file": WORKFLOW},
            "outputs": {"files": [*cell.plan.targets, DIGESTS]},
        }
        text = yaml.safe_dump(document, sort_keys=False)
        (directory / SPECIFICATION).write_text(text, encoding="utf-8")
    code = [name for name in listed if name not in {file.path for file in files}]
    given = [file.path for file in files]
    steps = plan_steps(directory, WORKFLOW, code, given, config, [DIGESTS], confined).steps
    _refuse_images_by_name(steps, cell)
    return Exported(directory, tuple(listed), dict(references), steps, tuple(changes))


def workflow_text(snakefile: str, outputs: Sequence[str]) -> str:
    """Return `reana.smk`: the analysis's own Snakefile and the rule that asks for its outputs."""
    listed = "".join(f"        {path!r},\n" for path in outputs)
    return (
        "# Written by reprun. The first rule is what REANA runs: it asks for the outputs and\n"
        "# writes their sha256.\n"
        f"rule {DIGEST_RULE}:\n"
        f"    input:\n{listed}"
        f"    output:\n        {DIGESTS!r},\n"
        '    container:\n        config["image"]\n'
        "    resources:\n"
        '        mem_mb=256, kubernetes_memory_limit="256Mi",\n'
        '    shell:\n        "sha256sum {input:q} > {output}"\n'
        "\n\n"
        f"include: {snakefile!r}\n"
    )


def read_digests(text: str) -> dict[str, str]:
    """Return what the digest rule has written: a digest for each path."""
    found = {}
    for line in text.splitlines():
        digest, _, path = line.partition("  ")
        found[path] = f"sha256:{digest}"
    return found


def add_memory_limits(snakefile: Path, within: Path) -> list[str]:
    """Add REANA's limit to every rule that has only `mem_mb`; return what was changed.

    Files of the directory `within` are changed, whatever the Snakefile includes.
    Raises SpecificationError where `mem_mb` is not a plain number: then what to add is not known.
    """
    changes = []
    for rule in read_snakefile(snakefile, within).rules:
        resources = rule.directives.get("resources")
        if resources is None or "mem_mb" not in resources.text:
            continue
        if "kubernetes_memory_limit" in resources.text:
            continue
        lines = read_text(rule.file).splitlines(keepends=True)
        end = resources.line + resources.text.count("\n")
        for index in range(resources.line - 1, end):
            if found := _MEMORY.search(lines[index]):
                addition = f', kubernetes_memory_limit="{found[1]}Mi"'
                at = found.end()
                lines[index] = lines[index][:at] + addition + lines[index][at:]
                break
        else:
            raise SpecificationError(
                f"rule {rule.name}: `mem_mb` is not a plain number, so REANA's limit cannot be "
                "derived from it",
                place=f"{rule.file}:{resources.line}",
                hint='resources: …, kubernetes_memory_limit="1000Mi"   # beside mem_mb',
            )
        rule.file.unlink()  # read-only, if it comes from the store
        rule.file.write_text("".join(lines), encoding="utf-8")
        changes.append(f"rule {rule.name}: kubernetes_memory_limit added, from mem_mb")
    return changes


def image_references(
    images: Iterable[Image],
    catalogue: Catalogue,
    given: Mapping[str, str],
    registry: str | None,
) -> dict[str, str]:
    """Return where a cluster pulls each image, by digest.

    `given` names places by image; else `registry` (`HOST/PREFIX`, which is asked), else where
    the lock says it is published. Raises SpecificationError for an image that is on this
    machine only, and IntegrityError for another digest than the locked one.
    """
    found = {}
    for image in images:
        known = _published(image, catalogue)
        expected = parse_reference(known).digest if known else image.manifest
        if image.name in given:
            reference = parse_reference(given[image.name])
            if not reference.digest:
                reference = reference.at(expected)
        elif registry is not None:
            reference = parse_reference(f"{registry.rstrip('/')}/{image.name}").at(expected)
            _ask_for(reference.digest, Registry(reference), image.name, registry)
        elif known:
            reference = parse_reference(known)
        else:
            raise SpecificationError(
                f"the image {image.name} is on this machine only; a cluster cannot pull it",
                hint=f"reprun images push {image.name} HOST/PREFIX/{image.name}   "
                "# then: --registry HOST/PREFIX",
            )
        if not expected or reference.digest != expected:
            raise IntegrityError(
                f"{reference} is not the locked image {image.name}, whose manifest is "
                f"{expected or 'not known yet'}",
                hint=f"reprun images push {image.name} {reference.host}/{reference.repository}",
            )
        found[image.name] = str(reference)
    return found


def _published(image: Image, catalogue: Catalogue) -> str:
    if catalogue.is_external(image.name):
        external = catalogue.external(image.name)
        if not external.lock_place.is_file():
            raise SpecificationError(
                f"the image {image.name} is not pinned: the digest to run is not known",
                place=str(external.place),
                hint=f"reprun images pin {image.name}",
            )
        return read_external_lock(external).source or ""
    return catalogue.lock(image.name).published


def _ask_for(digest: str, registry: Registry, name: str, where: str) -> None:
    try:
        registry.manifest(digest)
    except InputsGoneError as error:
        error.hint = f"reprun images push {name} {where.rstrip('/')}/{name}"
        raise


def _refuse_what_cannot_travel(cell: Cell, confined: Confinement) -> None:
    for snapshot in cell.snapshots.values():
        if snapshot.kind == "cvmfs":
            raise SpecificationError(
                f"the conditions '{snapshot.name}' are revision {snapshot.revision} of "
                f"{snapshot.mount}, and a cluster mounts whatever revision is there on the day"
            )
        if snapshot.files and (named := _mount_in_code(cell, snapshot)):
            raise SpecificationError(
                f"{named} names {snapshot.mount}, where the conditions '{snapshot.name}' are "
                "mounted here; a REANA job sees nothing but its image and the workspace",
                place=str(cell.selection.directory / named),
                hint=f'config["{conditions_entry(snapshot.name)}"]   # where they are, on both',
            )
    found = lint_snakefile(
        cell.selection.directory / cell.selection.snakefile,
        known=cell.lock.code,
        data=cell.data_paths,
        config=cell.plan.config,
        targets=cell.plan.targets,
        catalogue=cell.catalogue,
        confined=confined,
    )
    refuse(found, cell.selection)


def _mount_in_code(cell: Cell, snapshot: Snapshot) -> str | None:
    """Return a file of the code that would look for a snapshot where no cluster has it.

    A default for the entry itself does no harm: the exported parameters win over it.
    """
    default = f"{conditions_entry(snapshot.name)}:"
    for path in cell.lock.code:
        text = text_of(cell.selection.directory / path, limits.TEXT_BYTES, "replace")
        lines = (line for line in text.splitlines() if not line.startswith(default))
        if any(snapshot.mount in line for line in lines):
            return path
    return None


def _conditions(cell: Cell, store: Store, progress: Progress) -> Iterator[data.ResolvedFile]:
    """Yield the files of the snapshots, verified, where they lie in the exported workspace."""
    for directory, snapshot in cell.snapshots.items():
        if snapshot.files:
            for file in data.resolve(snapshot.dataset(), directory, store, progress):
                yield replace(file, path=f"{CONDITIONS}/{snapshot.name}/{file.path}")


def refuse(findings: Sequence[Finding], selection: Selection) -> None:
    """Raise SpecificationError that lists the errors among lint's findings."""
    errors = [one for one in findings if one.level == "error"]
    if errors:
        listed = "".join(f"\n    {one.place}: {one.sentence}" for one in errors)
        raise SpecificationError(
            f"it would not run on REANA:{listed}",
            place=errors[0].place,
            hint=f"{selection.command('lint')}   # says what to write instead",
        )


def _refuse_images_by_name(steps: Iterable[PlannedStep], cell: Cell) -> None:
    for step in steps:
        name = (step.container or "").removeprefix("docker://")
        if "@sha256:" not in name or "/" not in name:
            raise SpecificationError(
                f"rule {step.rule}: the image '{name}' has a name that only this project knows",
                place=str(cell.selection.directory / cell.selection.snakefile),
                hint='container: config["image"]   # export puts the registry\'s reference there',
            )
