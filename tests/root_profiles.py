"""Writes tests/data/root_profiles.root; run by a Python that has ROOT (the image root-6.40).

    python tests/root_profiles.py tests/data/root_profiles.root

Profiles of two and three axes, and classes that are results and cannot be compared.
"""

from __future__ import annotations

import sys

import ROOT  # type: ignore[import-not-found]

file = ROOT.TFile.Open(f"{sys.argv[1]}?reproducible=root_profiles.root", "RECREATE")
plane = ROOT.TProfile2D("plane", "mean;x;y", 2, 0, 2, 3, 0, 3)
plane.Fill(0.5, 0.5, 4.0)
plane.Fill(0.5, 0.5, 6.0)
plane.Fill(1.5, 2.5, 1.0, 2.0)
plane.Fill(9.0, 2.5, 3.0)
plane.Write()
cube = ROOT.TProfile3D("cube", "mean", 2, 0, 2, 2, 0, 2, 2, 0, 2)
cube.Fill(0.5, 1.5, 0.5, 7.0)
cube.Fill(0.5, 1.5, 0.5, 9.0)
cube.Write()
stack = ROOT.THStack("stack", "")
stack.Write()
graphs = ROOT.TMultiGraph("graphs", "")
graphs.Write()
surface = ROOT.TGraph2D(3)
surface.SetName("surface")
surface.Write()
file.Close()
