"""Step 1: candidates and simulated templates become event counts per channel and year."""

import argparse
import collections
import os

import numpy as np

import h4l
import rootio


def from_tables(data):
    """Read the two text tables that come with the analysis."""
    masses = collections.defaultdict(list)
    for row in h4l.read_table(os.path.join(data, "candidates.csv")):
        masses[row["channel"], int(row["year"])].append(float(row["m4l"]))
    templates = collections.defaultdict(dict)
    for row in h4l.read_table(os.path.join(data, "templates.csv")):
        bins = templates[row["sample"], row["channel"], int(row["year"])]
        if int(row["bin"]) in bins:
            raise ValueError("templates.csv: a bin of %(sample)s stands twice" % row)
        bins[int(row["bin"])] = float(row["content"])

    def observed(channel, year):
        return h4l.fill(masses[channel, year])

    def simulated(sample, channel, year):
        bins = templates[sample, channel, year]
        if sorted(bins) != list(range(h4l.NBINS + 2)):
            raise ValueError("templates.csv lacks bins of %s %s %d" % (sample, channel, year))
        return np.array([bins[i] for i in range(h4l.NBINS + 2)])

    return observed, simulated


def from_files(data):
    """Read the files of records 5200 and 5500; the events must fill the data histograms."""
    histograms = os.path.join(data, "original", "histograms")

    def observed(channel, year):
        name = "%s_%d.csv" % (channel, year)
        rows = h4l.read_table(os.path.join(data, "original", "events", name))
        counts = h4l.fill([float(row["M"]) for row in rows])
        expected = h4l.read_histogram(histograms, h4l.DATA_FILE[channel], channel, year)
        if not np.array_equal(counts, expected):
            raise ValueError(
                "the events of %s do not fill the data histogram of record 5500" % name
            )
        return counts

    def simulated(sample, channel, year):
        return h4l.read_histogram(histograms, sample, channel, year)

    return observed, simulated


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=["embedded", "original"])
    parser.add_argument("data", help="directory of the inputs")
    parser.add_argument("output", help="ROOT file of event counts")
    args = parser.parse_args()

    observed, simulated = {"embedded": from_tables, "original": from_files}[args.dataset](args.data)
    counts = collections.OrderedDict()
    for channel, year in h4l.CATEGORIES:
        category = "%s_%d" % (channel, year)
        counts["data/" + category] = rootio.Histogram(observed(channel, year), None)
        for sample in h4l.samples_of(channel):
            values = simulated(sample, channel, year)
            counts["%s/%s" % (sample, category)] = rootio.Histogram(values, None)
    rootio.write(args.output, counts)
