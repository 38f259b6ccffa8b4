// Step 3: the whole spectrum with its resonances, and a closer look at three of them.

#include "zpeak.h"

#include <TCanvas.h>
#include <TF1.h>
#include <TFile.h>
#include <TGaxis.h>
#include <TGraphErrors.h>
#include <TH1D.h>
#include <TLatex.h>
#include <TLegend.h>
#include <TROOT.h>
#include <TStyle.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

// Masses in GeV: S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024).
const std::vector<std::pair<const char *, double>> kResonances = {
   {"#eta", 0.547862}, {"#rho,#omega", 0.78266}, {"#phi", 1.019461}, {"J/#psi", 3.096900},
   {"#psi'", 3.686097}, {"#varUpsilon", 9.46040}, {"Z", 91.1880}};
const std::vector<std::pair<const char *, double>> kUpsilons = {
   {"#varUpsilon(1S)", 9.46040}, {"2S", 10.0234}, {"3S", 10.3551}};

const int kBlueFill = TColor::GetColor("#a9d1f2"), kBlueLine = TColor::GetColor("#3f90da");
const int kRedLine = TColor::GetColor("#bd1f01"), kOrangeLine = TColor::GetColor("#e76300");

void Style()
{
   gStyle->SetOptStat(0);
   gStyle->SetOptTitle(0);
   gStyle->SetPadTickX(1);
   gStyle->SetPadTickY(1);
   gStyle->SetEndErrorSize(0);
   gStyle->SetFrameLineWidth(2);
   gStyle->SetLineWidth(2);
}

TH1D *Get(TFile &file, const std::string &name)
{
   auto *found = file.Get<TH1D>(name.c_str());
   if (!found)
      throw std::runtime_error("there is no histogram " + name);
   return found;
}

double Highest(const TH1D &h, double mass, double window, bool with_error)
{
   double top = 0;
   for (int i = 1; i <= h.GetNbinsX(); ++i)
      if (std::abs(h.GetBinCenter(i) / mass - 1) < window)
         top = std::max(top, h.GetBinContent(i) + with_error * h.GetBinError(i));
   return top;
}

void Axes(TH1D &h, const char *x, const std::string &y, double offset)
{
   for (auto *axis : {h.GetXaxis(), h.GetYaxis()}) {
      axis->SetTitleFont(43);
      axis->SetTitleSize(36);
      axis->SetLabelFont(43);
      axis->SetLabelSize(30);
   }
   h.GetXaxis()->SetTitle(x);
   h.GetXaxis()->SetTitleOffset(1.1);
   h.GetYaxis()->SetTitle(y.c_str());
   h.GetYaxis()->SetTitleOffset(offset);
}

TLatex Text(int align, double size)
{
   TLatex text;
   text.SetTextFont(43);
   text.SetTextSize(size);
   text.SetTextAlign(align);
   return text;
}

void Spectrum(TFile &file, const std::string &right)
{
   gPad->SetLogx();
   gPad->SetLogy();
   gPad->SetMargin(0.08, 0.02, 0.13, 0.09);
   std::map<std::string, TH1D *> density;
   for (const std::string sign : {"opposite", "same"}) {
      density[sign] = static_cast<TH1D *>(
         Get(file, sign + "/spectrum")->Rebin(2, (sign + "_density").c_str()));
      density[sign]->Scale(1., "width");
   }
   TH1D &opposite = *density["opposite"], &same = *density["same"];
   opposite.SetFillColor(kBlueFill);
   opposite.SetLineColor(kBlueLine);
   same.SetLineColor(kRedLine);
   opposite.SetMinimum(0.2);
   opposite.SetMaximum(30 * opposite.GetMaximum());
   Axes(opposite, "m_{#mu#mu} [GeV]", "Events / GeV", 1.25);
   opposite.GetYaxis()->SetTickLength(0.012);
   opposite.GetXaxis()->SetNoExponent();
   opposite.Draw("HIST");
   same.Draw("HIST SAME");
   gPad->RedrawAxis();
   TLatex name = Text(21, 34);
   for (const auto &[label, mass] : kResonances)
      if (const double top = Highest(opposite, mass, 0.03, false))
         name.DrawLatex(mass, 1.5 * top, label);
   auto *legend = new TLegend(0.62, 0.80, 0.97, 0.89);
   legend->SetNColumns(2);
   legend->SetBorderSize(0);
   legend->SetTextFont(43);
   legend->SetTextSize(32);
   legend->AddEntry(&opposite, "Opposite sign", "f");
   legend->AddEntry(&same, "Same sign", "l");
   legend->Draw();
   TLatex cms = Text(11, 46), data = Text(11, 36);
   cms.SetTextFont(63);
   data.SetTextFont(53);
   cms.DrawLatexNDC(0.08, 0.93, "CMS");
   data.DrawLatexNDC(0.15, 0.93, "Open Data");
   Text(31, 34).DrawLatexNDC(0.98, 0.93, right.c_str());
}

// Both signs of a part, so many bins made one.
TH1D &Zoom(TFile &file, const std::string &name, int merged)
{
   gPad->SetMargin(0.21, 0.06, 0.15, 0.04);
   auto *opposite = static_cast<TH1D *>(
      Get(file, "opposite/" + name)->Rebin(merged, (name + "_opposite").c_str()));
   auto *same =
      static_cast<TH1D *>(Get(file, "same/" + name)->Rebin(merged, (name + "_same").c_str()));
   const double width = opposite->GetBinWidth(1);
   Axes(*opposite, "m_{#mu#mu} [GeV]",
        width > 0.999 ? "Events / 1 GeV" : Form("Events / %.0f MeV", 1000 * width), 1.4);
   opposite->GetXaxis()->SetNdivisions(505);
   const int top = opposite->GetMaximumBin();
   opposite->SetMinimum(0);
   opposite->SetMaximum(
      1.35 * std::max(1., opposite->GetBinContent(top) + opposite->GetBinError(top)));
   opposite->SetMarkerStyle(20);
   opposite->SetMarkerSize(0.9);
   opposite->SetMarkerColor(kBlack);
   opposite->SetLineColor(kBlack);
   same->SetLineColor(kRedLine);
   opposite->Draw("E1 X0");
   same->Draw("HIST SAME");
   opposite->Draw("E1 X0 SAME");
   return *opposite;
}

void ZPeak(TFile &file, const char *values_file, const char *errors_file)
{
   TH1D &peak = Zoom(file, "z", 4);
   const auto values = zpeak::Read(values_file), errors = zpeak::Read(errors_file);
   const double width = peak.GetBinWidth(1);
   auto *curve = new TF1(
      "curve", [width](double *x, double *p) { return width * zpeak::Density(x[0], p); },
      zpeak::kLow, zpeak::kHigh, zpeak::kNames.size());
   curve->SetParameters(values.data());
   curve->SetNpx(400);
   curve->SetLineColor(kOrangeLine);
   curve->SetLineWidth(4);
   curve->Draw("SAME");
   TLatex says = Text(13, 28);
   says.SetTextColor(kOrangeLine);
   const int digits = errors[1] < 0.5 ? 2 : 1;
   says.DrawLatexNDC(0.24, 0.93, Form("m = %.*f #pm %.*f GeV", digits, values[1], digits, errors[1]));
   says.DrawLatexNDC(0.24, 0.87,
                     Form("#sigma = %.*f #pm %.*f GeV", digits, values[2], digits, errors[2]));
}

// How many events were read, with commas.
std::string Events(const char *cutflow)
{
   std::ifstream table(cutflow);
   std::string line;
   const std::string row = "\"events\",";
   while (std::getline(table, line))
      if (line.compare(0, row.size(), row) == 0) {
         std::string number = line.substr(row.size());
         for (int at = static_cast<int>(number.size()) - 3; at > 0; at -= 3)
            number.insert(at, ",");
         return number;
      }
   throw std::runtime_error(std::string(cutflow) + " lacks the row events");
}

int plot(const char *dataset, const char *histograms, const char *cutflow, const char *values,
         const char *errors, const char *output)
{
   gROOT->SetBatch();
   Style();
   std::unique_ptr<TFile> file(TFile::Open(histograms));
   if (!file)
      throw std::runtime_error(std::string("cannot read ") + histograms);
   TCanvas canvas("canvas", "", 1500, 1275);
   TPad above("above", "", 0, 0.45, 1, 1), left("left", "", 0, 0, 0.335, 0.44);
   TPad middle("middle", "", 0.335, 0, 0.67, 0.44), right("right", "", 0.665, 0, 1, 0.44);
   for (TPad *pad : {&above, &left, &middle, &right})
      pad->Draw();

   above.cd();
   const bool nano = std::string(dataset) == "nanoaod";
   Spectrum(*file, Events(cutflow) + " events, " + (nano ? "2012 (8 TeV)" : "2010 (7 TeV)"));
   TLatex name = Text(21, 32);
   left.cd();
   const TH1D &jpsi = Zoom(*file, "jpsi", 1);
   for (int n : {3, 4})
      name.DrawLatex(kResonances[n].second, 1.03 * Highest(jpsi, kResonances[n].second, 0.02, true),
                     kResonances[n].first);
   middle.cd();
   const TH1D &upsilon = Zoom(*file, "upsilon", 1);
   for (const auto &[label, mass] : kUpsilons)
      name.DrawLatex(mass, 1.03 * Highest(upsilon, mass, 0.015, true), label);
   right.cd();
   ZPeak(*file, values, errors);

   canvas.SaveAs(output);
   return 0;
}
