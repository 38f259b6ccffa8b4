"""What the shell completes: names of analyses, variants, images and words.

A completion that fails prints nothing: whoever typed half a command has not asked for an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import typer

from reprun.errors import ReprunError

if TYPE_CHECKING:
    from reprun.documents.analysis import Analysis


def analysis_names(incomplete: str) -> list[str]:
    """Return the analyses of the project we are in."""
    from reprun.documents.project import Project

    with suppress(ReprunError):
        project = Project.look_up()
        names = project.analysis_names() if project else []
        return _beginning(names, incomplete)
    return []


def variant_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the variants of the analysis that was typed before."""
    analysis = _analysis(context)
    return _beginning(analysis.variants if analysis else (), incomplete)


def dataset_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the datasets of the analysis that was typed before."""
    analysis = _analysis(context)
    return _beginning(analysis.datasets if analysis else (), incomplete)


def _analysis(context: typer.Context) -> Analysis | None:
    """Return the analysis that was typed before; None where it is none that can be read."""
    from reprun.documents.analysis import load_analysis
    from reprun.documents.project import Project

    # An option without its value yet is an error of parsing: what stands before is in `args` then.
    typed = context.params.get("analysis") or next(iter(context.args), None)
    analysis = typed[0] if isinstance(typed, (list, tuple)) else typed
    with suppress(ReprunError):
        project = Project.look_up()
        if project is not None and analysis is not None:
            return load_analysis(project.analysis_directory(analysis))
    return None


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def step_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the steps of the last run of the analysis that was typed before."""
    from reprun.documents.analysis import tier_of
    from reprun.documents.project import Project
    from reprun.documents.record import read_record
    from reprun.documents.selection import select

    typed = context.params
    with suppress(ReprunError):
        selection = select(
            Project.find(),
            typed.get("analysis") or "",
            variant=typed.get("variant"),
            dataset=typed.get("dataset"),
            tier=tier_of(typed.get("max_events"), typed.get("fraction")),
            results=typed.get("results"),
        )
        record = read_record(selection.run_directory)
        return _beginning(
            dict.fromkeys(step.name for step in (record.steps if record else ())), incomplete
        )
    return []


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the runs of the history, of the analysis that was typed before; the latest first."""
    from reprun.documents.project import Project
    from reprun.history import rows
    from reprun.history.database import FILE, looked_into

    analysis = _analysis(context)
    with suppress(ReprunError):
        results = context.params.get("results") or Project.find().results
        with looked_into(results / FILE) as database:
            if database is None:
                return []
            cells = rows.cells(database, analysis.name if analysis else None)
            nights = [night for cell in cells for night in rows.nights(database, cell)]
        latest = sorted(nights, key=lambda night: night.at, reverse=True)
        return _beginning((night.name for night in latest), incomplete)
    return []


def snapshot_names(incomplete: str) -> list[str]:
    """Return the conditions snapshots of the project and of its analyses."""
    from reprun.conditions.snapshot import find_snapshots
    from reprun.documents.project import Project

    with suppress(ReprunError):
        project = Project.find()
        analyses = map(project.analysis_directory, project.analysis_names())
        return _beginning(find_snapshots(project.root, *analyses), incomplete)
    return []


def glossary_words(incomplete: str) -> list[str]:
    """Return the words that can be explained."""
    from reprun.report.glossary import GLOSSARY

    return _beginning((one.word for one in GLOSSARY), incomplete)


def image_names(incomplete: str) -> list[str]:
    """Return the images that can be named here."""
    from reprun.documents.project import Project
    from reprun.images.catalogue.catalogue import Catalogue

    with suppress(ReprunError):
        names = Catalogue.of(Project.look_up()).names()
        return _beginning(names, incomplete)
    return []
