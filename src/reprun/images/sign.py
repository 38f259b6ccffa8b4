"""Detached signatures over an image's manifest, with the SSH keys people have already.

`ssh-keygen -Y` (OpenSSH 8.1 or newer) signs and verifies; nothing of a signature is part of an
image. The manifest names config and layers by digest, so one signature covers every byte.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from reprun.errors import IntegrityError, SpecificationError, ToolError
from reprun.files import scratch, write_atomically
from reprun.images.model import Image
from reprun.images.stored import verify_stored
from reprun.progress import announced
from reprun.store.store import Store
from reprun.wording import quoted

NAMESPACE = "reprun-image"
WHO = "signer"


def sign(image: Image, store: Store, key: Path, signature: Path) -> None:
    """Write a signature of a stored image, made with a private SSH key.

    Raises SpecificationError where there is no key, ToolError where ssh-keygen is missing or
    cannot sign with it.
    """
    verify_stored(image, store)
    if not key.is_file():
        raise SpecificationError(
            "there is no such key", place=str(key), hint=f"ssh-keygen -t ed25519 -f {quoted(key)}"
        )
    with scratch() as directory:
        message = directory / "manifest"
        message.write_bytes(store.verified(image.manifest).read_bytes())
        done = _ssh_keygen("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(message))
        if done.returncode != 0:
            raise ToolError(f"ssh-keygen cannot sign with this key: {_said(done)}", place=str(key))
        write_atomically(signature, message.with_name("manifest.sig").read_bytes())


def verify_signature(image: Image, store: Store, key: Path, signature: Path) -> None:
    """Raise IntegrityError unless the holder of a public SSH key has signed this very image.

    `key` is a public key file (`….pub`). Every part of the image is hashed first: a signed
    manifest says nothing about a layer that has changed since.
    """
    verify_stored(image, store)
    for part in (image.image_id, image.manifest, *(layer.digest for layer in image.layers)):
        store.verify(part)
    for path in (key, signature):
        if not path.is_file():
            raise SpecificationError("there is no such file", place=str(path))
    words = key.read_text(encoding="utf-8", errors="replace").split()
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-", "sk-")):
        raise SpecificationError("this is not a public SSH key", place=str(key))
    with scratch() as directory:
        allowed = directory / "allowed_signers"
        allowed.write_text(f"{WHO} {words[0]} {words[1]}\n", encoding="utf-8")
        done = _ssh_keygen(
            *("-Y", "verify", "-f", str(allowed), "-I", WHO, "-n", NAMESPACE),
            *("-s", str(signature)),
            message=store.verified(image.manifest).read_bytes(),
        )
    if done.returncode != 0:
        raise IntegrityError(
            f"this is not a signature of image '{image.name}' by this key: {_said(done)}",
            place=str(signature),
        )


def _ssh_keygen(*arguments: str, message: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    program = shutil.which("ssh-keygen")
    if program is None:
        raise ToolError("signing needs ssh-keygen", hint="apt-get install openssh-client")
    return subprocess.run(
        announced([program, *arguments]), input=message, capture_output=True, check=False
    )


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"
