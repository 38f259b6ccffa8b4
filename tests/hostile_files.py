# ruff: noqa: E501 - a row a case
"""Histogram files that ask for too much, and small honest ones to damage.

Each was read for minutes, took gigabytes, hung or raised what nobody foresaw, or is a variation of
one that did. The smallest forms: nothing here is larger than two megabytes.
"""

from __future__ import annotations

import json
import lzma
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cramjam

from tests import parquet_files

DATA = Path(__file__).parent / "data"
BEGIN = 100
NAME_BYTES = 60
DIRECTORY = BEGIN + NAME_BYTES
KEYS = 300
"""Where the keys of the root directory stand."""
OBJECTS = 100_000
BLOCK = 0xFFFFFF
"""The most that a block says to hold."""


def key(
    name: str = "h",
    class_name: str = "TH1D",
    *,
    start: int = OBJECTS,
    size: int = 100,
    length: int = 200,
    key_length: int | None = None,
    cycle: int = 1,
) -> bytes:
    """Return a key of a ROOT file; the sizes are without its own length."""
    texts = b"".join(bytes([len(text)]) + text.encode() for text in (class_name, name, ""))
    own = 26 + len(texts) if key_length is None else key_length
    head = struct.pack(">ihiIhhii", size + own, 4, length, 0, own, cycle, start - own, BEGIN)
    return head + texts


def directory(keys_at: int) -> bytes:
    return struct.pack(">hIIiiiii", 5, 0, 0, 1000, NAME_BYTES, BEGIN, 0, keys_at)


def root_file(
    keys: Sequence[bytes] = (),
    objects: bytes = b"",
    *,
    number: int | None = None,
    keys_at: int = KEYS,
    list_key: bytes | None = None,
    also: Mapping[int, bytes] | None = None,
    info: int = 0,
) -> bytes:
    """Return a ROOT file of the keys given, as far as a reader of keys looks."""
    first = key("list", "TFile") if list_key is None else list_key
    listed = first + struct.pack(">i", len(keys) if number is None else number) + b"".join(keys)
    size = max(OBJECTS + len(objects), *(at + len(more) for at, more in (also or {0: b""}).items()))
    data = bytearray(max(size, KEYS + len(listed)))
    head = struct.pack(
        ">4siiiiiiiBiii",
        *(b"root", 62400, BEGIN, len(data), 0, 0, 0, NAME_BYTES, 4, 1, info, 100),
    )
    for at, part in {
        0: head, DIRECTORY: directory(keys_at), KEYS: listed, OBJECTS: objects, **(also or {}),
    }.items():  # fmt: skip
        data[at : at + len(part)] = part
    return bytes(data)


def block(algorithm: str, packed: bytes, full: int) -> bytes:
    head = algorithm.encode() + b"\x01" if algorithm != "ZL" else b"ZL\x08"
    return head + len(packed).to_bytes(3, "little") + full.to_bytes(3, "little") + packed


@cache
def packed_zeros(algorithm: str, size: int) -> bytes:
    """Return zeros as a block of a ROOT file has them."""
    zeros = bytes(size)
    match algorithm:
        case "ZL":
            return zlib.compress(zeros, 9)
        case "XZ":
            return lzma.compress(zeros)
        case "L4":
            return bytes(8) + bytes(cramjam.lz4.compress_block(zeros, store_size=False))
        case _:
            return bytes(cramjam.zstd.compress(zeros, 19))


def one_object(blocks: bytes, length: int, class_name: str = "TH1D") -> bytes:
    return root_file([key("h", class_name, size=len(blocks), length=length)], blocks)


def bomb(algorithm: str, full: int, length: int, class_name: str = "TH1D") -> bytes:
    """Return a file whose block decompresses to 64 MB, whatever it says."""
    packed = packed_zeros(algorithm, 64_000_000)
    return one_object(block(algorithm, packed, full), length, class_name)


def many_blocks(count: int, class_name: str) -> bytes:
    """Return an object of honest blocks that are zeros: 16 MB each of 500 bytes."""
    each = block("ZS", packed_zeros("ZS", BLOCK), BLOCK)
    return one_object(each * count, BLOCK * count, class_name)


def large_dictionary() -> bytes:
    """Return an xz stream whose header asks for a dictionary of 4 GB."""
    data = bytearray(lzma.compress(b"x" * 999))
    end = 12 + 4 * (data[12] + 1)
    data[16] = 40
    data[end - 4 : end] = zlib.crc32(bytes(data[12 : end - 4])).to_bytes(4, "little")
    return bytes(data)


def tree_of_directories(width: int, depth: int) -> bytes:
    """Return directories of which each holds the next `width` times."""
    also: dict[int, bytes] = {}
    for level in range(depth):
        at = 2_000 + level * 1_000
        nearer = [key(f"d{n}", "TDirectory", start=at + 1_000) for n in range(width)]
        listed = key("l", "TDirectory") + struct.pack(">i", width) + b"".join(nearer)
        also[at] = directory(at + 100)
        also[at + 100] = listed
    return root_file([key("d", "TDirectory", start=2_000)], also=also)


def overlapping(count: int) -> bytes:
    """Return directories whose lists of keys begin within each other."""
    one = key("x", "TDirectory", start=2_000)
    listed = one * count
    also = {20_000: listed}
    for n in range(count):
        also[2_000 + n * 30] = directory(20_000 + n)
    return root_file(
        [key(f"d{n}", "TDirectory", start=2_000 + n * 30) for n in range(200)], also=also
    )


def root() -> dict[str, bytes]:
    """Return ROOT files that must end with an error, or be read at once."""
    nested = {
        2_000: directory(2_100),
        2_100: key("l", "TDirectory") + struct.pack(">i", 1) + key("d", "TDirectory", start=2_000),
    }
    long = key("l", "TDirectory") + struct.pack(">i", 1) + key("x" * 200, "TDirectory", start=2_000)
    sample = (DATA / "root_sample.root").read_bytes()
    files = {
        "key_length 0": root_file([key(key_length=0)], number=2**31 - 1),
        "key_length 0, few keys": root_file([key(key_length=0)], number=3_000),
        "key_length 1": root_file([key(key_length=1)], number=2**31 - 1),
        "key_length -1": root_file([key(key_length=-1)], number=2**31 - 1),
        "key_length -32768": root_file([key(key_length=-32768)], number=2**31 - 1),
        "key_length back to itself": root_file([key(), key(key_length=-len(key()))], number=10**9),
        "the key of the list has length 0": root_file([key()], list_key=key(key_length=0)),
        "two billion keys": root_file([key()] * 5, number=2**31 - 1),
        "keys of minus one": root_file([key()], number=-1),
        "keys of zeros": root_file([], number=2_000),
        "keys behind the end": root_file([key()], keys_at=10**9),
        "keys before the start": root_file([key()], keys_at=-100),
        "keys at the header": root_file([key()], keys_at=1),
        "a directory in itself": root_file([key("d", "TDirectory", start=DIRECTORY)]),
        "a directory in its directory": root_file([key("d", "TDirectory", start=2_000)], also=nested),
        "directories twice each": tree_of_directories(2, 60),
        "directories ten times each": tree_of_directories(10, 60),
        "lists within each other": overlapping(300),
        "long names": root_file([key("d", "TDirectory", start=2_000)],
                                also={2_000: directory(2_100), 2_100: long}),
        "an object behind the end": root_file([key(start=10**9)]),
        "an object before the start": root_file([key(start=-5)]),
        "an object of negative size": root_file([key(size=-50)]),
        "an object of negative length": root_file([key(length=-50)]),
        "an object of no bytes": root_file([key(size=0, length=0)]),
        "an object as large as the file": root_file([key(size=10**6, length=10**6)]),
        "two gigabytes of nothing": one_object(bytes(1000), 2**31 - 1),
        "blocks of nothing": one_object(block("ZL", b"", 0) * 1000, 2**31 - 1),
        "a block of nothing": one_object(block("ZL", packed_zeros("ZL", 10_000), 0), 10_000),
        "a compression that nobody knows": one_object(block("QQ", b"x" * 50, 100), 100),
        "an old compression that is broken": one_object(block("CS", b"x" * 50, 100), 100),
        "an unknown compression": one_object(block("QQ", b"x" * 50, 100), 100),
        "a dictionary of 4 GB": one_object(block("XZ", large_dictionary(), 999), 999),
        "a key of a profile that is not there": root_file([key("p", "TProfile", start=10**9)]),
        "descriptions that are not there": root_file(
            [key("p", "TProfile", size=10, length=10)], bytes(20), info=10**9),
        "a thousand keys of one bomb": root_file(
            [key(f"h{n}", size=500, length=8_000_000) for n in range(1_000)], bytes(1_000)),
        "a sample cut in half, with its end": sample[:12] + struct.pack(">i", 5_000) + sample[16:5_000],
    }  # fmt: skip
    for algorithm in ("ZL", "XZ", "L4", "ZS"):
        for said in (1, 100, BLOCK):
            files[f"{algorithm} of 64 MB that says {said:,}"] = bomb(algorithm, said, said)
        files[f"{algorithm} that says 2 GB"] = bomb(algorithm, BLOCK, 2**31 - 1)
        files[f"{algorithm} of a profile"] = bomb(algorithm, 100, 100, "TProfile")
    for class_name in ("TH1D", "TH3C", "TProfile3D", "TGraph", "TEfficiency"):
        files[f"400 MB of zeros, {class_name}"] = many_blocks(24, class_name)
        files[f"200 MB of zeros, {class_name}"] = many_blocks(12, class_name)
        files[f"100 MB of zeros, {class_name}"] = many_blocks(6, class_name)
    return files


def regular(bins: object, *, values: object = None, lower: object = 0, upper: object = 1) -> object:
    axis = {
        "type": "regular", "lower": lower, "upper": upper, "bins": bins,
        "underflow": True, "overflow": True, "circular": False,
    }  # fmt: skip
    storage = {"type": "double"} if values is None else {"type": "double", "values": values}
    return {"uhi_schema": 1, "axes": [axis], "storage": storage}


def axes(histogram: object, count: int) -> str:
    assert isinstance(histogram, dict)
    return json.dumps({"h": histogram | {"axes": histogram["axes"] * count}})


def uhi() -> dict[str, str]:
    """Return UHI texts that must end with an error, or be read at once."""
    plain = json.dumps({"h": regular(2, values=[0, 1, 2, 0])})
    digits = "1" * 5_000
    return {
        **{
            f"{bins} bins": json.dumps({"h": regular(bins)})
            for bins in (300_000_000, 2**31, 2**63, 10**300, 1e308, -1, 0, 2.5, True, "9", [9], None)
        },
        "bins of many digits": plain.replace('"bins": 2', f'"bins": {digits}'),
        "an edge of many digits": plain.replace('"upper": 1', f'"upper": {digits}'),
        "an edge beyond every float": plain.replace('"upper": 1', f'"upper": {"1" * 4_000}'),
        "a value of many digits": plain.replace("[0, 1", f"[0, {digits}"),
        "a value beyond every float": plain.replace("[0, 1", f"[0, {'1' * 4_000}"),
        "edges without end": plain.replace('"upper": 1', '"upper": Infinity'),
        "edges that are no number": plain.replace('"upper": 1', '"upper": NaN'),
        "edges too far apart": plain.replace('"upper": 1', '"upper": 1e308').replace(
            '"lower": 0', '"lower": -1e308'),
        "a plane": axes(regular(30_000), 2),
        "a cube": axes(regular(2_000), 3),
        "nine axes": axes(regular(2_000), 9),
        "many histograms": json.dumps({f"h{n}": regular(999_000) for n in range(1_000)}),
        "deep values": plain.replace("[0, 1, 2, 0]", "[" * 50_000 + "]" * 50_000),
        "values a hundred deep": plain.replace("[0, 1, 2, 0]", "[" * 90 + "]" * 90),
        "deep lists": "[" * 100_000,
        "deep mappings": '{"a":' * 100_000,
        "labels that are deep": plain.replace(
            '"circular": false', '"circular": false, "metadata": {"labels": "' + "[" * 9_000 + '"}'),
        "labels that are numbers": plain.replace(
            '"circular": false', '"circular": false, "metadata": {"labels": "[1, 2]"}'),
        "labels that are not text": plain.replace(
            '"circular": false', '"circular": false, "metadata": {"labels": 5}'),
        "half of a character": plain.replace('"h"', '"\\ud800"'),
        "half of a character, twice": plain[:-1] + ', "\\udc00": 1, "\\udc00": 2}',
        "a title of half a character": plain.replace(
            '"uhi_schema": 1', '"uhi_schema": 1, "metadata": {"title": "\\ud800"}'),
        "metadata that are a list": plain.replace('"uhi_schema": 1', '"uhi_schema": 1, "metadata": []'),
        "entries that are a list": plain.replace(
            '"uhi_schema": 1', '"uhi_schema": 1, "metadata": {"entries": []}'),
        "axes that are a number": json.dumps({"h": {"uhi_schema": 1, "axes": 3, "storage": {"type": "int"}}}),
        "axes that are text": json.dumps({"h": {"uhi_schema": 1, "axes": "abc", "storage": {"type": "int"}}}),
        "a type that is a list": plain.replace('"double"', "[]"),
        "categories that are deep": json.dumps({"h": {
            "uhi_schema": 1, "storage": {"type": "int"},
            "axes": [{"type": "category_str", "categories": [[[["a"]]]], "flow": True}]}}),
        "values that are text": plain.replace("[0, 1, 2, 0]", '["a", 1, 2, 0]'),
        "values that are ragged": plain.replace("[0, 1, 2, 0]", "[[0], 1, 2, 0]"),
        "values that are mappings": plain.replace("[0, 1, 2, 0]", "[{}, 1, 2, 0]"),
    }  # fmt: skip


def documents() -> dict[str, str]:
    """Return JSON documents that must end with an error, or be read at once."""
    return {
        "a list that is deep": "[" * 90 + "]" * 90,
        "a mapping that is deep": '{"a": ' * 90 + "1" + "}" * 90,
        "very many values": json.dumps([1] * 3_000_000),
        "very many empty lists": "[" + "[]," * 3_000_000 + "[]]",
        "a key of a megabyte": json.dumps({"a" * 1_000_000: 1}),
        "a number of many digits": f'{{"a": {"1" * 5_000}}}',
        "a number beyond every float": f'{{"a": {"1" * 4_000}, "b": 1e999}}',
        "half of a key": '{"\\ud800": 1}',
        "channels that are no list": json.dumps(
            dict.fromkeys(("channels", "observations", "measurements", "version"), "x")),
        "channels without names": json.dumps(
            {"channels": [1, {}, {"name": 5}], "observations": [], "measurements": {}, "version": 1}),
        "lists of HS3 that are none": '{"metadata": {"hs3_version": 1}, "data": [[{"name": []}]]}',
    }  # fmt: skip


HISTO = """BEGIN YODA_HISTO1D_V3 /h
Type: Histo1D
---
Edges(A1): [0.0, 1.0, 3.0]
1.0 1.0 -1.0 1.0 1
2.0 2.0 1.0 0.5 2
3.0 4.5 6.0 12.0 2
0.5 0.25 2.0 8.0 1
END YODA_HISTO1D_V3
"""


CUBE_OF_YODA = (
    HISTO
    + """BEGIN YODA_ESTIMATE1D_V3 /e
Type: Estimate1D
---
Edges(A1): [0.0, 1.0]
ErrorLabels: ["stat"]
# value errDn errUp
1 2 3
4 5 6
7 8 9
END YODA_ESTIMATE1D_V3
BEGIN YODA_BINNEDESTIMATE<s>_V3 /w
---
Edges(A1): ["a", "b"]
1 2 3
4 5 6
7 8 9
END YODA_BINNEDESTIMATE<s>_V3
BEGIN YODA_PROFILE1D_V3 /p
---
Edges(A1): [0.0, 1.0]
0 0 0 0 0 0 0
2.0 2.0 1.0 0.5 8.0 34.0 2
0 0 0 0 0 0 0
END YODA_PROFILE1D_V3
BEGIN YODA_HISTO1D_V2 /old
---
Total Total 1 1 1 1 1
Underflow Underflow 0 0 0 0 0
Overflow Overflow 0 0 0 0 0
0 1 1 1 1 1 1
END YODA_HISTO1D_V2
BEGIN YODA_SCATTER2D_V2 /s
---
1 0.1 0.1 2 0.2 0.2
END YODA_SCATTER2D_V2
"""
)


def yoda() -> dict[str, str]:
    """Return YODA texts that must end with an error, or be read at once."""
    edges = json.dumps([str(n) for n in range(2_000)])
    words = "".join(f"Edges(A{n}): {edges}\n" for n in (1, 2, 3))
    numbers = "".join(f"Edges(A{n}): {list(range(60_000))}\n" for n in (1, 2, 3, 4))
    return {
        "edges of words, three axes": "BEGIN YODA_BINNEDESTIMATE<s,s,s>_V3 /e\n---\n"
        + words + "1 2 3\nEND YODA_BINNEDESTIMATE<s,s,s>_V3\n",
        "edges of numbers, four axes": "BEGIN YODA_ESTIMATE4D_V3 /e\n---\n"
        + numbers + "1 2 3\nEND YODA_ESTIMATE4D_V3\n",
        "a product beyond 64 bits": "BEGIN YODA_HISTO1D_V3 /e\n---\n"
        + "".join(f"Edges(A{n}): {list(range(2**16 - 1))}\n" for n in range(1, 5))
        + "END YODA_HISTO1D_V3\n",
        "blanks in a heading": "BEGIN YODA_HISTO1D /x" + " " * 200_000 + "x" + " " * 200_000 + "\n",
        "many versions": "BEGIN YODA_" + "_V1" * 100_000 + "\n",
        "deep edges": HISTO.replace("[0.0, 1.0, 3.0]", "[" * 50_000),
        "edges of many digits": HISTO.replace("3.0]", "1" * 5_000 + "]"),
        "edges beyond every float": HISTO.replace("3.0]", "1" * 4_000 + "]"),
        "edges that are a mapping": HISTO.replace("[0.0, 1.0, 3.0]", "{}"),
        "edges that are a number": HISTO.replace("[0.0, 1.0, 3.0]", "5"),
        "edges of edges": HISTO.replace("[0.0, 1.0, 3.0]", "[[0.0, 1.0], [3.0, 4.0]]"),
        "edges without end": HISTO.replace("3.0]", "Infinity]"),
        "numbers of many digits": HISTO.replace("2.0 2.0", "1" * 5_000 + " 2.0"),
        "masks that are a mapping": HISTO.replace("Edges", "MaskedBins: {}\nEdges"),
        "masks that are deep": HISTO.replace("Edges", "MaskedBins: " + "[" * 9_000 + "\nEdges"),
        "labels that are a number": HISTO.replace("HISTO1D", "ESTIMATE1D").replace(
            "Edges", "ErrorLabels: 5\nEdges"),
        "labels that are numbers": HISTO.replace("HISTO1D", "ESTIMATE1D").replace(
            "Edges", "ErrorLabels: [1, 2]\nEdges"),
        "labels that are deep": HISTO.replace("HISTO1D", "ESTIMATE1D").replace(
            "Edges", "ErrorLabels: " + "[" * 9_000 + "\nEdges"),
        "rows of other lengths": HISTO.replace("2.0 2.0 1.0", "2.0"),
        "no rows": "BEGIN YODA_HISTO1D_V3 /h\n---\nEdges(A1): [0.0, 1.0]\nEND YODA_HISTO1D_V3\n",
        "a counter of nothing": "BEGIN YODA_COUNTER_V3 /n\n---\nEND YODA_COUNTER_V3\n",
        "a scatter of a number": "BEGIN YODA_SCATTER2D_V2 /n\n---\n1\nEND YODA_SCATTER2D_V2\n",
        "a profile of a number": "BEGIN YODA_PROFILE1D_V2 /n\n---\n1\nEND YODA_PROFILE1D_V2\n",
        "a plane of a number": "BEGIN YODA_HISTO2D_V2 /n\n---\n1\nEND YODA_HISTO2D_V2\n",
    }  # fmt: skip


TABLE = """independent_variables:
- header: {name: x}
  values: [{low: 0, high: 1}, {low: 1, high: 2}]
dependent_variables:
- header: {name: y}
  values:
  - {value: 1, errors: [{label: stat, symerror: 0.1}]}
  - {value: 2, errors: [{label: stat, symerror: 0.1}]}
"""


def hepdata() -> dict[str, str]:
    """Return HEPData texts that must end with an error, or be read at once."""
    sources = ", ".join(f"{{label: s{n}, symerror: 1}}" for n in range(8_000))
    cells = "".join("  - {value: 1}\n" for _ in range(8_000))
    aliases = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    repeated = "dependent_variables:\n- &d\n  header: {name: y}\n  values: ["
    repeated += ", ".join(["{value: 1}"] * 2_000) + "]\n" + "- *d\n" * 2_000
    return {
        "lists": "[" * 30_000,
        "mappings": "{a: " * 30_000,
        "compact lists": "- " * 30_000,
        "in a table": TABLE.replace("{value: 2,", "{value: " + "[" * 30_000),
        "billion laughs": "a0: &a0 x\n" + aliases + TABLE,
        "a table of itself": TABLE.replace("[{label: stat", "&e [*e, {label: stat"),
        "a table repeated": repeated,
        "a value of many digits": TABLE.replace("value: 1", "value: " + "1" * 5_000),
        "a hexadecimal value": TABLE.replace("value: 1", "value: 0x" + "f" * 5_000),
        "a value of base 60": TABLE.replace("value: 1", "value: 1" + ":1" * 90_000),
        "a value that is a date": TABLE.replace("value: 1", "value: 2025-02-30"),
        "a value with a tag": TABLE.replace("value: 1", "value: !!int x"),
        "many sources, many cells": TABLE.replace("{label: stat, symerror: 0.1}", sources, 1) + cells,
        "many sources in one cell": TABLE.replace("{label: stat, symerror: 0.1}", sources, 1),
        "errors that are a number": TABLE.replace("[{label: stat, symerror: 0.1}]", "5"),
        "values that are a number": TABLE.replace("[{low: 0, high: 1}, {low: 1, high: 2}]", "5"),
        "values that are text": TABLE.replace("[{low: 0, high: 1}, {low: 1, high: 2}]", "abc"),
        "variables that are text": "dependent_variables: abc\nindependent_variables: abc",
        "an absolute file": "name: t\ndata_file: /etc/passwd\n",
        "a file above": "name: t\ndata_file: ../../../../etc/passwd\n",
        "a file that is a directory": "name: t\ndata_file: .\n",
        "a file that is not text": "name: t\ndata_file: [a, b]\n",
        "half of a character": 'name: "\\uD800"\ndata_file: none.yaml\n',
        "two documents": "a: 1\n---\n- 2\n",
    }  # fmt: skip


def csv() -> dict[str, str]:
    """Return CSV texts that must end with an error, or be read at once."""
    about = {
        "name": "t", "class_name": "TProfile", "entries": 1, "title": "",
        "axes": [{"edges": [0, 1], "kind": "variable", "labels": None, "title": "",
                  "underflow": True, "overflow": True}],
    }  # fmt: skip

    def described(rows: str = "underflow,1\nbin 1,2\noverflow,3\n", **changes: object) -> str:
        return f"# reprun: {json.dumps(about | changes)}\nrow,value\n{rows}"

    axis = about["axes"][0]  # type: ignore[index]
    return {
        "deep remarks": "# reprun: " + "[" * 50_000 + "\nrow,value\nx,1\n",
        "remarks of many digits": '# reprun: {"axes": ' + "1" * 5_000 + "}\nrow,value\nx,1\n",
        "remarks that are a list": "# reprun: []\nrow,value\nx,1\n",
        "remarks that are a number": "# reprun: 5\nrow,value\nx,1\n",
        "axes that are a number": described(axes=5),
        "axes that are numbers": described(axes=[5]),
        "axes of two": described(axes=[axis, axis]),
        "edges of edges": described(axes=[{**axis, "edges": [[0, 1], [2, 3]]}]),
        "edges that fall": described(axes=[{**axis, "edges": [1, 0]}]),
        "labels that are a number": described(axes=[{**axis, "labels": 5}]),
        "labels that are numbers": described(axes=[{**axis, "labels": [5]}]),
        "labels of half a character": described(axes=[{**axis, "labels": ["\ud800"]}]),
        "a kind that nobody knows": described(axes=[{**axis, "kind": [1]}]),
        "a title that is a list": described(title=[1]),
        "a name that is a number": described(name=5),
        "entries that are text": described(entries="many"),
        "entries that are a list": described(entries=[]),
        "fewer rows than bins": described("bin 1,2\n"),
        "more rows than bins": described("a,1\nb,2\nc,3\nd,4\n"),
        "numbers of many digits": "row,value\nx," + "1" * 200_000 + "\n",
        "a cell without end": 'row,value\nx,"' + "1," * 200_000,
        "an open quote": 'row,value\n"x,1\n' * 5_000,
        "no numbers": "row\nx\n",
        "columns": "row" + ",c" * 50_000 + "\nx" + ",1" * 50_000 + "\n",
        "null bytes": "row,value\nx,\x00\n",
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile file."""

    suffix: str
    name: str
    data: bytes

    def __str__(self) -> str:
        """Name the test."""
        return f"{self.suffix}: {self.name}"


KINDS: Mapping[str, Callable[[], Mapping[str, bytes] | Mapping[str, str]]] = {
    ".root": root,
    ".json": lambda: uhi() | documents(),
    ".yoda": yoda,
    ".yaml": hepdata,
    ".csv": csv,
    ".parquet": parquet_files.hostile,
}


@cache
def cases() -> tuple[Case, ...]:
    """Return all of them."""
    return tuple(
        Case(suffix, name, data if isinstance(data, bytes) else data.encode("utf-8", "replace"))
        for suffix, make in KINDS.items()
        for name, data in make().items()
    )
