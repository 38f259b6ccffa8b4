"""Logins of `docker login` and `podman login`: found, and given to nobody else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from reprun.data.sources import is_loopback
from reprun.digests import sha256_bytes
from reprun.errors import RegistryError, SpecificationError
from reprun.images.oci.logins import VARIABLE, Login, login_for
from reprun.images.oci.registry import Registry, parse_reference
from tests.strict_registry import BLOB, MANIFEST, basic, logged_in, registry


def auths(**logins: str) -> dict[str, Any]:
    """Return what `docker login` writes."""
    coded = {host: base64.b64encode(login.encode()).decode() for host, login in logins.items()}
    return {"auths": {host: {"auth": text} for host, text in coded.items()}}


# -- where logins are found ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("HOME", "", ".docker/config.json"),
        ("DOCKER_CONFIG", "docker", "docker/config.json"),
        ("REGISTRY_AUTH_FILE", "file.json", "file.json"),
        ("XDG_RUNTIME_DIR", "run", "run/containers/auth.json"),
        ("XDG_CONFIG_HOME", "settings", "settings/containers/auth.json"),
        ("HOME", "", ".config/containers/auth.json"),
    ],
)
def test_logins_are_found_where_docker_and_podman_keep_them(
    tmp_path: Path, variable: str, value: str, place: str
) -> None:
    environment = logged_in(tmp_path, auths(**{"one.example:5000": "ada:se:cret"}), place)
    environment[variable] = str(tmp_path / value)
    assert login_for("one.example:5000", environment) == Login("ada", "se:cret")
    for other in ("one.example", "one.example:5001", "two.example", "docker.io"):
        assert login_for(other, environment) is None


def test_docker_hub_goes_by_its_old_name(tmp_path: Path) -> None:
    environment = logged_in(tmp_path, auths(**{"https://index.docker.io/v1/": "ada:x"}))
    assert login_for("docker.io", environment) == Login("ada", "x")
    assert login_for("quay.io", environment) is None


def test_the_next_file_is_asked_for_a_host_that_the_first_has_not(tmp_path: Path) -> None:
    logged_in(tmp_path, auths(**{"one.example": "ada:1"}))
    environment = logged_in(
        tmp_path,
        auths(**{"one.example": "eve:2", "two.example": "bob:2"}),
        "run/containers/auth.json",
    )
    assert login_for("one.example", environment) == Login("ada", "1")
    assert login_for("two.example", environment) == Login("bob", "2")


def test_the_variable_goes_before_the_files(tmp_path: Path) -> None:
    environment = logged_in(tmp_path, auths(**{"one.example": "ada:1"}))
    given = {**environment, VARIABLE: "eve:p:w@1@one.example"}
    assert login_for("one.example", given) == Login("eve", "p:w@1")


@pytest.mark.parametrize("host", ["two.example", "one.example.evil", "one.example:444", "One"])
def test_the_variable_is_for_its_own_host_alone(tmp_path: Path, host: str) -> None:
    assert login_for(host, {VARIABLE: "eve:p@one.example", "HOME": str(tmp_path)}) is None


@pytest.mark.parametrize("given", ["secret", "eve:secret", "secret@one.example", "eve:secret@"])
def test_a_login_for_no_host_is_refused(given: str) -> None:
    with pytest.raises(SpecificationError, match="is not USER:PASSWORD@HOST") as caught:
        login_for("one.example", {VARIABLE: given})
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("document", [{}, {"auths": {}}, {"psFormat": "x"}])
def test_a_file_without_logins_is_no_fault(
    tmp_path: Path, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is another one read instead, as the SDK does with an empty one."""
    logged_in(tmp_path / "real", auths(**{"one.example": "ada:1"}))
    monkeypatch.setenv("HOME", str(tmp_path / "real"))
    assert login_for("one.example", logged_in(tmp_path / "home", document)) is None
    assert login_for("one.example", {}) is None


@pytest.mark.parametrize(
    "document",
    ["{", "[1]", '{"auths": {"h": 1}}', '{"auths": {"h": {"auth": "!"}}}', '{"auths": [1]}'],
)
def test_a_broken_file_is_reported_with_its_place(tmp_path: Path, document: str) -> None:
    environment = logged_in(tmp_path, document)
    with pytest.raises(SpecificationError, match="registry logins cannot be read") as caught:
        login_for("one.example", environment)
    assert caught.value.place == str(tmp_path / ".docker" / "config.json")


def test_a_credential_helper_that_is_missing_is_named(tmp_path: Path) -> None:
    environment = logged_in(tmp_path, {"credsStore": "nowhere"})
    with pytest.raises(RegistryError, match=r"credential helper for one\.example failed") as caught:
        login_for("one.example", environment)
    assert "docker-credential-nowhere" in caught.value.message
    assert VARIABLE in (caught.value.hint or "")


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(Login("ada", "secret"))


# -- whom they are given to ----------------------------------------------------------------------


def client(host: str, environment: Mapping[str, str]) -> Registry:
    return Registry(parse_reference(f"{host}/a/b"), environment)


def test_a_docker_login_is_given_to_its_registry_alone(tmp_path: Path) -> None:
    with registry() as (host, seen), registry() as (other, seen_there):
        environment = logged_in(tmp_path, auths(**{host: "ada:1"}))
        assert client(host, environment).manifest(sha256_bytes(MANIFEST)).data == MANIFEST
        client(other, environment).resolve("v1")
    assert ("GET /token", basic("ada:1"), "") in seen
    assert [authorization for path, authorization, _ in seen_there if path == "GET /token"] == [""]


def test_a_login_is_the_answer_to_a_basic_challenge(tmp_path: Path) -> None:
    with registry(challenge="Basic") as (host, seen):
        client(host, logged_in(tmp_path, auths(**{host: "ada:1"}))).resolve("v1")
        assert [authorization for _, authorization, _ in seen] == ["", basic("ada:1")]
        wrong = logged_in(tmp_path, auths(**{host: "ada:2"}))
        with pytest.raises(RegistryError, match="HTTP 401") as caught:
            client(host, wrong).resolve("v1")
    assert (caught.value.hint or "").startswith(f"docker login {host}")


def test_a_token_for_reading_is_replaced_by_one_for_writing(tmp_path: Path) -> None:
    with registry() as (host, seen):
        pushing = client(host, logged_in(tmp_path, auths(**{host: "ada:1"})))
        assert not pushing.has_blob(sha256_bytes(BLOB))
        with (tmp_path / "blob").open("w+b") as stream:
            stream.write(BLOB)
            stream.seek(0)
            pushing.push_blob(sha256_bytes(BLOB), stream, len(BLOB))
    assert [path for path, _, _ in seen].count("GET /token") == 2
    assert seen[-1][:2] == ("PUT /v2/a/b/blobs/uploads/1", "Bearer repository:a/b:pull,push")


def test_a_token_that_is_refused_again_is_asked_for_once(tmp_path: Path) -> None:
    with registry(token=b'{"access_token": "useless"}') as (host, seen):
        environment = logged_in(tmp_path, auths(**{host: "ada:1"}))
        with pytest.raises(RegistryError, match="does not allow this"):
            client(host, environment).resolve("v1")
    assert [path for path, _, _ in seen].count("GET /token") == 1


def test_an_identity_token_is_exchanged_in_a_form(tmp_path: Path) -> None:
    with registry() as (host, seen):
        login = {"auths": {host: {"identitytoken": "refresh"}}}
        client(host, logged_in(tmp_path, login)).resolve("v1")
    (form,) = [parse_qs(form) for path, _, form in seen if path == "POST /token"]
    assert form["grant_type"] == ["refresh_token"]
    assert form["refresh_token"] == ["refresh"]
    assert seen[-1][1] == "Bearer repository:a/b:pull"


def test_where_a_registry_sends_us_on_to_gets_no_login_even_if_it_asks(tmp_path: Path) -> None:
    with registry() as (other, seen_there), registry(elsewhere=f"http://{other}") as (host, _):
        environment = logged_in(tmp_path, auths(**{host: "ada:1"}))
        with pytest.raises(RegistryError, match="HTTP 401"):
            client(host, environment).small_blob(sha256_bytes(BLOB))
        with (tmp_path / "blob").open("w+b") as stream:
            client(host, environment).push_blob(sha256_bytes(b""), stream, 0)
    assert [path for path, _, _ in seen_there] == [
        "GET /v2/a/b/blobs/there",
        "PUT /v2/a/b/blobs/uploads/1",
    ]
    assert {authorization for _, authorization, _ in seen_there} == {""}


@pytest.mark.parametrize(
    "realm",
    ["http://tokens.example/token", "http://127.0.0.1@tokens.example/", "http://127.evil.example/"],
)
def test_no_login_goes_to_a_token_service_without_tls(tmp_path: Path, realm: str) -> None:
    with registry(realm=realm) as (host, _):
        environment = logged_in(tmp_path, auths(**{host: "ada:1"}))
        with pytest.raises(RegistryError, match=r"without TLS: .*; no login was sent"):
            client(host, environment).resolve("v1")


def test_what_is_no_token_is_reported() -> None:
    for answer in (b"<html>", b"[]", b"{}"):
        with (
            registry(token=answer) as (host, _),
            pytest.raises(RegistryError, match="gave no token"),
        ):
            client(host, {}).resolve("v1")


def test_only_this_machine_is_loopback() -> None:
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
        assert is_loopback(host)
    for host in ("127.evil.example", "localhost.example", "10.0.0.1", ""):
        assert not is_loopback(host)
