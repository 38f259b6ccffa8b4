"""A Snakefile as text: its rules and their directives, each with file and line.

Snakemake itself keeps no line of a directive; a finding without one is hard to act on. This
reads only what stands in the text: rules made in loops or by modules are not seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reprun.bounded import limits
from reprun.bounded.texts import text_of
from reprun.errors import SpecificationError

_RULE = re.compile(r"^(?P<indent>[ \t]*)(?:rule|checkpoint)(?:[ \t]+(?P<name>\w+))?[ \t]*:")
_DIRECTIVE = re.compile(r"^(?P<indent>[ \t]+)(?P<name>[a-z_]+)[ \t]*:(?P<rest>.*)$")
_INCLUDE = re.compile(r"""^[ \t]*include[ \t]*:[ \t]*(?P<quote>["'])(?P<path>[^"']+)(?P=quote)""")
_QUOTES = re.compile(r"'''|\"\"\"")


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive of a rule: where it stands and the text after its colon."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as it is written."""

    name: str
    file: Path
    line: int
    directives: Mapping[str, Directive] = field(default_factory=dict)

    def line_of(self, directive: str) -> int:
        """Return the line of a directive, or of the rule where it has none of that name."""
        found = self.directives.get(directive)
        return found.line if found else self.line


@dataclass(frozen=True, slots=True)
class SnakefileText:
    """A Snakefile with what it includes by a literal name."""

    files: tuple[Path, ...]
    rules: tuple[RuleText, ...]
    texts: tuple[str, ...] = ()
    """What stands in each file."""
    outside: tuple[Path, ...] = ()
    """What it includes that is no file of the analysis; none of them was read."""

    def rule(self, name: str) -> RuleText | None:
        """Return the rule of that name, if it stands in the text."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def lines(self) -> Iterator[tuple[Path, int, str]]:
        """Yield file, line number and text of every line that is not a comment."""
        for file, text in zip(self.files, self.texts, strict=True):
            for number, line in enumerate(text.splitlines(), 1):
                if not line.lstrip().startswith("#"):
                    yield file, number, line


def read_snakefile(path: Path, within: Path) -> SnakefileText:
    """Read a Snakefile and what it includes from the directory that its analysis is in.

    An include that does not exist is left out. Raises SpecificationError for what cannot be read
    or is beyond a limit: for a Snakefile, all that it includes as well.
    """
    root = within.resolve()
    files: dict[Path, Path] = {}
    """By what each is once every link is followed: a name may be spelled without end."""
    outside: dict[Path, Path] = {}
    texts: list[str] = []
    rules: list[RuleText] = []
    waiting = [path]
    for file in waiting:  # grows while it is walked
        found = _regular(file)
        if found is None or found in files:
            continue
        if not found.is_relative_to(root):
            outside.setdefault(found, file)
            continue
        files[found] = file
        text = read_text(found)
        texts.append(text)
        if sum(map(len, texts)) > limits.CODE_BYTES.value:
            raise SpecificationError(
                f"{path.name} and what it includes have more than {limits.CODE_BYTES.words}",
                place=str(path),
            )
        rules += _rules(file, text)
        included = filter(None, map(_INCLUDE.match, text.splitlines()))
        names = (os.path.normpath(file.parent / one["path"]) for one in included)
        waiting += map(Path, dict.fromkeys(names))
    return SnakefileText(tuple(files.values()), tuple(rules), tuple(texts), tuple(outside.values()))


def read_text(file: Path) -> str:
    """Return the text of a Snakefile; what is not UTF-8 in it is replaced."""
    return text_of(file, limits.CODE_BYTES, "replace")


def _regular(file: Path) -> Path | None:
    """Return what a name leads to, if that is a file."""
    try:
        found = file.resolve()
        return found if found.is_file() else None
    except (OSError, RuntimeError, ValueError):  # a name too long, links in a circle, a zero byte
        return None


def _rules(file: Path, text: str) -> Iterator[RuleText]:
    """Yield the rules of a file. What stands in a string of several lines is not a directive."""
    name, line_of_rule, indent = "", 0, -1
    level: int | None = None
    directives: dict[str, Directive] = {}
    current: str | None = None
    quoted = False
    for number, line in enumerate(text.splitlines(), 1):
        began_quoted = quoted
        if len(_QUOTES.findall(line)) % 2:
            quoted = not quoted
        if began_quoted:
            if current is not None:
                old = directives[current]
                directives[current] = Directive(old.line, f"{old.text}\n{line}")
            continue
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        if name and depth <= indent:
            yield RuleText(name, file, line_of_rule, directives)
            name, current = "", None
        if start := _RULE.match(line):
            name = start["name"] or f"at line {number}"
            line_of_rule, indent, level = number, len(start["indent"]), None
            directives, current = {}, None
            continue
        if not name:
            continue
        found = _DIRECTIVE.match(line)
        if found and (level is None or depth == level):
            level = depth
            current = found["name"]
            directives[current] = Directive(number, found["rest"])
        elif current is not None:
            old = directives[current]
            directives[current] = Directive(old.line, f"{old.text}\n{line}")
    if name:
        yield RuleText(name, file, line_of_rule, directives)
