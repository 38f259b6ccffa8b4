"""Which image a REANA project's image runs as here; every replacement is a deviation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reprun.digests import short
from reprun.documents.reading import read_document
from reprun.errors import ImageNotHereError, SpecificationError, did_you_mean
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.model import Image

DEFAULT = "default"
"""How `--image-map` calls the image of rules that name none."""

REANA_DEFAULT = "docker.io/snakemake/snakemake"
"""REANA's image for them (reana-commons: v7.32.4 in 0.9, v9.27.0 in 0.95)."""


@dataclass(frozen=True, slots=True)
class ImageMap:
    """What the user wants in the place of images that are not available."""

    typed: Mapping[str, str]
    """Given one by one: each must be used, else it is a slip."""
    listed: Mapping[str, str]
    """From files, which may serve several projects."""

    def replacement(self, reference: str) -> str | None:
        """Return the catalogue's image for a reference, if there is one."""
        name = normalised(reference)
        return self.typed.get(name) or self.listed.get(name)

    @property
    def default(self) -> str | None:
        """The image of rules that name none."""
        for part in (self.typed, self.listed):
            for name, image in part.items():
                if name == DEFAULT or name.startswith(f"{normalised(REANA_DEFAULT)}:"):
                    return image
        return None

    def refuse_unused(self, used: Iterable[str | None]) -> None:
        """Raise SpecificationError for an image that was typed and that nothing uses."""
        names = {normalised(name) for name in used if name}
        default = None in set(used)
        for name in self.typed:
            stands_for_default = name == DEFAULT or name.startswith(normalised(REANA_DEFAULT))
            if name not in names and not (default and stands_for_default):
                raise SpecificationError(
                    f"--image-map replaces {name}, which the project does not use"
                    + did_you_mean(name, names),
                )


@dataclass(frozen=True, slots=True)
class Chosen:
    """The image that one of the project's images runs as."""

    named: str
    """As the project says; empty where it says nothing."""
    image: Image
    deviation: str | None


def normalised(reference: str) -> str:
    """Return a reference in the one spelling in which they are compared."""
    name = reference.strip().removeprefix("docker://").removeprefix("docker.io/")
    return name.removeprefix("library/")


def parse_image_map(given: Sequence[str]) -> ImageMap:
    """Return what `NAME=IMAGE` texts and mapping files (YAML, `NAME: IMAGE`) say."""
    typed: dict[str, str] = {}
    listed: dict[str, str] = {}
    for text in given:
        name, equals, image = text.partition("=")
        if equals and name and image and not Path(text).is_file():
            typed[normalised(name)] = image
            continue
        if not Path(text).is_file():
            raise SpecificationError(
                f"--image-map {text}: write NAME=IMAGE, or name a file of lines `NAME: IMAGE`",
                hint="reprun images list",
            )
        document, lines = read_document(Path(text))
        if not isinstance(document, dict):
            raise SpecificationError("an image map has lines `NAME: IMAGE`", place=text)
        for key, value in document.items():
            if not isinstance(key, str) or not isinstance(value, str):
                raise SpecificationError(
                    f"the image for {key} must be a string, NAME: IMAGE",
                    place=f"{text}:{lines.get((key,), 1)}",
                )
            listed[normalised(key)] = value
    return ImageMap(typed, listed)


def choose(
    reference: str | None, images: ImageMap, catalogue: Catalogue, *, who: str, place: str
) -> Chosen:
    """Return the image that a step's image runs as.

    Raises SpecificationError that names the option, where it is neither in the catalogue nor
    mapped. `who` asks for it, e.g. `step fit`.
    """
    wanted = images.replacement(reference) if reference else images.default
    if wanted is not None:
        image = catalogue.by_reference(wanted)
        said = f"the image {reference}" if reference else "REANA's default image"
        return Chosen(
            reference or "",
            image,
            f"{said} was replaced by {image.name} ({short(image.image_id)})",
        )
    if not reference:
        raise SpecificationError(
            f"{who} names no image; on REANA it runs in the server's default "
            f"({REANA_DEFAULT}), which is not available here",
            place=place,
            hint=f"--image-map {DEFAULT}=IMAGE   # one of: {', '.join(_ours(catalogue))}",
        )
    name = normalised(reference)
    if name.partition("@")[0] in catalogue.names():
        return Chosen(reference, catalogue.by_reference(name), None)
    try:
        published = _published(name, catalogue)
    except ImageNotHereError as error:
        error.hint = f"{error.hint}\n       or: --image-map {reference}=IMAGE"
        raise
    if published is not None:
        return Chosen(reference, published, None)
    raise SpecificationError(
        f"{who} runs in {reference}, which is neither in the catalogue nor replaced",
        place=place,
        hint=f"--image-map {reference}=IMAGE   # one of: {', '.join(_ours(catalogue))}",
    )


def _published(name: str, catalogue: Catalogue) -> Image | None:
    """Return the catalogue's external image of that repository and tag or digest."""
    repository, _, digest = name.partition("@")
    for known in filter(catalogue.is_external, catalogue.names()):
        external = catalogue.external(known)
        same = normalised(external.published.repository)
        if not digest and name == f"{same}:{external.published.tag}":
            return catalogue.locked(known)
        if digest and repository.partition(":")[0] == same:
            image = catalogue.locked(known)
            if digest in (image.image_id, image.manifest):
                return image
    return None


def _ours(catalogue: Catalogue) -> list[str]:
    return [name for name in catalogue.names() if not catalogue.is_external(name)]
