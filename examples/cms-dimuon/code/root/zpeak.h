// The model of the Z peak: a Breit-Wigner smeared by a Gaussian, over an exponential.

#ifndef ZPEAK_H
#define ZPEAK_H

#include <RooMath.h>

#include <array>
#include <cmath>
#include <complex>
#include <fstream>
#include <stdexcept>
#include <string>

namespace zpeak {

// GeV. S. Navas et al. (Particle Data Group), Phys. Rev. D 110, 030001 (2024).
const double kZWidth = 2.4955;
const double kLow = 81., kHigh = 101.;
// GeV, where the background is stated: half way between both.
const double kCentre = 91.;

const std::array<const char *, 5> kNames = {"signal [events]", "peak [GeV]", "resolution [GeV]",
                                            "log background [1/GeV]", "slope [1/GeV]"};

// The density of a Breit-Wigner of the Z's width, smeared by a Gaussian: the real part of the
// Faddeeva function, NIST Handbook of Mathematical Functions (2010), 7.19. TMath::Voigt knows
// five digits of it at most, RooMath::faddeeva all.
double Voigt(double distance, double sigma)
{
   const double scale = std::abs(sigma) * std::sqrt(2.);
   const std::complex<double> z(distance / scale, 0.5 * kZWidth / scale);
   return RooMath::faddeeva(z).real() / (scale * std::sqrt(M_PI));
}

// Events per GeV expected at a mass; the parameters in the order of kNames.
double Density(double mass, const double *p)
{
   return p[0] * Voigt(mass - p[1], p[2]) + std::exp(p[3] + p[4] * (mass - kCentre));
}

// The numbers of one table of the fit, in the order of kNames.
std::array<double, 5> Read(const char *path)
{
   std::array<double, 5> found{};
   std::ifstream table(path);
   std::string line;
   std::getline(table, line);
   for (std::size_t n = 0; n < kNames.size(); ++n) {
      const std::string name = std::string(kNames[n]) + ",";
      if (!std::getline(table, line) || line.compare(0, name.size(), name) != 0)
         throw std::runtime_error(std::string(path) + " lacks the row " + kNames[n]);
      found[n] = std::stod(line.substr(name.size()));
   }
   return found;
}

}  // namespace zpeak

#endif
