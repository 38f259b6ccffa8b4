"""`reprun data …`: parse, one call, render."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reprun.cli.completion import analysis_names, dataset_names
from reprun.cli.options import AnalysisArgument, DryRunOption, FormatOption
from reprun.wording import count_of, listed, quoted, size_of

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reprun.documents.manifest import Dataset
    from reprun.documents.project import Project
    from reprun.store.collection import Verification
    from reprun.store.store import Store

app = typer.Typer(
    help="Datasets: list, fetch, verify, add, import-record, gc.",
    no_args_is_help=True,
)

Chosen = Annotated[
    str | None,
    typer.Option("--data", help="Dataset. Default: the analysis's.", autocompletion=dataset_names),
]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=64, help="Files at a time.")]
Files = Annotated[
    list[str] | None,
    typer.Option("--files", metavar="GLOB", help="Only files whose path or name matches."),
]
Licence = Annotated[str | None, typer.Option(help="Licence, as SPDX writes it.")]


@app.command("list")
def list_datasets(output_format: FormatOption = "text") -> None:
    """List the datasets of all analyses and what is here."""
    from reprun.cli.output import answer
    from reprun.data.local import datasets_of

    project, store = _project(), _store()
    rows = [
        {"analysis": analysis, "dataset": name}
        | _facts(dataset, project.analysis_directory(analysis), store)
        for analysis, name, dataset in datasets_of(project)
    ]
    answer("data-list", output_format, {"datasets": rows}, _list_text(rows))


@app.command()
def fetch(
    analysis: AnalysisArgument,
    data: Chosen = None,
    files: Files = None,
    online: Annotated[
        bool, typer.Option("--online", help="Leave out files that the portal has on tape.")
    ] = False,
    stage: Annotated[
        bool, typer.Option("--stage", help="Ask the portal to bring those files online.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the portal has done so.")
    ] = False,
    parallel: Parallel = 4,
    output_format: FormatOption = "text",
) -> None:
    """Fetch and verify a dataset, or some of its files.

    Files that are known by adler32 alone get their sha256.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.cli.output import answer
    from reprun.data import local
    from reprun.store import collection

    project, store = _project(), _store()
    collection.register(store, project.root)
    directory = project.analysis_directory(analysis)
    choice = local.Choice(tuple(files or ()), online=online, stage=stage, wait=wait)
    done = local.fetch(
        directory, data, store, progress_on_stderr(), parallel=parallel, choice=choice
    )
    facts = {
        "dataset": done.dataset,
        "files": done.files,
        "of": done.of,
        "on_tape": done.on_tape,
        "size": done.size,
        "pinned": done.pinned,
    }
    many = count_of(done.files, "file")
    if done.files != done.of:
        many = f"{done.files:,} of {count_of(done.of, 'file')}"
    text = [f"{done.dataset}: {many}, {size_of(done.size)}, verified"]
    if done.on_tape:
        text.append(f"{count_of(done.on_tape, 'file')} on tape at the portal, not fetched")
    if done.pinned:
        text.append(f"{done.pinned} sha256 added to the manifest; next: reprun lock {analysis}")
    answer("data-fetch", output_format, facts, text)


@app.command()
def verify(
    analysis: Annotated[
        str | None,
        typer.Argument(
            metavar="[ANALYSIS]",
            help="Without one: the whole store.",
            autocompletion=analysis_names,
        ),
    ] = None,
    data: Chosen = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Files hashed at a time. Default: one per core.")
    ] = None,
    output_format: FormatOption = "text",
) -> None:
    """Hash every byte of a dataset, or of the whole store.

    Corrupt files are moved to quarantine.
    """
    from reprun.cli.console import progress_on_stderr
    from reprun.data import local
    from reprun.documents.analysis import load_analysis
    from reprun.store import collection

    store, progress = _store(), progress_on_stderr()
    if analysis is None:
        what = "the store"
        found = collection.verify(store, collection.stored(store), progress, jobs=jobs)
    else:
        directory = _project().analysis_directory(analysis)
        name, dataset = local.chosen(load_analysis(directory), data)
        what = f"dataset {name}"
        found = local.verify(dataset, directory, store, progress, jobs=jobs)
    _answer_verification(found, what, output_format)
    local.refuse_corrupt(found, what)
    if found.absent:
        raise _absent(found, what, analysis)


@app.command()
def add(
    analysis: AnalysisArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the dataset is called.")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files of this machine.")],
    title: Annotated[str, typer.Option(help="One line on what it is.")],
    experiment: Annotated[str | None, typer.Option(help="CMS, ATLAS …")] = None,
    record: Annotated[str | None, typer.Option(help="Record on the portal.")] = None,
    doi: Annotated[str | None, typer.Option(help="DOI.")] = None,
    licence: Licence = None,
    publish: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URL",
            help="Where others get them: a directory to copy them to, or a URL that has them.",
        ),
    ] = None,
    link: Annotated[
        bool,
        typer.Option("--link", help="Make no copy: a hard link, and the files read-only."),
    ] = False,
    output_format: FormatOption = "text",
) -> None:
    """Put files into the store and describe them in a manifest.

    The manifest is `data/NAME.yaml` of the analysis.
    """
    from reprun.cli.console import print_note
    from reprun.data import local
    from reprun.store import collection

    project, store = _project(), _store()
    collection.register(store, project.root)
    directory = project.analysis_directory(analysis)
    about = {"experiment": experiment, "record": record, "doi": doi, "licence": licence}
    path = local.manifest_path(directory, name)
    if path.exists():
        raise _exists_already(path)
    dataset = local.add(files, title, store, about, linked=link, publish=publish)
    _write_manifest(dataset, path, name, f"data/{path.name}", output_format)
    if publish is None:
        print_note(
            "only this machine has these files; --publish DIR or URL says where others get them"
        )


@app.command("import-record")
def import_record(
    source: Annotated[
        str, typer.Argument(metavar="RECORD", help="Number on the portal, or a file of its JSON.")
    ],
    record: Annotated[
        int | None, typer.Option(help="Which one, where the file holds several.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Manifest to write (.yaml, .json). Default: print it.")
    ] = None,
    files: Files = None,
    online: Annotated[
        bool, typer.Option("--online", help="Only files that the portal does not have on tape.")
    ] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Accept a record that lists less than it states.")
    ] = False,
    licence: Licence = None,
    output_format: FormatOption = "text",
) -> None:
    """Turn a record of the CERN Open Data portal into a manifest.

    All files behind its file indexes are listed. A manifest of a part of them says so.
    """
    from reprun.cli.console import print_note
    from reprun.cli.output import answer
    from reprun.data import local, portal, records
    from reprun.documents.manifest import manifest_text

    number = records.int_of(source)
    if number is not None and record is not None:
        raise typer.BadParameter("--record is for a file that holds several records")
    found = (
        records.record_from_file(Path(source), record)
        if number is None
        else portal.record_from_portal(number)
    )
    if not partial and (error := records.incomplete(found)):
        raise error
    listed_files = local.matching(records.files_of(found), files or [], lambda file: file.uri)
    chosen = [file for file in listed_files if not (online and file.on_demand)]
    if listed_files and not chosen:
        raise _all_on_tape(len(listed_files), source)
    dataset = records.dataset_of(found, source, chosen)
    availability = records.availability_of(chosen)
    if different := records.disagreement(found):
        print_note(different)
    if availability[records.TAPE]:
        print_note(
            f"{availability[records.TAPE]:,} of {count_of(len(chosen), 'file')} are on tape: "
            "data fetch --stage asks the portal for them, --online leaves them out"
        )
    if licence is not None:
        dataset = dataset.model_copy(update={"licence": licence})
    if to is None:
        text = manifest_text(dataset, as_json=False).removesuffix("\n")
        answer("manifest", output_format, _manifest_facts(dataset, None, availability), [text])
    else:
        shown = _below_its_analysis(to)
        _write_manifest(dataset, to, to.stem, shown, output_format, availability)


@app.command()
def gc(
    dry_run: DryRunOption = False,
    output_format: FormatOption = "text",
) -> None:
    """Remove data that no lock, manifest or run needs.

    Of every project that used the store. What a running process uses is kept, and images are
    left alone.
    """
    from reprun.cli.output import answer
    from reprun.data.local import documents_of, projects_of, records_of
    from reprun.store import collection

    store = _store()
    used_by = [*documents_of(_project(), *projects_of(store)), *records_of(store)]
    done = collection.collect(store, used_by, dry_run=dry_run)
    facts = {
        "dry_run": dry_run,
        "removed": list(done.removed),
        "size": done.size,
        "kept": done.kept,
        "forgotten": list(done.forgotten),
        "leftovers": done.leftovers,
    }
    verb = "would be removed" if dry_run else "removed"
    many = count_of(len(done.removed), "file")
    text = [
        *(f"{lock} is gone: data referenced only by it are removed" for lock in done.forgotten),
        *done.removed,
        f"{many}, {size_of(done.size)} {verb}; {done.kept} kept",
    ]
    answer("data-collection", output_format, facts, text)


def _list_text(rows: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    from reprun.report.grid import Column, Grid

    cells = [
        (
            row["analysis"],
            row["dataset"],
            f"{row['here']:>5} of {row['files']:<5} here",
            size_of(row["size"]),
            (row["licence"] or "NO LICENCE")
            + (f"; {row['part']}" if row["part"] else "")
            + _differing(row["differ_from_portal"]),
        )
        for row in rows
    ]
    columns = (
        Column("analysis"),
        Column("dataset"),
        Column("files"),
        Column("size", right=True),
        Column("licence", prose=True),
    )
    yield Grid(columns, cells, header=False)


def _below_its_analysis(path: Path) -> str:
    """Return a manifest's path as its analysis.yaml names it."""
    above = (place for place in path.resolve().parents if (place / "analysis.yaml").is_file())
    home = next(above, None)
    return str(path.resolve().relative_to(home)) if home else f"…/{path.name}"


def _exists_already(path: Path) -> Exception:
    from reprun.errors import SpecificationError

    return SpecificationError(f"{path} exists already", place=str(path), hint=f"rm {quoted(path)}")


def _all_on_tape(number: int, source: str) -> Exception:
    from reprun.errors import InputsGoneError

    return InputsGoneError(
        f"the portal has all of {count_of(number, 'file')} on tape",
        hint=f"reprun data import-record {quoted(source)}   # then reprun data fetch … --stage",
    )


def _manifest_facts(
    dataset: Dataset, path: Path | None, availability: Mapping[str, int] | None
) -> dict[str, Any]:
    return {
        "path": str(path) if path else None,
        "availability": availability,
        "manifest": dataset.model_dump(mode="json", exclude_none=True),
    }


def _write_manifest(
    dataset: Dataset,
    path: Path,
    name: str,
    shown: str,
    output_format: str,
    availability: Mapping[str, int] | None = None,
) -> None:
    from reprun.cli.console import print_note
    from reprun.cli.output import answer
    from reprun.documents.manifest import manifest_text
    from reprun.files import write_atomically

    if path.exists():
        raise _exists_already(path)
    write_atomically(path, manifest_text(dataset, as_json=path.suffix == ".json").encode())
    many = dataset.part or count_of(len(dataset.files), "file")
    text = f"{path}: {many}, {size_of(dataset.size)}"
    answer("manifest", output_format, _manifest_facts(dataset, path, availability), [text])
    if dataset.licence is None:
        print_note("no licence is named; a bundle will refuse these data until one is")
    print_note(f"name it in analysis.yaml:\n  datasets:\n    {name}: {shown}")


def _facts(dataset: Dataset, directory: Path, store: Store) -> dict[str, Any]:
    here = [
        (directory / file.path).is_file() or (file.pinned and store.has(file.digest))
        for file in dataset.files
    ]
    return {
        "title": dataset.title,
        "experiment": dataset.experiment,
        "dphep_level": dataset.dphep_level,
        "data_tier": dataset.data_tier,
        "record": dataset.record,
        "doi": dataset.doi,
        "licence": dataset.licence,
        "files": len(dataset.files),
        "here": sum(here),
        "pinned": len(dataset.files) - len(dataset.unpinned),
        "size": dataset.size,
        "events": dataset.events,
        "part": dataset.part,
        "differ_from_portal": [file.path for file in dataset.files if file.portal],
    }


def _answer_verification(found: Verification, what: str, output_format: str) -> None:
    from reprun.cli.output import answer

    facts = {
        "checked": found.checked,
        "size": found.size,
        "corrupt": list(found.corrupt),
        "absent": list(found.absent),
    }
    good, all_of_them = found.checked - len(found.corrupt), count_of(found.checked, "file")
    text = f"{what}: {good} of {all_of_them} intact, {size_of(found.size)} hashed"
    answer("data-verification", output_format, facts, [text])


def _absent(found: Verification, what: str, analysis: str | None) -> Exception:
    from reprun.errors import InputsGoneError

    return InputsGoneError(
        f"{len(found.absent)} files of {what} are missing",
        hint=f"reprun data fetch {quoted(analysis) if analysis else 'ANALYSIS'}",
    )


def _project() -> Project:
    from reprun.documents.project import Project as Found

    return Found.find()


def _store() -> Store:
    from reprun.store.store import Store as Found

    return Found.default()


def _differing(paths: list[str]) -> str:
    """Say which files are others than the portal's; the manifest says why."""
    return f"; differs from the portal: {listed(paths)}" if paths else ""
