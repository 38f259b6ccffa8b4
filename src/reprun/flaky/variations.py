"""What is varied: one row for each, and nothing of it can be asked for by an analysis.

The rows are those variations of reprotest (https://reproducible-builds.org/tools/) that a container
leaves open, and what numbers depend on besides: processor features, kernels of libraries, threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reprun.engines.base import Setting
from reprun.errors import SpecificationError, did_you_mean

LONG_VALUE = "i_capture_the_environment" * 100
"""The value of a variable that no program has a use for; it moves the stack by its length."""
OLDER_X86 = "-AVX,-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-FMA4,-AVX512F,-AVX512VL,-AVX512DQ,-AVX512BW"


@dataclass(frozen=True, slots=True)
class Variation:
    """One thing that is otherwise than in every run."""

    name: str
    what: str
    """What varies, as the object of a sentence: `the time zone`."""
    how: str
    """What it is instead."""
    setting: Setting = field(default_factory=Setting)
    in_memory: bool = False
    """Whether the workspace is in a file system in memory, which lists directories otherwise."""
    settles: bool = False
    """Whether it keeps something at one value that no two runs share: two runs with it that agree,
    where others do not, name the cause."""


def _variables(name: str, what: str, how: str, **environment: str) -> Variation:
    return Variation(name, what, how, Setting(environment=environment))


VARIATIONS: Sequence[Variation] = (
    Variation(
        "date",
        "the date",
        "400 days ahead, where programs are linked dynamically",
        Setting(days_ahead=400),
    ),
    _variables("time-zone", "the time zone", "14 hours east of UTC", TZ="FAR-14"),
    _variables(
        "locale",
        "the locale",
        "et_EE.UTF-8; C in an image without it",
        LC_ALL="et_EE.UTF-8",
        LANG="et_EE.UTF-8",
        LANGUAGE="et",
    ),
    Variation("host-name", "the name of the host", "elsewhere", Setting(hostname="elsewhere")),
    _variables("home", "the home directory", "/dev/shm", HOME="/dev/shm"),
    Variation("user", "the user id", "1234", Setting(user=1234)),
    Variation("umask", "the umask", "077", Setting(umask=0o077)),
    Variation(
        "path",
        "the path of the workspace",
        "/elsewhere/another/workspace",
        Setting(workspace="/elsewhere/another/workspace"),
    ),
    Variation(
        "directory-order",
        "the order of directory entries",
        "that of a file system in memory",
        in_memory=True,
    ),
    _variables(
        "environment",
        "an environment variable",
        "one more, of 2,500 characters",
        CAPTURE_ENVIRONMENT=LONG_VALUE,
    ),
    _variables(
        "build-date", "SOURCE_DATE_EPOCH", "three years later", SOURCE_DATE_EPOCH="1800000000"
    ),
    _variables("hash-seed", "the hash seed of Python", "PYTHONHASHSEED=1", PYTHONHASHSEED="1"),
    Variation(
        "addresses",
        "the layout of memory addresses",
        "the same in each run (ASLR off)",
        Setting(fixed_addresses=True),
        settles=True,
    ),
    Variation("cpus", "the number of CPUs", "one", Setting(one_cpu=True)),
    Variation("kernel", "the version of the kernel", "2.6", Setting(old_kernel=True)),
    _variables(
        "threads",
        "the number of threads",
        "4 (OpenMP, OpenBLAS, MKL, numexpr)",
        **dict.fromkeys(
            (
                "OMP_NUM_THREADS",
                "OPENBLAS_NUM_THREADS",
                "MKL_NUM_THREADS",
                "NUMEXPR_NUM_THREADS",
            ),
            "4",
        ),
    ),
    _variables(
        "blas-kernel",
        "the kernels of OpenBLAS",
        "Nehalem (OPENBLAS_CORETYPE)",
        OPENBLAS_CORETYPE="Nehalem",
    ),
    _variables(
        "numpy-features",
        "the processor features that numpy uses",
        "without AVX2 and FMA3",
        NPY_DISABLE_CPU_FEATURES="AVX2 FMA3 X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    ),
    _variables(
        "glibc-features",
        "the processor features that glibc uses",
        "without AVX and FMA (GLIBC_TUNABLES)",
        GLIBC_TUNABLES=f"glibc.cpu.hwcaps={OLDER_X86}",
    ),
)
BY_NAME: Mapping[str, Variation] = {each.name: each for each in VARIATIONS}


def chosen(names: Sequence[str]) -> list[Variation]:
    """Return the variations of these names in the order of the table; all where none is named.

    Raises SpecificationError for a name that no variation has.
    """
    for name in names:
        if name not in BY_NAME:
            raise SpecificationError(
                f"there is no variation '{name}'{did_you_mean(name, BY_NAME)}",
                hint=f"one of: {', '.join(BY_NAME)}",
            )
    return [each for each in VARIATIONS if not names or each.name in names]
