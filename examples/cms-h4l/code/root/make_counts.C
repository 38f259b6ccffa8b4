// Step 1: candidates and simulated templates become event counts per channel and year.
//
//   root -l -b -q 'code/root/make_counts.C("embedded", "data", "results/counts.root")'

#include "h4l.h"

using Histograms = std::map<std::pair<std::string, std::string>, std::unique_ptr<TH1D>>;

// The two text tables that come with the analysis.
void FillFromTables(const std::string &data, Histograms &histograms) {
  h4l::Table candidates(data + "/candidates.csv");
  while (candidates.Next()) {
    auto category = candidates["channel"] + "_" + candidates["year"];
    histograms.at({"data", category})->Fill(candidates.Number("m4l"));
  }
  std::map<TH1D *, int> bins;
  h4l::Table templates(data + "/templates.csv");
  while (templates.Next()) {
    auto category = templates["channel"] + "_" + templates["year"];
    auto *histogram = histograms.at({templates["sample"], category}).get();
    const int bin = templates.Number("bin");
    if (bin != bins[histogram]++)
      throw std::runtime_error("templates.csv: a bin of " + templates["sample"] + " " + category +
                               " is missing or stands twice");
    histogram->SetBinContent(bin, templates.Number("content"));
  }
  for (auto &entry : histograms)
    if (entry.first.first != "data" && bins[entry.second.get()] != h4l::kBins + 2)
      throw std::runtime_error("templates.csv lacks bins of " + entry.first.first);
}

// The files of records 5200 and 5500; the events must fill the data histograms exactly.
void FillFromFiles(const std::string &data, Histograms &histograms) {
  const std::string original = data + "/original/";
  for (auto &category : h4l::kCategories) {
    const auto suffix = std::to_string(category.year % 100) + ".root";
    const auto name = h4l::ObjectName(category.channel);
    auto &observed = *histograms.at({"data", category.Name()});
    h4l::Table events(original + "events/" + category.Name() + ".csv");
    while (events.Next()) observed.Fill(events.Number("M"));
    auto file = h4l::Open(original + "histograms/" + h4l::DataFile(category.channel) + suffix);
    auto expected = h4l::Read(*file, name);
    for (int bin = 0; bin <= h4l::kBins + 1; ++bin)
      if (observed.GetBinContent(bin) != expected->GetBinContent(bin))
        throw std::runtime_error("the events of " + category.Name() +
                                 " do not fill the data histogram of record 5500");
    for (auto &process : h4l::kProcesses)
      for (auto &sample : process.samples) {
        if (!h4l::Contributes(sample, category.channel)) continue;
        auto simulated = h4l::Open(original + "histograms/" + sample + suffix);
        auto found = h4l::Read(*simulated, name);
        if (found->GetNbinsX() != h4l::kBins || found->GetXaxis()->GetXmin() != h4l::kLow ||
            found->GetXaxis()->GetXmax() != h4l::kHigh)
          throw std::runtime_error(sample + suffix + ": the template has another binning");
        histograms.at({sample, category.Name()})->Add(found.get());
      }
  }
}

void make_counts(std::string dataset, std::string data, std::string output) {
  Histograms histograms;
  for (auto &category : h4l::kCategories) {
    histograms[{"data", category.Name()}] = h4l::Book(category.Name());
    for (auto &process : h4l::kProcesses)
      for (auto &sample : process.samples)
        if (h4l::Contributes(sample, category.channel))
          histograms[{sample, category.Name()}] = h4l::Book(category.Name());
  }
  if (dataset == "original")
    FillFromFiles(data, histograms);
  else
    FillFromTables(data, histograms);
  auto file = h4l::Open(output, "RECREATE");
  for (auto &entry : histograms) h4l::Write(*file, entry.first.first, *entry.second);
}
