"""The searches for a cause, with planted answers: nothing runs."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from reprun.blame.halving import GIVEN, Answer, halve
from reprun.blame.halving import most_tests as most_halvings
from reprun.blame.search import FEW, Outcome, causes, minimal, most_tests, remembered


class Planted:
    """Changes of which some sets make the difference, with a count of the questions."""

    def __init__(self, sets: Sequence[frozenset[int]], odd: frozenset[int] = frozenset()) -> None:
        self.sets = sets
        self.odd = odd
        self.asked = 0

    def __call__(self, changes: frozenset[int]) -> Outcome:
        self.asked += 1
        if any(each <= changes for each in self.sets):
            return "bad"
        return "other" if changes & self.odd else "good"


def few_and_one(draw: st.DrawFn) -> tuple[int, frozenset[int]]:
    number = draw(st.integers(1, 20))
    members = st.integers(0, number - 1)
    return number, draw(st.frozensets(members, min_size=1, max_size=4))


PLANTED = st.composite(few_and_one)()


@given(PLANTED)
def test_one_planted_set_is_found_whole_and_alone(planted: tuple[int, frozenset[int]]) -> None:
    number, members = planted
    test = Planted([members])
    found = causes(number, remembered(test))
    assert found.sets == (tuple(sorted(members)),)
    assert found.explained
    assert test.asked <= most_tests(number) + 1


@given(st.integers(2, 12), st.data())
def test_sets_of_their_own_are_all_found(number: int, data: st.DataObject) -> None:
    cut = data.draw(st.integers(1, number - 1))
    one = data.draw(st.frozensets(st.integers(0, cut - 1), min_size=1, max_size=2))
    other = data.draw(st.frozensets(st.integers(cut, number - 1), min_size=1, max_size=2))
    found = causes(number, remembered(Planted([one, other])))
    assert set(found.sets) == {tuple(sorted(one)), tuple(sorted(other))}
    assert found.explained


@given(
    st.integers(1, 10),
    st.dictionaries(
        st.frozensets(st.integers(0, 9)), st.sampled_from(("good", "bad", "other")), max_size=200
    ),
)
def test_whatever_is_answered_no_member_can_be_left_out(
    number: int, answers: dict[frozenset[int], Outcome]
) -> None:
    every = frozenset(range(number))
    answers = {**answers, frozenset(): "good", every: "bad"}
    asked = 0

    def test(changes: frozenset[int]) -> Outcome:
        nonlocal asked
        asked += 1
        return answers.get(changes, "other")

    once = remembered(test)
    found = minimal(sorted(every), once)
    assert once(frozenset(found)) == "bad"
    for member in found:
        assert once(frozenset(found) - {member}) != "bad"
    assert asked <= most_tests(number) + number


def test_a_single_cause_of_few_is_found_with_each_alone() -> None:
    for cause in range(FEW):
        test = Planted([frozenset({cause})])
        causes(FEW, remembered(test))
        assert test.asked == cause + 3  # all, each alone up to it, all but it


def test_what_comes_out_as_neither_explains_nothing() -> None:
    test = Planted([frozenset({0, 1})], odd=frozenset({0, 2}))
    found = causes(3, remembered(test))
    assert found.sets == ((0, 1),)
    assert not found.explained


@given(st.integers(1, 300), st.data())
def test_the_first_bad_one_is_found_by_halving(number: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, number - 1))
    asked: list[int] = []

    def test(candidate: int) -> Answer:
        asked.append(candidate)
        return "bad" if candidate >= first else "good"

    found = halve(number, test)
    assert (found.good, found.bad, found.between) == (first - 1, first, ())
    assert len(asked) == len(set(asked)) <= most_halvings(number)
    assert {found.good, found.bad} <= set(asked)


def test_sixteen_candidates_take_four_tests() -> None:
    for first in range(1, 15):
        asked: list[int] = []

        def test(candidate: int, first: int = first, asked: list[int] = asked) -> Answer:
            asked.append(candidate)
            return "bad" if candidate >= first else "good"

        assert halve(16, test).bad == first
        assert len(asked) == 4


@given(st.lists(st.sampled_from(("good", "bad", "skipped")), max_size=40))
def test_whatever_is_answered_the_result_rests_on_two_neighbours(answers: list[Answer]) -> None:
    said: dict[int, Answer] = {GIVEN: "good", **dict(enumerate([*answers, "bad"]))}
    asked: set[int] = set()

    def test(candidate: int) -> Answer:
        assert candidate not in asked
        asked.add(candidate)
        return said[candidate]

    found = halve(len(said) - 1, test)
    assert found.bad is not None
    assert (said[found.good], said[found.bad]) == ("good", "bad")
    assert {found.good, found.bad} <= asked
    assert found.between == tuple(range(found.good + 1, found.bad))
    assert all(said[each] == "skipped" for each in found.between)


def test_an_end_that_is_not_what_was_said_is_named() -> None:
    assert halve(4, lambda _: "good").contradiction == "bad"
    assert halve(4, lambda _: "bad").contradiction == "good"
    assert halve(1, lambda n: "good" if n == GIVEN else "skipped").contradiction == "bad"
