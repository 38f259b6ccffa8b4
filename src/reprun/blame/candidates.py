"""Candidates in a row, of which the first bad one is looked for: images, or commits of the user's.

A candidate is good where the analysis reproduces with it, and bad where it does not. One that
cannot run says nothing, as `git bisect skip` has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reprun.blame.halving import GIVEN, Answer, Halved, halve, most_tests
from reprun.blame.repository import Commit, Repository
from reprun.documents.project import PROJECT_FILE, Project, read_project
from reprun.documents.selection import Selection, select
from reprun.errors import (
    InterruptedRunError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
    StepFailedError,
    did_you_mean,
)
from reprun.files import remove_tree
from reprun.images.catalogue.catalogue import Catalogue
from reprun.progress import Progress
from reprun.runs.apart import PROJECT, RESULTS, Ended, copied, copy_image, run_apart
from reprun.runs.request import RunRequest
from reprun.store.store import Store
from reprun.wording import listed

FAILS = (StepFailedError, OutputMissingError)
"""Errors of the analysis itself: with `failing` such a candidate is bad."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of a row: what people call it, and how the analysis is set to it."""

    name: str
    about: str
    """What a sentence calls it; of a commit with author, date and subject."""
    selection: Callable[[], Selection]
    """Raises ReprunError where the analysis is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one candidate came to."""

    candidate: Candidate
    answer: Answer
    sentence: str


@dataclass(frozen=True, slots=True)
class Bisected:
    """What the search came to."""

    candidates: Sequence[Candidate]
    """The good one is the first, the bad one the last."""
    tried: Sequence[Tried]
    halved: Halved

    @property
    def first_bad(self) -> Candidate | None:
        """The first bad one; None where it is not known."""
        bad, between = self.halved.bad, self.halved.between
        if self.halved.contradiction or bad is None or between:
            return None
        return self.candidates[bad + 1]

    @property
    def sentence(self) -> str:
        """Name it, or say why it is not known."""
        every, halved = self.candidates, self.halved
        if halved.contradiction:
            end = every[0] if halved.contradiction == "good" else every[-1]
            sentence = next(each.sentence for each in self.tried if each.candidate is end)
            return f"{end.about} is not {halved.contradiction}, as was said: {sentence}"
        assert halved.bad is not None
        good, bad = every[halved.good + 1], every[halved.bad + 1]
        if halved.between:
            names = listed((every[number + 1].name for number in halved.between), most=6)
            return (
                f"the first bad one is {bad.about}, or one of those before it that cannot run: "
                f"{names}; the last good one is {good.name}"
            )
        return f"the first bad one is {bad.about}; {good.name} before it is good"


def bisect(
    candidates: Sequence[Candidate],
    request: RunRequest,
    store: Store,
    progress: Progress,
    *,
    failing: bool,
) -> Bisected:
    """Search; the first candidate is said to be good and the last to be bad.

    With `failing` one whose steps fail is bad. Raises InterruptedRunError when the user stops it.
    """
    tried: list[Tried] = []
    most = most_tests(len(candidates) - 1)

    def test(number: int) -> Answer:
        candidate = candidates[number - GIVEN]
        progress.say(f"run {len(tried) + 1} of about {most}: {candidate.name}")
        try:
            selection = candidate.selection()
            ended = run_apart(replace(request, selection=selection), store, progress)
        except InterruptedRunError:
            raise
        except ReprunError as error:
            ended = Ended(request.selection, None, error, None)
        found = _judged(candidate, ended, failing=failing)
        progress.say(f"  {found.answer}: {found.sentence.splitlines()[0]}")
        tried.append(found)
        return found.answer

    return Bisected(candidates, tried, halve(len(candidates) - 1, test))


def _judged(candidate: Candidate, ended: Ended, *, failing: bool) -> Tried:
    report, error = ended.report, ended.error
    if report is None:
        assert error is not None
        bad = failing and isinstance(error, FAILS)
        return Tried(candidate, "bad" if bad else "skipped", error.message)
    match report.status:
        case "reproduced":
            return Tried(candidate, "good", report.sentence)
        case "not reproduced":
            return Tried(candidate, "bad", report.sentence)
        case _:
            return Tried(candidate, "skipped", report.sentence)


# -- images --------------------------------------------------------------------------------------


def images_between(project: Project, good: str, bad: str, named: Sequence[str]) -> list[str]:
    """Return images from a good one to a bad one, in the order of a list that somebody named.

    Without a list they are those of the catalogue that are called alike but for the numbers of
    their versions, in the order of these. Raises SpecificationError for unknown names, and where
    the good one does not come first.
    """
    known = Catalogue.of(project).names()
    for name in (*named, good, bad):
        if name not in known:
            raise SpecificationError(
                f"there is no image '{name}'{did_you_mean(name, known)}", hint="reprun images list"
            )
    row = list(named) or sorted((n for n in known if _stem(n) == _stem(good)), key=_version)
    for name in (good, bad):
        if name not in row:
            raise SpecificationError(
                f"the image {name} is not one of {listed(row)}",
                hint=f"--images {','.join([good, *(n for n in row if n not in (good, bad)), bad])}",
            )
    begin, end = row.index(good), row.index(bad)
    if begin >= end:
        raise SpecificationError(
            f"the good image {good} does not come before the bad one {bad}",
            hint=f"--images {','.join(reversed(row))}   # in the order in which they came",
        )
    return row[begin : end + 1]


def image_candidates(selection: Selection, names: Sequence[str], home: Path) -> list[Candidate]:
    """Return the analysis in each of some images, in the place of the variant's own."""

    def setting(name: str) -> Callable[[], Selection]:
        def made() -> Selection:
            if (home / PROJECT).is_dir():
                remove_tree(home / PROJECT)
            copy = copied(selection, home)
            copy_image(name, selection.project, copy.project)
            variant = selection.chosen.model_copy(update={"image": name})
            variants = {selection.variant: variant}
            changed = {"variants": variants, "default_variant": None}
            return replace(copy, analysis=copy.analysis.model_copy(update=changed))

        return made

    return [Candidate(name, f"image {name}", setting(name)) for name in names]


def _stem(name: str) -> str:
    return re.sub(r"[-_.v]*\d+", "", name)


def _version(name: str) -> list[tuple[int, int | str]]:
    """Return what sorts versions as people do: 9 before 10."""
    parts = re.findall(r"\d+|\D+", name)
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


# -- commits -------------------------------------------------------------------------------------


def commit_candidates(
    selection: Selection, repository: Repository, good: str, bad: str, home: Path
) -> list[Candidate]:
    """Return the analysis as each commit has it that changed it, after a good one to a bad one.

    Raises SpecificationError for names of no commit, where the good one is no ancestor of the bad
    one, and where no commit between them changed the analysis.
    """
    begin, end = repository.commit_called(good), repository.commit_called(bad)
    project = selection.project
    root, directory = project.root.resolve(), selection.directory.resolve()
    paths = [directory, root / "images", root / "conditions", root / PROJECT_FILE]
    inside = [path for path in paths if path.is_relative_to(repository.root)]
    found = repository.between(begin, end, inside)
    if not found:
        raise SpecificationError(
            f"no commit between {good} and {bad} changed {selection.analysis.name}",
            place=str(repository.root),
            hint=selection.command("blame"),
        )

    def setting(commit: str) -> Callable[[], Selection]:
        def made() -> Selection:
            tree = repository.check_out(commit)
            return _as_checked_out(
                selection,
                tree / root.relative_to(repository.root),
                tree / directory.relative_to(repository.root),
                home,
            )

        return made

    def candidate(commit: Commit) -> Candidate:
        return Candidate(commit.short, str(commit), setting(commit.name))

    first = Candidate(begin[:12], f"commit {begin[:12]}", setting(begin))
    return [first, *map(candidate, found)]


def _as_checked_out(selection: Selection, root: Path, directory: Path, home: Path) -> Selection:
    """Return the same run of the analysis as a commit has it."""
    for path in (root, directory):
        # A lock is written there: a link of a stranger's leads nowhere else.
        if not path.resolve().is_relative_to(home.resolve()):
            raise SpecificationError(f"{path.name} is a link that leads out of the commit")
    return select(
        read_project(root),
        str(directory),
        variant=selection.variant,
        dataset=selection.dataset,
        tier=selection.tier,
        results=home / RESULTS,
    )
