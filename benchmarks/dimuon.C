// The dimuon event loop as one would write it by hand with RDataFrame, for this one file and
// nothing else: the yardstick of benchmarks/dimuon.py. It fills what the example fills.

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>

#include <Math/Vector4D.h>
#include <TH1D.h>
#include <TStopwatch.h>

#include <cmath>
#include <iostream>
#include <vector>

using ROOT::RVecF;
using ROOT::RVecI;

int dimuon(const char *input)
{
   ROOT::RDataFrame events("Events", input);
   auto pairs = events.Filter([](unsigned int n) { return n == 2; }, {"nMuon"})
                   .Define("m",
                           [](const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &m) {
                              ROOT::Math::PtEtaPhiMVector one(pt[0], eta[0], phi[0], m[0]);
                              ROOT::Math::PtEtaPhiMVector other(pt[1], eta[1], phi[1], m[1]);
                              return (one + other).M();
                           },
                           {"Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass"});
   auto opposite = pairs.Filter([](const RVecI &q) { return q[0] != q[1]; }, {"Muon_charge"});
   auto same = pairs.Filter([](const RVecI &q) { return q[0] == q[1]; }, {"Muon_charge"});

   std::vector<double> edges;
   for (int i = 0; i <= 500; ++i)
      edges.push_back(0.25 * std::pow(10., 3. * i / 500));
   auto jpsi = [](double m) { return m >= 2.9 && m < 3.3; };
   auto z = [](double m) { return m >= 81. && m < 101.; };

   auto read = events.Count(), two = pairs.Count();
   auto os = opposite.Count(), ss = same.Count();
   auto os_jpsi = opposite.Filter(jpsi, {"m"}).Count(), ss_jpsi = same.Filter(jpsi, {"m"}).Count();
   auto os_z = opposite.Filter(z, {"m"}).Count(), ss_z = same.Filter(z, {"m"}).Count();
   auto os_all = opposite.Histo1D<double>({"os_all", "", 500, edges.data()}, "m");
   auto ss_all = same.Histo1D<double>({"ss_all", "", 500, edges.data()}, "m");
   auto os_low = opposite.Histo1D<double>({"os_low", "", 90, 2.6, 4.4}, "m");
   auto ss_low = same.Histo1D<double>({"ss_low", "", 90, 2.6, 4.4}, "m");
   auto os_middle = opposite.Histo1D<double>({"os_middle", "", 80, 8., 12.}, "m");
   auto ss_middle = same.Histo1D<double>({"ss_middle", "", 80, 8., 12.}, "m");
   auto os_high = opposite.Histo1D<double>({"os_high", "", 240, 60., 120.}, "m");
   auto ss_high = same.Histo1D<double>({"ss_high", "", 240, 60., 120.}, "m");

   TStopwatch watch;
   const auto done = *read;
   watch.Stop();
   std::cout << done << " of " << done << " events in " << watch.RealTime() << " s; " << *os
             << " of opposite sign, " << *os_z << " in 81-101 GeV" << std::endl;
   return 0;
}
