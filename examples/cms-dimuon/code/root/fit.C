// Step 2: the position and the width of the Z peak, by a binned likelihood, with TF1 and Minuit.

#include "zpeak.h"

#include <Math/MinimizerOptions.h>
#include <TF1.h>
#include <TFile.h>
#include <TFitResult.h>
#include <TH1D.h>

#include <fstream>
#include <iomanip>
#include <iostream>
#include <limits>
#include <memory>

int fit(const char *histograms, const char *values_file, const char *errors_file)
{
   std::unique_ptr<TFile> file(TFile::Open(histograms));
   auto *peak = file ? file->Get<TH1D>("opposite/z") : nullptr;
   if (!peak)
      throw std::runtime_error(std::string(histograms) + " has no opposite/z");
   const double width = peak->GetBinWidth(1);

   TF1 model("model", [width](double *x, double *p) { return width * zpeak::Density(x[0], p); },
             zpeak::kLow, zpeak::kHigh, zpeak::kNames.size());
   const double inside = peak->Integral(peak->FindBin(zpeak::kLow), peak->FindBin(zpeak::kHigh) - 1);
   if (inside == 0)
      throw std::runtime_error("no events from 81 to 101 GeV: nothing to fit");
   const double start[] = {0.9 * inside, 91., 1.5,
                           std::log(0.1 * inside / (zpeak::kHigh - zpeak::kLow)), 0.};
   for (std::size_t n = 0; n < zpeak::kNames.size(); ++n)
      model.SetParName(n, zpeak::kNames[n]);
   model.SetParameters(start);

   // A minimum so well found, and second derivatives so well measured, that the numbers are those
   // of the likelihood and not of the minimiser.
   ROOT::Math::MinimizerOptions::SetDefaultMinimizer("Minuit2", "Migrad");
   ROOT::Math::MinimizerOptions::SetDefaultStrategy(2);
   ROOT::Math::MinimizerOptions::SetDefaultTolerance(1e-8);
   // L: Poisson likelihood, empty bins too; R: in the function's range; S: return the result;
   // 0: draw nothing. The function is taken at the centre of each bin.
   const TFitResultPtr result = peak->Fit(&model, "L R S 0");
   const double found = result->Parameter(1);
   if (!result->IsValid() || result->CovMatrixStatus() != 3 || found < zpeak::kLow ||
       found > zpeak::kHigh)
      throw std::runtime_error("the fit of the Z peak found none");

   // Two tables, for values are far better known than Minuit's second derivatives.
   std::ofstream values(values_file), errors(errors_file);
   values << std::setprecision(std::numeric_limits<double>::max_digits10) << "parameter,value\n";
   errors << std::setprecision(std::numeric_limits<double>::max_digits10) << "parameter,error\n";
   for (std::size_t n = 0; n < zpeak::kNames.size(); ++n) {
      values << zpeak::kNames[n] << ',' << result->Parameter(n) << '\n';
      errors << zpeak::kNames[n] << ',' << result->ParError(n) << '\n';
   }
   return values.good() && errors.good() ? 0 : 1;
}
