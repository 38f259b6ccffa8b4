// Steps 2 and 3: simulation scaled to the luminosity, the stack and the yields.
//
//   root -l -b -q 'code/root/make_stack.C("results/counts.root", "data/normalisation.csv",
//                                         "results/histograms.root", "results/yields.csv")'

#include "h4l.h"

#include <cstdio>

using Constants = std::map<std::tuple<std::string, std::string, int>, double>;

Constants ReadConstants(const std::string &path) {
  Constants constants;
  h4l::Table table(path);
  while (table.Next()) {
    auto key = std::make_tuple(table["constant"], table["sample"], int(table.Number("year")));
    if (!constants.emplace(key, table.Number("value")).second)
      throw std::runtime_error(path + ": " + table["constant"] + " of " + table["sample"] + " " +
                               table["year"] + " stands twice");
  }
  return constants;
}

// luminosity * cross section * scale factor / generated events
double Scale(const Constants &constants, const std::string &sample, int year) {
  auto get = [&](const std::string &constant, const std::string &of) {
    auto found = constants.find({constant, of, year});
    if (found == constants.end())
      throw std::runtime_error("there is no " + constant + " of " + of + " " +
                               std::to_string(year));
    return found->second;
  };
  return get("luminosity", "all") * get("cross_section", sample) * get("scale_factor", sample) /
         get("generated_events", sample);
}

// hist and uproot, which made the reference, store the sum of the contents as the number of
// entries of a weighted histogram; ROOT would store how often Fill was called.
void CountWeights(TH1D &histogram) { histogram.SetEntries(histogram.Integral(0, h4l::kBins + 1)); }

void make_stack(std::string counts, std::string normalisation, std::string output, std::string yields) {
  const auto constants = ReadConstants(normalisation);
  auto input = h4l::Open(counts);
  std::map<std::pair<std::string, std::string>, std::unique_ptr<TH1D>> histograms;
  auto &data = histograms[{"m4l", "data"}] = h4l::Book("data");
  for (auto &category : h4l::kCategories) {
    auto observed = h4l::Read(*input, ("data/" + category.Name()).c_str());
    data->Add(observed.get());
    histograms[{"data", category.Name()}] = std::move(observed);
  }
  for (auto &process : h4l::kProcesses) {
    auto &all = histograms[{"m4l", process.name}] = h4l::Book(process.name);
    all->Sumw2();
    for (auto &category : h4l::kCategories) {
      auto &sum = histograms[{process.name, category.Name()}] = h4l::Book(category.Name());
      sum->Sumw2();
      for (auto &sample : process.samples) {
        if (!h4l::Contributes(sample, category.channel)) continue;
        auto simulated = h4l::Read(*input, (sample + "/" + category.Name()).c_str());
        // Raw counts: every event has the same weight, so sumw2 = scale^2 * counts.
        simulated->Sumw2();
        simulated->Scale(Scale(constants, sample, category.year));
        sum->Add(simulated.get());
      }
      CountWeights(*sum);
      all->Add(sum.get());
    }
    CountWeights(*all);
  }

  auto file = h4l::Open(output, "RECREATE");
  for (auto &entry : histograms) h4l::Write(*file, entry.first.first, *entry.second);

  std::unique_ptr<FILE, int (*)(FILE *)> text(std::fopen(yields.c_str(), "w"), std::fclose);
  if (!text) throw std::runtime_error("cannot write " + yields);
  std::fprintf(text.get(), "category,data,zz,higgs,ttbar,zx,prediction\n");
  auto row = [&](const TString &label, auto find) {
    auto inside = [&](const std::string &what) { return find(what)->Integral(1, h4l::kBins); };
    double prediction = 0.;
    for (auto &process : h4l::kProcesses) prediction += inside(process.name);
    std::fprintf(text.get(), "%s,%.0f,%.17g,%.17g,%.17g,%.17g,%.17g\n", label.Data(),
                 inside("data"), inside("zz"), inside("higgs"), inside("ttbar"), inside("zx"),
                 prediction);
  };
  for (auto &category : h4l::kCategories)
    row(TString::Format("%s %d", category.channel.c_str(), category.year),
        [&](const std::string &what) { return histograms.at({what, category.Name()}).get(); });
  row("all", [&](const std::string &what) { return histograms.at({"m4l", what}).get(); });
}
