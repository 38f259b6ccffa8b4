"""The plugin that pytest finds by itself: the fixture `reprun_compare`, and `--bless`.

It is imported by every pytest that runs beside an installed reprun, so it imports nothing until
the fixture is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from reprun.testing.references import References

WRITTEN = pytest.StashKey[dict[Path, bytes]]()


class Compare(Protocol):
    """What the fixture is: a call that fails the test where a result is not its reference."""

    def __call__(
        self,
        result: Any,
        name: str,
        *,
        relative: float | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Compare a result with the reference of that name.

        `result` is a histogram (of hist, boost-histogram or reprun), the path of a file, or a
        mapping, list or number as JSON has them. `rules` are those of `compare:` in analysis.yaml;
        `relative` is a tolerance for every number. Without either numbers are compared exactly.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes references."""
    parser.getgroup("reprun").addoption(
        "--bless",
        action="store_true",
        dest="reprun_bless",
        help="write the results of reprun_compare as their references",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Remember what this session writes."""
    config.stash[WRITTEN] = {}


@pytest.fixture
def reprun_compare(request: pytest.FixtureRequest) -> Compare:
    """Compare results with references beside the test: `reference/test_file/name.json`."""
    references = _references(request)

    def compare(
        result: Any,
        name: str,
        *,
        relative: float | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        said = references.check(result, name, relative=relative, rules=rules)
        if said:
            pytest.fail(said, pytrace=False)

    return compare


def _references(request: pytest.FixtureRequest) -> References:
    from reprun.testing.references import References  # noqa: PLC0415 - only where it is used

    return References(
        request.path.parent / "reference" / request.path.stem,
        request.node.nodeid,
        request.config.stash[WRITTEN],
        bless=request.config.getoption("reprun_bless"),
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was written."""
    written = terminalreporter.config.stash[WRITTEN]
    if written:
        terminalreporter.section("references written by --bless")
        for path in sorted(written):
            terminalreporter.line(str(path))
