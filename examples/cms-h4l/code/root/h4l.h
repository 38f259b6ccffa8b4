// What the macros share: channels, samples, binning, and how the inputs are read.

#ifndef H4L_H
#define H4L_H

#include <TDirectory.h>
#include <TFile.h>
#include <TH1D.h>
#include <TString.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace h4l {

const int kBins = 37;
const double kLow = 70., kHigh = 181.;  // GeV, bins of 3 GeV

struct Category {
  std::string channel;
  int year;
  std::string Name() const { return channel + "_" + std::to_string(year); }
};

const std::vector<Category> kCategories = {{"4mu", 2011},   {"4mu", 2012}, {"2e2mu", 2011},
                                           {"2e2mu", 2012}, {"4e", 2011},  {"4e", 2012}};

// The processes in the order of the stack, and the simulated samples each is made of.
struct Process {
  std::string name;
  std::vector<std::string> samples;
};

const std::vector<Process> kProcesses = {{"zx", {"DY50TuneZ", "DY10"}},
                                         {"ttbar", {"TTBar"}},
                                         {"zz", {"ZZ4mu", "ZZ4e", "ZZ2mu2e"}},
                                         {"higgs", {"HZZ"}}};

// Each ZZ sample was generated for one final state and stands for that channel only.
inline bool Contributes(const std::string &sample, const std::string &channel) {
  const std::map<std::string, std::string> own = {
      {"ZZ4mu", "4mu"}, {"ZZ4e", "4e"}, {"ZZ2mu2e", "2e2mu"}};
  auto found = own.find(sample);
  return found == own.end() || found->second == channel;
}

// In the histogram files of record 5500.
inline std::string DataFile(const std::string &channel) {
  return channel == "4e" ? "DoubleE" : "DoubleMu";
}

inline TString ObjectName(const std::string &channel) {
  return TString::Format("demo/mass%s_8TeV_low", channel == "2e2mu" ? "2mu2e" : channel.c_str());
}

inline std::unique_ptr<TH1D> Book(const std::string &name) {
  auto histogram = std::make_unique<TH1D>(name.c_str(), ";m(4l) [GeV];", kBins, kLow, kHigh);
  histogram->SetDirectory(nullptr);
  return histogram;
}

// A text table: comments start with #, the first other line names the columns.
class Table {
public:
  explicit Table(const std::string &path) : fPath(path), fStream(path) {
    if (!fStream) throw std::runtime_error("cannot open " + path);
    std::string line;
    while (std::getline(fStream, line) && line[0] == '#') {}
    auto names = Split(line);
    for (size_t i = 0; i < names.size(); ++i) fColumns[names[i]] = i;
  }

  bool Next() {
    std::string line;
    while (std::getline(fStream, line)) {
      if (line.empty() || line[0] == '#') continue;
      fCells = Split(line);
      return true;
    }
    return false;
  }

  const std::string &operator[](const std::string &column) const {
    auto found = fColumns.find(column);
    if (found == fColumns.end() || found->second >= fCells.size())
      throw std::runtime_error(fPath + " has no column " + column);
    return fCells[found->second];
  }

  double Number(const std::string &column) const {
    const auto &text = (*this)[column];
    char *end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end) throw std::runtime_error(fPath + ": '" + text + "' is no number");
    return value;
  }

private:
  static std::vector<std::string> Split(const std::string &line) {
    std::vector<std::string> cells;
    std::istringstream stream(line);
    std::string cell;
    while (std::getline(stream, cell, ',')) {
      while (!cell.empty() && cell.back() == '\r') cell.pop_back();
      cells.push_back(cell);
    }
    return cells;
  }

  std::string fPath;
  std::ifstream fStream;
  std::map<std::string, size_t> fColumns;
  std::vector<std::string> fCells;
};

inline std::unique_ptr<TFile> Open(const std::string &path, const char *mode = "READ") {
  std::unique_ptr<TFile> file(TFile::Open(path.c_str(), mode));
  if (!file || file->IsZombie()) throw std::runtime_error("cannot open " + path);
  return file;
}

inline std::unique_ptr<TH1D> Read(TFile &file, const TString &name) {
  auto *found = file.Get<TH1D>(name);
  if (!found) throw std::runtime_error(file.GetName() + std::string(" lacks ") + name.Data());
  found->SetDirectory(nullptr);
  return std::unique_ptr<TH1D>(found);
}

inline void Write(TFile &file, const std::string &directory, const TH1D &histogram) {
  auto *where = file.GetDirectory(directory.c_str());
  if (!where) where = file.mkdir(directory.c_str());
  if (where->WriteTObject(&histogram) <= 0)
    throw std::runtime_error(std::string("cannot write to ") + file.GetName());
}

}  // namespace h4l

#endif
