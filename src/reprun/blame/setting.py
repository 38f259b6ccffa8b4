"""An analysis set to the factors of a run: its image, data, conditions, code and parameters.

What is set is a copy of the analysis (`runs.apart`). A factor is set by the digest that the run
recorded, or it is said why it cannot be; nothing stands in for bytes that are gone.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reprun.blame.images import Images
from reprun.blame.sources import Found, Sources
from reprun.conditions.snapshot import DOCUMENT as SNAPSHOT
from reprun.conditions.snapshot import Snapshot, find_snapshots, load_snapshot, snapshot_text
from reprun.digests import PREFIX, digest_of_mapping, sha256_bytes, sha256_file, short
from reprun.documents.analysis import Variant
from reprun.documents.manifest import DataFile
from reprun.documents.selection import Selection
from reprun.engines.choose import ENGINES, EngineChoice, make_engine
from reprun.errors import EngineError, ReprunError
from reprun.files import make_directory, remove_tree, write_atomically
from reprun.history.evidence import DECLARED_OUTPUTS
from reprun.history.model import Factor, Kind
from reprun.runs.apart import PROJECT, RESULTS, copied
from reprun.runs.lock import CONFIGURATION, code_files
from reprun.runs.reference import reference_digests
from reprun.store.store import Store

BEFORE = "references"


class Settings:
    """What sets an analysis to factors, in a directory of its own."""

    def __init__(self, selection: Selection, sources: Sources, home: Path, store: Store) -> None:
        self.selection = selection
        self.home = home
        self._sources = sources
        self._store = store
        self._images = Images(selection.project, sources, home, store)
        self._obstacles: dict[Factor, str] = {}
        self._engines: dict[str, EngineChoice] | None = None

    # -- what can be set -------------------------------------------------------------------------

    def obstacle(self, factor: Factor | None) -> str:
        """Return why a factor cannot be set; empty where it can. None: it is absent."""
        if factor is None:
            return ""
        if factor not in self._obstacles:
            self._obstacles[factor] = self._obstacle(factor)
        return self._obstacles[factor]

    def _obstacle(self, factor: Factor) -> str:
        if is_of_many(factor):
            known = self._digest_of_many(factor) == factor.digest
            return "" if known else "it is too many files for the history to keep each"
        gone = f"its bytes ({short(factor.digest)}) are {self._sources.named()}"
        match factor.kind:
            case "code" if factor.name == DECLARED_OUTPUTS:
                declared = ", ".join(self.selection.analysis.outputs.all)
                known = sha256_bytes(declared.encode()) == factor.digest
                why = "analysis.yaml declares other outputs by now"
            case "code" | "data":
                place = self.selection.directory / factor.name
                known = bool(self._sources.find(factor.digest, place)) or self._is_named(factor)
                why = gone
            case "conditions":
                why = self._obstacle_of_conditions(factor, gone)
                known = not why
            case "parameter":
                known = sha256_bytes(factor.value.encode()) == factor.digest
                why = "its value is too long to be kept"
            case "image":
                known = self._images.find(factor.name, factor.digest) is not None
                why = f"the image {short(factor.digest)} is {self._sources.named()}"
            case "reference":
                known, why = self._reference(factor.digest) is not None, gone
            case "engine":
                known = self._engine(factor) is not None
                why = f"this host has no {factor.value}"
            case "rules":
                known, why = False, "the rules of an earlier analysis.yaml are not kept"
            case _:
                known, why = False, "it is of the host that ran then, and nobody can set it"
        return "" if known else why

    def _digest_of_many(self, factor: Factor) -> str | None:
        """Return the digest of all files that a factor is of, as they are now."""
        files: Mapping[str, str] = {}
        match factor.kind:
            case "code":
                files = code_files(self.selection.analysis, self.selection.directory)
            case "data" if self.selection.data is not None:
                files = {each.path: each.digest for each in self.selection.data.files}
            case "conditions":
                directory = self._snapshots(self.selection).get(factor.name)
                files = load_snapshot(directory).digests() if directory else {}
        return digest_of_mapping(files)

    def _is_named(self, factor: Factor) -> bool:
        """Tell whether the dataset names a file as it is: a run fetches it from its sources."""
        data = self.selection.data
        files = data.files if data and factor.kind == "data" else ()
        return any((each.path, each.digest) == (factor.name, factor.digest) for each in files)

    def _obstacle_of_conditions(self, factor: Factor, gone: str) -> str:
        name, _, path = factor.name.partition("/")
        directory = self._snapshots(self.selection).get(name)
        if directory is None:
            return f"the project has no snapshot {name} any more"
        snapshot = load_snapshot(directory)
        now = snapshot.digests().get(path)
        if path == SNAPSHOT:
            return "" if now == factor.digest else f"the facts of {SNAPSHOT} are not kept"
        found = now == factor.digest or self._sources.find(factor.digest, directory / path)
        return "" if found else gone

    def _reference(self, digest: str) -> Path | None:
        """Return a reference of a digest: today's, or one that Git has, copied."""
        now = self.selection.reference
        if _digest_of_reference(now) == digest:
            return now
        kept = self.home / BEFORE / short(digest)
        if kept.is_dir():
            return kept
        for tree in self._sources.trees(now):
            if _digest_of_reference(tree) == digest:
                shutil.copytree(tree, kept, symlinks=True)
                return kept
        return None

    def _engine(self, factor: Factor) -> EngineChoice | None:
        """Return the engine of this host that is the one of a run, in its very version."""
        if self._engines is None:
            self._engines = {}
            for name in ENGINES:
                try:
                    status = make_engine(name, self._store).self_check()
                except EngineError:
                    continue
                self._engines[f"{status.name} {status.version}"] = name
        return self._engines.get(factor.value)

    # -- what is set -----------------------------------------------------------------------------

    def set_to(self, factors: Sequence[Factor]) -> Selection:
        """Return the analysis as a copy that is set to factors, of which none has an obstacle.

        The results of settings with the same images are in one directory: steps that a change
        does not concern are not run again.
        """
        of = _by_kind(factors)
        if (self.home / PROJECT).is_dir():
            remove_tree(self.home / PROJECT)
        copy = copied(self.selection, self.home)
        analysis = copy.analysis
        code: tuple[str, ...] = analysis.code
        variant = self._set_images(copy, of["image"])
        if not any(map(is_of_many, of["code"].values())):
            fixed = {copy.snakefile, CONFIGURATION, DECLARED_OUTPUTS}
            self._set_code(copy, of["code"])
            code = tuple(name for name in of["code"] if name not in fixed)
        datasets = self._set_data(copy, of["data"])
        names = self._set_conditions(copy, of["conditions"])
        if "reference" in of:
            self._set_reference(copy, of["reference"]["reference"])
        values = {name: json.loads(each.value) for name, each in of["parameter"].items()}
        changed = {
            "variants": {copy.variant: variant.model_copy(update={"parameters": {}})},
            "default_variant": None,
            "default_dataset": None,
            "datasets": datasets,
            "conditions": names,
            "parameters": values,
            "code": code,
        }
        images = digest_of_mapping({name: each.digest for name, each in of["image"].items()})
        return replace(
            copy,
            analysis=analysis.model_copy(update=changed),
            typed_results=self.home / RESULTS / short(images),
        )

    def engine_of(self, factors: Iterable[Factor]) -> EngineChoice | None:
        """Return the engine that factors name; None where this host has it not."""
        return next((self._engine(each) for each in factors if each.kind == "engine"), None)

    def _set_images(self, copy: Selection, wanted: Mapping[str, Factor]) -> Variant:
        for name, factor in wanted.items():
            found = self._images.find(name, factor.digest)
            assert found is not None
            target = copy.project.images / name
            if found.resolve() == target.resolve():
                continue
            if target.is_dir():
                remove_tree(target)
            shutil.copytree(found, target, symlinks=True)
        return with_images(copy.chosen, list(wanted))

    def _set_code(self, copy: Selection, wanted: Mapping[str, Factor]) -> None:
        for path in code_files(copy.analysis, copy.directory):
            if path not in wanted:
                (copy.directory / path).unlink()
        for path, factor in wanted.items():
            if path != DECLARED_OUTPUTS:
                self._put(factor, self.selection.directory / path, copy.directory / path)

    def _set_data(self, copy: Selection, wanted: Mapping[str, Factor]) -> Mapping[str, object]:
        data = copy.data
        if data is None or copy.dataset is None:
            return {}
        if any(map(is_of_many, wanted.values())):
            return {copy.dataset: data}
        named = {file.path: file for file in data.files}
        files = [
            self._file(named.get(path), path, factor, self.selection.directory, copy.directory)
            for path, factor in wanted.items()
        ]
        return {copy.dataset: data.model_copy(update={"files": tuple(files)})}

    def _set_conditions(self, copy: Selection, wanted: Mapping[str, Factor]) -> tuple[str, ...]:
        theirs, ours = self._snapshots(self.selection), self._snapshots(copy)
        names = dict.fromkeys(name.partition("/")[0] for name in wanted)
        for name in names:
            if name in wanted:  # one factor for very many files, as they are now
                continue
            snapshot = load_snapshot(ours[name])
            named = {file.path: file for file in snapshot.files}
            files = [
                self._file(named.get(path), path, factor, theirs[name], ours[name])
                for path, factor in _below(name, wanted)
                if path != SNAPSHOT
            ]
            changed: Snapshot = snapshot.model_copy(update={"files": tuple(files)})
            write_atomically(ours[name] / SNAPSHOT, snapshot_text(changed).encode())
        return tuple(names)

    def _file(
        self, now: DataFile | None, path: str, factor: Factor, theirs: Path, ours: Path
    ) -> DataFile:
        """Return the file of a dataset or snapshot with the bytes of a factor."""
        if now is not None and now.digest == factor.digest:
            return now
        found = self._sources.find(factor.digest, theirs / path)
        assert found is not None
        (ours / path).unlink(missing_ok=True)
        if not found.stored:
            _write(found, ours / path)
        return DataFile(path=path, size=found.size, sha256=factor.digest.removeprefix(PREFIX))

    def _put(self, factor: Factor, theirs: Path, ours: Path) -> None:
        if ours.is_file() and sha256_file(ours) == factor.digest:
            return
        found = self._sources.find(factor.digest, theirs)
        assert found is not None
        _write(found, ours)

    def _set_reference(self, copy: Selection, wanted: Factor) -> None:
        found = self._reference(wanted.digest)
        assert found is not None
        if _digest_of_reference(copy.reference) != wanted.digest:
            if copy.reference.is_dir():
                remove_tree(copy.reference)
            shutil.copytree(found, copy.reference, symlinks=True)

    def _snapshots(self, selection: Selection) -> Mapping[str, Path]:
        return find_snapshots(selection.directory, selection.project.root)


def is_of_many(factor: Factor) -> bool:
    """Tell whether a factor is of very many files: the history has one digest for all of them."""
    if factor.kind == "conditions":
        return "/" not in factor.name
    many = factor.kind in ("code", "data") and factor.name != DECLARED_OUTPUTS
    return many and factor.value.endswith(" files")


def with_images(variant: Variant, names: Sequence[str]) -> Variant:
    """Return a variant with the images of a run by their names.

    Where it names none but one that the run had not, that one is in its place.
    """
    now = list(variant.all_images.values())
    gone = [name for name in now if name not in names]
    new = [name for name in names if name not in now]
    if len(gone) != 1 or len(new) != 1:
        return variant
    image = new[0] if variant.image == gone[0] else variant.image
    roles = {role: new[0] if n == gone[0] else n for role, n in variant.images.items()}
    return variant.model_copy(update={"image": image, "images": roles})


def _by_kind(factors: Iterable[Factor]) -> dict[Kind, dict[str, Factor]]:
    found: dict[Kind, dict[str, Factor]] = {
        "image": {},
        "data": {},
        "conditions": {},
        "code": {},
        "parameter": {},
    }
    for factor in factors:
        found.setdefault(factor.kind, {})[factor.name] = factor
    return found


def _below(name: str, wanted: Mapping[str, Factor]) -> list[tuple[str, Factor]]:
    """Return the files of a snapshot, each by its path in it."""
    beginning = f"{name}/"
    return [
        (each.removeprefix(beginning), factor)
        for each, factor in wanted.items()
        if each.startswith(beginning)
    ]


def _digest_of_reference(directory: Path) -> str | None:
    try:
        return digest_of_mapping(reference_digests(directory))
    except (ReprunError, OSError):
        return None


def _write(found: Found, target: Path) -> None:
    """Write bytes in the place of a file, with the mode that it has there."""
    make_directory(target.parent)
    mode = target.stat().st_mode & 0o777 if target.is_file() else 0o644
    target.unlink(missing_ok=True)
    if found.place is not None:
        shutil.copyfile(found.place, target)
    else:
        target.write_bytes(found.data)
    target.chmod(mode)
