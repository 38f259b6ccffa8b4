# ruff: noqa: RUF001 - characters that look like ASCII are what is replaced by it
"""Small parts of sentences, and what makes a text from elsewhere safe to print."""

from __future__ import annotations

import os
import re
import shlex
import unicodedata
from collections.abc import Iterable

_UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))

# Control characters (C0 but the line feed, DEL, C1), what reorders a line (marks, embeddings,
# overrides and isolates of bidirectional text), separators that end a line, and halves of
# characters: a file name that is not UTF-8 has those.
_UNSEEN = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def quoted(path: object) -> str:
    """Return a path or a name as a command line of a hint has to have it."""
    return shlex.quote(str(path))


def count_of(number: int, noun: str, nouns: str = "") -> str:
    """Return `1 object`, `42 objects`; `nouns` is the plural where no `s` makes it."""
    return f"{number:,} {noun if number == 1 else nouns or f'{noun}s'}"


def listed(names: Iterable[str], most: int = 3, *, separator: str = ", ", last: str = "") -> str:
    """Return `a, b, c and 84 more`: a message names a few and counts the rest.

    One name too many is shown in full: `and 1 more` would take as much room. `last` stands
    before the last name where all are shown, `separator` otherwise.
    """
    known = list(names)
    if len(known) > most + 1:
        return f"{separator.join(known[:most])} and {len(known) - most:,} more"
    if len(known) > 1 and last:
        return f"{separator.join(known[:-1])}{last}{known[-1]}"
    return separator.join(known)


def lines_of(items: Iterable[object], most: int = 10, *, margin: str = "    ") -> str:
    """Return items as indented lines to follow a sentence; of many, the rest is counted."""
    known = [str(item) for item in items]
    shown = known if len(known) <= most + 1 else [*known[:most], f"and {len(known) - most:,} more"]
    return "".join(f"\n{margin}{line}" for line in shown)


def size_of(number: int) -> str:
    """Return a number of bytes as people read it, in decimal units: `12 bytes`, `554.6 MB`."""
    for unit, scale in _UNITS:
        # From here on the unit below would be written with four digits: 1000.0 kB.
        if number >= scale - scale // 20_000:
            return f"{number / scale:.1f} {unit}"
    return count_of(number, "byte")


def shortened(text: str, most: int = 300) -> str:
    """Return text, or its beginning and an ellipsis: names may be as long as their file."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


_ASCII = {
    "✓": "+",
    "✗": "x",
    "…": "...",
    "→": "->",
    "←": "<-",
    "—": "-",
    "–": "-",
    "−": "-",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "·": "|",
    "±": "+-",
    "×": "x",
    "ℓ": "l",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "µ": "mu",
    "√": "sqrt ",
    "∞": "inf",
    "⁻": "-",
    "₋": "-",
    **dict.fromkeys("─━═", "-"),
    **dict.fromkeys("│┃║", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯", "+"),
    **dict.fromkeys("█▇▆▅▄▃▂▁", "#"),
}
"""What stands for a character of ours where the output has only ASCII."""


_GREEK = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)")


def in_ascii(text: str) -> str:
    """Return text for an output that has no other characters: marks as `+` and `x`."""
    return "".join(
        _ASCII.get(each)
        or _greek(each)
        or unicodedata.normalize("NFKD", each).encode("ascii", "ignore").decode()
        or "?"
        for each in text
    )


def _greek(character: str) -> str:
    """Return the name of a Greek letter, `mu` or `Upsilon`; empty for any other character."""
    found = _GREEK.match(unicodedata.name(character, ""))
    return "" if found is None else found[2].lower() if found[1] == "SMALL" else found[2].title()


def name_shown(name: str) -> str:
    """Return what people read as the name of an object; that of a histogram may be empty."""
    return name or "(no name)"


def spelt_out(name: str) -> str:
    """Return the name of a file in ASCII where Python cannot decode it, as `\\xb5`; else as it is.

    What Python has instead is no text, which no document holds.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("ascii", "backslashreplace")
    return name


def visible(text: str) -> str:
    """Return text in which no character controls the terminal: `\\x1b` stands for itself.

    Names and messages come from files, logs, servers and archives, not from us. Line feeds stay.
    """
    return _UNSEEN.sub(lambda found: _escaped(ord(found.group())), text)


def json_visible(text: str) -> str:
    """Return a JSON document without what `visible` replaces, equal to it for every reader."""
    return _UNSEEN.sub(
        lambda found: found.group() if found.group() in "\t\r" else f"\\u{ord(found.group()):04x}",
        text,
    )


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_LOGIN = re.compile(r"(?<=://)[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?]*\?)\S+")


def log_text(log: str) -> str:
    """Return a log as lines to print: a bar that returned to its start is a line at each turn."""
    return re.sub(r"\r\n?", "\n", log).rstrip("\n").expandtabs()


def without_login(text: str) -> str:
    """Return text whose URLs have lost user, password and query: a query may hold a token."""
    return _QUERY.sub(r"\1…", _LOGIN.sub("…@", text))
