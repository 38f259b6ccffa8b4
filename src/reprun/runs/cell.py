"""A cell: one analysis in one variant on one dataset, with all that is known before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reprun import __version__
from reprun.conditions.mounts import needs_network, refuse_network
from reprun.conditions.snapshot import Snapshot
from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.selection import Selection
from reprun.errors import ImageNotHereError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image
from reprun.runs.directory import INPUTS, OUTPUTS, WORKSPACE
from reprun.runs.lock import (
    AnalysisLock,
    Difference,
    compute_lock,
    enforce_lock,
    renew_lock,
    snapshots_of,
)
from reprun.runs.plan import Plan, make_plan
from reprun.runs.request import RunRequest
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class Cell:
    """Everything that is known before anything runs."""

    plan: Plan
    lock: AnalysisLock
    lock_changes: tuple[Difference, ...]
    catalogue: Catalogue
    images: Mapping[str, Image]
    """Images by their entry in Snakemake's configuration; `image` is the variant's own."""
    snapshots: Mapping[Path, Snapshot]
    """Conditions by the directory they lie in."""
    store: Store | None
    """Where tables lie as they were locked, to tell which of their rows changed."""
    network: bool
    run_directory: Path
    deviations: tuple[str, ...] = ()
    """What is not as locked, though it runs: each a sentence for the verdict."""

    @property
    def selection(self) -> Selection:
        """Which analysis, variant, dataset and part of the events it is."""
        return self.plan.selection

    @property
    def image(self) -> Image:
        """The image of the variant."""
        return self.images["image"]

    @property
    def workspace(self) -> Path:
        """Where the steps run."""
        return self.run_directory / WORKSPACE

    @property
    def inputs(self) -> Path:
        """Where code and data are staged; no step can write there."""
        return self.run_directory / INPUTS

    @property
    def outputs(self) -> Path:
        """Where the declared outputs lie once the run has ended; no step can write there."""
        return self.run_directory / OUTPUTS

    @property
    def data_paths(self) -> list[str]:
        """Where the files of its dataset lie in the workspace."""
        data = self.selection.data
        return [file.path for file in data.files] if data else []

    def data_digests(self) -> list[str]:
        """The files of the store that a run uses."""
        data = self.selection.data
        files = list(data.files) if data else []
        files += [file for snapshot in self.snapshots.values() for file in snapshot.files]
        return [file.digest for file in files]

    def evaluated_by(self) -> str:
        """Digest of what decides the verdict besides the outputs."""
        part = [dict(self.lock.reference), dict(self.lock.specification), __version__]
        return sha256_bytes(canonical_json(part))


def load_cell(request: RunRequest, store: Store) -> Cell:
    """Return the cell that a request asks to run here. Reads documents and locks; fetches nothing.

    Raises ImageNotHereError for an image that was never pulled, SpecificationError for a
    network that nobody allowed, and IntegrityError where something differs from analysis.lock,
    unless the request updates it.
    """
    selection = request.selection
    lock, changes = _lock(request, store)
    catalogue = Catalogue.of(selection.project)
    names = selection.chosen.all_images
    images = {entry: catalogue.locked(name) for entry, name in names.items()}
    cell = _cell(request, lock, catalogue, images, store)
    if not request.allow_network:
        _refuse_network(cell)
    return replace(cell, lock_changes=changes)


def load_remote_cell(request: RunRequest, store: Store) -> Cell:
    """Return the cell that a request asks to run elsewhere: its images need not be here.

    Raises IntegrityError where something differs from analysis.lock, unless the request updates it.
    """
    lock, changes = _lock(request, store)
    catalogue = Catalogue.of(request.selection.project)
    images = _images_as_known(request.selection, catalogue)
    return replace(_cell(request, lock, catalogue, images, store), lock_changes=changes)


def load_planned_cell(request: RunRequest) -> Cell:
    """Return the cell as everything stands now, to look at: nothing need be here or locked."""
    catalogue = Catalogue.of(request.selection.project)
    images = _images_as_known(request.selection, catalogue)
    return _cell(request, compute_lock(request.selection), catalogue, images, None)


def _lock(request: RunRequest, store: Store) -> tuple[AnalysisLock, tuple[Difference, ...]]:
    """Return the lock that holds for a request, and what changed in it where it is updated."""
    if not request.update_lock:
        return enforce_lock(request.selection, store), ()
    lock, changes = renew_lock(request.selection, store)
    return lock, tuple(changes)


def _cell(
    request: RunRequest,
    lock: AnalysisLock,
    catalogue: Catalogue,
    images: Mapping[str, Image],
    store: Store | None,
) -> Cell:
    selection = request.selection
    snapshots = snapshots_of(selection, selection.conditions)
    network = selection.chosen.network is not None or needs_network(snapshots)
    plan = make_plan(selection, lock, images, request.parameters)
    places = {conditions_entry(one.name): one.mount for one in snapshots.values()}
    return Cell(
        plan=replace(plan, config={**plan.config, **places}),
        lock=lock,
        lock_changes=(),
        catalogue=catalogue,
        images=images,
        snapshots=snapshots,
        store=store,
        network=network,
        run_directory=selection.run_directory,
    )


def _refuse_network(cell: Cell) -> None:
    """Raise SpecificationError where the steps need a network, which nobody allowed."""
    selection = cell.selection
    hint = f"{selection.command('run', '--allow-network')}   # not hermetic"
    if (reason := selection.chosen.network) is not None:
        raise SpecificationError(
            f"{selection.analysis.name} in the variant {selection.variant} needs a network, "
            f"which nothing locks: {reason}",
            hint=hint,
        )
    refuse_network(cell.snapshots, hint)


def _images_as_known(selection: Selection, catalogue: Catalogue) -> dict[str, Image]:
    """Return the images; one that was never pulled has one in its place that cannot start."""
    names = selection.chosen.all_images
    return {entry: _image(name, catalogue) for entry, name in names.items()}


def _image(name: str, catalogue: Catalogue) -> Image:
    try:
        return catalogue.locked(name)
    except ImageNotHereError:
        return Image(name, image_id="not-pinned", manifest="", layers=(), environment={})


def conditions_entry(name: str) -> str:
    """Return under which name the Snakefile's configuration tells where a snapshot lies."""
    return f"conditions_{name}"
