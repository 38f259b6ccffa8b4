"""The command that writes a pipeline for a service that runs every night."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reprun.cli.options import FormatOption
from reprun.wording import quoted

if TYPE_CHECKING:
    from reprun.authoring.ci import Pipeline

app = typer.Typer(
    name="ci",
    help="The pipeline that runs the project every night.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _group() -> None:
    """Keep `init` a command of the group, alone in it as it is."""


@app.command()
def init(
    system: Annotated[
        Literal["github", "gitlab"], typer.Argument(metavar="github|gitlab", help="Whose CI.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Another file, below the repository; GitLab then has to include it.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the file.")] = False,
    output_format: FormatOption = "text",
) -> None:
    """Write a pipeline that runs the matrix every night.

    It keeps the store's downloads and the history from night to night, and publishes the pages and
    JUnit XML. The exit code of the matrix ends its job.
    """
    from reprun.authoring.ci import pipeline, repository_of, write_pipeline
    from reprun.cli.output import answer
    from reprun.documents.project import Project

    project = Project.find().root.resolve()
    made = pipeline(system, project, repository_of(project), output)
    if not dry_run:
        write_pipeline(made, force=force)
    following = _next(made)
    facts = {
        "repository": str(made.repository),
        "file": made.path,
        "dry_run": dry_run,
        "text": made.text,
        "include": made.include,
        "next": following,
    }
    text = made.text.splitlines() if dry_run else _told(made, following)
    answer("pipeline", output_format, facts, text)


def _told(made: Pipeline, following: list[str]) -> list[str]:
    from reprun.cli.output import shown_path

    lines = [f"{shown_path(made.repository / made.path)}: the pipeline of the project"]
    if made.include is not None:
        lines.append(f"      in .gitlab-ci.yml: {made.include}")
    return [*lines, *(f"{'' if n else 'next:':6}{line}" for n, line in enumerate(following))]


def _next(made: Pipeline) -> list[str]:
    enter = f"git -C {quoted(made.repository)}"
    return [f"{enter} add {quoted(made.path)}", f"{enter} commit"]
