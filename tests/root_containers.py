"""Writes tests/data/root_containers.root; run by a Python that has ROOT (the image root-6.40).

    python tests/root_containers.py tests/data/root_containers.root

Histograms, profiles, graphs and efficiencies in every class that holds others.
"""

from __future__ import annotations

import sys

import ROOT  # type: ignore[import-not-found]

ROOT.gROOT.SetBatch(True)
ROOT.TH1.AddDirectory(False)
ROOT.gErrorIgnoreLevel = ROOT.kWarning


def filled(name: str, shift: float = 0.0) -> ROOT.TH1D:
    made = ROOT.TH1D(name, "a title;x [GeV];events", 3, 0, 3)
    for value in (0.5, 1.5, 1.5, 9.0):
        made.Fill(value + shift)
    return made


def labelled(name: str) -> ROOT.TH1D:
    made = ROOT.TH1D(name, "", 2, 0, 2)
    made.GetXaxis().SetBinLabel(1, "all")
    made.GetXaxis().SetBinLabel(2, "trigger")
    made.Fill(0.5)
    return made


def profile(name: str) -> ROOT.TProfile:
    made = ROOT.TProfile(name, "", 2, 0, 2)
    made.Fill(0.5, 4.0)
    return made


def efficiency(name: str) -> ROOT.TEfficiency:
    made = ROOT.TEfficiency(name, "", 2, 0, 2)
    made.Fill(True, 0.5)
    made.Fill(False, 0.5)
    return made


def graph(name: str, height: float) -> ROOT.TGraphErrors:
    made = ROOT.TGraphErrors(2)
    made.SetName(name)
    made.SetPoint(0, 1, height)
    made.SetPointError(0, 0.1, 0.2)
    made.SetPoint(1, 2, height + 1)
    return made


kept = []
file = ROOT.TFile.Open(f"{sys.argv[1]}?reproducible=root_containers.root", "RECREATE")

inner = ROOT.TList()
inner.SetName("inner")
deep = filled("deep")
inner.Add(deep)
everything = [
    filled("plain"), filled("plain", 1.0), labelled("words"), labelled("more"), profile("mean"),
    efficiency("turn_on"), efficiency("turn_off"), graph("points", 5),
    ROOT.TH2F("plane", "", 2, 0, 2, 2, 0, 2), ROOT.TF1("curve", "x*[0]", 0, 1),
    ROOT.TObjString("a remark"), inner,
]  # fmt: skip
for kind, name in ((ROOT.TList, "list"), (ROOT.THashList, "hashed"), (ROOT.TObjArray, "array")):
    made = kind()
    for each in everything:
        kept.append(each.Clone())
        made.Add(kept[-1])
    kept.append(made)
    file.WriteObject(made, name)

few = ROOT.TList()
for each in (filled("h"), ROOT.TObjString("a remark"), inner):
    kept.append(each)
    few.Add(each, "hist")
file.WriteObject(few, "few")

mapping = ROOT.TMap()
pairs = (
    (ROOT.TObjString("signal"), filled("h")),
    (ROOT.TObjString("version"), ROOT.TObjString("3")),
)
for pair in pairs:
    mapping.Add(*pair)
kept.append(mapping)
mapping.Write("mapping", ROOT.TObject.kSingleKey)

folder = ROOT.TFolder("folder", "of results")
nested = folder.AddFolder("muons", "")
for holder, one in ((folder, filled("pt")), (nested, filled("eta", 0.5))):
    kept.append(one)
    holder.Add(one)
file.WriteObject(folder, "folder")

stack = ROOT.THStack("stack", "")
for name in ("signal", "background"):
    one = filled(name)
    kept.append(one)
    stack.Add(one)
file.WriteObject(stack, "stack")

graphs = ROOT.TMultiGraph("graphs", "")
for name, height in (("data", 5.0), ("model", 6.0)):
    one = graph(name, height)
    ROOT.SetOwnership(one, False)
    graphs.Add(one, "LP")
file.WriteObject(graphs, "graphs")

canvas = ROOT.TCanvas("canvas", "", 400, 300)
canvas.Divide(1, 2)
canvas.cd(1)
drawn = filled("drawn")
drawn.Draw()
canvas.cd(2)
points = graph("ratio", 1.0)
points.Draw("AP")
file.WriteObject(canvas, "canvas")
file.Close()
