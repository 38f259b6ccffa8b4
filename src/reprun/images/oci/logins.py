"""Logins to registries: those of `docker login` and `podman login`, or the environment's own.

The files of both programs have one format, which the Docker SDK reads, credential helpers
included. Each entry belongs to one registry host, and no other is given it.
"""

from __future__ import annotations

import base64
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker.auth import AuthConfig, errors  # type: ignore[attr-defined] # no errors in the stubs

from reprun.errors import RegistryError, SpecificationError

VARIABLE = "REPRUN_REGISTRY_LOGIN"
FORM = "USER:PASSWORD@HOST"


@dataclass(frozen=True, slots=True)
class Login:
    """What a user identifies with at a registry."""

    user: str
    secret: str = field(repr=False)
    is_identity_token: bool = False
    """Whether the secret is a token of the registry's own service, not a password."""

    @property
    def header(self) -> str:
        """The `Authorization` of user and password."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.secret}".encode()).decode()


def login_for(host: str, environment: Mapping[str, str]) -> Login | None:
    """Return the login for a registry: `REPRUN_REGISTRY_LOGIN`, else what was logged in with.

    Raises SpecificationError when a login is malformed, and RegistryError when a credential helper
    fails.
    """
    if given := environment.get(VARIABLE):
        # An image of somebody else's names its registry: a login belongs to one host alone.
        identity, at, its_host = given.rpartition("@")
        user, colon, password = identity.partition(":")
        if not (at and colon and its_host):  # not repeated: it may be a secret
            raise SpecificationError(
                f"{VARIABLE} is not {FORM}: a login is sent to the registry it names alone",
                hint=f"export {VARIABLE}=USER:PASSWORD@{host}",
            )
        if its_host == host:
            return Login(user, password)
    for path in _files(environment):
        if path.is_file() and (login := _login_in(path, host)):
            return login
    return None


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield where Podman and Docker keep logins, the files that the user names first."""
    home = environment.get("HOME")
    if named := environment.get("REGISTRY_AUTH_FILE"):
        yield Path(named)
    if directory := environment.get("DOCKER_CONFIG"):
        yield Path(directory, "config.json")
    elif home:
        yield Path(home, ".docker", "config.json")
    if running := environment.get("XDG_RUNTIME_DIR"):
        yield Path(running, "containers", "auth.json")
    else:
        yield Path("/run/containers", str(os.getuid()), "auth.json")
    if settings := environment.get("XDG_CONFIG_HOME"):
        yield Path(settings, "containers", "auth.json")
    elif home:
        yield Path(home, ".config", "containers", "auth.json")


def _login_in(path: Path, host: str) -> Login | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        # An empty dictionary would make the SDK look for a file of its own.
        config = AuthConfig.load_config(None, document or {"auths": {}})
    except (OSError, ValueError, AttributeError, TypeError, errors.DockerException) as error:
        raise SpecificationError(
            f"the registry logins cannot be read: {error}",
            place=str(path),
            hint=f"docker login {host}   # or: export {VARIABLE}=USER:PASSWORD@{host}",
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a helper that is missing: it is an error below
        try:
            found = config.resolve_authconfig(host)
        except errors.DockerException as error:
            raise RegistryError(
                f"the credential helper for {host} failed: {error}",
                place=str(path),
                hint=f"export {VARIABLE}=USER:PASSWORD@{host}   # or fix the helper in this file",
            ) from error
    return _login_of(found or {})


def _login_of(entry: Mapping[str, Any]) -> Login | None:
    """Read an entry: the SDK spells its keys as the file or the helper does."""
    facts = {key.lower(): value for key, value in entry.items()}
    if token := facts.get("identitytoken"):
        return Login(str(facts.get("username") or ""), str(token), is_identity_token=True)
    if facts.get("username"):
        return Login(str(facts["username"]), str(facts.get("password") or ""))
    return None
