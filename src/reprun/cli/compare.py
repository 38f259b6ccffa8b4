"""The command that compares two files, with no analysis around them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from reprun.cli.options import (
    JsonFileOption,
    JunitFileOption,
    MarkdownFileOption,
    ReportFormatOption,
)
from reprun.errors import SpecificationError


def compare(
    monitored: Annotated[
        Path,
        typer.Argument(help="A file: ROOT, YODA, HEPData, UHI (JSON, zip, HDF5), JSON or CSV."),
    ],
    reference: Annotated[Path, typer.Argument(help="The file it is compared with.")],
    kind: Annotated[
        Literal["count", "float", "sampled"] | None,
        typer.Option(help="For every object: exact, within a tolerance, or independent samples."),
    ] = None,
    relative: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="Relative tolerance for every object.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Chance of a false alarm in the whole file. Default: 0.01.")
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE,…", help="A rule, e.g. match=m4l*,kind=sampled,tests=shape+ks."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="YAML file with rules: the compare list of analysis.yaml.")
    ] = None,
    match: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Compare only objects of this name.")
    ] = None,
    name_map: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OLD=NEW", help="The reference's OLD is called NEW here."),
    ] = None,
    same_events: Annotated[
        bool,
        typer.Option("--same-events", help="Both hold the same events: statistics excuse nothing."),
    ] = False,
    calibrate: Annotated[
        int | None,
        typer.Option(min=20, metavar="N", help="Do not compare: run N toys through the checks."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write an HTML report here.")] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write PNG and PDF of what differs there."),
    ] = None,
    json_file: JsonFileOption = None,
    junit_file: JunitFileOption = None,
    markdown_file: MarkdownFileOption = None,
    output_format: ReportFormatOption = "text",
) -> None:
    """Compare two files of histograms, tables or trees.

    No analysis is needed around them.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer, shown_path
    from reprun.cli.run_output import report_text
    from reprun.compare.rules import one_rule, parse_maps, parse_rule, read_rules
    from reprun.report import render_junit, render_markdown
    from reprun.runs.compare_files import Files, compare_files, in_sandbox
    from reprun.store.store import Store

    rules = [parse_rule(text) for text in rule or []]
    rules += read_rules(policy) if policy else []
    rules += one_rule(kind, relative=relative, alpha=alpha)
    files = Files(monitored, reference, rules, match or [], parse_maps(name_map or []), same_events)
    reading = in_sandbox(Store.default(), progress_on_stderr().say)
    if calibrate is not None:
        from reprun.report.calibration import calibration_lines
        from reprun.runs.calibrate_files import calibrate_files

        if output_format not in ("text", "json"):
            raise SpecificationError("a calibration is printed as text or json")
        found = calibrate_files(files, calibrate, reading)
        answer("calibration", output_format, dataclasses.asdict(found), calibration_lines(found))
        return
    report = compare_files(
        files,
        reading,
        html=html,
        plots=plots,
        draw=output_format == "json" or json_file is not None,
    )
    answer(
        "comparison",
        output_format,
        report,
        report_text(report, written=[("plots", shown_path(plots))] if plots else []),
        documents={
            "junit": lambda: render_junit(report),
            "markdown": lambda: render_markdown(report),
        },
        files={"json": json_file, "junit": junit_file, "markdown": markdown_file},
    )
    raise typer.Exit(0 if report.reproduced else 1)


def add_commands(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(compare)
