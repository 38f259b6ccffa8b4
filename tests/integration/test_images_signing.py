"""Images signed with ssh-keygen, and the signatures checked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reprun.errors import IntegrityError, SpecificationError, ToolError
from reprun.images.builder.build import build
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.sign import sign, verify_signature
from reprun.progress import Silent
from tests.images_support import Kitchen, tiny, with_foreign


@pytest.fixture
def made(tmp_path: Path) -> Kitchen:
    return with_foreign(tmp_path)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private SSH key without a passphrase."""
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def test_a_signature_holds_until_a_byte_changes(made: Kitchen, key: Path, tmp_path: Path) -> None:
    image = Catalogue(made.directory).locked("tiny")
    signature = tmp_path / "tiny.sig"
    sign(image, made.store, key, signature)
    public = key.with_suffix(".pub")
    verify_signature(image, made.store, public, signature)
    other = tiny(tmp_path / "other")
    other.name = "other"
    another = build(other.definition(), other.store, Silent()).image
    with pytest.raises(IntegrityError, match="not a signature of image 'other'"):
        verify_signature(another, other.store, public, signature)
    changed = bytearray(signature.read_bytes())
    changed[100] = ord("A") if changed[100] != ord("A") else ord("B")
    (tmp_path / "changed.sig").write_bytes(changed)
    with pytest.raises(IntegrityError, match="not a signature"):
        verify_signature(image, made.store, public, tmp_path / "changed.sig")
    blob = made.store.blob_path(image.layers[0].digest)
    data = bytearray(blob.read_bytes())
    data[700] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(data)
    with pytest.raises(IntegrityError, match="is corrupt in the store"):
        verify_signature(image, made.store, public, signature)


def test_signing_says_what_is_missing(
    made: Kitchen, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Catalogue(made.directory).locked("tiny")
    with pytest.raises(SpecificationError, match="no such key"):
        sign(image, made.store, tmp_path / "none", tmp_path / "sig")
    with pytest.raises(SpecificationError, match="no such file"):
        verify_signature(image, made.store, key.with_suffix(".pub"), tmp_path / "none")
    with pytest.raises(SpecificationError, match="not a public SSH key"):
        verify_signature(image, made.store, key, key)
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    with pytest.raises(ToolError, match="cannot sign with this key"):
        sign(image, made.store, tmp_path / "text", tmp_path / "sig")
    monkeypatch.setattr("reprun.images.sign.shutil.which", lambda _: None)
    with pytest.raises(ToolError, match="needs ssh-keygen") as caught:
        sign(image, made.store, key, tmp_path / "sig")
    assert caught.value.hint == "apt-get install openssh-client"
