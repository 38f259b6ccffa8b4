"""Documents that ask for too much, or that no parser should choke on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from _pytest.mark import ParameterSet

from reprun.bounded import limits

DEEP = limits.NESTING.value + 1
LONG = limits.DIGITS.value + 1


def bomb(levels: int, width: int, form: str = "[{}]") -> str:
    """Return aliases of aliases: `width` to the power of `levels` values."""
    rows = ["a0: &a0 x"]
    rows += [
        f"a{n}: &a{n} " + form.format(", ".join([f"*a{n - 1}"] * width)) for n in range(1, levels)
    ]
    return "\n".join(rows)


def merged(levels: int) -> str:
    """Return mappings that take over each other twice."""
    rows = ["a0: &a0 {x: 1}"]
    rows += [f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(rows)


def chain(levels: int) -> str:
    rows = ["a0: &a0 [x]"]
    rows += [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels)]
    return "\n".join(rows)


YAML = {
    "flow lists": "[" * 30_000,
    "flow lists, closed": "[" * 30_000 + "]" * 30_000,
    "flow mappings": "{a: " * 30_000,
    "both": "[{a: " * 20_000,
    "keys": "{? " * 30_000,
    "compact lists": "- " * 30_000 + "x",
    "compact keys": "? " * 30_000 + "x",
    "block mappings": "".join(f"{' ' * n}a:\n" for n in range(300)),
    "block lists": "".join(f"{' ' * n}-\n" for n in range(300)),
    "just too deep": "[" * DEEP + "]" * DEEP,
    "below a field": "a:\n  b: " + "[" * 5_000,
    "after much else": "a: [1]\n" * 200 + "b: " + "[" * 5_000,
    "strings between": '["]", ' * 5_000,
    "billion laughs": bomb(10, 10),
    "few laughs, many times": bomb(3, 1_000),
    "laughing mappings": bomb(25, 2, "{{a: [{}]}}"),
    "380 bytes of aliases": bomb(9, 9),
    "merged mappings": merged(40),
    "a chain of aliases": chain(150),
    "itself": "a: &a [*a]",
    "itself in a mapping": "a: &a {b: *a}",
    "itself far below": "a: &a [[[[{b: [*a]}]]]]",
    "itself merged": "a: &a\n  <<: *a",
    "digits": f"a: {'1' * LONG}",
    "negative digits": f"a: -{'1' * LONG}",
    "hexadecimal": f"a: 0x{'f' * LONG}",
    "a little less hexadecimal": f"a: 0x{'f' * (LONG - 300)}",
    "base 60": "a: " + "1" + ":1" * LONG,
    "base 60 with a fraction": "a: " + "1" + ":1" * LONG + ".5",
    "a float": f"a: 1.{'1' * LONG}",
    "values": "[" + "1," * (limits.YAML_VALUES.value + 1) + "]",
    "bytes": "#" * (limits.YAML_BYTES.value + 1),
}
BROKEN_YAML = {
    "a tag that does not fit": "a: !!int ''",
    "a time that is none": "a: !!timestamp x",
    "a bool that is none": "a: !!bool x",
    "a date that is none": "a: 2025-02-30",
    "a float that is none": "a: !!float x",
    "a code object": "a: !!python/object/apply:os.system [ls]",
    "pairs that are none": "a: !!omap x",
    "bytes that are none": "a: !!binary '\u00e9'",
    "a list as key": "? [a]\n: b",
    "itself as key": "&a ? *a",
    "an unknown alias": "a: *b",
    "two documents": "a: 1\n---\nb: 2",
    "a control character": "a: \x01",
    "nothing but an end": "}",
    "a null byte": "a: \x00",
    "an anchor twice and around": "a: &a [&a x, *a]\nb: ]",
}


def names(*tables: Iterable[str]) -> list[ParameterSet]:
    """Return the names of some documents as parameters of a test; a large one makes it slow."""
    return [
        pytest.param(name, marks=[pytest.mark.slow] if name == "values" else [])
        for table in tables
        for name in table
    ]
