"""Parts of sentences: counts, lists, sizes, and text that cannot control a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprun.wording import count_of, json_visible, lines_of, listed, size_of, visible, without_login

FILES = [f"file-{number}.deb" for number in range(87)]


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 objects"), (1, "1 object"), (1234, "1,234 objects")]
)
def test_a_count_has_its_plural(number: int, said: str) -> None:
    assert count_of(number, "object") == said


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("", ""),
        ("a", "a"),
        ("abc", "a, b, c"),
        ("abcd", "a, b, c, d"),
        ("abcde", "a, b, c and 2 more"),
    ],
)
def test_three_names_and_a_count(names: str, said: str) -> None:
    assert listed(names) == said


def test_87_files_take_no_more_room_than_four() -> None:
    assert listed(FILES) == "file-0.deb, file-1.deb, file-2.deb and 84 more"
    assert listed(FILES, 1, separator="; ") == "file-0.deb and 86 more"


@pytest.mark.parametrize(
    ("names", "said"), [("a", "a"), ("ab", "a and b"), ("abc", "a, b and c"), ("", "")]
)
def test_the_last_of_a_few_may_have_a_word_before_it(names: str, said: str) -> None:
    assert listed(names, last=" and ") == said


def test_lines_below_a_sentence() -> None:
    assert lines_of([]) == ""
    assert lines_of(["a", "b"], margin="  ") == "\n  a\n  b"
    assert lines_of(FILES, 2) == "\n    file-0.deb\n    file-1.deb\n    and 85 more"
    assert lines_of("abc", 2) == "\n    a\n    b\n    c"


BIDIRECTIONAL = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_940, "999.9 kB"),
        (999_950, "1.0 MB"),
        (554_600_000, "554.6 MB"),
        (2_000_000_000, "2.0 GB"),
        (3_500_000_000_000, "3.5 TB"),
    ],
)
def test_a_size(number: int, said: str) -> None:
    assert size_of(number) == said


@given(st.integers(min_value=1000, max_value=10**15 - 10**11))
def test_no_size_has_more_than_three_digits_before_the_point(number: int) -> None:
    assert 1 <= float(size_of(number).split()[0]) < 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é → µ\n", "plain é → µ\n"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b2J", "\\x9b2J"),
        ("a\tb\r\x7f\x00", "a\\x09b\\x0d\\x7f\\x00"),
        ("exe\u202etxt", "exe\\u202etxt"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_controls_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_that_controls_a_terminal_is_left(text: str) -> None:
    left = visible(text)
    assert not [c for c in left if unicodedata.category(c) in {"Cc", "Cs"} and c != "\n"]
    assert not set(left) & set(BIDIRECTIONAL)
    assert visible(left) == left


@given(st.dictionaries(st.text(), st.text()))
@pytest.mark.slow
def test_json_says_the_same_in_other_letters(document: dict[str, str]) -> None:
    text = json_visible(json.dumps(document, ensure_ascii=False, indent=1))
    assert json.loads(text) == document
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:secret@host/a b", "https://…@host/a b"),
        ("root://host//f.root?authz=secret", "root://host//f.root?…"),
        ("tcp://10.0.0.1:2375", "tcp://10.0.0.1:2375"),
        ("m4l@bin ?", "m4l@bin ?"),
    ],
)
def test_logins_and_tokens_of_urls_are_left_out(text: str, shown: str) -> None:
    assert without_login(text) == shown
