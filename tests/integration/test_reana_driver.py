"""The driver of reana-client, a process of another environment, that ends badly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reprun.errors import ReanaError, SpecificationError
from reprun.reana.remote.access import Token
from reprun.reana.remote.client import Client


def test_a_driver_that_dies_is_told_with_what_it_printed() -> None:
    with (
        Client(Path(sys.executable)) as client,  # an environment without the client
        pytest.raises((ReanaError, SpecificationError), match="No module named"),
    ):
        client.validate(Path("/nowhere"))


def test_a_snakefile_never_runs_beside_a_token() -> None:
    with (
        Client(Path(sys.executable), "http://127.0.0.1:9", Token("secret")) as client,
        pytest.raises(AssertionError),
    ):
        client.validate(Path("/nowhere"))
