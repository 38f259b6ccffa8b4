// The place of the peak, from a fit of a Gaussian over a constant.
void fit(const char *input, const char *output)
{
   TFile file(input);
   auto mass = file.Get<TH1D>("mass");
   TF1 model("model", "gaus(0)+pol0(3)", 80, 100);
   model.SetParameters(100, 91, 2, 5);
   mass->Fit(&model, "QN");
   std::ofstream(output) << "entries " << mass->GetEntries() << "\n"
                         << (std::abs(model.GetParameter(1) - 91.2) < 0.3 ? "peak at the Z" : "no peak")
                         << "\n";
}
