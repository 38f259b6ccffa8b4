"""JSON, YAML and TOML of whatever origin: parsed within the limits, or refused with a sentence.

The parsers of these formats trust what they read: a row of brackets overflows the stack of one of
them, and ten aliases are a billion values. So the shape of a text is looked at before.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from reprun.bounded import limits
from reprun.bounded.limits import LimitError

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
BROKEN_VALUES = (ValueError, ArithmeticError, LookupError, TypeError, AttributeError)
"""What PyYAML lets through for a scalar that is not what its tag says, e.g. the date 2025-02-30."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_JSON_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[{\]}]', re.DOTALL)
_TOML_STRING = (
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"""|"(?:[^"\\\n]++|\\.)*+"'
    r"|'''(?:[^']++|'(?!''))*+'''|'[^'\n]*+'"
)
_TOML_TOKEN = re.compile(rf"{_TOML_STRING}|#[^\n]*+|[\[{{\]}}]", re.DOTALL)
_TOML_KEY = re.compile(rf"{_TOML_STRING}|#[^\n]*+|[\w-]++|[ \t]++|\.|.", re.DOTALL)
_NUMBER = re.compile(r"[-+]?[0-9][0-9a-fA-FxobE_:.+-]*+")
_LONG_NUMBER = re.compile(rf"(?<![\w.])[-+]?[0-9][0-9_]{{{limits.DIGITS.value},}}+")
_BITS = int(limits.DIGITS.value * 3.3)


def parse_json(
    text: str, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None, *, first_line: int = 1
) -> Any:
    """Return what a JSON text says; `pairs` makes the mappings.

    Raises json.JSONDecodeError, and LimitError for what is nested too deeply or has a number of
    too many digits.
    """
    check_nesting(text, _JSON_TOKEN, first_line=first_line)
    try:
        return json.loads(text, object_pairs_hook=pairs)
    except (json.JSONDecodeError, LimitError):
        raise
    except RecursionError as error:
        raise _too_deep(None) from error
    except ValueError as error:
        # Python's own limit of an integer, 4,300 digits; what `pairs` raises has its own class.
        if "integer string conversion" not in str(error):
            raise
        raise _too_long(text) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return what a TOML text says.

    Raises tomllib.TOMLDecodeError, and LimitError as `parse_json` does, and for long dotted keys.
    """
    check_nesting(text, _TOML_TOKEN)
    _check_keys(text)
    try:
        document = tomllib.loads(text)
        _check_integers(document)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise _too_deep(None) from error
    except ValueError as error:
        raise _too_long(text) from error
    return document


def compose_yaml(text: str, *, most: int = limits.YAML_VALUES.value) -> list[Any]:
    """Return the node of each document of a YAML text; None for an empty one.

    Raises yaml.YAMLError, and LimitError for what is nested too deeply, repeats too much by
    aliases, holds itself, has a number of too many digits or more than `most` values.
    """
    _check_events(yaml.parse(text, Loader=LOADER), most)
    return list(yaml.compose_all(text, Loader=LOADER))


def construct_yaml(node: Any) -> Any:
    """Return what a node says. Raises yaml.YAMLError and BROKEN_VALUES."""
    return None if node is None else LOADER("").construct_document(node)


def check_nesting(text: str, tokens: re.Pattern[str], *, first_line: int = 1) -> None:
    """Raise LimitError for a text with more brackets in each other than the limit.

    `tokens` matches strings (and comments), opening and closing brackets of the language.
    """
    brackets = text.encode("utf-8", "replace").translate(None, _NOT_BRACKETS)
    if brackets.count(b"[") + brackets.count(b"{") <= limits.NESTING.value:
        return
    # Pairs vanish from the inside, so as many rounds as there are levels: at the speed of C.
    for _ in range(limits.NESTING.value):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return
        if len(brackets) == before:
            break
    # Too deep, or strings hold brackets that close nowhere: look at each.
    depth = 0
    for token in tokens.finditer(text):
        if token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
        if depth > limits.NESTING.value:
            raise _too_deep(_line_at(text, token.start()) + first_line - 1)


def _check_keys(text: str) -> None:
    """Raise LimitError for a dotted key that takes Python's parser the square of its parts."""
    if all(line.count(".") <= limits.KEY_PARTS.value for line in text.splitlines()):
        return
    dots = 0
    for token in _TOML_KEY.finditer(text):
        first = token[0][0]
        if first == ".":
            dots += 1
        elif not (first.isalnum() or first in "_-\"' \t"):
            dots = 0
        if dots >= limits.KEY_PARTS.value:
            raise LimitError(
                f"a key has more than {limits.KEY_PARTS.words}", _line_at(text, token.start())
            )


def _check_integers(value: Any) -> None:
    """Raise ValueError for an integer, of whichever base, that has too many digits to print."""
    if isinstance(value, dict):
        for each in value.values():
            _check_integers(each)
    elif isinstance(value, list):
        for each in value:
            _check_integers(each)
    elif isinstance(value, int) and value.bit_length() > _BITS:
        raise ValueError("an integer of too many digits")


@dataclass(slots=True)
class _Open:
    """A list or mapping of YAML that is not at its end."""

    anchor: str | None
    before: int
    """Values counted before it."""
    height: int = 1
    """Levels of it, those behind aliases as well."""


def _check_events(events: Iterator[Any], most: int) -> None:
    """Raise LimitError for a stream of YAML events that no parser should be handed."""
    count, repeated = 0, 0
    known: dict[str, tuple[int, int]] = {}
    """Values and levels of each anchor that is complete."""
    around: list[_Open] = []
    for event in events:
        line, height = event.start_mark.line + 1, 0
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            around.append(_Open(event.anchor, count + repeated))
            count += 1
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            done = around.pop()
            height = done.height
            if done.anchor is not None:
                known[done.anchor] = count + repeated - done.before, height
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                known[event.anchor] = 1, 0
            if event.implicit[0] and _is_long(event.value):
                raise LimitError(f"a number has more than {limits.DIGITS.words}", line)
        elif isinstance(event, yaml.AliasEvent):
            if any(each.anchor == event.anchor for each in around):
                raise LimitError(f"the value '{event.anchor}' holds itself", line)
            size, height = known.get(str(event.anchor), (0, 0))
            repeated += size
        if around:
            around[-1].height = max(around[-1].height, height + 1)
        if len(around) + height > limits.NESTING.value:
            raise _too_deep(line)
        _check_counts(count, repeated, most, line)


def _check_counts(written: int, repeated: int, most: int, line: int) -> None:
    if written > most:
        raise LimitError(f"it has more than {most:,} values", line)
    if repeated > limits.ALIAS_VALUES.value:
        raise LimitError(f"its aliases repeat more than {limits.ALIAS_VALUES.words}", line)


def _is_long(text: str) -> bool:
    """Say whether a scalar is a number with more digits than the limit, once it is decimal."""
    if len(text) <= limits.DIGITS.value // 2 or not _NUMBER.fullmatch(text):
        return False
    decimals = len(text) * 1.21 if text.lstrip("+-").startswith(("0x", "0X")) else len(text)
    return decimals > limits.DIGITS.value


def _too_deep(line: int | None) -> LimitError:
    return LimitError(f"it is nested more than {limits.NESTING.words} deep", line)


def _too_long(text: str) -> LimitError:
    found = _LONG_NUMBER.search(text)
    return LimitError(
        f"a number has more than {limits.DIGITS.words}",
        _line_at(text, found.start()) if found else None,
    )


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1
