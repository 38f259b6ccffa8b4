"""A cell: one analysis in one variant on one dataset, with all that is known before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from reprun import __version__
from reprun.conditions.mounts import refuse_network
from reprun.conditions.snapshot import Snapshot
from reprun.digests import canonical_json, sha256_bytes
from reprun.documents.analysis import Analysis, Tier, Variant, check_name, load_analysis
from reprun.documents.manifest import Dataset
from reprun.documents.reading import Scalar
from reprun.engines.choose import EngineName
from reprun.errors import ImageNotHereError, InputsGoneError, SpecificationError
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.model import Image
from reprun.images.stored import is_stored
from reprun.progress import Progress
from reprun.project import Project
from reprun.runs.directory import run_directory_of
from reprun.runs.lock import AnalysisLock, Difference, enforce_lock, snapshots_of
from reprun.runs.plan import Plan, make_plan
from reprun.store.store import Store


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What the user asked for."""

    analysis: str
    variant: str | None = None
    dataset: str | None = None
    tier: Tier | None = None
    """The part of the events to run on; None for all."""
    parameters: Mapping[str, Scalar] | None = None
    engine: EngineName | Literal["auto"] = "auto"
    cores: int | None = None
    results: Path = Path("results")
    update_lock: bool = False
    allow_network: bool = False
    """Let conditions come over a network: what is not locked, and so not hermetic."""
    again: bool = False
    """Run every step, changed or not."""
    relock_images: bool = False
    """Where locked inputs of the image are gone, build one like it and say so."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Everything that is known before anything runs."""

    directory: Path
    analysis: Analysis
    lock: AnalysisLock
    lock_changes: tuple[Difference, ...]
    dataset: Dataset | None
    catalogue: Catalogue
    images: Mapping[str, Image]
    """Images by their entry in Snakemake's configuration; `image` is the variant's own."""
    plan: Plan
    snapshots: Mapping[Path, Snapshot]
    """Conditions by the directory they lie in."""
    store: Store | None
    """Where tables lie as they were locked, to tell which of their rows changed."""
    network: bool
    run_directory: Path
    deviations: tuple[str, ...] = ()
    """What is not as locked, though it runs: each a sentence for the verdict."""

    @property
    def image(self) -> Image:
        """The image of the variant."""
        return self.images["image"]

    @property
    def workspace(self) -> Path:
        """Where the steps run."""
        return self.run_directory / "workspace"

    @property
    def reference(self) -> Path:
        """The directory of what the outputs are held against."""
        plan = self.plan
        return self.directory / self.analysis.reference_of(plan.dataset, plan.tier)

    @property
    def data_paths(self) -> list[str]:
        """Where the files of its dataset lie in the workspace."""
        return [file.path for file in self.dataset.files] if self.dataset else []

    def data_digests(self) -> list[str]:
        """The files of the store that a run uses."""
        files = list(self.dataset.files) if self.dataset else []
        files += [file for snapshot in self.snapshots.values() for file in snapshot.files]
        return [file.digest for file in files]

    def judged_by(self) -> str:
        """Digest of what decides the verdict besides the outputs."""
        part = [dict(self.lock.reference), dict(self.lock.specification), __version__]
        return sha256_bytes(canonical_json(part))


def load_cell(request: RunRequest, store: Store | None = None, *, to_run: bool = True) -> Cell:
    """Return the cell a request asks for. Reads documents and locks; fetches nothing.

    Unless it is `to_run`, an image that was never brought here has one in its place that cannot
    start. Raises SpecificationError for what is wrong or unknown, ImageNotHereError, and
    IntegrityError where something differs from analysis.lock.
    """
    project = Project.find()
    directory = project.analysis_directory(request.analysis)
    analysis = load_analysis(directory)
    check_name(analysis, directory)
    catalogue = Catalogue(project.images)
    _, variant = analysis.variant(request.variant)
    picked = analysis.dataset(request.dataset)
    lock, changes = enforce_lock(
        analysis, directory, catalogue, update=request.update_lock, store=store
    )
    images = {
        entry: _image(name, catalogue, to_run=to_run) for entry, name in variant.all_images.items()
    }
    snapshots = snapshots_of(directory, analysis.conditions_of(request.variant))
    return Cell(
        directory=directory,
        analysis=analysis,
        lock=lock,
        lock_changes=tuple(changes),
        dataset=picked[1] if picked else None,
        catalogue=catalogue,
        images=images,
        plan=_plan(analysis, lock, images, snapshots, request),
        snapshots=snapshots,
        store=store,
        network=_network(analysis, variant, snapshots, request, to_run=to_run),
        run_directory=run_directory_of(
            analysis, request.variant, request.dataset, request.tier, request.results
        ),
    )


def _network(
    analysis: Analysis,
    variant: Variant,
    snapshots: Mapping[Path, Snapshot],
    request: RunRequest,
    *,
    to_run: bool,
) -> bool:
    """Tell whether the steps have a network; raise SpecificationError if nobody allowed it."""
    allowed = request.allow_network or not to_run
    if variant.network is not None and not allowed:
        name, _ = analysis.variant(request.variant)
        raise SpecificationError(
            f"{analysis.name} in the variant {name} needs a network, which nothing locks: "
            f"{variant.network}",
            hint=f"reprun run {analysis.name} --variant {name} --allow-network   # not hermetic",
        )
    return refuse_network(snapshots, analysis.name, allowed=allowed) or variant.network is not None


def _image(name: str, catalogue: Catalogue, *, to_run: bool) -> Image:
    try:
        return catalogue.locked(name)
    except ImageNotHereError:
        if to_run:
            raise
        return Image(name, image_id="not-pinned", manifest="", layers=(), environment={})


def with_images(cell: Cell, request: RunRequest, store: Store, progress: Progress) -> Cell:
    """Fetch and build the images; where inputs are gone and the user agrees, others like them."""
    if all(is_stored(image, store) for image in cell.images.values()):
        return cell
    try:
        for image in cell.images.values():
            ensure(image, cell.catalogue, store, progress)
    except InputsGoneError as error:
        name = cell.analysis.name
        if not request.relock_images:
            hint = f"reprun run {name} --relock-images   # another image, and the verdict says so"
            raise InputsGoneError(error.message, place=error.place, hint=hint) from error
        progress.say(error.message)
    else:
        return cell
    from reprun.images.relock import relock  # noqa: PLC0415 - only when inputs are gone

    # All of them, so that one catalogue holds them; those that can be had come out the same.
    made = {
        entry: relock(image.name, cell.catalogue, store, progress)
        for entry, image in cell.images.items()
    }
    images = {entry: relocked.image for entry, relocked in made.items()}
    others = [
        relocked.sentence()
        for entry, relocked in made.items()
        if relocked.image.image_id != cell.images[entry].image_id
    ]
    return replace(
        cell,
        images=images,
        catalogue=made["image"].catalogue,
        plan=_plan(cell.analysis, cell.lock, images, cell.snapshots, request),
        deviations=tuple(others),
    )


def conditions_entry(name: str) -> str:
    """Return under which name the Snakefile's configuration tells where a snapshot lies."""
    return f"conditions_{name}"


def _plan(
    analysis: Analysis,
    lock: AnalysisLock,
    images: Mapping[str, Image],
    snapshots: Mapping[Path, Snapshot],
    request: RunRequest,
) -> Plan:
    plan = make_plan(
        analysis,
        lock,
        images,
        variant=request.variant,
        dataset=request.dataset,
        parameters=request.parameters,
        tier=request.tier,
    )
    places = {conditions_entry(one.name): one.mount for one in snapshots.values()}
    return replace(plan, config={**plan.config, **places})
