"""The executor plugin under plain Snakemake: what it runs, what it refuses, what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.integration.shell import Shell

PATIENCE_SECONDS = 60


def logged(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr


def test_each_rule_runs_in_its_image(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule last:
            input: "middle.txt"
            output: "last.txt"
            container: "columnar"
            log: "logs/last.log"
            shell: "tr a-z A-Z < {input} > {output}; echo told > {log}"

        rule middle:
            input: "first.txt"
            output: "middle.txt"
            container: "docker://columnar"
            shell: "cat {input} /etc/os-release > {output}; echo heard"
        """,
    )
    shell.write("first.txt", "hello\n")
    done = shell.snakemake()
    text = (shell.directory / "last.txt").read_text()
    assert text.startswith("HELLO\n")
    assert "BOOKWORM" in text
    assert (shell.directory / "logs/last.log").read_text() == "told\n"
    assert "heard" in logged(done)


def test_declared_inputs_are_read_only_and_snakemake_is_hidden(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule one:
            input: "given.txt", "tree"
            output: "out.txt"
            container: "columnar"
            shell:
                "! echo x > given.txt; ! touch tree/new; ls -A .snakemake > out.txt; "
                "ls /work >> out.txt"
        """,
    )
    shell.write("given.txt", "given\n")
    shell.write("tree/leaf", "leaf\n")
    shell.snakemake()
    assert (shell.directory / "given.txt").read_text() == "given\n"
    assert not (shell.directory / "tree/new").exists()
    assert (shell.directory / "out.txt").read_text() == "Snakefile\ngiven.txt\nout.txt\ntree\n"


def test_benchmark_and_resources(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule one:
            output: "out.txt"
            container: "columnar"
            threads: 2
            resources: mem_mb=300
            benchmark: repeat("bench/one.tsv", 2)
            shell: "cat /proc/self/environ > {output}; echo run >> runs.txt"
        """,
    )
    shell.snakemake()
    table = (shell.directory / "bench/one.tsv").read_text().splitlines()
    assert table[0].split("\t")[:3] == ["s", "h:m:s", "max_rss"]
    assert len(table) == 3
    assert float(table[1].split("\t")[0]) > 0
    assert (shell.directory / "runs.txt").read_text() == "run\nrun\n"


def test_memory_limit_names_the_limit(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule greedy:
            output: "out.txt"
            container: "columnar"
            resources: mem_mb=100
            shell: "python3 -c 'x = bytearray(400 << 20)'; touch {output}"
        """,
    )
    done = shell.snakemake(code=1)
    assert "rule greedy" in logged(done) or "step greedy" in logged(done)
    assert "limit of 100 MB" in logged(done)
    assert not (shell.directory / "out.txt").exists()


def test_strict_mode_is_the_default(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule sloppy:
            output: "out.txt"
            container: "columnar"
            shell: "cat /no/such/file | wc -l > {output}; echo on >> {output}"
        """,
    )
    shell.snakemake(code=1)
    assert not (shell.directory / "out.txt").exists()


def test_a_rule_may_leave_strict_mode(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule lax:
            output: "out.txt"
            container: "columnar"
            shell: "set +eu; cat /no/such/file; echo $UNSET > {output}"
        """,
    )
    shell.snakemake()
    assert (shell.directory / "out.txt").exists()


def test_checkpoints_and_wildcards(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        checkpoint split:
            output: directory("parts")
            container: "columnar"
            shell: "mkdir {output}; for i in 1 2 3; do echo $i > {output}/$i.txt; done"

        rule square:
            input: "parts/{n}.txt"
            output: "squares/{n}.txt"
            container: "columnar"
            shell: "echo $(( $(cat {input}) * $(cat {input}) )) > {output}"

        def squares(wildcards):
            parts = checkpoints.split.get().output[0]
            found = glob_wildcards(parts + "/{n}.txt").n
            return expand("squares/{n}.txt", n=sorted(found))

        rule total:
            input: squares
            output: "total.txt"
            container: "columnar"
            shell: "cat {input} > {output}"
        """,
    )
    shell.snakemake("total")
    assert (shell.directory / "total.txt").read_text() == "1\n4\n9\n"


NOTEBOOK = """
{"cells": [], "metadata": {"language_info": {"name": "python"}}, "nbformat": 4,
 "nbformat_minor": 5}
"""
REFUSED = {
    "no container": ('shell: "touch {output}"', "has no `container:`"),
    "script": ('container: "columnar"\n    script: "x.py"', "uses script:"),
    "notebook": ('container: "columnar"\n    notebook: "x.py.ipynb"', "uses notebook:"),
    "run": ("run: open(output[0], 'w').close()", "uses run:"),
    "group": ('container: "columnar"\n    group: "g"\n    shell: "touch {output}"', "in a group"),
    "shadow": (
        'container: "columnar"\n    shadow: "minimal"\n    shell: "touch {output}"',
        "uses `shadow:`",
    ),
    "unknown image": ('container: "colunmar"\n    shell: "touch {output}"', "columnar"),
    "tag": (
        'container: "columnar:latest"\n    shell: "touch {output}"',
        "by a tag, which may move",
    ),
    "registry": (
        'container: "docker://example.org/some/image:1"\n    shell: "touch {output}"',
        "is an image of a registry, not an image of the catalogue",
    ),
    "other digest": (
        f'container: "columnar@sha256:{"0" * 64}"\n    shell: "touch {{output}}"',
        "columnar",
    ),
    "absolute input": (
        'input: "/etc/hostname"\n    container: "columnar"\n    shell: "touch {output}"',
        "leads out of the workspace",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_anything_runs(shell: Shell, case: str) -> None:
    """A rule that could not run in a container stops the workflow before its first job."""
    body, message = REFUSED[case]
    shell.write("x.py", "pass\n")
    shell.write("x.py.ipynb", NOTEBOOK)
    (shell.directory / "Snakefile").write_text(
        'rule all:\n    input: "good.txt", "bad.txt"\n\n'
        'rule good:\n    output: "good.txt"\n    container: "columnar"\n'
        '    shell: "touch {output}"\n\n'
        f'rule bad:\n    output: "bad.txt"\n    {body}\n'
    )
    done = shell.snakemake(code=1)
    assert message in logged(done)
    assert not (shell.directory / "good.txt").exists()
    assert not (shell.directory / "bad.txt").exists()


def test_pipes_are_refused(shell: Shell) -> None:
    shell.write(
        "Snakefile",
        """
        rule reader:
            input: "stream"
            output: "out.txt"
            container: "columnar"
            shell: "cat {input} > {output}"

        rule writer:
            output: pipe("stream")
            container: "columnar"
            shell: "echo x > {output}"
        """,
    )
    assert "pipe()" in logged(shell.snakemake("--cores", "2", code=1))


def test_docker_gives_the_same(shell: Shell, docker_url: str) -> None:
    shell.write(
        "Snakefile",
        """
        rule one:
            output: "{name}.txt"
            container: "columnar"
            shell: "env | sort > {output}; id -u >> {output}; python3 -V >> {output}"
        """,
    )
    shell.snakemake("--reprun-engine", "runc", "runc.txt")
    shell.snakemake("--reprun-engine", "docker", "docker.txt", DOCKER_HOST=docker_url)
    first = (shell.directory / "runc.txt").read_text()
    assert first == (shell.directory / "docker.txt").read_text()
    assert "Python 3.11" in first


@pytest.mark.parametrize("number", [signal.SIGINT])
def test_an_interrupt_leaves_nothing(shell: Shell, number: signal.Signals) -> None:
    shell.write(
        "Snakefile",
        """
        rule slow:
            output: tree=directory("tree"), text="out.txt"
            container: "columnar"
            shell:
                "mkdir {output.tree}; touch {output.tree}/leaf; echo half > {output.text}; "
                "touch started; sleep 600"
        """,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--executor", "reprun", "--cores", "1"],
        cwd=shell.directory,
        env=shell.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # The tests may run in the background, where a shell makes commands ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (shell.directory / "started").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, number)
    assert process.wait(PATIENCE_SECONDS) != 0
    assert not (shell.directory / "out.txt").exists()
    assert not (shell.directory / "tree").exists()
    assert list((shell.store.root / "runc" / "state").iterdir()) == []
