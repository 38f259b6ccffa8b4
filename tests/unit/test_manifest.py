"""Dataset manifests: what a file may be called, how it is pinned, and how a digest is added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reprun.documents.manifest import Dataset, load_manifest, manifest_text, with_digests
from reprun.errors import SpecificationError

FILE: dict[str, Any] = {"path": "data/a.csv", "size": 3, "sha256": "a" * 64}
HEAD = "title: A dataset\nfiles:\n"


def refused(tmp_path: Path, *files: dict[str, Any]) -> SpecificationError:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"title": "A dataset", "files": list(files)}, indent=1))
    with pytest.raises(SpecificationError) as error:
        load_manifest(path)
    return error.value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"path": "../a"}, "must be a path inside"),
        ({"path": "/etc/passwd"}, "must be a path inside"),
        ({"path": "a/../../b"}, "must be a path inside"),
        ({"path": "a\\b"}, "holds a character"),
        ({"path": "a\nb"}, "holds a character"),
        ({"mirror_path": "../a"}, "must be a path inside"),
        ({"uris": ["ftp://x/y"]}, "is not a source"),
        ({"uris": ["data/a.csv"]}, "is not a source"),
        ({"sha256": None}, "needs a sha256, or the adler32"),
        ({"adler32": "ABCDEF01"}, "must be an adler32, 8 digits of 0-9 and a-f, is 'ABCDEF01'"),
        ({"size": -1}, "must be at least 0, is the number -1"),
        ({"portal": {"size": 4, "adler32": "00000001"}}, "say in `note` why"),
        (
            {
                "adler32": "00000001",
                "portal": {"size": 3, "adler32": "00000001"},
                "note": "why",
            },
            "drop `portal`",
        ),
    ],
)
def test_a_file_that_no_manifest_may_name(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    error = refused(tmp_path, FILE | change)
    assert said in error.message
    assert str(error.place).startswith(f"{tmp_path}/m.json:")
    assert not str(error.place).endswith(":1")  # JSON too names the line


@pytest.mark.parametrize("second", ["data/a.csv", "data//a.csv", "./data/a.csv", "data/a.csv/b"])
def test_two_files_in_one_place(tmp_path: Path, second: str) -> None:
    error = refused(tmp_path, FILE, FILE | {"path": second})
    assert "data/a.csv" in error.message


def test_json_faults_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text('{"title": "a",\n "files": [}')
    with pytest.raises(SpecificationError, match="not valid JSON") as error:
        load_manifest(path)
    assert error.value.place == f"{path}:2"
    path.write_text('{"title": "a", "title": "b"}')
    with pytest.raises(SpecificationError, match="the field 'title' is duplicated") as error:
        load_manifest(path)
    assert error.value.place == f"{path}:1"


def test_a_file_of_a_record_is_pinned_later() -> None:
    dataset = Dataset.model_validate(
        {"title": "t", "files": [FILE, {"path": "b", "size": 2, "adler32": "00000001"}]}
    )
    assert [file.path for file in dataset.unpinned] == ["b"]
    assert dataset.files[1].digest == "adler32:00000001+2"
    assert dataset.size == 5


@pytest.mark.parametrize("as_json", [True, False])
def test_a_manifest_reads_back(tmp_path: Path, as_json: bool) -> None:
    dataset = Dataset.model_validate(
        {"title": "t", "licence": "CC0-1.0", "files": [FILE | {"uris": ["root://h//a"]}]}
    )
    path = tmp_path / ("m.json" if as_json else "m.yaml")
    path.write_text(manifest_text(dataset, as_json=as_json))
    assert load_manifest(path) == dataset


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_digests_are_added_and_comments_stay(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"m{suffix}"
    files = [{"path": name, "size": 1, "adler32": "00000001"} for name in "abc"]
    if suffix == ".json":
        path.write_text(json.dumps({"title": "A dataset", "files": files}))
    else:
        path.write_text(
            f"# kept\n{HEAD}  - path: a  # and this\n    size: 1\n    adler32: '00000001'\n"
            "  - adler32: '00000001'\n    path: b\n    size: 1\n"
            "  - path: c\n    size: 1\n    adler32: '00000001'"
        )
    text = with_digests(path.read_text(), path, {"b": "sha256:" + "b" * 64, "c": "c" * 64})
    path.write_text(text)
    if suffix == ".yaml":
        assert text.startswith("# kept\n")
        assert "# and this" in text
    assert [file.sha256 for file in load_manifest(path).files] == [None, "b" * 64, "c" * 64]


def test_a_form_without_lines_takes_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(HEAD + "  - {path: a, size: 1, adler32: '00000001'}\n")
    with pytest.raises(SpecificationError, match="each field on its own line") as error:
        with_digests(path.read_text(), path, {"a": "a" * 64})
    assert error.value.place == f"{path}:3"
