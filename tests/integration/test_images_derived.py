"""An image of one's own in a minute: `columnar` and one wheel, from an index on the loopback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reprun.errors import SpecificationError
from reprun.images.builder.fetch import Sources
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.lock import check_twice, lock, verify
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.container import run_in

REPOSITORY = Path(__file__).resolve().parents[2]
OWN = """\
extends = "columnar"
requirements = ["answers"]
"""


@pytest.fixture
def own(tmp_path: Path) -> Catalogue:
    """A catalogue with `columnar` and one image of the user's own, not locked yet."""
    shutil.copytree(REPOSITORY / "images" / "columnar", tmp_path / "images" / "columnar")
    place = tmp_path / "images" / "own" / "image.toml"
    place.parent.mkdir()
    place.write_text(OWN)
    return Catalogue(tmp_path / "images")


@pytest.mark.usefixtures("index")
def test_it_is_locked_built_twice_and_runs(
    own: Catalogue, store: Store, columnar: Image, tmp_path: Path
) -> None:
    """No Debian archive is asked: the sources have none, and apt is not needed either."""
    sources = Sources(mirrors=(str(store.root),))
    image = lock("own", own, store, Silent(), sources).image
    assert check_twice("own", own, store, Silent()).image == image
    assert verify("own", own, store) == ensure("own", own, store, Silent()) == image
    assert image.layers[:3] == columnar.layers[:3]
    assert [layer.comment for layer in image.layers[3:]] == [
        *("Python wheels of own", "reprun documents")
    ]
    definition, parent = own.definition("own"), own.definition("columnar")
    assert definition.debs == parent.debs
    added = [each for each in definition.wheels if each not in parent.wheels]
    assert [(each.name, each.version) for each in added] == [("answers", "1.0")]
    assert set(parent.wheels) <= set(definition.wheels)
    script = "import answers, numpy, uproot; print(answers.answer)"
    done = run_in(image, store, tmp_path, ["python3", "-c", script])
    assert (done.stdout, done.stderr, done.returncode) == ("42\n", "", 0)


@pytest.mark.usefixtures("index", "columnar")
def test_a_wheel_that_needs_another_numpy_is_an_error_naming_both(
    own: Catalogue, store: Store
) -> None:
    place = own.directories[0] / "own" / "image.toml"
    place.write_text('extends = "columnar"\nrequirements = ["answers", "stubborn"]\n')
    sources = Sources(mirrors=(str(store.root),))
    numpy = next(each for each in own.definition("columnar").wheels if each.name == "numpy")
    with pytest.raises(
        SpecificationError,
        match=rf"'stubborn' conflicts with columnar, which is locked to numpy {numpy.version}: "
        r"Because .*stubborn.*numpy<2",
    ) as caught:
        lock("own", own, store, Silent(), sources)
    assert caught.value.place == f"{place}:2"
    assert not place.with_name("image.lock").exists()
