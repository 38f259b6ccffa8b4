"""What of a REANA project would not work on REANA, or not be the same next year."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reprun.authoring.lint import Finding, image_findings, in_order, lint_snakefile
from reprun.engines.confinement import Confinement
from reprun.errors import SpecificationError
from reprun.reana.local.gherkin import read_feature
from reprun.reana.local.parameters import INPUT, expanded, parameters_for
from reprun.reana.local.sentences import check_of
from reprun.reana.local.specification import ReanaProject, read_project
from reprun.reana.local.staging import declared_files
from reprun.reana.local.workflows import PLANNED_BYTES, plan_project
from reprun.workflow.snakefiles import read_snakefile

_CONFIGFILE = re.compile(r"""^\s*configfile\s*:\s*["'](?P<path>[^"']+)["']""")
MOST_FILES = 5000
_WORD = re.compile(r"[\w@%+:./-]+")


def lint_project(path: Path, confined: Confinement) -> list[Finding]:
    """Return what is wrong with a project, errors first.

    Raises SpecificationError where reana.yaml itself cannot be read.
    """
    project = read_project(path)
    inputs = declared_files(project)
    declared = inputs.files
    found = [*_of_the_tests(project)]
    if inputs.note:
        line = project.line("inputs", "directories")
        found.append(Finding("warning", project.path, line, inputs.note, "name it under files"))
    if not project.specification.outputs.files and not project.specification.outputs.directories:
        found.append(
            Finding(
                "warning",
                project.path,
                1,
                "it declares no output, so nothing is kept or checked",
                "outputs: {files: [results/plot.png]}",
            )
        )
    found += (
        _of_serial(project, declared)
        if project.type == "serial"
        else _of_snakemake(project, declared, confined)
    )
    return in_order(found)


def _of_the_tests(project: ReanaProject) -> Iterator[Finding]:
    for number, name in enumerate(project.specification.tests.files):
        path = project.directory / name
        if not path.is_file():
            line = project.line("tests", "files", number)
            yield Finding(
                "error", project.path, line, f"the test {name} does not exist", "remove it"
            )
            continue
        try:
            feature = read_feature(path)
        except SpecificationError as error:
            line = int((error.place or ":1").rpartition(":")[2])
            yield Finding("error", path, line, error.message, "see the sentence")
            continue
        for scenario in feature.scenarios:
            for step in scenario.steps:
                if step.table or check_of(step.kind, step.text) is None:
                    yield Finding(
                        "error",
                        path,
                        step.line,
                        f"scenario '{scenario.name}': REANA knows no `{step.text}`, and refuses "
                        "the whole file for it",
                        "one of the sentences of docs.reana.io",
                    )


def _undeclared(path: Path, line: int, who: str, name: str, rule: str | None = None) -> Finding:
    return Finding(
        "error",
        path,
        line,
        f"{who} needs {name}, which reana.yaml does not name as input, so it is not uploaded",
        f"inputs: {{files: [{name}]}}",
        rule,
    )


def _of_serial(project: ReanaProject, declared: Sequence[str]) -> Iterator[Finding]:
    specification = project.specification.workflow.specification
    assert specification is not None
    parameters = parameters_for(project, {})
    there = _files_of(project.directory)
    for number, step in enumerate(specification.steps):
        at = ("workflow", "specification", "steps", number)
        who = f"step {step.name or number}"
        place = Finding("error", project.path, project.line(*at, "environment"), "", "", who)
        for one in image_findings(step.environment, place, None):
            yield replace(
                one,
                sentence=one.sentence.replace(f"rule {who}", who),
                remedy="environment: name@sha256:…",
            )
        for index, command in enumerate(step.commands):
            line = project.line(*at, "commands", index)
            try:
                text = expanded(command, parameters, "")
            except SpecificationError as error:
                yield Finding("error", project.path, line, error.message, "see the sentence")
                continue
            for word in _words(text):
                if word in there and word not in declared:
                    yield _undeclared(project.path, line, who, word)


def _of_snakemake(
    project: ReanaProject, declared: Sequence[str], confined: Confinement
) -> Iterator[Finding]:
    snakefile = project.directory / project.workflow_file
    text = read_snakefile(snakefile, project.directory)
    parameters = parameters_for(project, {})
    there = sorted({*_files_of(project.directory), *declared})
    yield from lint_snakefile(
        snakefile,
        known=[name for name in there if _size(project, name) <= PLANNED_BYTES],
        data=[name for name in there if _size(project, name) > PLANNED_BYTES],
        config=parameters,
        targets=(),
        catalogue=None,
        confined=confined,
        directory=project.directory,
    )
    for file in (*text.files, *text.outside):
        name = Path(os.path.relpath(file, project.directory)).as_posix()
        if name not in declared:
            line = project.line("workflow", "file")
            yield _undeclared(project.path, line, "the workflow", name)
    for file, number, said in text.lines():
        named = _CONFIGFILE.match(said)
        if named and named["path"] not in declared:
            yield _undeclared(file, number, "the Snakefile", named["path"])
    named_input = project.specification.inputs.parameters.get(INPUT)
    if isinstance(named_input, str) and named_input not in declared:
        line = project.line("inputs", "parameters", INPUT)
        yield _undeclared(project.path, line, "the workflow", named_input)
    yield from _of_the_jobs(project, declared, there, parameters, confined)


def _of_the_jobs(
    project: ReanaProject,
    declared: Sequence[str],
    there: Sequence[str],
    parameters: Any,
    confined: Confinement,
) -> Iterator[Finding]:
    snakefile = project.directory / project.workflow_file
    text = read_snakefile(snakefile, project.directory)
    try:
        steps = plan_project(project, project.directory, there, parameters, confined)
    except SpecificationError:
        return  # a finding of lint_snakefile already
    made = {output for step in steps for output in step.outputs}
    for step in steps:
        rule = text.rule(step.rule)
        wanted = dict.fromkeys(_words(step.command), "shell")
        wanted |= dict.fromkeys(step.inputs, "input")
        for name, directive in wanted.items():
            if name in there and name not in declared and name not in made:
                file, line = (rule.file, rule.line_of(directive)) if rule else (snakefile, 1)
                yield _undeclared(file, line, f"rule {step.rule}", name, step.rule)


def _words(command: str) -> list[str]:
    """Return the words of a command that may be files of the project."""
    return list(dict.fromkeys(word.removeprefix("./") for word in _WORD.findall(command)))


def _size(project: ReanaProject, name: str) -> int:
    return (project.directory / name).stat().st_size


def _files_of(directory: Path) -> list[str]:
    """Return the files of the project, hidden ones and results of runs left out."""
    found: list[str] = []
    for place, below, names in os.walk(directory):
        relative = Path(place).relative_to(directory)
        below[:] = sorted(n for n in below if not n.startswith(".") and n != "__pycache__")
        if relative == Path():
            below[:] = [name for name in below if name != "results"]
        found += [(relative / name).as_posix() for name in sorted(names)]
        if len(found) > MOST_FILES:
            raise SpecificationError(
                f"more than {MOST_FILES} files; is this the directory of the project?",
                place=str(directory),
            )
    return found
