"""The symbolic links that an image's definition asks for: a layer above its packages.

A link goes into a directory that the packages have, to a path that they have. So none points
nowhere, and none lies below a file or another link.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from reprun.errors import SpecificationError
from reprun.images.archives.tree import Kind, Listed, Spool, Tree
from reprun.images.catalogue.definition import Definition

ORIGIN = "[links]"


def links_tree(definition: Definition, below: Mapping[str, Listed], spool: Spool) -> Tree:
    """Return the tree of an image's links; `below` is what the layers below put where.

    Raises SpecificationError for a link that has no directory, a taken place or no target.
    """
    tree = Tree(spool)
    for link, target in definition.links.items():
        path = PurePosixPath(link.removeprefix("/"))
        for parent in reversed(path.parents[:-1]):
            present = below.get(str(parent))
            if present is None or present.kind is not Kind.DIRECTORY:
                raise _fault(definition, f"{link} needs a directory /{parent}, which is not there")
            tree.add_directory(str(parent), present.mode, origin=ORIGIN)
        if str(path) in below:
            raise _fault(definition, f"{link} is in the image already")
        if target.removeprefix("/") not in below:
            raise _fault(definition, f"{link} points to {target}, which is not in the image")
        tree.add_symlink(str(path), target, origin=ORIGIN)
    tree.close()
    return tree


def _fault(definition: Definition, sentence: str) -> SpecificationError:
    from reprun.images.catalogue.image_toml import fault_in  # noqa: PLC0415 - brings pydantic

    return fault_in(definition.place, "links", sentence)
