"""An analysis run in varied settings, apart from the user's files, each variation alone.

The first run is unvaried, and its objects are what the others are compared with: exactly, whatever
the rules of the analysis say. What differs is told by content hashes; a reference that is made of
the first run says which bin.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from reprun.documents.reading import read_written
from reprun.documents.record import CANDIDATE, RunRecord, StepRecord
from reprun.engines.base import EngineStatus
from reprun.engines.choose import choose_engine, engine_choice
from reprun.engines.varied import lack
from reprun.errors import (
    EngineError,
    IntegrityError,
    InterruptedRunError,
    NothingToCompareError,
    OutputMissingError,
    ReprunError,
    SpecificationError,
    StepFailedError,
)
from reprun.files import make_directory, remove_tree, scratch, sweep
from reprun.flaky.findings import Hashes, Told, changed_files, differing, first_step, told
from reprun.flaky.variations import Variation
from reprun.histograms.files import file_of, readable
from reprun.progress import Progress, Silent, Task
from reprun.report.model import ReportItem
from reprun.runs.apart import Ended, copied, run_apart
from reprun.runs.candidate import Candidate
from reprun.runs.directory import OUTPUTS, WORKSPACE
from reprun.runs.evaluated import evaluated
from reprun.runs.judge import question_of
from reprun.runs.question import Declared
from reprun.runs.request import RunRequest
from reprun.runs.rewritten import rewritten
from reprun.store.store import Store
from reprun.wording import size_of
from reprun.workflow.beneath import Beneath

MEMORY = Path("/dev/shm")
"""A file system in memory on every Linux."""
ROOM = 3
"""So many times the size of the first run must be free there."""
ITSELF = "unvaried"
"""What stands for a variation where nothing was varied."""
State = Literal["same", "varies", "fails", "not varied"]


@dataclass(frozen=True, slots=True)
class Finding:
    """An object that depends on something, and where that begins."""

    object: str
    variation: str
    """`ITSELF` where it differs with nothing varied."""
    place: str
    """The bin or cell furthest off, or what else differs; empty where it is not known."""
    first: float | None
    """Its content in the first run; None where no single number differs."""
    now: float | None
    step: str
    """The first step of which an output varies; empty where none is known."""
    outputs: tuple[str, ...]
    """Of that step, those that vary."""
    settled_by: str = ""
    """The variation without which it differs by itself, and with which it does not."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one variation."""

    name: str
    state: State
    why: str = ""
    """Why it failed, or was not varied."""
    objects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of all of them."""

    engine: EngineStatus
    runs: int
    objects: int
    unknown: tuple[str, ...]
    """Objects that have no content hash, so that nobody knows whether they vary."""
    tried: tuple[Tried, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def varies(self) -> bool:
        """Whether anything varied, or a run failed for what was varied."""
        return any(one.state in ("varies", "fails") for one in self.tried)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has ended with a report."""

    directory: Path
    record: RunRecord
    items: Mapping[str, ReportItem]
    hashes: Hashes


@dataclass
class _Bench:
    """A copy of an analysis, and the runs of it so far."""

    request: RunRequest
    home: Path
    store: Store
    bar: Task
    command: str
    """What runs the analysis itself."""
    count: int = 0
    notes: list[str] = field(default_factory=list)

    def run(self, name: str, variation: Variation | None = None) -> _Run:
        """Run the copy once, in results of its own; raise why it did not end with a report."""
        setting = variation.setting if variation else None
        self.bar.show(name, None)
        with _place(self.home, variation) as place:
            selection = replace(self.request.selection, typed_results=place / str(self.count))
            request = replace(self.request, selection=selection, setting=setting)
            self.count += 1
            try:
                ended = run_apart(request, self.store, Silent())
            except InterruptedRunError as error:
                raise InterruptedRunError("interrupted; containers and copy are gone") from error
            self.bar.advance(1)
            if ended.error is not None:
                # What it says of files and commands is of a copy that is gone.
                ended.error.place, ended.error.page = None, None
                ended.error.hint = self.command
                raise ended.error
            found = _found(ended)
            if variation is None or not variation.in_memory:
                return found
            # Memory is for one run; what is still to be read of it goes to the others.
            kept = self.home / "kept" / str(self.count)
            make_directory(kept)
            with Beneath(found.directory) as run:
                run.duplicate(WORKSPACE, kept / WORKSPACE)
            return replace(found, directory=kept)


def why_not(variation: Variation, engine: str, home: Path) -> str | None:
    """Return why a variation cannot be tried here; None where it can. `home`: where others run."""
    if not variation.in_memory:
        return lack(variation.setting, engine)
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == home.stat().st_dev:
        return f"there is no other file system at {MEMORY}"
    return None


def plan(
    variations: Sequence[Variation], request: RunRequest, store: Store
) -> tuple[EngineStatus, dict[str, str | None]]:
    """Return the engine that would run, and for each variation why it cannot be tried, if so."""
    engine, status = choose_engine(request.engine, store)
    home = store.directory("incoming")
    return status, {each.name: why_not(each, engine.name, home) for each in variations}


def measure(
    variations: Sequence[Variation], request: RunRequest, store: Store, progress: Progress
) -> Measured:
    """Run an analysis unvaried twice, and once with each variation; compare all with the first run.

    Where a variation has changed something, a third unvaried run shows whether it was that. The
    user's files are only read. A step that fails in a varied setting is a finding, and an engine
    that refuses one has not varied it. Raises what keeps the first run from a result, what fails
    for another reason in any of them, and EngineError where no variation can be tried.
    """
    status, lacking = plan(variations, request, store)
    if variations and all(lacking.values()):
        name, why = next(iter(lacking.items()))
        raise EngineError(
            f"nothing can be varied here: {name}: {why}",
            hint=request.selection.about("flaky") + " --list",
        )
    # Where a kill leaves it, the next use of the store removes it.
    with (
        scratch(store.directory("incoming")) as home,
        progress.task("varying", None, "run") as bar,
    ):
        selection = copied(request.selection, home)
        exact = selection.analysis.model_copy(update={"compare": (), "map": {}})
        selection = replace(selection, analysis=exact)
        engine = engine_choice(status.name)
        bench = _Bench(
            replace(request, selection=selection, engine=engine),
            home / "runs",
            store,
            bar,
            request.selection.command("run"),
        )
        make_directory(bench.home)
        shutil.rmtree(selection.reference, ignore_errors=True)
        first = bench.run(ITSELF)
        _make_reference(bench, first)
        return _measured(bench, first, variations, lacking, status, progress)


def _measured(
    bench: _Bench,
    first: _Run,
    variations: Sequence[Variation],
    lacking: Mapping[str, str | None],
    status: EngineStatus,
    progress: Progress,
) -> Measured:
    size = sum(each.stat().st_size for each in bench.home.rglob("*") if each.is_file())
    runs: dict[str, _Run] = {}
    unvaried: list[_Run] = []
    tried: dict[str, Tried] = {}

    def attempt(name: str, variation: Variation | None = None) -> _Run | None:
        try:
            run = bench.run(name, variation)
        except (StepFailedError, OutputMissingError, NothingToCompareError) as error:
            tried[name] = Tried(name, "fails", error.message)
            progress.say(f"{name}: the run fails")
            return None
        except EngineError as error:
            if variation is None:
                raise
            tried[name] = Tried(name, "not varied", error.message)
            return None
        changed = len(differing(first.hashes, run.hashes))
        if not changed:  # its hashes and its record are all that is still asked for
            remove_tree(run.directory)
        progress.say(f"{name}: {changed or 'no'} of {len(first.hashes)} objects differ")
        return run

    if (second := attempt(ITSELF)) is not None:
        unvaried.append(second)
    for each in variations:
        why = lacking[each.name] or (_no_room(size) if each.in_memory else None)
        if why is not None:
            tried[each.name] = Tried(each.name, "not varied", why)
        elif (run := attempt(each.name, each)) is not None:
            runs[each.name] = run
    hashes = {name: run.hashes for name, run in runs.items()}
    found = told(first.hashes, [run.hashes for run in unvaried], hashes, {})
    if any(found.varied.values()) and (third := attempt(ITSELF)) is not None:
        unvaried.append(third)
        found = told(first.hashes, [run.hashes for run in unvaried], hashes, {})
    again: dict[str, Hashes] = {}
    for each in variations:
        if each.settles and found.by_itself and each.name in runs:
            more = attempt(each.name, each)
            if more is not None:
                again[each.name] = more.hashes
    found = told(first.hashes, [run.hashes for run in unvaried], hashes, again)
    findings = tuple(_findings(bench, first, unvaried, runs, found))
    for name in (ITSELF, *runs):
        if name not in tried:
            mine = found.by_itself if name == ITSELF else found.of(name)
            tried[name] = Tried(name, "varies" if mine else "same", objects=tuple(sorted(mine)))
    order = [ITSELF, *(each.name for each in variations)]
    return Measured(
        engine=status,
        runs=bench.count,
        objects=len(first.hashes),
        unknown=tuple(sorted(name for name, digest in first.hashes.items() if digest is None)),
        tried=tuple(tried[name] for name in order),
        findings=findings,
        notes=tuple(dict.fromkeys(bench.notes)),
    )


def _found(ended: Ended) -> _Run:
    assert ended.report is not None
    assert ended.record is not None
    directory = ended.selection.run_directory
    candidate = read_written(
        Candidate, directory / CANDIDATE, problem=f"{CANDIDATE} cannot be read"
    )
    if candidate is None:
        raise IntegrityError(f"{CANDIDATE} was removed during the run", place=str(directory))
    items = {item.name: item for item in ended.report.items}
    return _Run(directory, ended.record, items, candidate.objects)


@contextmanager
def _place(home: Path, variation: Variation | None) -> Iterator[Path]:
    """Give the directory that a run has its results in: of memory, where that is what varies."""
    if variation is None or not variation.in_memory:
        yield home
        return
    sweep(MEMORY)  # what a kill has left there
    with scratch(MEMORY) as place:
        yield place


def _no_room(size: int) -> str | None:
    free = shutil.disk_usage(MEMORY).free
    if free >= ROOM * size:
        return None
    return f"{MEMORY} has {size_of(free)} free, and a run needs {size_of(ROOM * size)}"


def _make_reference(bench: _Bench, first: _Run) -> None:
    """Let the others be compared with the first run, bin by bin, where it can be a reference."""
    selection = bench.request.selection
    outputs = selection.analysis.outputs
    declared = Declared(outputs=outputs.compared, documents=outputs.documents, trees=outputs.trees)
    try:
        with rewritten(declared, first.directory / OUTPUTS, bench.store) as found:
            make_directory(selection.reference)
            found.write(selection.reference)
    except SpecificationError as error:
        bench.notes.append(f"no bin is named: {error.message}")


def _findings(
    bench: _Bench,
    first: _Run,
    unvaried: Sequence[_Run],
    runs: Mapping[str, _Run],
    found: Told,
) -> Iterator[Finding]:
    """Yield what varies: first what does by itself, then by variation, objects by name."""
    noise: set[str] = set()
    for number, run in enumerate(unvaried):
        mine = differing(first.hashes, run.hashes)
        earlier = set().union(*(differing(first.hashes, each.hashes) for each in unvaried[:number]))
        noise |= {path for path, differs in _bytes(first, run).items() if differs}
        for one in _of_run(bench, first, run, mine - earlier, ITSELF, set()):
            by = [name for name, settled in found.settled.items() if one.object in settled]
            yield replace(one, settled_by=by[0]) if by else one
    for name, run in runs.items():
        yield from _of_run(bench, first, run, found.varied[name], name, noise)


def _of_run(
    bench: _Bench,
    first: _Run,
    run: _Run,
    objects: Collection[str],
    variation: str,
    noise: set[str],
) -> Iterator[Finding]:
    if not objects:
        return
    outputs = bench.request.selection.analysis.outputs
    root = Path()
    files = [root / path for path in outputs.compared]
    documents = [root / path for path in outputs.documents]
    declared = {*outputs.compared, *outputs.documents}
    places = {name: file_of(name, files, root, documents=documents) for name in sorted(objects)}
    changed = {path.as_posix() for path in places.values() if path is not None}
    between = [path for path, differs in _bytes(first, run).items() if differs]
    between = [path for path in between if path not in declared]
    changed |= _changed_between(bench, first, run, between, noise)
    steps: Sequence[StepRecord] = first.record.steps
    for name, path in places.items():
        item = run.items.get(name)
        worst = item.worst or (item.differences[0] if item.differences else None) if item else None
        begins = None if path is None else first_step(steps, path.as_posix(), changed)
        yield Finding(
            object=name,
            variation=variation,
            place=worst.label if worst else item.sentence if item else "",
            first=worst.reference if worst else None,
            now=worst.monitored if worst else None,
            step=begins[0].name if begins else "",
            outputs=tuple(begins[1]) if begins else (),
        )


def _bytes(first: _Run, run: _Run) -> dict[str, bool]:
    return changed_files(first.record.steps, run.record.steps)


def _changed_between(
    bench: _Bench, first: _Run, run: _Run, paths: Sequence[str], noise: set[str]
) -> set[str]:
    """Return those files between two steps that hold something else, not only in other bytes.

    Files that a reader exists for are read in a sandbox. Of others, whose bytes may differ in each
    run (a date in them), those that do so by themselves are blamed on no variation.
    """
    known = [path for path in paths if readable(Path(path))]
    with Beneath(first.directory) as one, Beneath(run.directory) as other:
        known = [
            path
            for path in known
            if one.present(f"{WORKSPACE}/{path}") and other.present(f"{WORKSPACE}/{path}")
        ]
    changed = {path for path in paths if path not in known and path not in noise}
    for path in known:
        try:
            hashes = [_contents(bench, each, path) for each in (first, run)]
        except ReprunError:
            # No reader can tell: by its bytes, as any other file.
            changed |= {path} - noise
        else:
            changed |= {path} if differing(*hashes) else set()
    return changed


def _contents(bench: _Bench, run: _Run, path: str) -> Hashes:
    question = question_of(bench.request.selection, run.record, None)
    question = question.model_copy(
        update={"outputs": (path,), "documents": (), "trees": (), "rules": ()}
    )
    return evaluated(question, run.directory / WORKSPACE, None, bench.store).found.objects
