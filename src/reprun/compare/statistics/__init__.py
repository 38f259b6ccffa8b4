"""Statistical tests of two independent samples, one idea a file. Pure functions on arrays.

Every test gives a p-value: the probability of a difference at least as large if both samples
follow one law. None of them may be used on two runs over the same events, whose differences
are far smaller than these tests expect.
"""

from reprun.compare.statistics.multiple import benjamini_hochberg, holm
from reprun.compare.statistics.result import PValue
from reprun.compare.statistics.suite import NoTestError, run_tests

__all__ = ["NoTestError", "PValue", "benjamini_hochberg", "holm", "run_tests"]
