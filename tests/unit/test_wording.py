"""A list never fills a message."""

from __future__ import annotations

import pytest

from reprun.wording import count_of, lines_of, listed

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
