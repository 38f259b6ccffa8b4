"""Files that experiments and theorists published: each is read in full, or refused by name."""

from __future__ import annotations

import datetime as dt

import pytest

from reprun.compare import Verdict, compare
from reprun.errors import OutputMissingError
from reprun.histograms import read_objects
from tests.real_data import shared_data

TODAY = dt.date(2026, 1, 1)
H4L = (
    *("DY1011", "DY1012", "DY101Jets12", "DY50Mag12", "DY50TuneZ11", "DY50TuneZ12", "DYTo2mu12"),
    *("DoubleE11", "DoubleE12", "DoubleMu11", "DoubleMu12", "HZZ11", "HZZ12", "TTBar11"),
    *("TTBar12", "TTJets11", "TTJets12", "ZZ2mu2e11", "ZZ2mu2e12", "ZZ4e11", "ZZ4e12"),
    *("ZZ4mu11", "ZZ4mu12"),
)
CHANNELS = ("2e2mu_2011", "2e2mu_2012", "4e_2011", "4e_2012", "4mu_2011", "4mu_2012")

# Histograms, tables and values that are decoded.
DECODED = {
    **{f"cms-h4l/histograms/{name}.root": 95 for name in H4L},
    "pyhf/2-bin_1-channel.json": 8,
    "references/hepdata-ins1413748/Table1.yaml": 1,
    "references/hepdata-ins1413748/Table2.yaml": 1,
    "references/hepdata-ins1413748/Table3.yaml": 1,
    "references/yoda/ATLAS_2014_I1310835.yoda": 20,
    "references/yoda/full.yoda": 10,
    "references/yoda/with_overflows.yoda": 2,
    "opendata-records/atlas-2020-4lep.json": 361,
    "conditions/jmar16post.json": 3509,
    "jsonld/workflow-run-context.json": 16,
}
# The one tree or table of events of a file: events, columns, and those known by their bytes.
TREES = {
    **{f"cms-h4l/events/{name}.csv": (None, 41, 0) for name in CHANNELS},
    "cms-dimuon/MuRun2010B_0.csv": (10000, 21, 0),
    "cms-dimuon/Run2012BC_DoubleMuParked_Muons_first100k.root": (100000, 6, 0),
    "cms-nanoaod/MuonEG_Run2015D_nanoAOD.root": (10000, 37, 0),
    "cms-nanoaod/nanoAOD_2015_CMS_Open_Data_ttbar.root": (200, 947, 0),
    "lhcb-b2hhh/PhaseSpaceSimulation.root": (50000, 26, 0),
    "atlas-4lep/ODEO_FEB2025_v0_exactly4lep_data15_periodD.exactly4lep.root": (3424, 117, 0),
    "atlas-physlite/PHYSLITE_example.root": (100, 1445, 483),
}
REFUSED = {
    "atlas-metadata/metadata.csv": "'Pythia8EvtGen_A14MSTW2008LO_Zprime_NoInt' in column "
    "'physics_short' is not a number",
    "conditions/FT_53_LV5_AN1.db": "no reader for '.db' files (there is one for .csv, ",
    "conditions/electron18.json.gz": "no reader for '.gz' files (there is one for .csv, ",
    "cms-validated-runs/Cert_160404-180252_7TeV_ReRecoNov08_Collisions11_JSON.txt": "no reader for "
    "'.txt' files (there is one for .csv, ",
}
ENTRIES, STORED = "number of entries", " (stored bytes)"


def test_there_are_enough_of_them() -> None:
    files = [*DECODED, *TREES, *REFUSED]
    assert len(files) == len(set(files)) == 50
    provenance = (shared_data() / "PROVENANCE.tsv").read_text().splitlines()
    assert {line.split("\t")[0] for line in provenance} >= set(files)


@pytest.mark.parametrize("name", DECODED)
def test_every_object_is_decoded_and_the_same_as_itself(name: str) -> None:
    found = read_objects(shared_data() / name)
    assert (len(found), dict(found.unread)) == (DECODED[name], {})
    items = compare(found, read_objects(shared_data() / name), (), TODAY).items
    assert {item.verdict for item in items} == {Verdict.IDENTICAL}


@pytest.mark.slow
@pytest.mark.parametrize("name", TREES)
def test_every_column_of_a_tree_is_known(name: str) -> None:
    found = read_objects(shared_data() / name)
    (tree,) = found.unread.values()
    assert not found.by_name
    entries, columns, stored = TREES[name]
    assert entries in (None, int(tree.parts[ENTRIES]))
    assert len(tree.parts) == columns + 1
    assert sum(part.endswith(STORED) for part in tree.parts) == stored


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name(name: str) -> None:
    with pytest.raises(OutputMissingError) as error:
        read_objects(shared_data() / name)
    assert name.rpartition("/")[2] in error.value.message
    assert REFUSED[name] in error.value.message


def test_a_submission_whose_tables_are_elsewhere_passes_in_none_of_them() -> None:
    path = shared_data() / "references/hepdata-ins1413748/submission.yaml"
    found = read_objects(path)
    assert (len(found), len(found.unread)) == (3, 103)
    counts = compare(found, read_objects(path), (), TODAY).counts
    assert counts == {Verdict.IDENTICAL: 3, Verdict.NOT_COMPARABLE: 103}
