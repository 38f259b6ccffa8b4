"""The part of a verdict that reads files of others: a program, for a sandbox.

It is given the outputs of a run, the reference and a question, and answers with a report on what
it has compared. A decoder that a damaged or hostile file leads astray can reach nothing here.
What else a report says of a run is added outside, by `judge`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reprun.compare import Comparison, compare, first_look
from reprun.compare.drift import FirstDrift, first_drift
from reprun.compare.select import idle_maps, renamed
from reprun.histograms import Objects, Table, is_value
from reprun.histograms.files import file_of
from reprun.report import Context, build_report, in_context, table_to_show, values_to_show
from reprun.report.model import Report
from reprun.runs.candidate import hashes_of
from reprun.runs.outputs import read_outputs
from reprun.runs.question import Evaluation, Findings, Question, respond
from reprun.runs.reference import load_reference


def evaluate(question: Question, outputs: Path, reference: Path | None) -> Findings:
    """Compare the outputs of a run with a reference, or show them where there is none yet.

    Raises OutputMissingError for a file of either that is missing or unreadable, and
    NothingToCompareError when there is nothing to compare.
    """
    files = [outputs / path for path in question.outputs]
    documents = [outputs / path for path in question.documents]
    monitored = read_outputs(outputs, question.outputs, question.trees, question.documents)
    idle: list[str] = []
    if reference is None:
        comparison = first_look(monitored, question.rules, question.today)
    else:
        blessed, maps = load_reference(reference), tuple(question.map.items())
        idle = idle_maps(blessed, maps)
        comparison = compare(
            monitored,
            renamed(blessed, maps),
            question.rules,
            question.today,
            shared_events=question.shared_events,
        )
    report = build_report(
        comparison,
        question.analysis,
        first_drift=None
        if reference is None
        else _first_drift(question, files, documents, outputs, comparison),
        tables=[
            *(
                table_to_show(found)
                for found in monitored.values()
                if isinstance(found, Table) and not is_value(found)
            ),
            *values_to_show(monitored),
        ],
        remark=question.remark,
    )
    report = in_context(report, Context(notes=tuple(idle)))
    return Findings(report=report, objects=_hashes(report, monitored))


def _hashes(report: Report, monitored: Objects) -> dict[str, str | None]:
    """Return the content hash of each object: that of the report, where it has one."""
    known = {item.name: item.monitored_hash for item in report.items if item.monitored_hash}
    rest = hashes_of(monitored.only([name for name in monitored.names if name not in known]))
    return {name: known.get(name) or rest[name] for name in monitored.names}


def _first_drift(
    question: Question,
    files: list[Path],
    documents: list[Path],
    outputs: Path,
    comparison: Comparison,
) -> FirstDrift | None:
    """Return where the drift begins, by the files of what failed and the steps that made them."""
    passes: dict[str, bool] = {}
    for item in comparison.items:
        path = file_of(item.name, files, outputs, documents=documents)
        if path is not None:
            name = path.relative_to(outputs).as_posix()
            passes[name] = item.verdict.passes and passes.get(name, True)
    return first_drift(question.steps, passes)


def main(control: Path, outputs: Path, reference: Path | None = None) -> None:
    """Answer the question in a directory."""

    def find(question: Question) -> Evaluation:
        return Evaluation(found=evaluate(question, outputs, reference))

    respond(control, Question, Evaluation, find)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
