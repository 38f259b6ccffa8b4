"""A selection: chosen once, it spells its own options, its directory and its hints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from reprun.cli.main import program
from reprun.documents.analysis import Analysis, Tier
from reprun.documents.project import read_project
from reprun.documents.selection import Selection, select
from reprun.errors import SpecificationError
from reprun.reana.remote.submission import remote_directory
from tests.unit import builders

PROJECT = read_project(Path(__file__).resolve().parents[2])
CHOICE = {"--variant", "--data", "--max-events", "--fraction", "--results"}
ABOUT_A_RUN = {
    *("run", "plan", "bless", "lint", "cite", "submit", "logs", "shell"),
    *("reana export", "reana status", "reana logs", "reana stop", "reana fetch"),
    *("reference log", "blame", "bisect", "flaky"),
}


def tiered(**chosen: Any) -> Selection:
    analysis = builders.analysis(parameters={"max_events": 0, "bins": 10})
    return builders.selection(analysis, **chosen)


@pytest.mark.parametrize(
    ("chosen", "options"),
    [
        ({}, ""),
        ({"variant": "columnar", "dataset": "small"}, ""),
        ({"variant": "legacy"}, " --variant legacy"),
        ({"dataset": "large"}, " --data large"),
        ({"tier": Tier("max_events", 10_000)}, " --max-events 10000"),
        ({"results": Path("my results")}, " --results 'my results'"),
        (
            {"variant": "legacy", "dataset": "large", "tier": Tier("max_events", 5)},
            " --variant legacy --data large --max-events 5",
        ),
    ],
)
def test_it_spells_the_options_that_choose_it(chosen: dict[str, Any], options: str) -> None:
    selection = tiered(**chosen)
    assert selection.options == options
    assert selection.command("run") == f"reprun run demo{options}"
    assert selection.command("bless", "--reason x") == f"reprun bless demo{options} --reason x"


def test_a_path_stays_a_path_and_is_quoted() -> None:
    selection = tiered(called="my analyses/demo", variant="legacy")
    assert selection.command("run") == "reprun run 'my analyses/demo' --variant legacy"


@pytest.mark.parametrize(
    ("chosen", "name"),
    [
        ({}, "columnar.small"),
        ({"variant": "legacy", "dataset": "large"}, "legacy.large"),
        ({"tier": Tier("max_events", 5)}, "columnar.small.max-events-5"),
    ],
)
def test_its_directory_is_of_this_run_alone(
    chosen: dict[str, Any], name: str, tmp_path: Path
) -> None:
    selection = tiered(**chosen, results=tmp_path)
    assert selection.run_directory == tmp_path / "demo" / name
    assert remote_directory(selection) == tmp_path / "demo" / f"{name}.reana"


def test_an_analysis_without_data() -> None:
    selection = builders.selection(builders.analysis(datasets={}))
    assert (selection.dataset, selection.data, selection.options) == (None, None, "")
    assert selection.data_command("fetch") == "reprun data fetch demo"
    assert selection.run_directory == Path("project/results/demo/columnar").resolve()


def test_the_tier_is_among_its_parameters_and_has_a_reference_of_its_own() -> None:
    selection = tiered(tier=Tier("max_events", 5))
    assert selection.parameters == {"max_events": 5, "bins": 10}
    assert selection.reference == Path("demo/reference/max-events-5")


def test_a_default_that_analysis_yaml_names_is_left_out() -> None:
    analysis = builders.analysis(default_variant="legacy", default_dataset="large")
    assert builders.selection(analysis).options == ""
    other = builders.selection(analysis, variant="columnar", dataset="small")
    assert other.options == " --variant columnar --data small"


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"variant": "root-6.4"}, "has no variant 'root-6.4'. Did you mean 'root-6.40'?"),
        ({"dataset": "cvs"}, "has no dataset 'cvs'. Did you mean 'csv'?"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(chosen: dict[str, Any], words: str) -> None:
    path = str(PROJECT.analyses / "cms-dimuon")
    with pytest.raises(SpecificationError) as error:
        select(PROJECT, path, **chosen)
    assert words in error.value.message
    assert error.value.hint == f"reprun show {path}"


def test_a_part_of_the_events_needs_a_parameter() -> None:
    with pytest.raises(SpecificationError, match="cannot run on a part of its events") as error:
        select(PROJECT, "cms-h4l", tier=Tier("max_events", 5))
    assert error.value.hint == "reprun show cms-h4l"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Yield every command, which typer has a class of its own for, with its options."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from commands(inner, (*path, name))
    else:
        yield " ".join(path), {option for one in command.params for option in one.opts}


def test_every_command_about_a_run_can_name_every_run() -> None:
    found = dict(commands(typer.main.get_command(program())))
    assert found.keys() >= ABOUT_A_RUN
    assert {name for name, options in found.items() if options >= CHOICE} == ABOUT_A_RUN


def test_any_analysis_chooses_itself_again() -> None:
    """What the options say is what was chosen, for every variant and dataset we have."""
    for name in PROJECT.analysis_names():
        for selection in every(select(PROJECT, name).analysis, name):
            words = dict(zip(*[iter(selection.options.split())] * 2, strict=True))
            again = select(
                PROJECT, name, variant=words.get("--variant"), dataset=words.get("--data")
            )
            assert again == selection


def every(analysis: Analysis, name: str) -> Iterator[Selection]:
    for variant in analysis.variants:
        for dataset in analysis.datasets or [None]:
            yield select(PROJECT, name, variant=variant, dataset=dataset)
