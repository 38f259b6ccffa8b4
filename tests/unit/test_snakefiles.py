"""Snakefiles as text: rules and directives with their lines."""

from __future__ import annotations

from pathlib import Path

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
    text = read_snakefile(path)
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
    assert len(read_snakefile(tmp_path / "a").files) == 2
    assert read_snakefile(tmp_path / "nothing").files == ()
