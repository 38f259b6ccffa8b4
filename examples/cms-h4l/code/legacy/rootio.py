"""Histograms in and out of ROOT files with uproot 3.

uproot 3 writes objects into the top directory of a file only. A ROOT directory is one more key
whose data say where its own list of keys lies, so `directory` adds one with the writer's parts.
"""

import collections
import contextlib
import struct

import numpy as np
import uproot
import uproot_methods.classes.TH1
from uproot.write.sink.cursor import Cursor
from uproot.write.TDirectory import TDirectory
from uproot.write.TKey import TKey

import h4l

Histogram = collections.namedtuple("Histogram", "values sumw2")


class SubDirectory(TDirectory):
    """A directory below the top: its own name stands in its key and not in its data."""

    def write(self, cursor, sink):
        self.cursor, self.sink = Cursor(cursor.index), sink
        self.update()
        cursor.skip(self._format1.size)
        cursor.write_data(sink, self.fUUID)
        cursor.write_data(sink, b"\x00" * 12)  # room for 64-bit positions

    def size(self):
        return self._format1.size + len(self.fUUID) + 12


@contextlib.contextmanager
def directory(file, name):
    """Make a directory; what is written to the file in the `with` block lands in it.

    The layout is that of TDirectoryFile (https://root.cern/doc/master/classTDirectoryFile.html).
    """
    top, begin = file._rootdir, file._fBEGIN
    place = file._fSeekFree
    key = TKey(b"TDirectory", name, name, fSeekKey=place, fSeekPdir=begin)
    below = SubDirectory(file, name, key.fKeylen, fSeekDir=place, fSeekParent=begin)
    key.fObjlen = below.size()
    key.fNbytes = key.fKeylen + key.fObjlen
    cursor = Cursor(place)
    key.write(cursor, file._sink)
    below.write(cursor, file._sink)
    file._expandfile(cursor)
    top.setkey(key)
    below.writekeys(Cursor(file._fSeekFree))
    file._rootdir, file._fBEGIN = below, place
    try:
        yield
    finally:
        file._rootdir, file._fBEGIN = top, begin


def th1d(histogram):
    """Return what uproot 3 writes as TH1D; a histogram of plain counts stores no sumw2."""
    edges = np.linspace(h4l.LOW, h4l.HIGH, h4l.NBINS + 1)
    made = uproot_methods.classes.TH1.from_numpy((histogram.values[1:-1], edges))
    made[0], made[-1] = histogram.values[0], histogram.values[-1]
    made._fXaxis._fTitle = b"m(4l) [GeV]"
    made._fEntries = histogram.values.sum()
    weighted = histogram.sumw2 is not None
    made._fTsumw2 = (histogram.sumw2 if weighted else histogram.values)[1:-1].sum()
    made._fSumw2 = histogram.sumw2 if weighted else []
    return made


def write(path, histograms):
    """Write histograms named `directory/name`, in their order."""
    by_directory = collections.OrderedDict()
    for name, histogram in histograms.items():
        where, what = name.split("/")
        by_directory.setdefault(where, []).append((what, histogram))
    with uproot.recreate(path) as file:
        for where, members in by_directory.items():
            with directory(file, where):
                for what, histogram in members:
                    file[what] = th1d(histogram)


def read(path):
    """Return all histograms of a file by their names."""
    found = {}
    for name, item in uproot.open(path).allitems(filterclass=lambda c: c.__name__ == "TH1D"):
        sumw2 = np.array(item._fSumw2, dtype=float)
        found[name.split(";")[0]] = Histogram(
            np.array(item.allvalues, dtype=float), sumw2 if len(sumw2) else None
        )
    return found
