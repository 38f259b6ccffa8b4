"""The committed images beside columnar: built, run without network as an arbitrary user."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from threading import Event

import pytest

from reprun.engines.base import ContainerEngine, ContainerJob
from reprun.engines.docker import DockerEngine
from reprun.engines.runc import RuncEngine
from reprun.images.archives.tree import RUNTIME_FILES, Kind, Listed, tree_digest
from reprun.images.audit import rebuildable
from reprun.images.builder.dockerfile import dockerfile, write_context
from reprun.images.catalogue.catalogue import Catalogue
from reprun.images.ensure import ensure
from reprun.images.lock import check_twice
from reprun.images.model import Image
from reprun.progress import Silent
from reprun.store.store import Store
from tests.integration.container import run_in

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
ROOT_IMAGES = ("root-6.37", "root-6.40")

MACRO = r"""
cat > /tmp/area.C <<'END'
#include <TH1D.h>
#include <TRandom3.h>
double area() {
  TRandom3 random(42);
  TH1D h("h", "", 50, -5, 5);
  for (int i = 0; i < 10000; ++i) h.Fill(random.Gaus(0, 1));
  return h.GetMean();
}
END
cd /tmp
python3 - <<'END'
import json, os, ROOT
ROOT.gROOT.SetBatch(True)
facts = {"release": ROOT.gROOT.GetVersion()}
ROOT.gROOT.LoadMacro("area.C")
facts["interpreted"] = ROOT.area()
with ROOT.TFile.Open("/tmp/out.root", "RECREATE") as file:
    tree = ROOT.TNtuple("t", "", "m")
    for number in range(100):
        tree.Fill(number)
    file.WriteObject(tree, "t")
with ROOT.TFile.Open("/tmp/out.root") as file:
    facts["entries"] = file["t"].GetEntries()
frame = ROOT.RDataFrame("t", "/tmp/out.root").Filter("m >= 50").Define("double_m", "2 * m")
facts["mean"] = frame.Mean("double_m").GetValue()
x = ROOT.RooRealVar("x", "", -5, 5)
mean, sigma = ROOT.RooRealVar("mu", "", 0, -1, 1), ROOT.RooRealVar("sigma", "", 2, 0.1, 5)
gauss = ROOT.RooGaussian("g", "", x, mean, sigma)
histogram = ROOT.TH1D("data", "", 50, -5, 5)
histogram.SetDirectory(ROOT.nullptr)
ROOT.gRandom.SetSeed(1)
for _ in range(5000):
    histogram.Fill(ROOT.gRandom.Gaus(0.3, 1.2))
data = ROOT.RooDataHist("d", "", [x], Import=histogram)
gauss.fitTo(data, PrintLevel=-1)
facts["mu"], facts["sigma"] = mean.getVal(), sigma.getVal()
canvas = ROOT.TCanvas("c")
histogram.Draw()
canvas.SaveAs("/tmp/out.png")
with open("/tmp/out.png", "rb") as png:
    facts["png"] = png.read(8) == b"\x89PNG\r\n\x1a\n" and os.path.getsize("/tmp/out.png") > 2000
print("FACTS " + json.dumps(facts))
END
python3 - <<'END'
import ROOT
ROOT.gROOT.SetBatch(True)
assert ROOT.gROOT.LoadMacro("/tmp/area.C+") == 0
print("COMPILED", repr(ROOT.area()))
END
test -f /tmp/area_C.so && id -u
"""

PROGRAMS = r"""
cat > skim.cxx <<'END'
#include <ROOT/RDataFrame.hxx>
#include <Math/Vector4D.h>
#include <TCanvas.h>
#include <TFile.h>
int main() {
  ROOT::EnableImplicitMT(2);
  auto mass = [](ULong64_t i) {
    ROOT::Math::PtEtaPhiMVector a(20. + i % 7, 0.1, 0.2, 0.1), b(25, -0.3, 2.9, 0.1);
    return (a + b).M();
  };
  auto events = ROOT::RDataFrame(1000).Define("mass", mass, {"rdfentry_"});
  auto h = events.Histo1D({"mass", "", 50, 0, 100}, "mass");
  TCanvas canvas;
  h->Draw();
  TFile out("one.root", "RECREATE");
  h->Write();
  return h->GetEntries() == 1000 ? 0 : 1;
}
END
g++ -o skim skim.cxx $(root-config --cflags --libs)
./skim
hadd two.root one.root one.root > /dev/null
rootls two.root
cat > Hit.h <<'END'
#include <TObject.h>
class Hit : public TObject { public: int x = 3; ClassDef(Hit, 1) };
END
echo '#pragma link C++ class Hit+;' > LinkDef.h
rootcling hit.cxx Hit.h LinkDef.h
g++ -shared -fPIC -o libHit.so hit.cxx $(root-config --cflags --libs)
root-config --version
"""

LEGACY = """
from __future__ import print_function
import sys, numpy, scipy.stats, uproot, iminuit, matplotlib
assert sys.version_info[:2] == (2, 7)
matplotlib.use("Agg")
import matplotlib.pyplot as plt
values = numpy.linspace(70, 181, 1000)
counts, edges = numpy.histogram(values, bins=37, range=(70, 181))
with uproot.recreate("/tmp/out.root") as out:
    out["h"] = counts, edges
    out["t"] = uproot.newtree({"m": "float64"})
    out["t"].extend({"m": values})
back = uproot.open("/tmp/out.root")
assert (back["h"].values == counts).all()
assert (back["t"].array("m") == values).all()
figure, axes = plt.subplots()
axes.step(edges[1:], counts)
figure.savefig("/tmp/out.png")
fit = iminuit.Minuit(lambda x: (x - 2.0) ** 2, x=0.0, error_x=0.1, errordef=1, pedantic=False)
fit.migrad()
print(int(counts.sum()), round(fit.values["x"], 6), scipy.stats.chi2.sf(0.0, 1))
"""

GENERATE = """
import hashlib, sys
import fastjet, pyhepmc, pythia8mc, uproot
from pythia8mc import Pythia

def masses(settings):
    pythia = Pythia("", False)
    for line in ["Print:quiet = on", "Random:setSeed = on", "Random:seed = 4242",
                 "Beams:eCM = 8000.", "PartonLevel:MPI = off", "HadronLevel:all = off",
                 "23:onMode = off", "23:onIfAny = 11 13", *settings]:
        assert pythia.readString(line), line
    assert pythia.init()
    found = []
    while len(found) < 50:
        if pythia.next():
            total = sum(
                (p.p() for p in pythia.event if p.isFinal() and p.idAbs() in (11, 13)
                 and pythia.event[p.mother1()].idAbs() in (11, 13, 23)),
                pythia8mc.Vec4(),
            )
            found.append(total.mCalc())
    return found

higgs = ["HiggsSM:gg2H = on", "25:m0 = 125.", "25:onMode = off", "25:onIfMatch = 23 23"]
signal = masses(higgs)
background = masses(["WeakDoubleBoson:ffbar2gmZgmZ = on"])
assert abs(sorted(signal)[25] - 125) < 2, sorted(signal)[25]
assert sorted(background)[25] > 60
jets = fastjet.ClusterSequence(
    [fastjet.PseudoJet(10, 0, 0, 11), fastjet.PseudoJet(9, 0.1, 0, 10)],
    fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4),
).inclusive_jets()
assert len(jets) == 1
event = pyhepmc.GenEvent()
event.add_particle(pyhepmc.GenParticle((0, 0, 1, 1), 23, 1))
with uproot.recreate("/tmp/out.root") as out:
    out["t"] = {"signal": signal, "background": background}
print(hashlib.sha256(repr((signal, background)).encode()).hexdigest())
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A directory for runc's bundle."""
    return tmp_path


def image_of(name: str, catalogue: Catalogue, store: Store) -> Image:
    """Return a locked image, fetched and built where it is not there yet."""
    return ensure(name, catalogue, store, Silent())


@pytest.mark.parametrize("name", ROOT_IMAGES)
def test_root_reads_interprets_compiles_fits_and_draws(
    name: str, catalogue: Catalogue, store: Store, bundle: Path
) -> None:
    image = image_of(name, catalogue, store)
    done = run_in(image, store, bundle, ["bash", "-euo", "pipefail", "-c", MACRO])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    facts = json.loads(next(line for line in lines if line.startswith("FACTS")).split(" ", 1)[1])
    assert facts.pop("release").startswith(name.removeprefix("root-"))
    assert facts.pop("png")
    assert facts["entries"] == 100
    assert facts["mean"] == 149.0
    assert facts["mu"] == pytest.approx(0.3, abs=0.1)
    assert facts["sigma"] == pytest.approx(1.2, abs=0.1)
    compiled = next(line for line in lines if line.startswith("COMPILED"))
    assert float(compiled.split()[1]) == facts["interpreted"]
    assert lines[-1] == "4242"


@pytest.mark.parametrize("name", ROOT_IMAGES)
def test_the_programs_of_root_compile_link_add_and_list(
    name: str, catalogue: Catalogue, store: Store, bundle: Path
) -> None:
    """As public analyses use them, as they stand: by name, from `PATH`."""
    image = image_of(name, catalogue, store)
    done = run_in(image, store, bundle, ["bash", "-euo", "pipefail", "-c", f"cd /tmp\n{PROGRAMS}"])
    assert done.returncode == 0, done.stderr
    first, version = done.stdout.split()
    assert (first, version.rpartition(".")[0]) == ("mass", name.removeprefix("root-"))
    assert "warning" not in done.stderr


def test_legacy_python_reads_writes_fills_and_plots(
    catalogue: Catalogue, store: Store, bundle: Path
) -> None:
    image = image_of("legacy-py2", catalogue, store)
    done = run_in(image, store, bundle, ["python", "-c", LEGACY])
    assert (done.returncode, done.stdout.split()) == (0, ["1000", "2.0", "1.0"]), done.stderr


def test_the_generator_gives_the_same_events_twice(
    catalogue: Catalogue, store: Store, bundle: Path
) -> None:
    image = image_of("generator", catalogue, store)
    runs = [run_in(image, store, bundle, ["python3", "-c", GENERATE]) for _ in range(2)]
    assert [done.returncode for done in runs] == [0, 0], runs[0].stderr
    assert len(runs[0].stdout.split()[-1]) == 64
    assert runs[0].stdout == runs[1].stdout


def test_images_of_one_debian_share_their_base_layer(catalogue: Catalogue) -> None:
    shared = {
        catalogue.lock(name).layers[0].digest for name in ("columnar", "generator", *ROOT_IMAGES)
    }
    assert len(shared) == 1
    compilers = {catalogue.lock(name).layers[1].digest for name in ROOT_IMAGES}
    assert len(compilers) == 1


@pytest.mark.parametrize("name", rebuildable(Catalogue(ROOT / "images")))
def test_two_builds_of_an_image_are_the_same(name: str, catalogue: Catalogue, store: Store) -> None:
    image_of(name, catalogue, store)
    assert check_twice(name, catalogue, store, Silent()).lock == catalogue.lock(name)


@pytest.mark.parametrize("name", rebuildable(Catalogue(ROOT / "images")))
def test_both_engines_show_the_same_image(
    name: str, catalogue: Catalogue, store: Store, docker_url: str
) -> None:
    image = image_of(name, catalogue, store)
    script = (
        "cat /usr/share/reprun/image.toml; python -V 2>&1; dpkg-query -W | sha256sum; "
        "find /usr /var/lib -type f -print0 | sort -z | xargs -0 stat -c '%n %a %s' | sha256sum"
    )
    job = ContainerJob(image, ["bash", "-euo", "pipefail", "-c", script], working_directory="/")
    said = []
    docker = DockerEngine(store, base_url=docker_url)
    engines: tuple[ContainerEngine, ...] = (RuncEngine(store), docker)
    try:
        for engine in engines:
            out, err = bytearray(), bytearray()
            result = engine.run(job, stdout=out.extend, stderr=err.extend, cancel=Event())
            assert result.exit_code == 0, err.decode()
            said.append(out.decode())
    finally:
        docker.close()
    assert f'name = "{name}"' in said[0]
    assert said[0] == said[1]


# Not root-6.37: half a minute for a Dockerfile that says what that of root-6.40 says.
@pytest.mark.parametrize("name", ["columnar", "generator", "legacy-py2", "root-6.40"])
def test_docker_builds_the_same_files_from_the_dockerfile(
    name: str, catalogue: Catalogue, store: Store, docker_url: str, tmp_path: Path
) -> None:
    import docker  # noqa: PLC0415

    definition = catalogue.definition(name)
    image = image_of(name, catalogue, store)
    assert dockerfile(definition, image) == (definition.directory / "Dockerfile").read_text()
    write_context(definition, image, store, tmp_path / "context")
    layers = [path for path in (tmp_path / "context").iterdir() if path.name != "Dockerfile"]
    blobs = [store.blob_path(layer.digest) for layer in image.layers]
    assert not any(path.samefile(blob) for path in layers for blob in blobs)
    client = docker.DockerClient(base_url=docker_url)
    try:
        built, _ = client.images.build(path=str(tmp_path / "context"), rm=True)
        assert built.id is not None
        container = client.containers.create(built, network_mode="none")
        with (tmp_path / "files.tar").open("wb") as out:
            chunks: Iterable[bytes] = container.export()  # type: ignore[assignment]
            out.writelines(chunks)
        container.remove()
        client.images.remove(built.id, force=True)
    finally:
        client.close()
    assert built.id != image.image_id
    assert tree_digest(files_of(tmp_path / "files.tar")) == catalogue.lock(name).tree


def files_of(archive: Path) -> dict[str, Listed]:
    """Return what lies in a tar, as the file-tree digest sees it."""
    found: dict[str, Listed] = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            path = member.name.rstrip("/")
            assert (member.uid, member.gid) == (0, 0) or path in RUNTIME_FILES, path
            if member.isdir():
                found[path] = Listed(Kind.DIRECTORY, member.mode & 0o7777, "")
            elif member.issym():
                found[path] = Listed(Kind.SYMLINK, 0o777, member.linkname)
            elif member.islnk():
                found[path] = found[member.linkname]
            else:
                stream = tar.extractfile(member)
                assert stream is not None
                sha256 = hashlib.sha256(stream.read()).hexdigest()
                found[path] = Listed(Kind.FILE, member.mode & 0o7777, sha256)
    return found
