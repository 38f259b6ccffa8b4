// Events of a peak over a flat background, always the same ones.
void toys(int events, const char *output)
{
   TRandom3 random(7);
   TFile file(output, "RECREATE");
   TH1D mass("mass", "toy events;m [GeV];events", 50, 80, 100);
   for (int i = 0; i < events; ++i)
      mass.Fill(i % 4 ? random.Gaus(91.2, 2.0) : random.Uniform(80, 100));
   mass.Write();
   std::cout << "written: " << events << " events" << std::endl;
}
