"""What the shell completes: names of analyses, variants, images and words.

A completion that fails prints nothing: whoever typed half a command has not asked for an error.
"""

from __future__ import annotations

from contextlib import suppress

import typer

from reprun.errors import ReprunError


def analysis_names(incomplete: str) -> list[str]:
    """Return the analyses of the project we are in."""
    from reprun.documents.project import Project

    with suppress(ReprunError):
        project = Project.look_up()
        names = project.analysis_names() if project else []
        return [name for name in names if name.startswith(incomplete)]
    return []


def variant_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the variants of the analysis that was typed before."""
    from reprun.documents.analysis import load_analysis
    from reprun.documents.project import Project

    # An option without its value yet is an error of parsing: what stands before is in `args` then.
    typed = context.params.get("analysis") or next(iter(context.args), None)
    analysis = typed[0] if isinstance(typed, (list, tuple)) else typed
    with suppress(ReprunError):
        project = Project.look_up()
        if project is not None and analysis is not None:
            variants = load_analysis(project.analysis_directory(analysis)).variants
            return [name for name in variants if name.startswith(incomplete)]
    return []


def glossary_words(incomplete: str) -> list[str]:
    """Return the words that can be explained."""
    from reprun.report.glossary import GLOSSARY

    return [one.word for one in GLOSSARY if one.word.startswith(incomplete)]


def image_names(incomplete: str) -> list[str]:
    """Return the images that can be named here."""
    from reprun.documents.project import Project
    from reprun.images.catalogue.catalogue import Catalogue

    with suppress(ReprunError):
        names = Catalogue.of(Project.look_up()).names()
        return [name for name in names if name.startswith(incomplete)]
    return []
