# ruff: noqa: RUF001 - Greek letters that look like Latin ones are what is meant
"""Titles as ROOT's TLatex and LaTeX write them, read into pieces that any renderer can set.

ROOT: O. Couet, "TLatex", reference guide of ROOT 6, class TLatex: commands begin with `#`, and the
longest known name wins (`#DeltaR`). Between dollars, and with a backslash, the same names are
LaTeX's. What is not known stays as it is written. A title is text of whoever wrote the file: it is
bounded, and nothing in it is markup of the page it ends on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from reprun.wording import shortened

LONGEST_TITLE = 200
"""Characters of a title that are shown; five times as many are read."""
DEEPEST = 6
"""Groups in each other; deeper ones stay as they are written."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a title that is set in one way."""

    text: str
    level: str = ""
    """Where it stands: `^` raised, `_` lowered, `_^` raised on what is lowered, `` on the line."""
    italic: bool = False


_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ",
    "eta": "η", "theta": "θ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν",
    "xi": "ξ", "omicron": "ο", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ",
    "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Alpha": "Α", "Beta": "Β", "Gamma": "Γ",
    "Delta": "Δ", "Epsilon": "Ε", "Zeta": "Ζ", "Eta": "Η", "Theta": "Θ", "Iota": "Ι",
    "Kappa": "Κ", "Lambda": "Λ", "Mu": "Μ", "Nu": "Ν", "Xi": "Ξ", "Omicron": "Ο", "Pi": "Π",
    "Rho": "Ρ", "Sigma": "Σ", "Tau": "Τ", "Upsilon": "Υ", "Phi": "Φ", "Chi": "Χ", "Psi": "Ψ",
    "Omega": "Ω", "varphi": "ϕ", "vartheta": "ϑ", "varsigma": "ς", "varepsilon": "ϵ",
    "varomega": "ϖ", "varUpsilon": "ϒ",
}  # fmt: skip
_SIGNS = {
    "ell": "ℓ", "hbar": "ħ", "infty": "∞", "partial": "∂", "nabla": "∇", "prime": "′",
    "circ": "°", "bullet": "•", "pm": "±", "mp": "∓", "plus": "+", "minus": "−", "times": "×",
    "divide": "÷", "cdot": "·", "upoint": "·", "ast": "∗", "otimes": "⊗", "oplus": "⊕",
    "odot": "⊙", "leq": "≤", "geq": "≥", "LT": "<", "GT": ">", "neq": "≠", "approx": "≈",
    "sim": "∼", "equiv": "≡", "propto": "∝", "cong": "≅", "in": "∈", "notin": "∉",
    "subset": "⊂", "supset": "⊃", "subseteq": "⊆", "supseteq": "⊇", "cap": "∩", "cup": "∪",
    "oslash": "∅", "wedge": "∧", "vee": "∨", "perp": "⊥", "parallel": "∥", "angle": "∠",
    "forall": "∀", "exists": "∃", "int": "∫", "sum": "∑", "prod": "∏", "surd": "√",
    "leftarrow": "←", "rightarrow": "→", "uparrow": "↑", "downarrow": "↓",
    "leftrightarrow": "↔", "Leftarrow": "⇐", "Rightarrow": "⇒", "Uparrow": "⇑",
    "Downarrow": "⇓", "Leftrightarrow": "⇔", "3dots": "…", "AA": "Å", "aa": "å", "Box": "□",
    "Re": "ℜ", "Im": "ℑ", "aleph": "ℵ", "copyright": "©", "trademark": "™", "clubsuit": "♣",
    "diamondsuit": "♦", "heartsuit": "♥", "spadesuit": "♠", "backslash": "\\",
}  # fmt: skip
_LATEX_SIGNS = {
    "to": "→", "le": "≤", "ge": "≥", "ne": "≠", "degree": "°", "dots": "…", "ldots": "…",
    "cdots": "⋯", "quad": " ", "div": "÷", "emptyset": "∅", "mid": "|", "langle": "⟨",
    "rangle": "⟩", ",": " ", ";": " ", ":": " ", " ": " ", "!": "", "%": "%", "#": "#",
    "_": "_", "&": "&", "$": "$",
}  # fmt: skip
"""Names that LaTeX has and ROOT has not."""
_ACCENTS = {
    "bar": "\u0304", "overline": "\u0304", "hat": "\u0302", "widehat": "\u0302",
    "tilde": "\u0303", "widetilde": "\u0303", "dot": "\u0307", "ddot": "\u0308",
    "vec": "\u20d7", "acute": "\u0301", "grave": "\u0300", "check": "\u030c",
}  # fmt: skip
"""A command, and the character that puts its accent on the one before it."""
_UPRIGHT = frozenset({"bf", "mbox", "text", "textrm", "textbf", "mathrm", "mathbf", "rm", "mathsf"})
_SLANTED = frozenset({"it", "mathit", "textit"})
_SET_ASIDE = frozenset({"font", "color", "scale", "kern", "lower", "url"})
"""Commands with a number in brackets that change only how a group looks."""
_OPENING = {"left": ("(", "[", "{", "|", "."), "right": (")", "]", "}", "|", ".")}
_WITH_GROUP = frozenset({*_ACCENTS, *_UPRIGHT, *_SLANTED, *_SET_ASIDE, "sqrt", "frac", "splitline"})
_NAMES = sorted({*_GREEK, *_SIGNS, *_WITH_GROUP, *_OPENING}, key=len, reverse=True)
_ROOT_NAME = re.compile("|".join(map(re.escape, _NAMES)))
_LATEX_NAME = re.compile(r"[A-Za-z]+ ?|[,;:! %#_&$]")
_FORMULA = re.compile(r"\$([^$]*)\$")
_IS_FORMULA = re.compile(r"[\\_^{]|^[A-Za-z]$")
_FONT = re.compile(r"\s*\[[^\]]*\]")
_SIGNED = re.compile(r"[-+\d.]*")
_OPERATOR = re.compile(r"[-+/*·×=<>, ]|.\s")

_RAISED = dict(
    zip("0123456789+-−=()nij", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱʲ", strict=True)
) | {"°": "°", "′": "′"}  # fmt: skip
_LOWERED = dict(zip("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))
_SMALL: Mapping[str, Mapping[str, str]] = {"^": _RAISED, "_": _LOWERED}


@lru_cache(maxsize=1024)
def pieces_of(title: str, most: int = LONGEST_TITLE) -> tuple[Piece, ...]:
    """Return the parts of a title, each with its place; neighbours of one kind are joined.

    Of a title with more than `most` characters the beginning and an ellipsis are returned.
    """
    title = shortened(title, 5 * LONGEST_TITLE)
    found: list[Piece] = []
    end = 0
    for formula in _FORMULA.finditer(title):
        if not _IS_FORMULA.search(formula[1]):
            continue
        found += _Reader(title[end : formula.start()]).all()
        found += _Reader(formula[1], formula=True).all()
        end = formula.end()
    found += _Reader(title[end:]).all()
    return _cut(_joined(found), most)


@lru_cache(maxsize=1024)
def unicode_title(title: str) -> str:
    """Return a title in characters alone: `μ⁺`, `p_T`, `√s`, `cm⁻²`."""
    return _as_text(pieces_of(title))


def _cut(pieces: tuple[Piece, ...], most: int) -> tuple[Piece, ...]:
    if sum(len(piece.text) for piece in pieces) <= most:
        return pieces
    found: list[Piece] = []
    room = most - 1
    for piece in pieces:
        found.append(replace(piece, text=piece.text[:room]))
        room -= len(found[-1].text)
        if not room:
            break
    return (*found, Piece("…"))


def _as_text(pieces: Iterable[Piece]) -> str:
    known = list(pieces)
    text = ""
    for index, piece in enumerate(known):
        if not piece.level:
            text += piece.text
            continue
        before = known[index - 1].level if index else ""
        table = _SMALL[piece.level[-1]] if len(piece.level) == 1 else {}
        if piece.text and all(each in table for each in piece.text):
            text += "".join(table[each] for each in piece.text)
        elif len(before) > len(piece.level) and before.startswith(piece.level):
            text += piece.text  # goes on where what was inside of it has ended
        else:
            word = piece.text.strip()
            text += piece.level[-1] + (
                f"({word})" if len(word) > 1 and _OPERATOR.search(word) else word
            )
    return text


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        last = found[-1] if found else None
        if last and (last.level, last.italic) == (piece.level, piece.italic):
            found[-1] = Piece(last.text + piece.text, piece.level, piece.italic)
        else:
            found.append(piece)
    return tuple(map(_with_minus, found))


def _with_minus(piece: Piece) -> Piece:
    """Return a piece in which the hyphen of a small number or charge is a minus."""
    if piece.level and _SIGNED.fullmatch(piece.text):
        return replace(piece, text=piece.text.replace("-", "−"))
    return piece


class _Reader:
    """Reads a string from its beginning; `formula` is set between dollars."""

    def __init__(self, text: str, *, formula: bool = False, depth: int = 0) -> None:
        self._text = text
        self._formula = formula
        self._depth = depth
        self._at = 0

    def all(self, level: str = "", *, italic: bool = False) -> list[Piece]:
        """Return the pieces of the whole string."""
        found: list[Piece] = []
        while self._at < len(self._text):
            found += self._next(level, italic=italic)
        return found

    def _next(self, level: str, *, italic: bool) -> list[Piece]:
        character = self._text[self._at]
        if character in "#\\" and (command := self._command(character)):
            return self._commanded(command, level, italic=italic)
        if character in "^_":
            inside = self._group_at(self._at + 1, bare=self._formula)
            if inside is not None and self._depth < DEEPEST:
                return self._read(inside, level + character, italic=italic)
        if self._formula and character == "{":
            inside = self._group_at(self._at)
            if inside is not None and self._depth < DEEPEST:
                return self._read(inside, level, italic=italic)
        self._at += 1
        slanted = italic or (self._formula and character.isascii() and character.isalpha())
        return [Piece(character, level, slanted)]

    def _command(self, begins: str) -> str | None:
        """Return the name of the command at this place, None where none is known."""
        pattern = _ROOT_NAME if begins == "#" else _LATEX_NAME
        found = pattern.match(self._text, self._at + 1)
        if found is None:
            return None
        name = found[0] if found[0] == " " else found[0].rstrip(" ")
        known = name in _GREEK or name in _SIGNS or name in _WITH_GROUP or name in _OPENING
        if not known and not (begins == "\\" and name in _LATEX_SIGNS):
            return None
        if name in _WITH_GROUP and self._group_at(self._after(name, found.end())) is None:
            return None
        self._end_of_name = found.end()
        return name

    def _after(self, name: str, at: int) -> int:
        """Return where the group of a command begins."""
        if name in _SET_ASIDE and (found := _FONT.match(self._text, at)):
            at = found.end()
        while at < len(self._text) and self._text[at] == " ":
            at += 1
        return at

    def _commanded(self, name: str, level: str, *, italic: bool) -> list[Piece]:
        at = self._end_of_name
        if name in _OPENING:
            bracket = self._text[at : at + 1]
            known = bracket in _OPENING[name] and bracket
            self._at = at + 1 if known else at
            return [Piece(bracket if known and bracket != "." else "", level, italic)]
        if name not in _WITH_GROUP:
            self._at = at
            sign = _GREEK.get(name) or _SIGNS.get(name)
            return [Piece(_LATEX_SIGNS[name] if sign is None else sign, level, italic)]
        inside = self._group_at(self._after(name, at))
        if inside is None or self._depth >= DEEPEST:
            self._at += 1
            return [Piece(self._text[self._at - 1], level, italic)]
        if name in ("frac", "splitline"):
            return self._two(name, inside, level, italic=italic)
        return self._one(name, inside, level, italic=italic)

    def _one(self, name: str, inside: tuple[int, int], level: str, *, italic: bool) -> list[Piece]:
        """Return a group as its command has it set."""
        upright = name in _UPRIGHT
        slanted = name in _SLANTED or (italic and not upright)
        read = self._read(inside, level, italic=slanted, plain=upright)
        if name == "sqrt":
            # A root over one letter, with whatever is raised or lowered beside it.
            alone = bool(read) and len(read[0].text) == 1 and all(p.level > level for p in read[1:])
            return [Piece("√", level), *(read if alone else _enclosed(read, level))]
        if name in _ACCENTS:
            return [_accented(piece, _ACCENTS[name]) for piece in read]
        return read

    def _two(self, name: str, inside: tuple[int, int], level: str, *, italic: bool) -> list[Piece]:
        """Return two groups: a fraction on one line, or lines beside each other."""
        one = self._read(inside, level, italic=italic)
        second = self._group_at(self._at)
        other = [] if second is None else self._read(second, level, italic=italic)
        if name == "splitline":
            return [*one, Piece(" ", level), *other]
        parts = [
            _enclosed(part, level) if _OPERATOR.search(_as_text(part)) else part
            for part in (one, other)
        ]
        return [*parts[0], Piece("/", level), *parts[1]]

    def _group_at(self, at: int, *, bare: bool = False) -> tuple[int, int] | None:
        """Return begin and end of what is in braces, or with `bare` of one thing without them."""
        text = self._text
        if at >= len(text):
            return None
        if text[at] != "{":
            if not bare:
                return None
            named = _LATEX_NAME.match(text, at + 1) if text[at] == "\\" else None
            if named is None:
                return at, at + 1
            inside = self._group_at(named.end()) if named[0].strip() in _WITH_GROUP else None
            return at, named.end() if inside is None else inside[1] + 1
        depth = 0
        for end in range(at, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                return at + 1, end
        return None

    def _read(
        self, inside: tuple[int, int], level: str, *, italic: bool, plain: bool = False
    ) -> list[Piece]:
        """Read a group on its own and go on behind it."""
        begin, end = inside
        closed = self._text[begin - 1 : begin] == "{" and self._text[end : end + 1] == "}"
        self._at = end + 1 if closed else end
        reader = _Reader(
            self._text[begin:end], formula=self._formula and not plain, depth=self._depth + 1
        )
        return reader.all(level, italic=italic)


def _enclosed(pieces: list[Piece], level: str) -> list[Piece]:
    return [Piece("(", level), *pieces, Piece(")", level)]


def _accented(piece: Piece, accent: str) -> Piece:
    return Piece("".join(each + accent for each in piece.text), piece.level, piece.italic)
