"""What is to be explained, and what runs prove of it: with runs that are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from reprun.blame.attribution import Attribution, Blame, described, first_step
from reprun.blame.candidates import Candidate, bisect, images_between
from reprun.blame.case import Case, case_of, two_nights
from reprun.blame.setting import Settings, with_images
from reprun.conditions.snapshot import load_snapshot, snapshot_text
from reprun.digests import sha256_bytes
from reprun.documents.analysis import Variant
from reprun.documents.project import read_project
from reprun.documents.selection import Selection
from reprun.engines.choose import EngineChoice
from reprun.errors import (
    InputsGoneError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
    StepFailedError,
)
from reprun.history import rows
from reprun.history.database import Database, looked_into
from reprun.history.model import Factor
from reprun.progress import Silent
from reprun.runs.apart import Ended
from reprun.runs.request import RunRequest
from reprun.store.store import Store
from tests.history_support import CODE, GOOD, Nights, digest_of, report_of
from tests.projects import mark_project
from tests.unit import builders

MOVED = {**GOOD, "pt": "c" * 64}
OTHER = {**GOOD, "pt": "d" * 64}
NEW = b"import numpy\nfill(2)\n"


class Set:
    """Settings of an analysis that lies nowhere: what cannot be set is planted."""

    def __init__(self, gone: Mapping[tuple[str, str], str] | None = None) -> None:
        self.gone = gone or {}
        self.asked: list[list[Factor]] = []

    def obstacle(self, factor: Factor | None) -> str:
        if factor is None:
            return ""
        if factor.kind in ("host", "program", "deviation", "rules"):
            return "nobody can set it"
        return self.gone.get((factor.kind, factor.digest), "")

    def set_to(self, factors: list[Factor]) -> Selection:
        self.asked.append(factors)
        return builders.selection()

    def engine_of(self, _: list[Factor]) -> EngineChoice | None:
        return None


@pytest.fixture
def nights(tmp_path: Path) -> Nights:
    return Nights(tmp_path / "results")


def code_of(data: bytes) -> Mapping[str, str]:
    return {"Snakefile": digest_of("s"), "code/fill.py": sha256_bytes(data)}


@pytest.fixture
def database(nights: Nights) -> Iterator[Database]:
    """A good night, and a bad one with another image, code, parameter and host."""
    nights.add(0)
    nights.add(
        1,
        MOVED,
        bad=["pt"],
        code=code_of(NEW),
        texts=(NEW,),
        images={"columnar": digest_of("new")},
        parameters={"bins": 20, "scale": 1.5},
        host={"cpu": "another"},
    )
    with looked_into(nights.path) as found:
        assert found is not None
        yield found


def case(database: Database, settings: Set | None = None, **given: Any) -> Case:
    """Return the case of the nights."""
    found = two_nights(database, builders.selection(), None, None)
    return case_of(database, *found, cast("Settings", settings or Set()), engine=False, **given)


def test_what_differs_can_be_put_back_or_is_said_not_to_be(database: Database) -> None:
    found = case(database)
    assert [each.name for each in found.moved] == [
        "image columnar",
        "code code/fill.py",
        "parameter bins",
    ]
    assert [(each.change.name, each.side, each.why) for each in found.fixed] == [
        ("host processor", "this host", "nobody can set it")
    ]
    good, bad = ({f.key: f.digest for f in found.factors(n)} for n in (set(), {0, 1, 2}))
    assert good.keys() == bad.keys()
    assert {key[1] for key in good if good[key] != bad[key]} == {"columnar", "code/fill.py", "bins"}
    assert found.by_verdict
    assert list(found.contents) == ["pt"]


def test_bytes_that_are_gone_leave_one_value_or_no_run_at_all(database: Database) -> None:
    old, new = code_of(CODE)["code/fill.py"], code_of(NEW)["code/fill.py"]
    found = case(database, Set({("code", old): "gone"}))
    (code,) = [each for each in found.fixed if each.change.factor.kind == "code"]
    assert (code.side, code.why, code.factor) == ("bad", "gone", code.change.now)
    found = case(database, Set({("code", new): "gone"}))
    assert [each.side for each in found.fixed] == ["good", "this host"]
    with pytest.raises(InputsGoneError, match=r"again:\n    code code/fill.py: gone"):
        case(database, Set({("code", old): "gone", ("code", new): "gone"}))
    with pytest.raises(InputsGoneError, match="code Snakefile: gone"):
        case(database, Set({("code", digest_of("s")): "gone"}))


def test_runs_that_made_the_same_are_apart_by_what_they_are_compared_with(nights: Nights) -> None:
    nights.add(0)
    changed = nights.entry(1, bad=["pt"], code=code_of(NEW))
    assert changed.made is not None
    reference = [
        each.model_copy(update={"digest": digest_of("new")}) if each.kind == "reference" else each
        for each in changed.made.factors
    ]
    made = changed.made.model_copy(update={"factors": tuple(reference)})
    nights.write(changed.model_copy(update={"made": made}))
    with looked_into(nights.path) as database:
        assert database is not None
        found = case(database)
    assert [each.name for each in found.moved] == ["reference"]
    assert found.suspects == []


def test_an_image_of_another_name_is_one_change(nights: Nights) -> None:
    nights.add(0)
    nights.add(1, MOVED, bad=["pt"], images={"columnar-2": digest_of("new")})
    with looked_into(nights.path) as database:
        assert database is not None
        found = case(database)
    assert [each.name for each in found.moved] == ["image columnar and image columnar-2"]
    assert [f.name for f in found.factors({0}) if f.kind == "image"] == ["columnar-2"]
    variant = Variant(image="columnar-2", images={"generator": "pythia"})
    again = with_images(variant, ["columnar", "pythia"])
    assert again.all_images == {"image": "columnar", "image_generator": "pythia"}


def test_a_run_that_says_nothing_is_refused(nights: Nights) -> None:
    nights.add(0)
    with looked_into(nights.path) as database:
        assert database is not None
        with pytest.raises(SpecificationError, match="is not red: name the good run"):
            two_nights(database, builders.selection(), None, None)
        with pytest.raises(SpecificationError, match="has no run of demo in the variant legacy"):
            two_nights(database, builders.selection(variant="legacy"), None, None)
    nights.add(1, state="failed", sentence="no engine")
    with looked_into(nights.path) as database:
        assert database is not None
        with pytest.raises(SpecificationError, match="left no record"):
            two_nights(database, builders.selection(), None, None)


# -- runs ----------------------------------------------------------------------------------------

Play = Callable[[set[str]], Ended]


def ended(contents: Mapping[str, str], *, bad: bool) -> Ended:
    return Ended(builders.selection(), report_of(contents, ["pt"] if bad else []), None, None)


def failed(error: ReprunError) -> Ended:
    return Ended(builders.selection(), None, error, None)


def blamed(found: Case, play: Play, monkeypatch: pytest.MonkeyPatch) -> Blame:
    """Return what runs come to of which `play` says how each ends, by what is as in the bad run."""
    settings = Set()

    def run(*_: object) -> Ended:
        now = {factor.key: factor.digest for factor in settings.asked[-1]}
        good = {factor.key: factor.digest for factor in found.factors(set())}
        return play({key[1] for key in now if now[key] != good[key]})

    monkeypatch.setattr("reprun.blame.attribution.run_apart", run)
    request, store = RunRequest(builders.selection()), Store(Path("nowhere"))
    return Attribution(found, cast("Settings", settings), request, store, Silent()).blame()


def test_a_cause_is_proved_by_runs(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(changed: set[str]) -> Ended:
        bad = "code/fill.py" in changed
        return ended(MOVED if bad else GOOD, bad=bad)

    found = blamed(case(database), play, monkeypatch)
    assert found.conclusion == "found"
    assert found.sentence == "code code/fill.py (2 lines) alone makes the difference"
    assert [described(found.case, trial.changed) for trial in found.trials] == [
        "the good run again",
        "the bad run again",
        "the good run with image columnar as in the bad one",
        "the good run with code code/fill.py as in the bad one",
        "the bad run with code code/fill.py put back",
    ]
    assert [trial.outcome for trial in found.trials] == ["good", "bad", "good", "bad", "good"]
    assert found.notes == ()


def test_causes_together_and_causes_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def together(changed: set[str]) -> Ended:
        bad = {"columnar", "bins"} <= changed
        return ended(MOVED if bad else GOOD, bad=bad)

    def alone(changed: set[str]) -> Ended:
        bad = bool({"columnar", "bins"} & changed)
        return ended(MOVED if bad else GOOD, bad=bad)

    found = blamed(case(database), together, monkeypatch)
    assert found.sentence.endswith(
        " and parameter bins (10 → 20) make the difference together, and no part of them does"
    )
    found = blamed(case(database), alone, monkeypatch)
    assert [[each.name for each in cause.moved] for cause in found.causes] == [
        ["image columnar"],
        ["parameter bins"],
    ]
    assert "alone makes the difference; and so does another: parameter bins" in found.sentence


def test_what_is_not_proved_is_not_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = blamed(case(database), lambda _: ended(MOVED, bad=True), monkeypatch)
    assert found.conclusion == "not put back"
    assert found.sentence == (
        "with everything put back that can be, the run is still not as the good one, but not "
        "reproduced; not put back: host processor (one → another)"
    )
    assert len(found.trials) == 1
    assert found.notes == ("the good run, made again, has other content than that night: pt",)
    found = blamed(case(database), lambda _: ended(GOOD, bad=False), monkeypatch)
    assert found.conclusion == "not here"
    assert "made again here, is reproduced" in found.sentence

    nothing = replace(case(database), moved=())
    found = blamed(nothing, lambda _: ended(MOVED, bad=True), monkeypatch)
    assert found.sentence == (
        "nothing that differs can be put back: host processor (one → another)"
    )
    found = blamed(replace(nothing, fixed=()), lambda _: ended(MOVED, bad=True), monkeypatch)
    assert found.sentence.startswith("nothing that is recorded differs: ")

    def unclear(changed: set[str]) -> Ended:
        if "columnar" in changed:
            return ended(MOVED, bad=True)
        return failed(StepFailedError("no")) if "bins" in changed else ended(GOOD, bad=False)

    found = blamed(case(database), unclear, monkeypatch)
    assert found.conclusion == "unclear"


def test_no_more_runs_are_made_than_were_said(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def play(changed: set[str]) -> Ended:
        bad = {"columnar", "bins"} <= changed
        return ended(MOVED if bad else GOOD, bad=bad)

    monkeypatch.setattr("reprun.blame.search.most_tests", lambda _: 4)
    found = blamed(case(database), play, monkeypatch)
    assert len(found.trials) == 4
    assert found.conclusion == "unclear"
    assert found.notes == ("stopped after 4 runs",)


def test_a_failure_is_bad_where_it_is_the_same_failure(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.add(0)
    record = {"status": "failed"}
    changed = {"images": {"columnar": digest_of("new")}, "parameters": {"bins": 20, "scale": 1.5}}
    nights.add(1, state="failed", sentence="no", record=record, **changed)

    def play(changed: set[str]) -> Ended:
        if "columnar" in changed:
            return failed(StepFailedError("no"))
        return failed(OutputMissingError("no")) if "bins" in changed else ended(GOOD, bad=False)

    with looked_into(nights.path) as database:
        assert database is not None
        found = blamed(case(database), play, monkeypatch)
    assert [[each.name for each in cause.moved] for cause in found.causes] == [["image columnar"]]
    assert found.conclusion == "unclear"
    assert [t.state for t in found.trials[:2]] == ["reproduced", "failed: StepFailed"]


def test_where_verdicts_are_the_same_the_content_decides(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.add(0, MOVED, bad=["pt"])
    changed = {"images": {"columnar": digest_of("new")}, "parameters": {"bins": 20, "scale": 1.5}}
    nights.add(1, OTHER, bad=["pt"], **changed)

    def play(changed: set[str]) -> Ended:
        return ended(OTHER if "bins" in changed else MOVED, bad=True)

    with looked_into(nights.path) as database:
        assert database is not None
        (cell,) = rows.cells(database)
        good, bad = (night.name for night in rows.nights(database, cell))
        pair = two_nights(database, builders.selection(), good, bad)
        settings = cast("Settings", Set())
        found = blamed(case_of(database, *pair, settings, engine=False), play, monkeypatch)
        with pytest.raises(SpecificationError, match="came to the same"):
            case_of(database, cell, pair[1], pair[1], settings, engine=False)
    assert found.sentence == "parameter bins (10 → 20) alone makes the difference"


def test_the_first_step_of_a_chain_is_named() -> None:
    good = builders.record()
    one, two = good.steps
    later = two.model_copy(update={"outputs": {"results/t.csv": builders.digest("f")}})
    found = first_step(good, good.model_copy(update={"steps": (one, later)}))
    assert found is not None
    assert (found.name, found.output) == ("plot", "results/t.csv")
    assert first_step(good, good) is None
    single = good.model_copy(update={"steps": (one,)})
    assert first_step(single, single) is None


# -- bisect --------------------------------------------------------------------------------------


def test_candidates_that_cannot_run_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Ended] = [
        ended(GOOD, bad=False),
        ended(GOOD, bad=False),
        failed(StepFailedError("a step failed")),
        ended(MOVED, bad=True),
    ]
    selection = builders.selection()
    candidates = [
        Candidate(str(n), f"image {n}", lambda n=n: replace(selection, called=str(n)))  # type: ignore[misc]
        for n in range(len(answers))
    ]

    def run(request: RunRequest, *_: object) -> Ended:
        return answers[int(request.selection.called)]

    monkeypatch.setattr("reprun.blame.candidates.run_apart", run)
    asked = RunRequest(selection), Store(Path("nowhere")), Silent()
    found = bisect(candidates, *asked, failing=False)
    assert found.first_bad is None
    assert found.sentence == (
        "the first bad one is image 3, or one of those before it that cannot run: 2; "
        "the last good one is 1"
    )
    found = bisect(candidates, *asked, failing=True)
    assert found.sentence == "the first bad one is image 2; 1 before it is good"
    found = bisect(candidates[:2], *asked, failing=True)
    assert found.sentence == "image 1 is not bad, as was said: reproduced"


def test_images_are_in_the_order_of_their_versions(tmp_path: Path) -> None:
    root = mark_project(tmp_path / "project")
    for name in ("root-6.9", "root-6.10", "root-6.36", "columnar", "root-5"):
        (root / "images" / name).mkdir(parents=True)
        (root / "images" / name / "image.toml").write_text("")
    project = read_project(root)
    assert images_between(project, "root-5", "root-6.36", []) == [
        *("root-5", "root-6.9", "root-6.10", "root-6.36"),
    ]
    named = ["columnar", "root-5", "root-6.9"]
    assert images_between(project, "columnar", "root-6.9", named) == named
    with pytest.raises(SpecificationError, match="does not come before"):
        images_between(project, "root-6.36", "root-6.9", [])
    with pytest.raises(SpecificationError, match="columnar is not one of"):
        images_between(project, "root-6.9", "columnar", [])
    with pytest.raises(SpecificationError, match="there is no image 'rot-5'"):
        images_between(project, "rot-5", "root-6.9", [])


def test_a_snapshot_is_written_as_it_is_read(tmp_path: Path) -> None:
    place = tmp_path / "rows/snapshot.toml"
    place.parent.mkdir()
    place.write_text(
        'schema_version = 1\nname = "rows"\nkind = "table"\ntitle = "a \\"b\\" \\\\ \\u007f é"\n'
        f'key = "dsid"\nmount = "/conditions/rows"\n[[files]]\npath = "a"\nsize = 3\nsha256 = '
        f'"{"a" * 64}"\nuris = ["https://x/a", "file:///b"]\n[[files]]\npath = "b"\nsize = 1\n'
        f'sha256 = "{"b" * 64}"\nadler32 = "00000001"\nnote = "n"\n'
        'portal = {size = 2, adler32 = "00000002"}\n'
    )
    snapshot = load_snapshot(place.parent)
    place.write_text(snapshot_text(snapshot))
    assert load_snapshot(place.parent) == snapshot
