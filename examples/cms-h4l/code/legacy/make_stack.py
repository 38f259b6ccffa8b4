"""Steps 2 and 3: simulation scaled to the luminosity, the stack and the yields."""

from __future__ import division

import argparse
import collections
import csv

import h4l
import rootio

COLUMNS = ["data", "zz", "higgs", "ttbar", "zx"]


def read_scales(path):
    """Return luminosity * cross section * scale factor / generated events."""
    constants = {}
    for row in h4l.read_table(path):
        key = row["constant"], row["sample"], int(row["year"])
        if key in constants:
            raise ValueError("%s: %s stands twice" % (path, key))
        constants[key] = float(row["value"])

    def scale(sample, year):
        return (
            constants["luminosity", "all", year]
            * constants["cross_section", sample, year]
            * constants["scale_factor", sample, year]
            / constants["generated_events", sample, year]
        )

    return scale


def scaled(counts, scale):
    """Scale raw counts: every event has the same weight, so sumw2 = scale^2 * counts."""
    return rootio.Histogram(counts.values * scale, counts.values * scale**2)


def add(histograms):
    values = sum(h.values for h in histograms)
    if any(h.sumw2 is None for h in histograms):
        return rootio.Histogram(values, None)
    return rootio.Histogram(values, sum(h.sumw2 for h in histograms))


def write_yields(path, histograms):
    """Write the sums from 70 to 181 GeV with every digit."""
    rows = [
        ("%s %d" % c, dict((x, "%s/%s_%d" % ((x,) + c)) for x in COLUMNS)) for c in h4l.CATEGORIES
    ]
    rows.append(("all", dict((x, "m4l/" + x) for x in COLUMNS)))
    with open(path, "wb") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["category"] + COLUMNS + ["prediction"])
        for label, names in rows:
            sums = dict((x, float(histograms[names[x]].values[1:-1].sum())) for x in COLUMNS)
            prediction = sum(sums[process] for process, _ in h4l.PROCESSES)
            expected = [repr(sums[x]) for x in COLUMNS[1:]]
            writer.writerow([label, int(sums["data"])] + expected + [repr(prediction)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", help="ROOT file of event counts")
    parser.add_argument("normalisation", help="table of constants")
    parser.add_argument("histograms", help="ROOT file to write")
    parser.add_argument("yields", help="table to write")
    args = parser.parse_args()

    counts = rootio.read(args.counts)
    scale = read_scales(args.normalisation)
    out = collections.OrderedDict()
    for channel, year in h4l.CATEGORIES:
        category = "%s_%d" % (channel, year)
        out["data/" + category] = counts["data/" + category]
        for process, samples in h4l.PROCESSES:
            used = [s for s in samples if s in h4l.samples_of(channel)]
            out["%s/%s" % (process, category)] = add(
                [scaled(counts["%s/%s" % (s, category)], scale(s, year)) for s in used]
            )
    for process in ["data"] + [name for name, _ in h4l.PROCESSES]:
        out["m4l/" + process] = add([out["%s/%s_%d" % ((process,) + c)] for c in h4l.CATEGORIES])
    rootio.write(args.histograms, out)
    write_yields(args.yields, out)
