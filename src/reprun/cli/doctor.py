"""The command that looks at this host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import image_names
from reprun.cli.options import FormatOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.engines.choose import Checked
    from reprun.errors import EngineError
    from reprun.images.doctor import Finding


def doctor(
    image: Annotated[
        str | None,
        typer.Option(
            help="Also check what this image needs of the host.", autocompletion=image_names
        ),
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Check this host: engines, store, what an image needs.

    The exit code is 0 if an engine works and nothing that the image needs is missing, else 3.
    """
    import shutil

    from reprun.cli.images_output import catalogue_here
    from reprun.cli.output import answer
    from reprun.engines.choose import check_engines
    from reprun.images.doctor import Level, examine
    from reprun.store.store import Store

    store = Store.default()
    engines = list(check_engines(store))
    findings = examine(image, catalogue_here(), store) if image is not None else []
    works = any(engine.status for engine in engines) and not any(
        finding.level is Level.PROBLEM for finding in findings
    )
    free = shutil.disk_usage(store.directory("incoming")).free
    facts = {
        "works": works,
        "engines": [_engine_facts(engine) for engine in engines],
        "store": {"path": str(store.root), "free": free},
        "image": image,
        "findings": [
            {"level": one.level, "what": one.what, "remedy": one.remedy or None} for one in findings
        ],
    }
    answer("host", output_format, facts, _text(facts, image, findings))
    raise typer.Exit(0 if works else 3)


def _engine_facts(engine: Checked) -> dict[str, Any]:
    status, error = engine.status, engine.error
    return {
        "name": engine.name,
        "works": status is not None,
        "version": status.version if status else None,
        "unenforced": list(status.unenforced) if status else [],
        "message": error.message if error else None,
        "hint": _remedy(error) if error else None,
    }


def _remedy(error: EngineError) -> str | None:
    """Return what to type next: not this very command."""
    return None if error.hint is None or error.hint.startswith("reprun doctor") else error.hint


def _text(
    facts: dict[str, Any], image: str | None, findings: Sequence[Finding]
) -> Iterator[RenderableType]:
    from reprun.images.doctor import Level
    from reprun.report.grid import indented, styled
    from reprun.wording import size_of

    for engine in facts["engines"]:
        if not engine["works"]:
            yield indented(engine["message"], (f"✗ {engine['name']}: ", "red"))
            if engine["hint"]:
                yield styled((f"    try: {engine['hint']}", "dim"), wrap=False)
            continue
        yield styled((f"✓ {engine['name']} ", "green"), engine["version"])
        for what in engine["unenforced"]:
            yield indented(styled((what, "yellow")), ("    cannot set: ", "yellow"))
    yield styled(f"store: {facts['store']['path']}, {size_of(facts['store']['free'])} free")
    if image is not None:
        marks = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow")}
        yield styled((f"image {image}:", "bold"))
        for finding in findings:
            mark, colour = marks.get(finding.level, ("✗", "red"))
            yield indented(finding.what, (f"{mark} ", colour))
            if finding.remedy:
                yield styled((f"    try: {finding.remedy}", "dim"), wrap=False)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(doctor)
