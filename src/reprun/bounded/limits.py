"""How much a file of somebody else's may ask for: one table, from which docs/limits.md is made.

A limit of bytes is one of the file itself, known before it is read. What a file only declares
(bins, blocks, entries) may be as large as the file can hold, and a fixed amount more: so no small
file takes much memory, and a large one is read. Whoever reads beyond a limit gets a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["documents", "histograms and tables", "history"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit: how much, of what."""

    value: int
    unit: str
    """In the plural."""
    subject: str
    group: Group

    @property
    def words(self) -> str:
        """How much, as people read it: `8,000,000 bytes`."""
        return f"{self.value:,} {self.unit}"


NESTING = Limit(
    100, "levels", "lists and mappings in each other, in YAML, JSON and TOML", "documents"
)
DIGITS = Limit(4_300, "digits", "an integer in YAML, JSON or TOML", "documents")
YAML_BYTES = Limit(8_000_000, "bytes", "a YAML file; manifests of more files are JSON", "documents")
YAML_VALUES = Limit(500_000, "values", "a YAML file", "documents")
ALIAS_VALUES = Limit(
    100_000, "values", "what the aliases (`*name`) of a YAML file repeat", "documents"
)
TOML_BYTES = Limit(1_000_000, "bytes", "a TOML file", "documents")
KEY_PARTS = Limit(20, "parts", "a dotted key of a TOML file (`a.b.c`)", "documents")
JSON_BYTES = Limit(32_000_000, "bytes", "a JSON file that people write or import", "documents")
WRITTEN_BYTES = Limit(
    500_000_000, "bytes", "a JSON file that reprun wrote (record, report, lock)", "documents"
)
REFERENCE_LOG_BYTES = Limit(
    8_000_000, "bytes", "the log of a reference (`log.jsonl`): some 10,000 blessings", "documents"
)
REFERENCE_SUMS_BYTES = Limit(
    8_000_000, "bytes", "the list of the files of a reference (`SHA256SUMS`)", "documents"
)
CODE_BYTES = Limit(
    8_000_000, "bytes", "a Snakefile, a feature or a list of names that is looked into", "documents"
)
SHOWN_LOG_BYTES = Limit(
    4_000_000, "bytes", "the log of a step as `reprun logs` prints it: its end", "documents"
)
LOG_BYTES = Limit(
    100_000_000, "bytes", "the log of a step; what it prints then is not kept", "documents"
)
PICTURE_BYTES = Limit(
    4_000_000,
    "bytes",
    "a picture in the page of a report; a larger one is a file beside it",
    "documents",
)
PICTURES_BYTES = Limit(
    20_000_000,
    "bytes",
    "all pictures in the page of a report; those that come later are files beside it",
    "documents",
)
TEXT_BYTES = Limit(
    1_000_000_000, "bytes", "a JSON, YODA or CSV file of results", "histograms and tables"
)
FREE_CELLS = Limit(
    1_000_000,
    "bins",
    "what a file declares, flow bins included; and as many more as it has bytes",
    "histograms and tables",
)
FREE_OBJECT = Limit(
    128_000_000,
    "bytes",
    "an object of a ROOT file or a page of a Parquet file once decompressed, "
    "and 50 times what it takes in the file more",
    "histograms and tables",
)
OBJECT_RATIO = 50
FREE_FILE = Limit(
    256_000_000,
    "bytes",
    "all results of a ROOT or Parquet file once decompressed, "
    "and 200 times the size of the file more",
    "histograms and tables",
)
FILE_RATIO = 200
FREE_VALUES = Limit(
    20_000_000,
    "values",
    "what a Parquet file declares, missing ones included; and 50 times as many as it has bytes",
    "histograms and tables",
)
VALUES_RATIO = 50
FREE_STRINGS = Limit(
    1_000_000_000,
    "bytes",
    "strings of a column of a Parquet file that repeats them from a dictionary, "
    "and 200 times the size of the file more",
    "histograms and tables",
)
FREE_GZIP = Limit(
    64_000_000,
    "bytes",
    "a `.yoda.gz` file once decompressed, and 20 times the size of the file more",
    "histograms and tables",
)
GZIP_RATIO = 20
DOCUMENT_VALUES = Limit(
    100_000,
    "values",
    "a JSON document of results; the list of the bins of a workspace is one",
    "histograms and tables",
)
DICTIONARY = Limit(
    256_000_000, "bytes", "memory for the dictionary of an LZMA block", "histograms and tables"
)
ROOT_NESTING = Limit(
    100, "levels", "directories or containers of a ROOT file in each other", "histograms and tables"
)
ROOT_MEMBERS = Limit(
    1_000_000,
    "objects",
    "what a list, folder, stack or canvas of a ROOT file holds",
    "histograms and tables",
)
ROOT_PATH = Limit(
    1_000, "characters", "the path of an object in a ROOT file", "histograms and tables"
)

HISTORY_BYTES = Limit(
    4_000_000_000, "bytes", "a history of another machine that is imported", "history"
)
HISTORY_RUNS = Limit(1_000_000, "runs", "a history that is imported", "history")
HISTORY_OBJECTS = Limit(
    100_000, "objects", "what history keeps of one report; the rest is counted", "history"
)
HISTORY_FILES = Limit(
    2_000,
    "files",
    "a dataset, snapshot or code, each with its digest in history; more have one for all",
    "history",
)
HISTORY_FACTORS = Limit(50_000, "factors", "a run in a history that is imported", "history")
HISTORY_STEPS = Limit(
    20_000, "steps", "what history keeps of one run record; the rest is left out", "history"
)
HISTORY_TEXT = Limit(
    2_000, "characters", "a name or sentence in history; a longer one is shortened", "history"
)
KEPT_TEXT = Limit(
    256_000,
    "bytes",
    "a code file or table whose lines history keeps; of a larger one it keeps the digest",
    "history",
)

LIMITS: tuple[Limit, ...] = tuple(each for each in vars().values() if isinstance(each, Limit))
"""All of them, in the order of the page."""


class LimitError(ValueError):
    """A file asks for more than a limit allows; the message is the end of a sentence."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        """Where, if the file has lines."""
