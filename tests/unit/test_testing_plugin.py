"""The plugin of pytest: references beside a test, written by --bless, and costing nothing else."""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest_plugins = "pytester"

HISTOGRAM = """
import numpy as np
from reprun.histograms import Axis, Histogram

def histogram(**changes):
    values = np.array([0, 5, 247, 11, 3, 0.0])
    for place, value in changes.items():
        values[int(place[1:])] = value
    return Histogram("m4l", (Axis.regular(4, 0.0, 4.0),), values)
"""


def module(pytester: pytest.Pytester, body: str, name: str = "test_it") -> None:
    pytester.makepyfile(**{name: HISTOGRAM + body})


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-q", *options)


def files(pytester: pytest.Pytester) -> list[str]:
    root = pytester.path
    return sorted(path.relative_to(root).as_posix() for path in root.glob("reference/**/*.*"))


TEST = "def test_one(reprun_compare):\n    reprun_compare({}, 'x'{})\n"


def test_pytest_finds_the_plugin() -> None:
    (found,) = (each for each in entry_points(group="pytest11") if each.name == "reprun")
    assert found.value == "reprun.testing.plugin"


def test_without_a_reference_the_command_is_named(pytester: pytest.Pytester) -> None:
    module(pytester, TEST.format("histogram()", ""))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["there is no reference yet for 'x'", "  at:  *reference/test_it/x.json",
         "  try: pytest --bless test_it.py::test_one"]
    )  # fmt: skip
    assert files(pytester) == []


@pytest.mark.parametrize(
    ("result", "suffix"),
    [
        ("histogram()", ".json"),
        ("{'mu': np.float64(1.5), 'cl': [np.int64(3), None], 'a': np.arange(3)}", ".json"),
        ("[1, 2]", ".json"),
        ("1.5", ".json"),
        ("__file__.replace('test_it.py', 'y.csv')", ".csv"),
    ],
)
def test_what_is_blessed_is_reproduced(pytester: pytest.Pytester, result: str, suffix: str) -> None:
    (pytester.path / "y.csv").write_text("cut,events\nall,5\n")
    module(pytester, TEST.format(result, ""))
    blessed = run(pytester, "--bless")
    blessed.assert_outcomes(passed=1)
    assert files(pytester) == [f"reference/test_it/x{suffix}"]
    blessed.stdout.fnmatch_lines(["*references written by --bless*", f"*test_it/x{suffix}"])
    run(pytester).assert_outcomes(passed=1)
    again = run(pytester, "--bless")
    again.assert_outcomes(passed=1)
    assert "references written" not in again.stdout.str()


def test_any_histogram_of_uhi_is_taken(pytester: pytest.Pytester) -> None:
    body = """
class Theirs:
    def _to_uhi_(self):
        return {"uhi_schema": 1, "axes": [{"type": "boolean"}],
                "storage": {"type": "double", "values": np.array([1.0, 2.0])}}

def test_one(reprun_compare):
    reprun_compare(Theirs(), "x")
"""
    module(pytester, body)
    run(pytester, "--bless").assert_outcomes(passed=1)
    assert list(json.loads((pytester.path / "reference/test_it/x.json").read_text())) == ["x"]
    run(pytester).assert_outcomes(passed=1)


def test_a_difference_fails_with_the_report(pytester: pytest.Pytester) -> None:
    module(pytester, TEST.format("histogram()", ""))
    run(pytester, "--bless")
    module(pytester, TEST.format("histogram(_2=246, _3=12)", ""))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "result/x.json against test_it/x.json",
            "*m4l*changed*migrated: 1 entry from bin 2 to 3*",
            "✗ the files differ: 1 of 1 object changed: m4l migrated: 1 entry from bin 2 to 3",
            "to accept the change: pytest --bless test_it.py::test_one",
        ]
    )  # fmt: skip
    assert "Traceback" not in result.stdout.str()


def test_rules_say_what_may_differ(pytester: pytest.Pytester) -> None:
    module(pytester, TEST.format("histogram()", ""))
    run(pytester, "--bless")
    for more, outcome in (
        (", relative=0.1", "passed"),
        (", relative=0.01", "failed"),
        (", rules=[dict(match='*', kind='count', migrated=1, reason='r')]", "passed"),
        (", rules=[dict(match='*', kind='count', migrated=1)]", "failed"),
    ):
        module(pytester, TEST.format("histogram(_2=246, _3=12)", more))
        run(pytester).assert_outcomes(**{outcome: 1})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("histogram(), '../x'", "the name of a reference is made of letters"),
        ("object(), 'x'", "reprun_compare has no form for a object"),
        ("{'a': {1, 2}}, 'x'", "the result cannot be written as JSON"),
        ("{}, 'x'", "no histogram and no other object in x.json"),
        ("'nowhere.root', 'x'", "nowhere.root does not exist"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(
    pytester: pytest.Pytester, call: str, words: str
) -> None:
    module(pytester, f"def test_one(reprun_compare):\n    reprun_compare({call})\n")
    for options in ((), ("--bless",)):
        result = run(pytester, *options)
        result.assert_outcomes(failed=1)
        assert words in result.stdout.str()
        assert files(pytester) == []


def test_two_results_of_one_name_are_noticed(pytester: pytest.Pytester) -> None:
    module(pytester, "def test_one(reprun_compare):\n    reprun_compare(1, 'x')\n"
           "def test_two(reprun_compare):\n    reprun_compare(2, 'x')\n")  # fmt: skip
    result = run(pytester, "--bless")
    result.assert_outcomes(passed=1, failed=1)
    assert "two results have the reference" in result.stdout.str()


def test_modules_have_references_of_their_own(pytester: pytest.Pytester) -> None:
    for name, value in (("test_a", 1), ("test_b", 2)):
        module(pytester, TEST.format(value, ""), name)
    run(pytester, "--bless").assert_outcomes(passed=2)
    assert files(pytester) == ["reference/test_a/x.json", "reference/test_b/x.json"]
    run(pytester).assert_outcomes(passed=2)


def test_the_plugin_costs_nothing_until_it_is_used(pytester: pytest.Pytester) -> None:
    """Every pytest beside an installed reprun imports it."""
    source = (Path(__file__).parents[2] / "src/reprun/testing/plugin.py").read_text()
    at_import = [line for line in source.splitlines() if line.startswith(("import", "from"))]
    assert [line for line in at_import if "reprun" in line] == []
    before = {name for name in sys.modules if name.startswith("numpy")}
    pytester.makepyfile("def test_nothing():\n    pass\n")
    run(pytester).assert_outcomes(passed=1)
    assert {name for name in sys.modules if name.startswith("numpy")} == before
