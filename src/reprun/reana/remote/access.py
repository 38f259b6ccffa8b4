"""The access token: read from the environment or a prompt, shown to nobody, written nowhere."""

from __future__ import annotations

import getpass
import os
import sys
from urllib.parse import quote, quote_plus

from reprun.errors import SpecificationError

VARIABLE = "REANA_ACCESS_TOKEN"
HIDDEN = "***"


class Token:
    """A secret that no text, representation or pickle of it gives away."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        """Hide it."""
        return HIDDEN

    def __reduce__(self) -> str:
        """Refuse to be pickled."""
        raise TypeError("a token is not written")

    def reveal(self) -> str:
        """Return the secret, for the environment of the one process that sends it."""
        return self._secret

    def redact(self, text: str) -> str:
        """Return a text without the secret in any form it takes in a URL."""
        for form in {self._secret, quote(self._secret, safe=""), quote_plus(self._secret)}:
            text = text.replace(form, HIDDEN)
        return text


def take_token() -> Token:
    """Return the token and take it out of the environment, so that no other program inherits it.

    Raises SpecificationError where there is none and nobody to ask.
    """
    secret = os.environ.pop(VARIABLE, "").strip()
    if not secret and sys.stdin is not None and sys.stdin.isatty():
        secret = getpass.getpass("REANA access token: ").strip()
    if not secret:
        raise SpecificationError(
            f"there is no access token: {VARIABLE} is not set and this is not a terminal to ask at",
            hint=f"read -rs {VARIABLE} && export {VARIABLE}   # the token of your REANA profile",
        )
    return Token(secret)
