"""Every kind of failure ends with the exit code of the design."""

from __future__ import annotations

import inspect

import pytest

from reprun import errors
from reprun.errors import ReprunError, did_you_mean

EXIT_CODES = {
    "ReprunError": 3,
    "SpecificationError": 2,
    "ImageNotHereError": 2,
    "MissingFilesError": 2,
    "EngineError": 3,
    "NoSandboxError": 3,
    "BackendError": 3,
    "ToolError": 3,
    "RegistryError": 3,
    "ReanaError": 3,
    "StorageError": 3,
    "InputsGoneError": 3,
    "StepFailedError": 4,
    "OutputMissingError": 4,
    "NothingToCompareError": 5,
    "IntegrityError": 6,
    "UnforeseenError": 70,
    "InterruptedRunError": 130,
}


def test_every_class_has_its_exit_code() -> None:
    found = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, ReprunError)
    }
    assert found == EXIT_CODES


@pytest.mark.parametrize("code", [0, 1])
def test_no_error_looks_like_a_verdict(code: int) -> None:
    assert code not in EXIT_CODES.values()


def test_an_error_carries_its_facts() -> None:
    error = ReprunError("what", place="where", hint="do this")
    assert (str(error), error.place, error.hint) == ("what", "where", "do this")


@pytest.mark.parametrize(
    ("name", "said"),
    [("cms-h4", ". Did you mean 'cms-h4l'?"), ("zzzzzz", ""), ("", "")],
)
def test_did_you_mean(name: str, said: str) -> None:
    assert did_you_mean(name, ["cms-h4l", "atlas-zmumu"]) == said
