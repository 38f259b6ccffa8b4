"""A credential helper is a program: Docker's own way of keeping logins, asked for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from reprun.images.oci.logins import Login, login_for
from tests.strict_registry import logged_in


def helper(directory: Path, answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a credential helper that gives one answer for one host."""
    directory.mkdir()
    program = directory / "docker-credential-toy"
    program.write_text(
        "#!/bin/sh\nread -r host\n"
        f"if [ \"$host\" = one.example ]; then echo '{answer}'; exit 0; fi\n"
        "echo 'credentials not found in native keychain'; exit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=":")


def test_a_credential_helper_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helper(tmp_path / "bin", '{"Username": "ada", "Secret": "1"}', monkeypatch)
    for settings in ({"credsStore": "toy"}, {"credHelpers": {"one.example": "toy"}}):
        environment = logged_in(tmp_path, settings)
        assert login_for("one.example", environment) == Login("ada", "1")
        assert login_for("two.example", environment) is None
