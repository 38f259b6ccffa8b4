"""What of an analysis would not work on another machine, on REANA or in Snakemake 7.32.

Each finding names file and line and says what to write instead. Facts about REANA 0.9: jobs run
`bash -c` as uid 1000 and gid 0 in the rule's image, with only what was uploaded; the engine is
Snakemake 7.32.4, knows `shell:` alone and sets no limit from `mem_mb` (docs/portable.md).
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reprun.authoring.ignored import ignored_files
from reprun.documents.analysis import DOCUMENT
from reprun.documents.reading import edit_command, read_document
from reprun.documents.selection import Selection
from reprun.engines.confinement import Confinement
from reprun.errors import MissingFilesError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.runs.cell import Cell, load_planned_cell
from reprun.runs.request import RunRequest
from reprun.wording import quoted
from reprun.workflow.planned import PlannedStep, refusal
from reprun.workflow.planning import plan_steps
from reprun.workflow.snakefiles import RuleText, SnakefileText, read_snakefile, read_text

Level = Literal["error", "warning"]

NOT_SHELL = ("script", "run", "notebook", "wrapper", "cwl", "template_engine")
NOT_PORTABLE: Mapping[str, str] = {
    "benchmark": "REANA writes no benchmark file, so Snakemake misses it and the step fails; "
    "remove it, reprun's record holds time and memory of every step",
    "conda": "it is ignored on REANA and here; add what the step needs to its image",
    "envmodules": "it is ignored on REANA and here; add what the step needs to its image",
    "shadow": "REANA has no shadow directories; a job's scratch space is /tmp in its container",
    "group": "each job has a container of its own; remove it",
    "handover": "each job has a container of its own; remove it",
}
NEWER = ("storage", "exists", "lookup", "branch", "update", "before_update")
"""Words of Snakefiles that came after Snakemake 7.32."""

_NEWER = re.compile(rf"(?<![\w.\"'])({'|'.join(NEWER)})\s*(?:\(|:)")
_STREAM = re.compile(r"(?<![\w.])(pipe|service)\s*\(")
_LITERAL = re.compile(r"""^\s*(["'])(?P<value>[^"']+)\1\s*,?\s*(?:#.*)?$""")
_FUNCTION = re.compile(r"^[ \t]*def[ \t]+(\w+)[ \t]*\(", re.MULTILINE)
_NAMED = re.compile(r"(?<![\w.])(\w+)\s*=\s*(\w+)\b(?!\s*[(.\[])")
_WORD = re.compile(r"[\w@%+=:.,/~-]+")
_PLACES = ("/tmp", "/dev", "/proc", "/cvmfs", "/usr", "/bin", "/opt", "/etc", "/sys", "/code")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or will be, where it stands, and what to do about it."""

    level: Level
    file: Path
    line: int
    sentence: str
    remedy: str
    rule: str | None = None

    @property
    def place(self) -> str:
        """`file:line`, which editors and CI systems understand."""
        return f"{self.file}:{self.line}"


def lint_analysis(selection: Selection, confined: Confinement) -> list[Finding]:
    """Return what is wrong with an analysis in one of its variants, errors first, by line."""
    cell = load_planned_cell(RunRequest(selection))
    snakefile = cell.selection.directory / cell.selection.snakefile
    found = list(_of_the_document(cell))
    found += lint_snakefile(
        snakefile,
        known=cell.lock.code,
        data=cell.data_paths,
        config=cell.plan.config,
        targets=cell.plan.targets,
        catalogue=cell.catalogue,
        confined=confined,
    )
    found += (
        Finding(
            "error",
            one.path,
            1,
            f"Git ignores it, by '{one.pattern}' in {one.where}: no clone has it",
            f"git add --force {quoted(one.path)}",
        )
        for one in ignored_files(cell.selection, list(cell.lock.code))
    )
    return in_order(found)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with errors first, then by file and line, each once."""
    unique = dict.fromkeys(findings)
    return sorted(unique, key=lambda one: (one.level != "error", str(one.file), one.line))


def finding_document(finding: Finding) -> Mapping[str, str | int | None]:
    """Return a finding as JSON has it."""
    return {
        "level": finding.level,
        "file": str(finding.file),
        "line": finding.line,
        "rule": finding.rule,
        "sentence": finding.sentence,
        "remedy": finding.remedy,
    }


def lint_snakefile(
    snakefile: Path,
    *,
    known: Iterable[str],
    data: Iterable[str],
    config: Mapping[str, Any],
    targets: Iterable[str],
    catalogue: Catalogue | None,
    confined: Confinement,
    directory: Path | None = None,
) -> list[Finding]:
    """Return what is wrong with a Snakefile and all it includes.

    `known` are the files of `directory` (the Snakefile's own) that travel with it, `data` its
    data files. With a catalogue an image must be one of its; without, any image by digest will
    do.
    """
    text = read_snakefile(snakefile, directory or snakefile.parent)
    found = list(_of_the_text(text, catalogue))
    try:
        base = directory or snakefile.parent
        name = snakefile.relative_to(base).as_posix()
        steps = plan_steps(base, name, known, data, config, targets, confined).steps
    except MissingFilesError as error:
        rule = text.rule(error.needed_by.removeprefix("rule "))
        wrong = Finding(
            "error",
            rule.file if rule else snakefile,
            rule.line if rule else 1,
            error.message,
            f"a rule that makes it, or its name in {DOCUMENT}: among code, or in the manifest that "
            "`reprun data add` writes",
        )
        return [*found, wrong]
    except SpecificationError as error:
        # At a line of the Snakefile or of a file that it includes, where one is known.
        file, _, line = (error.place or "").rpartition(":")
        where, at = (Path(file), int(line)) if file and line.isdigit() else (snakefile, None)
        wrong = Finding("error", where, at or 1, error.message, edit_command(where, at))
        return [*found, wrong]
    refused = {one.rule for one in found if one.level == "error"}
    for step in steps:
        found += _of_a_step(step, text, snakefile, refused)
    found += _undeclared(steps, text, snakefile, {*known, *data})
    if catalogue is not None:
        found += _images(steps, text, snakefile, catalogue)
    return found


def _of_the_document(cell: Cell) -> Iterator[Finding]:
    """Yield what analysis.yaml leaves open."""
    path = cell.selection.directory / DOCUMENT
    _, lines = read_document(path)
    today = dt.datetime.now(dt.UTC).date()
    for number, rule in enumerate(cell.selection.analysis.compare):
        line = lines.get(("compare", number), 1)
        if rule.expires is not None and rule.expires < today:
            yield Finding(
                "error",
                path,
                line,
                f"the exception for '{rule.match}' expired on {rule.expires}",
                "remove it, or give a new date and say why in `reason`",
            )
    named = [dataset.doi or dataset.record for dataset in cell.selection.analysis.datasets.values()]
    if not cell.selection.analysis.citations and not any(named):
        yield Finding(
            "warning",
            path,
            lines.get(("citations",), 1),
            "it names nothing to cite",
            "citations: [{title: …, doi: …}]",
        )
    for name, dataset in cell.selection.analysis.datasets.items():
        if dataset.licence is None:
            yield Finding(
                "warning",
                path,
                lines.get(("datasets", name), 1),
                f"the dataset {name} has no licence, so it may not be redistributed",
                "licence: CC0-1.0   # as its record says",
            )
    selection = cell.selection
    if not selection.reference.is_dir():
        yield Finding(
            "error",
            path,
            lines.get(("reference",), 1),
            "there is no reference, so no run can be evaluated",
            f'{selection.command("run")}; {selection.command("bless")} --reason "…"',
        )


def _of_the_text(text: SnakefileText, catalogue: Catalogue | None) -> Iterator[Finding]:
    for rule in text.rules:
        yield from _of_a_rule(rule, catalogue)
    for file, number, line in text.lines():
        if found := _NEWER.search(line):
            yield Finding(
                "error",
                file,
                number,
                f"`{found[1]}` is newer than Snakemake 7.32, which REANA runs",
                "write its meaning in plain Python",
            )
        if found := _STREAM.search(line):
            yield Finding(
                "error",
                file,
                number,
                f"{found[1]}() connects two running jobs, and each has a container of its own",
                "write a file, mark it temp() if it is large",
            )


def _of_a_rule(rule: RuleText, catalogue: Catalogue | None) -> Iterator[Finding]:
    def finding(level: Level, directive: str, sentence: str, remedy: str) -> Finding:
        line = rule.line_of(directive)
        return Finding(level, rule.file, line, f"rule {rule.name}: {sentence}", remedy, rule.name)

    has = rule.directives
    for form in NOT_SHELL:
        if form in has:
            yield finding(
                "error",
                form,
                f"`{form}:` does not run in the rule's container, nor on REANA",
                f'shell: "python3 code/{rule.name}.py {{input}} {{output}}"',
            )
    for form, why in NOT_PORTABLE.items():
        if form in has:
            level: Level = "error" if form in ("benchmark", "shadow", "group") else "warning"
            yield finding(level, form, f"`{form}:` is not portable: {why}", f"remove `{form}:`")
    runs = "shell" in has or any(form in has for form in NOT_SHELL)
    if runs and "container" not in has:
        yield finding(
            "error",
            "shell",
            "it has no `container:`, so it would run on the host, and on REANA in an image of "
            "the server's choice",
            'container: config["image"]',
        )
    if "container" in has and (literal := _LITERAL.match(has["container"].text)):
        yield from image_findings(
            literal["value"], finding("error", "container", "", ""), catalogue
        )
    for part, called in (("input", "inputs"), ("params", "params")):
        for name in _named_functions(rule, part):
            yield finding(
                "error",
                part,
                f"`{name}` among its {called} is a function, which reana-client cannot send",
                "the value itself, or rules made in a loop; an input function without a name",
            )
    resources = has.get("resources")
    if resources and "mem_mb" in resources.text and "kubernetes_memory_limit" not in resources.text:
        given = re.search(r"mem_mb\s*=\s*(\d+)", resources.text)
        limit = f"{given[1]}Mi" if given else "…Mi"
        yield finding(
            "warning",
            "resources",
            "`mem_mb` sets no limit on REANA, where the server's default holds",
            f'resources: mem_mb={given[1] if given else "…"}, kubernetes_memory_limit="{limit}"',
        )


def _named_functions(rule: RuleText, part: str) -> Iterator[str]:
    """Yield the names among a rule's inputs or parameters whose values are functions."""
    if part not in rule.directives:
        return
    defined = _FUNCTION.findall(read_text(rule.file))
    for name, value in _NAMED.findall(rule.directives[part].text):
        if value == "lambda" or value in defined:
            yield name


def image_findings(image: str, place: Finding, catalogue: Catalogue | None) -> Iterator[Finding]:
    """Yield what is wrong with how an image is named."""
    name = image.removeprefix("docker://")
    if "@sha256:" in name:
        return
    if catalogue is not None and name in catalogue.names():
        return
    tag = name.rpartition("/")[2].partition(":")[2]
    how = f"the tag `{tag}`, which may move" if tag else "neither tag nor digest"
    yield replace(
        place,
        sentence=f"rule {place.rule}: the image {name} has {how}: what ran cannot be known later",
        remedy='container: "name@sha256:…", or a catalogue entry and config["image"]',
    )


def _of_a_step(
    step: PlannedStep, text: SnakefileText, snakefile: Path, refused: set[str | None]
) -> Iterator[Finding]:
    """Yield what only the planned job shows: paths, and what this reader did not see."""
    rule = text.rule(step.rule)
    for directive, paths in (("input", step.inputs), ("output", step.outputs), ("log", step.logs)):
        for path in paths:
            if path.startswith("/") or ".." in Path(path).parts:
                yield Finding(
                    "error",
                    rule.file if rule else snakefile,
                    rule.line_of(directive) if rule else 1,
                    f"rule {step.rule}: '{path}' leads out of the workspace",
                    "a path relative to the Snakefile's directory",
                    step.rule,
                )
    fault = refusal(step)
    if fault and step.rule not in refused:
        yield Finding(
            "error",
            rule.file if rule else snakefile,
            rule.line if rule else 1,
            fault,
            "see the sentence",
            step.rule,
        )


def _undeclared(
    steps: Iterable[PlannedStep], text: SnakefileText, snakefile: Path, known: set[str]
) -> Iterator[Finding]:
    """Yield files that a command names and its rule does not declare.

    A file of the analysis that is not declared is not mounted read-only and its change triggers
    nothing; a path that several rules name and none declares is state handed on in the dark.
    """
    stray: dict[str, dict[str, None]] = defaultdict(dict)
    directories = {parent for path in known for parent in map(str, Path(path).parents)} - {"."}
    for step in steps:
        rule = text.rule(step.rule)
        declared = {*step.inputs, *step.outputs, *step.logs}
        above = {str(parent) for path in declared for parent in Path(path).parents}
        for word in dict.fromkeys(_paths(step.command)):
            held = any(word.startswith(f"{path}/") for path in declared)
            if word in declared or word in above or held:
                continue
            if word in known:
                yield Finding(
                    "warning",
                    rule.file if rule else snakefile,
                    rule.line_of("shell") if rule else 1,
                    f"rule {step.rule}: its command reads {word}, which it does not declare",
                    f'input: "{word}"',
                    step.rule,
                )
            elif word not in directories:
                stray[word].setdefault(step.rule)
    for word, rules in stray.items():
        if len(rules) < 2:
            continue
        first, second, *_ = rules
        rule = text.rule(second)
        yield Finding(
            "error",
            rule.file if rule else snakefile,
            rule.line_of("shell") if rule else 1,
            f"rule {second}: it uses '{word}', as rule {first} does, and neither declares it: "
            "nothing keeps them in order, and a cluster may give each a directory of its own",
            f'output: directory("{word}") in rule {first}, input: "{word}" in rule {second}',
            second,
        )


def _paths(command: str) -> Iterator[str]:
    """Yield the words of a command that look like paths in the workspace or beside it."""
    for word in _WORD.findall(command):
        path = word.rpartition("=")[2].rstrip(".,:").removeprefix("./").rstrip("/")
        if "/" not in path or "://" in word or "@" in path or path.startswith(_PLACES):
            continue
        if path.startswith(("-", "~", "//")) or ".." in Path(path).parts:
            continue
        yield path


def _images(
    steps: Iterable[PlannedStep], text: SnakefileText, snakefile: Path, catalogue: Catalogue
) -> Iterator[Finding]:
    """Yield the images that a cluster could not pull."""
    seen: set[str] = set()
    for step in steps:
        name = (step.container or "").removeprefix("docker://").partition("@")[0]
        if not name or name in seen or name not in catalogue.names():
            continue
        seen.add(name)
        rule = text.rule(step.rule)
        place = (rule.file if rule else snakefile, rule.line_of("container") if rule else 1)
        if catalogue.is_external(name):
            if not catalogue.external(name).lock_place.is_file():
                yield Finding(
                    "warning",
                    *place,
                    f"rule {step.rule}: the image {name} is external and no digest is known for "
                    "it yet",
                    f"reprun images pin {name}",
                    step.rule,
                )
        elif not catalogue.lock(name).published:
            yield Finding(
                "warning",
                *place,
                f"rule {step.rule}: the image {name} is on this machine only; a cluster cannot "
                "pull it",
                f"reprun images push {name} REGISTRY/NAME",
                step.rule,
            )
