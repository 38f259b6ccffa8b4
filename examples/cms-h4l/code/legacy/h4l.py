"""What all scripts share: channels, samples, binning, and how the inputs are read.

Python 2.7, numpy 1.16, uproot 3. A histogram is an array of 39 numbers: underflow, 37 bins
of 3 GeV from 70 to 181 GeV, overflow.
"""

from __future__ import division

import csv
import os

import numpy as np
import uproot

NBINS, LOW, HIGH = 37, 70.0, 181.0

CATEGORIES = [(channel, year) for channel in ("4mu", "2e2mu", "4e") for year in (2011, 2012)]

# Processes in the order of the stack, with the simulated samples each is made of.
PROCESSES = [
    ("zx", ["DY50TuneZ", "DY10"]),
    ("ttbar", ["TTBar"]),
    ("zz", ["ZZ4mu", "ZZ4e", "ZZ2mu2e"]),
    ("higgs", ["HZZ"]),
]

# Each ZZ sample was generated for one final state and stands for that channel only.
ONLY = {"ZZ4mu": "4mu", "ZZ4e": "4e", "ZZ2mu2e": "2e2mu"}

# In the histogram files of record 5500.
DATA_FILE = {"4mu": "DoubleMu", "2e2mu": "DoubleMu", "4e": "DoubleE"}
OBJECT = {"4mu": "mass4mu", "2e2mu": "mass2mu2e", "4e": "mass4e"}


def samples_of(channel):
    """List the simulated samples that contribute to a channel."""
    return [s for _, samples in PROCESSES for s in samples if ONLY.get(s, channel) == channel]


def fill(masses):
    """Count masses in bins closed below and open above, as ROOT does, with flow bins."""
    edges = np.linspace(LOW, HIGH, NBINS + 1)
    return np.bincount(np.digitize(masses, edges), minlength=NBINS + 2).astype(float)


def read_table(path):
    """Return the rows of a CSV file without its comment lines."""
    with open(path, "rb") as table:
        return list(csv.DictReader(line for line in table if not line.startswith(b"#")))


def read_histogram(directory, sample, channel, year):
    """Return the contents of a histogram of record 5500, flow bins included."""
    file = uproot.open(os.path.join(directory, "%s%d.root" % (sample, year % 100)))
    histogram = file["demo/%s_8TeV_low" % OBJECT[channel]]
    if (histogram.numbins, histogram.low, histogram.high) != (NBINS, LOW, HIGH):
        raise ValueError("%s %s %d has another binning" % (sample, channel, year))
    return np.array(histogram.allvalues, dtype=float)
