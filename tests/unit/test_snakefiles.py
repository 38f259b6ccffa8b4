"""Snakefiles as text: rules and directives with their lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reprun.bounded import limits
from reprun.errors import SpecificationError
from reprun.workflow.snakefiles import read_snakefile

TEXT = '''\
include: "more.smk"
include: "absent.smk"
# rule comment:
rule one:
    input:
        "a.txt",
        lambda wildcards: {"input": 1},
    output: "b.txt"
    shell:
        """
        rule: echo
        output: no directive
        """

if True:
    rule two:
        input: "b.txt"
        container: "docker://x"
        shell: "true"

def input(x):
    return x

checkpoint three:
    output: directory("d")
    params:
        output=3,
    shell: "mkdir d"
'''


def test_rules_and_directives_have_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "Snakefile"
    path.write_text(TEXT)
    (tmp_path / "more.smk").write_text("\nrule four:\n\tshell: 'true'\n")
    text = read_snakefile(path, path.parent)
    assert [file.name for file in text.files] == ["Snakefile", "more.smk"]
    lines = {
        rule.name: (rule.line, {name: one.line for name, one in rule.directives.items()})
        for rule in text.rules
    }
    assert lines == {
        "one": (4, {"input": 5, "output": 8, "shell": 9}),
        "two": (16, {"input": 17, "container": 18, "shell": 19}),
        "three": (24, {"output": 25, "params": 26, "shell": 28}),
        "four": (2, {"shell": 3}),
    }
    one = text.rule("one")
    assert one is not None
    assert "output: no directive" in one.directives["shell"].text
    assert one.line_of("container") == 4
    assert text.rule("five") is None
    assert (path, 3, "# rule comment:") not in list(text.lines())


def test_an_include_that_goes_round_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('include: "b"\n')
    (tmp_path / "b").write_text('include: "a"\n')
    assert len(read_snakefile(tmp_path / "a", tmp_path).files) == 2
    assert read_snakefile(tmp_path / "nothing", tmp_path).files == ()


@pytest.mark.parametrize("name", ["d/../Snakefile", "./Snakefile", "loop/Snakefile"])
def test_a_file_of_many_names_is_read_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "loop").symlink_to(".")
    path = tmp_path / "Snakefile"
    path.write_text(f'include: "{name}"\ninclude: "d/.././{name}"\n')
    assert read_snakefile(path, tmp_path).files == (path,)


def test_what_lies_outside_of_the_analysis_is_named_and_not_read(tmp_path: Path) -> None:
    home = tmp_path / "analysis"
    home.mkdir()
    (tmp_path / "other").write_text("rule theirs:\n    shell: 'true'\n")
    (home / "link").symlink_to("../other")
    names = ("link", "../other", str(tmp_path / "other"))
    (home / "Snakefile").write_text("".join(f'include: "{name}"\n' for name in names))
    text = read_snakefile(home / "Snakefile", home)
    assert text.files == (home / "Snakefile",)
    assert text.rules == ()
    assert text.outside == (home / "link",)


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "\0", "round"])
def test_a_name_that_no_file_can_have_is_left_out(tmp_path: Path, name: str) -> None:
    (tmp_path / "round").symlink_to("round")
    path = tmp_path / "Snakefile"
    path.write_text(f'include: "{name}"\n')
    assert read_snakefile(path, tmp_path).files == (path,)


def test_a_snakefile_has_a_limit_with_all_that_it_includes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CODE_BYTES", replace(limits.CODE_BYTES, value=40))
    path = tmp_path / "Snakefile"
    path.write_text('include: "b"\n')
    (tmp_path / "b").write_text("#" * 40)
    with pytest.raises(SpecificationError, match="and what it includes have more than 40 bytes"):
        read_snakefile(path, tmp_path)
    (tmp_path / "b").write_text("#" * 41)
    with pytest.raises(SpecificationError, match="cannot read b: it has 41 bytes"):
        read_snakefile(path, tmp_path)
