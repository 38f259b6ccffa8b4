"""From a run to the reference: what `reprun bless` does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from reprun.documents.selection import Selection
from reprun.errors import IntegrityError, NothingToCompareError, SpecificationError
from reprun.files import scratch
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.packages import packages_of
from reprun.progress import Progress, announced
from reprun.runs.blessable import (
    Blessable,
    finished_run,
    place_of,
    refuse_changed,
    refuse_other_parameters,
)
from reprun.runs.blessed import BLESSED, Blessing, read_blessing
from reprun.runs.candidate import check_candidate
from reprun.runs.chosen_objects import FAILED, Chosen, chosen_objects
from reprun.runs.directory import alone, written_alone
from reprun.runs.elsewhere import Publishing, put_elsewhere, whole_reference
from reprun.runs.lock import compute_lock, write_lock
from reprun.runs.mixing import Mix, read_contents
from reprun.runs.preview import Preview, preview
from reprun.runs.question import Declared
from reprun.runs.reference import Part, bless
from reprun.runs.reference_sums import Elsewhere
from reprun.runs.rewritten import Written, rewritten
from reprun.store.store import Store

Agree = Callable[[Preview], bool]


@dataclass(frozen=True, slots=True)
class Blessed:
    """What became of a blessing."""

    written: tuple[str, ...]
    """Paths of the reference; empty where nobody agreed."""
    preview: Preview | None
    """What it changes; None where nobody was to agree."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to become the reference, and who says so."""

    reason: str
    author: str
    """Empty: the user of git."""
    only: tuple[str, ...]
    """`FAILED` or globs of the objects that change; empty: all."""
    publishing: Publishing | None
    """Where large files go; None: they stay in Git, or where they are."""


def bless_last_run(
    selection: Selection,
    store: Store,
    progress: Progress,
    *,
    reason: str,
    author: str,
    source: Path | None = None,
    only: Sequence[str] = (),
    publishing: Publishing | None = None,
    agree: Agree | None = None,
) -> Blessed:
    """Write the last run's objects as reference and lock them.

    `source` names another run, by its directory or that of results; `only` names the objects that
    change, by globs or as FAILED: every other stays byte by byte; `publishing` says where large
    files go instead of into Git. `agree` is given what will change; where it does not, nothing is
    written. Two at once are one after the other. Raises SpecificationError when there is no
    finished run, or none with the parameters of analysis.yaml, or no reason or author,
    IntegrityError where the objects are not those that were compared, InputsGoneError where a file
    that stays is not available, and StorageError while the analysis is running.
    """
    wanted = _Wanted(reason, author, tuple(only), publishing)
    place = place_of(selection, source)
    finished_run(place)  # before anything is made where nothing ran
    with written_alone(place.selection), alone(place.run_directory, store, progress):
        return _bless(finished_run(place), wanted, store, progress, agree)


def _bless(
    run: Blessable, wanted: _Wanted, store: Store, progress: Progress, agree: Agree | None
) -> Blessed:
    selection, record = run.selection, run.record
    refuse_other_parameters(run)
    if not wanted.reason.strip():
        raise SpecificationError(
            "a reference needs a reason", hint=selection.command("bless", '--reason "…"')
        )
    who = wanted.author.strip() or _git_user()
    if not who:
        raise SpecificationError(
            "a reference needs an author",
            hint=selection.command("bless", '--author "…"', '--reason "…"'),
        )
    refuse_changed(run)
    outputs = selection.analysis.outputs
    declared = Declared(outputs=outputs.compared, documents=outputs.documents, trees=outputs.trees)
    reference = selection.reference
    try:
        with ExitStack() as held:
            room = held.enter_context(scratch())
            found = held.enter_context(rewritten(declared, run.outputs, store))
            for note in found.notes:
                progress.say(f"note: {note}")
            if not check_candidate(record, run.run_directory, found.made.hashes):
                progress.say("note: the run has no candidate.json to check its outputs against")
            mixed = None
            if wanted.only:
                before = held.enter_context(_whole(run, wanted.only, store, progress))
                mixed = _Mixed.of(run, wanted.only, found, before)
            changes = None
            if agree:
                changes = preview(
                    selection,
                    record,
                    found,
                    run.outputs,
                    store,
                    progress,
                    chosen=mixed.chosen if mixed else None,
                    kept=len(mixed.mix.kept) if mixed else 0,
                )
                if not agree(changes):
                    return Blessed((), changes)
            written = bless(
                reference,
                partial(mixed.mix.into, scratch=room) if mixed else found.write,
                record,
                reason=wanted.reason.strip(),
                author=who,
                packages=packages_of(record.inputs.images, Catalogue.of(selection.project)),
                compared=run.compared(),
                run=run.digest,
                part=mixed.part if mixed else None,
                away=partial(
                    put_elsewhere,
                    publishing=wanted.publishing,
                    known=_known_elsewhere(reference),
                    store=store,
                    progress=progress,
                ),
            )
    except IntegrityError as error:
        error.hint = error.hint or selection.command("run", "--again")
        raise
    except SpecificationError as error:
        error.hint = error.hint or f"{selection.command('run')}   # once the code is fixed"
        raise
    write_lock(compute_lock(selection), selection.directory)
    return Blessed(tuple(str(reference / file) for file in written), changes)


@dataclass(frozen=True, slots=True)
class _Mixed:
    """A reference of which some objects change."""

    mix: Mix
    chosen: Chosen
    part: Part

    @classmethod
    def of(cls, run: Blessable, only: Sequence[str], found: Written, before: Path) -> _Mixed:
        """Return what becomes of the old reference, which must be as it was blessed.

        `before` is a directory in which all files of it are.
        """
        selection = run.selection
        blessing = _as_blessed(run, before)
        old = read_contents(before)
        chosen = chosen_objects(
            only,
            run.failed() if FAILED in only else None,
            found.made.hashes,
            old.names,
            selection.analysis.map,
        )
        mix = Mix(old, found.write, chosen.taken, chosen.dropped)
        if not (mix.kept or chosen.taken):
            raise NothingToCompareError(
                "nothing would be left of the reference: the run made none of its objects",
                place=str(selection.reference),
                hint=selection.command("run"),
            )
        part = Part(
            only=tuple(only),
            taken=tuple(sorted(chosen.taken)),
            kept=tuple(blessing.origin_of(mix.kept)),
        )
        return cls(mix, chosen, part)


def _all_of_it(run: Blessable) -> str:
    return f'{run.selection.command("bless")} --reason "…"   # all of it, without --only'


def _whole(
    run: Blessable, only: Sequence[str], store: Store, progress: Progress
) -> AbstractContextManager[Path]:
    """Give the old reference, all files of it in one directory."""
    reference = run.selection.reference
    if not reference.is_dir():
        raise NothingToCompareError(
            f"there is no reference of which --only {only[0]} could change a part",
            place=str(reference),
            hint=_all_of_it(run),
        )
    return whole_reference(reference, store, progress)


def _as_blessed(run: Blessable, before: Path) -> Blessing:
    """Return the blessing of the old reference, of which a part is to stay.

    Raises SpecificationError where nobody has blessed it, and IntegrityError where it was edited
    since: what stays would be vouched for again.
    """
    reference = run.selection.reference
    blessing = read_blessing(reference)
    if blessing is None:
        raise SpecificationError(
            "nobody has blessed the reference: what stays of it would be of unknown origin",
            place=str(reference / BLESSED),
            hint=_all_of_it(run),
        )
    edited = blessing.edited(before)
    if edited:
        raise IntegrityError(
            f"a part of the reference would stay, and it is not as it was blessed: {edited[0]}",
            place=str(reference),
            hint=run.selection.about("reference verify"),
        )
    return blessing


def _known_elsewhere(reference: Path) -> dict[str, Elsewhere]:
    """Return what of the old reference is not in Git, by digest."""
    with suppress(SpecificationError):  # damaged: it is replaced
        blessing = read_blessing(reference)
        if blessing is not None:
            return {
                blessing.files[name]: each
                for name, each in blessing.elsewhere.items()
                if name in blessing.files
            }
    return {}


def _git_user() -> str:
    try:
        said = subprocess.run(
            announced(["git", "config", "user.name"]), capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()
