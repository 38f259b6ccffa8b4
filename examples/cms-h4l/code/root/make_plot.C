// Step 4: the m(4l) plot, data over the stacked prediction from 70 to 181 GeV.
//
//   root -l -b -q 'code/root/make_plot.C("results/histograms.root", "results/mass4l.png")'

#include "h4l.h"

#include <TCanvas.h>
#include <TColor.h>
#include <TError.h>
#include <TGraphAsymmErrors.h>
#include <THStack.h>
#include <TLatex.h>
#include <TLegend.h>
#include <TROOT.h>
#include <TStyle.h>
#include <TSystem.h>

// After the style of CMS publications: Helvetica, ticks on all sides, no box of statistics.
void SetStyle() {
  gStyle->SetOptStat(0);
  gStyle->SetOptTitle(0);
  gStyle->SetPadTickX(1);
  gStyle->SetPadTickY(1);
  gStyle->SetPadLeftMargin(0.10);
  gStyle->SetPadRightMargin(0.035);
  gStyle->SetPadTopMargin(0.075);
  gStyle->SetPadBottomMargin(0.125);
  gStyle->SetFrameLineWidth(2);
  gStyle->SetLabelFont(42, "XYZ");
  gStyle->SetTitleFont(42, "XYZ");
  gStyle->SetLabelSize(0.045, "XYZ");
  gStyle->SetTitleSize(0.055, "XYZ");
  gStyle->SetTickLength(0.02, "XYZ");
  gStyle->SetEndErrorSize(0);
  gStyle->SetHatchesSpacing(0.4);
  gStyle->SetHatchesLineWidth(1);
  gROOT->ForceStyle();
}

void make_plot(std::string input, std::string output) {
  gErrorIgnoreLevel = kWarning;
  SetStyle();
  struct Look {
    const char *process, *label, *fill, *line;
  };
  const std::vector<Look> looks = {{"zx", "Z/#gamma* + X", "#669966", "#2f5d2f"},
                                   {"ttbar", "t#bar{t}", "#b9b9b9", "#6e6e6e"},
                                   {"zz", "ZZ #rightarrow 4#font[12]{l}", "#99ccff", "#3b78b8"},
                                   {"higgs", "m_{H} = 125 GeV", "#ffffff", "#d62020"}};
  auto file = h4l::Open(input);
  auto data = h4l::Read(*file, "m4l/data");
  auto total = h4l::Book("total");
  total->Sumw2();

  THStack stack("stack", ";m_{4#font[12]{l}} [GeV];Events / 3 GeV");
  std::map<std::string, std::unique_ptr<TH1D>> processes;
  for (auto &look : looks) {
    auto &one = processes[look.process] = h4l::Read(*file, TString("m4l/") + look.process);
    total->Add(one.get());
    one->SetFillColor(TColor::GetColor(look.fill));
    one->SetLineColor(TColor::GetColor(look.line));
    one->SetLineWidth(3);
    stack.Add(one.get(), "HIST");
  }

  TCanvas canvas("canvas", "", 1200, 900);
  stack.SetMinimum(0);
  stack.SetMaximum(24);
  stack.Draw();
  stack.GetXaxis()->SetTitleOffset(1.05);
  stack.GetYaxis()->SetTitleOffset(0.85);
  stack.GetYaxis()->SetNdivisions(505);
  total->SetFillColor(TColor::GetColor("#44546a"));
  total->SetFillStyle(3354);
  total->SetMarkerSize(0);
  total->SetLineWidth(0);
  total->Draw("E2 SAME");
  // Garwood's central 68 % interval, empty bins too (TH1::kPoisson).
  data->SetBinErrorOption(TH1::kPoisson);
  TGraphAsymmErrors points(data.get());
  for (int i = 0; i < points.GetN(); ++i) {
    points.SetPointEXlow(i, 0);
    points.SetPointEXhigh(i, 0);
  }
  points.SetMarkerStyle(20);
  points.SetMarkerSize(1.5);
  points.SetMarkerColor(kBlack);
  points.SetLineColor(kBlack);
  points.SetLineWidth(3);
  points.Draw("P Z SAME");
  canvas.RedrawAxis();

  TLegend legend(0.70, 0.56, 0.95, 0.90);
  legend.SetBorderSize(0);
  legend.SetFillStyle(0);
  legend.SetTextFont(42);
  legend.SetTextSize(0.043);
  legend.AddEntry(&points, "Data", "PE");
  for (auto look = looks.rbegin(); look != looks.rend(); ++look)
    legend.AddEntry(processes[look->process].get(), look->label, "F");
  legend.AddEntry(total.get(), "MC stat. unc.", "F");
  legend.Draw();

  TLatex text;
  text.SetNDC();
  text.SetTextFont(42);
  text.SetTextSize(0.06);
  text.DrawLatex(0.10, 0.94, "#font[62]{CMS} #font[52]{#scale[0.8]{Open Data}}");
  text.SetTextAlign(31);
  text.SetTextSize(0.045);
  text.DrawLatex(0.965, 0.94, "2.3 fb^{-1} (7 TeV) + 11.6 fb^{-1} (8 TeV)");

  canvas.SaveAs(output.c_str());
  // SaveAs says nothing of a failure.
  if (gSystem->AccessPathName(output.c_str())) throw std::runtime_error("cannot write " + output);
}
