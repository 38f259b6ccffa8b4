"""Many ways to attack a host, each with a name that a failing test prints."""

from __future__ import annotations

from collections.abc import Mapping

MODULES = (
    *("snakemake", "graphlib", "json", "reprun", "pulp", "yaml", "sitecustomize", "usercustomize"),
    *("conftest", "appdirs", "platformdirs", "snakemake_executor_plugin_reprun", "pydantic"),
    *("snakemake_interface_common", "jinja2", "encodings", "antigravity", "_bootlocale", "numpy"),
    *("snakemake_storage_plugin_fs", "snakemake_logger_plugin_x", "readline", "rich", "typer"),
)
CONFIGURATION = "default-resources: [\"foo=__import__('os').system('touch OUTSIDE/OWNED')\"]"
PROGRAMS = ("bash", "sh", "git", "runc", "docker", "python3", "conda", "env", "setpriv", "cat")
FILES: Mapping[str, str] = {
    "profiles/default/config.yaml": CONFIGURATION,
    "profiles/default/config.v9+.yaml": CONFIGURATION,
    "workflow/profiles/default/config.yaml": CONFIGURATION,
    "default/config.yaml": CONFIGURATION,
    "none/config.yaml": CONFIGURATION,
    "config.yaml": "image: columnar-of-a-stranger",
    "config/config.yaml": "image: columnar-of-a-stranger",
    "workflow/Snakefile": "open('OUTSIDE/OWNED', 'w')",
    "snakefile": "open('OUTSIDE/OWNED', 'w')",
    "evil.pth": "import os; open('OUTSIDE/OWNED', 'w')",
    "site-packages/evil.pth": "import os; open('OUTSIDE/OWNED', 'w')",
    "pyvenv.cfg": "home = OUTSIDE",
    ".condarc": "channels: [OUTSIDE/OWNED]",
    ".pythonrc.py": "open('OUTSIDE/OWNED', 'w')",
    ".python-version": "9.9",
    ".env": "REPRUN_STORE=OUTSIDE/OWNED",
    ".bashrc": "touch OUTSIDE/OWNED",
    ".bash_profile": "touch OUTSIDE/OWNED",
    ".profile": "touch OUTSIDE/OWNED",
    ".netrc": "machine x login y password z",
    ".git/config": "[core]\n  fsmonitor = touch OUTSIDE/OWNED\n  pager = touch OUTSIDE/OWNED",
    ".git/hooks/post-checkout": "#!/bin/sh\ntouch OUTSIDE/OWNED",
    "reprun.toml": "schema_version = 9",
    "analysis.yaml": "schema_version: 9",
    "pyproject.toml": "[tool.reprun]\nname = 'x'",
    ".snakemake/pip-deployments/pulp.py": "open('OUTSIDE/OWNED', 'w')",
    ".snakemake/scripts/x.py": "open('OUTSIDE/OWNED', 'w')",
    ".snakemake/locks/0.input.lock": "make.py",
    ".snakemake/incomplete/x": "",
    ".snakemake/auxiliary/x": "",
    "pip-deployments/pulp.py": "open('OUTSIDE/OWNED', 'w')",
    "Snakefile.lock": "x",
    "__pycache__/make.cpython-311.pyc": "x",
    "plan.json": "{}",
    "record.json": "{}",
}


def leaving() -> str:
    """Return a script that leaves all of it: every module, program and file."""
    lines = []
    for name in MODULES:
        text = f"open('OUTSIDE/owned-by-module-{name}', 'w')"
        places = (f"{name}.py", f"{name}/__init__.py", f"sub/{name}.py", f"lib/{name}.py")
        lines += [writing(path, text) for path in places]
    for name in PROGRAMS:
        for path in (name, f"bin/{name}"):
            lines.append(writing(path, f"#!/bin/sh\ntouch OUTSIDE/owned-by-program-{name}"))
            lines.append(f"chmod +x {path}")
    for path, text in FILES.items():
        lines.append(writing(path, text.replace("OWNED", "owned-by-" + path.replace("/", "-"))))
    return "\n".join(lines) + "\n"


def writing(path: str, text: str) -> str:
    """Return a command that leaves a file, if the step may."""
    parent = path.rpartition("/")[0]
    made = f"mkdir -p {parent}; " if parent else ""
    return f"{{ {made}cat > {path}; }} <<'END' || true\n{text}\nEND"


PROFILE = "profiles/default/config.yaml"
PROFILES: Mapping[str, tuple[str, str]] = {
    "that runs code for a resource": (PROFILE, CONFIGURATION.replace("OWNED", "owned")),
    "that runs code for a thread": (
        PROFILE,
        "set-threads: [\"make=__import__('os').system('touch OUTSIDE/owned')\"]",
    ),
    "that runs code for each rule": (
        PROFILE,
        "set-resources: [\"make:mem_mb=__import__('os').system('touch OUTSIDE/owned')\"]",
    ),
    "of a dry run": (PROFILE, "dry-run: true"),
    "of an executor that runs nothing": (PROFILE, "executor: dryrun"),
    "that touches outputs": (PROFILE, "touch: true"),
    "that stops early": (PROFILE, "until: [first]"),
    "that leaves out a rule": (PROFILE, "omit-from: [make]"),
    "that forgets rules": (PROFILE, "allowed-rules: [first]"),
    "of another configuration": (PROFILE, "config: [image=x]"),
    "of another directory": (PROFILE, "directory: /tmp"),
    "of another Snakefile": (PROFILE, "snakefile: other"),
    "of other targets": (PROFILE, "targets: [out/first.txt]"),
    "that only lists": (PROFILE, "list-rules: true"),
    "that only cleans up": (PROFILE, "cleanup-metadata: [out/first.txt]\nunlock: true"),
    "that deletes outputs": (PROFILE, "delete-all-output: true"),
    "of another shell": (PROFILE, "shell-exec: OUTSIDE/owned"),
    "with containers by Snakemake": (
        PROFILE,
        "software-deployment-method: [apptainer, conda]\nconda-frontend: OUTSIDE/owned",
    ),
    "with a plugin for logs": (PROFILE, "logger: [x]"),
    "of a version": ("profiles/default/config.v9+.yaml", "dry-run: true"),
    "below the workflow": ("workflow/profiles/default/config.yaml", "dry-run: true"),
    "called none": ("none/config.yaml", "dry-run: true"),
    "of the user": (".config/snakemake/default/config.yaml", "dry-run: true"),
    "that is not YAML": (PROFILE, "{[dry-run"),
}
"""What a step leaves for Snakemake to read: where, and what it says."""

LINKS: Mapping[str, str] = {
    "an output's directory": "rm -rf out; ln -s OUTSIDE out",
    "an output itself": "ln -sfn OUTSIDE/precious.txt out/first.txt",
    "an output of the next step": "ln -s OUTSIDE/precious.txt out/yields.csv",
    "a directory above an output": "rm -rf out; ln -s OUTSIDE/project out",
    "an output, dangling": "ln -s OUTSIDE/owned out/yields.csv",
    "an output, by many links": "ln -s b out/a; ln -s OUTSIDE/owned out/b; ln -s a out/yields.csv",
    "an output, relative": "ln -s ../../../../../outside/owned out/yields.csv",
    "the code": "rm -rf sub; mv sub sub2; ln -s OUTSIDE sub",
    "a file of the code": "mv sub sub2; mkdir sub; ln -s OUTSIDE/precious.txt sub/helper.py",
    "the code, dangling": "mv sub sub2; mkdir sub; ln -s OUTSIDE/owned sub/helper.py",
    "the data": "mv data elsewhere; ln -s OUTSIDE data",
    "a file of the data": "mv data x; mkdir data; ln -s OUTSIDE/precious.txt data/numbers.csv",
    "the Snakefile": "mv Snakefile x; ln -s OUTSIDE/precious.txt Snakefile",
    "Snakemake's directory": "ln -sfn OUTSIDE .snakemake",
    "Snakemake's directory, moved": "mv .snakemake x; ln -s OUTSIDE .snakemake",
    "Snakemake's metadata": "mkdir -p .snakemake; ln -s OUTSIDE .snakemake/metadata",
    "a plain name": "ln -s OUTSIDE/precious.txt loot",
    "the workspace's parent": "ln -s .. up; ln -s ../../../../outside/precious.txt far",
    "the process": "ln -s /proc/1/root/OUTSIDE through",
    "the process's directory": "rm -rf out; ln -s /proc/self/cwd out",
    "its descriptors": "rm -rf out; ln -s /proc/self/fd out",
    "what is being removed": "ln -s OUTSIDE .gone-x; ln -s OUTSIDE .view-0",
    "a log": "mkdir -p log; ln -s OUTSIDE/owned log/make.txt",
    "a log's directory": "ln -s OUTSIDE log",
    "a benchmark": "mkdir -p log; ln -s OUTSIDE/owned log/make.tsv",
    "itself": "ln -s yields.csv out/yields.csv",
}
LINKED = """
rule all:
    input: "out/yields.csv"

rule first:
    input: "attack.sh", "data/numbers.csv"
    output: "out/first.txt"
    container: config["image"]
    shell: "cat data/numbers.csv > {output}; sh attack.sh || true"

rule make:
    input: "make.py", "sub/helper.py", "out/first.txt"
    output: "out/yields.csv"
    log: "log/make.txt"
    benchmark: "log/make.tsv"
    container: config["image"]
    shell: "echo x > {log}; python3 make.py out/first.txt {output}"
"""

MADE = "mkdir -p sub2/project; touch sub2/precious.txt; "
INSTEAD: Mapping[str, str] = {
    "a linked directory": "rm -rf sub2; ln -s OUTSIDE sub2; printf 'cut\\n' > out/yields.csv",
    "a link": MADE + "ln -s OUTSIDE/precious.txt out/yields.csv",
    "a relative link": MADE + "ln -s ../../../../../outside/precious.txt out/yields.csv",
    "a link to itself": MADE + "ln -s yields.csv out/yields.csv",
    "a link inside": MADE + "echo x > out/real; ln -s real out/yields.csv",
    "the environment": MADE + "ln -s /proc/self/environ out/yields.csv",
    "a link to another output": MADE + "ln -s /work/sub2/precious.txt out/yields.csv",
    "a link to standard input": MADE + "ln -s /dev/stdin out/yields.csv",
    "a link to a terminal": MADE + "ln -s /dev/tty out/yields.csv",
    "a link to endless zeros": MADE + "ln -s /dev/zero out/yields.csv",
    "a link to memory": MADE + "ln -s /proc/self/mem out/yields.csv",
    "a link to a map of files": MADE + "ln -s /proc/self/map_files out/yields.csv",
    "a pipe": MADE + "mkfifo out/yields.csv",
    "a directory": MADE + "mkdir out/yields.csv",
    "a file in the place of its directory": MADE + "rm -rf out; echo x > out",
    "a pipe in the place of its directory": MADE + "rm -rf out; mkfifo out",
    "a file of holes": MADE + "truncate -s 2T out/yields.csv",
    "a longer file of holes": MADE + "truncate -s 7E out/yields.csv || mkdir out/yields.csv",
    "a linked directory of outputs": MADE + "rm -rf out; ln -s OUTSIDE out",
    "a device": MADE + "mknod out/yields.csv c 1 5 || mkfifo out/yields.csv",
    "a disk": MADE + "mknod out/yields.csv b 254 0 || mkfifo out/yields.csv",
    "a socket": MADE
    + "python3 -c 'import socket as s; s.socket(s.AF_UNIX).bind(\"out/yields.csv\")'",
    "nothing": MADE,
    "another case": MADE + "echo x > out/Yields.csv",
    "a name with a blank": MADE + "echo x > 'out/yields.csv '",
    "a file that nobody reads, of links": MADE + "mkdir out/yields.csv.d; ln -s .. out/yields.csv",
}
THIEF = """
rule all:
    input: "out/yields.csv"

rule honest:
    input: "data/numbers.csv"
    output: "sub2/made.txt"
    container: config["image"]
    shell: "touch {output}"

rule thief:
    input: "sub2/made.txt", "attack.sh"
    output: "sub2/precious.txt", directory("sub2/project"), "out/yields.csv"
    container: config["image"]
    shell: "sh attack.sh"
"""

WRITES: Mapping[str, str] = {
    "code in place": "echo 'raise SystemExit(0)' > make.py",
    "code appended": "echo 'raise SystemExit(0)' >> make.py",
    "code moved away": "mv sub sub3; mkdir sub; echo 'answer = 43' > sub/helper.py",
    "code replaced": "echo x > new; mv -f new make.py",
    "code copied over": "echo x > new; cp -f --remove-destination new make.py",
    "edited": "sed -i s/102/999/ data/numbers.csv; sed -i s/42/43/ sub/helper.py",
    "mode": "chmod 777 data/numbers.csv make.py",
    "owner": "chown 1:1 data/numbers.csv make.py",
    "data in place": "chmod u+w data/numbers.csv; echo all,999 > data/numbers.csv",
    "data moved away": "mv data data2; mkdir data; echo all,999 > data/numbers.csv",
    "data behind": "mv data data9; chmod 777 data9/*; echo all,999 > data9/numbers.csv",
    "a hard link": "ln data/numbers.csv hard; chmod 777 hard; echo all,999 > hard",
    "a hard link of the code": "ln -P make.py hard2 && echo x > hard2",
    "a descriptor": "exec 3<> data/numbers.csv && echo all,999 >&3",
    "a descriptor opened again": "exec 3< data/numbers.csv; echo all,999 > /proc/self/fd/3",
    "times": "touch -d 2001-01-01 data/numbers.csv make.py",
    "truncated": "truncate -s 0 data/numbers.csv make.py sub/helper.py",
    "in the middle": "printf 999 | dd of=data/numbers.csv bs=1 seek=4 conv=notrunc",
    "a hole": "fallocate -p -o 0 -l 4 data/numbers.csv",
    "mapped": "python3 -c 'import mmap, os\n"
    'f = os.open("data/numbers.csv", os.O_RDWR); mmap.mmap(f, 8)[4:7] = b"999"\'',
    "private no more": "python3 -c 'import mmap, os\n"
    'f = os.open("data/numbers.csv", os.O_RDONLY); m = mmap.mmap(f, 8, mmap.MAP_SHARED, 3)\n'
    'm[4:7] = b"999"\'',
    "an attribute": 'python3 -c \'import os\nos.setxattr("data/numbers.csv", "user.x", b"x")\'',
    "a file without a name": "python3 -c 'import os\n"
    'f = os.open("data", os.O_TMPFILE | os.O_RDWR); os.write(f, b"all,999\\n")\n'
    'os.unlink("data/numbers.csv"); os.link(f"/proc/self/fd/{f}", "data/numbers.csv")\'',
    "exchanged": "python3 -c 'import ctypes\n"
    'open("new2", "w").write("all,999\\n"); libc = ctypes.CDLL(None)\n'
    'libc.syscall(316, -100, b"new2", -100, b"data/numbers.csv", 2)\'',
    "directories exchanged": "python3 -c 'import ctypes, os\n"
    'os.mkdir("new3"); open("new3/numbers.csv", "w").write("all,999\\n")\n'
    'ctypes.CDLL(None).syscall(316, -100, b"new3", -100, b"data", 2)\'',
    "a handle": "python3 -c 'import ctypes\n"
    "libc = ctypes.CDLL(None); assert not libc.syscall(304, -100, ctypes.create_string_buffer(99), "
    "2)'",
    "removed": "rm -rf data make.py sub",
    "unmounted": "umount data/numbers.csv; umount -l data/numbers.csv",
    "remounted": "mount -o remount,rw,bind data/numbers.csv",
    "mounted over": "echo x > over; mount --bind over data/numbers.csv",
    "the process's root": "echo all,999 > /proc/1/root/work/data/numbers.csv",
    "a flag": "chattr -i data/numbers.csv; chattr +a data/numbers.csv",
}

TALK = """
import json, os, socket, sys
socket_path = sys.argv[sys.argv.index("--reprun-socket") + 1]
line = socket.socket(socket.AF_UNIX)
line.connect(socket_path)
for message in MESSAGE:
    line.sendall(message + b"\\n")
line.settimeout(5)
try:
    line.recv(1000)
except Exception:
    pass
os._exit(0)
"""
KEY = b'"[\\"first\\",{}]"'


def _plan(fields: bytes, needed: bytes = b"") -> bytes:
    return b'{"say": "plan", "steps": [{%s}], "needed": [%s]}' % (fields, needed)


STEP = b'"rule": "x", "command": "id", "container": "columnar"'
MESSAGES: Mapping[str, tuple[bytes, ...]] = {
    "a step before a plan": (b'{"say": "run", "key": %s}' % KEY,),
    "a plan of nothing": (b'{"say": "plan", "steps": [], "needed": []}',),
    "nothing planned, a step": (
        b'{"say": "plan", "steps": [], "needed": []}',
        b'{"say": "run", "key": %s}' % KEY,
    ),
    "an unknown word": (b'{"say": "shell", "command": "id"}',),
    "no word": (b"{}",),
    "a list": (b"[]",),
    "nothing": (b"",),
    "null": (b"null",),
    "deep": (b"[" * 100_000,),
    "a long number": (b'{"say": ' + b"9" * 100_000 + b"}",),
    "not text": (b"\xff\xfe",),
    "zero bytes": (b"\0" * 100,),
    "an answer": (b'{"key": null, "problem": null, "go_on": true}',),
    "a long key": (b'{"say": "run", "key": "' + b"k" * 100_000 + b'"}',),
    "a key that is a number": (b'{"say": "run", "key": 1}',),
    "a word too much": (b'{"say": "run", "key": "x", "command": "id"}',),
    "a rule above": (_plan(STEP.replace(b'"x"', b'"../../x"')),),
    "a rule of blanks": (_plan(STEP.replace(b'"x"', b'" "')),),
    "an output outside": (_plan(STEP + b', "outputs": ["/etc/x"]'),),
    "an output above": (_plan(STEP + b', "outputs": ["a/../../x"]'),),
    "an output in the place of the code": (_plan(STEP + b', "outputs": ["make.py"]'),),
    "an output that is the workspace": (_plan(STEP + b', "outputs": ["."]'),),
    "an output without a name": (_plan(STEP + b', "outputs": [""]'),),
    "a zero in an output": (_plan(STEP + b', "outputs": ["a\\u0000b"]'),),
    "an input outside": (_plan(STEP + b', "inputs": ["/etc/passwd"]'),),
    "a log outside": (_plan(STEP + b', "logs": ["/etc/x"]'),),
    "a benchmark above": (_plan(STEP + b', "benchmark": "../x"'),),
    "no threads": (_plan(STEP + b', "threads": 0'),),
    "many threads": (_plan(STEP + b', "threads": 99999999999999999999'),),
    "negative memory": (_plan(STEP + b', "memory_mb": -1'),),
    "endless time": (_plan(STEP + b', "minutes": 1e999'),),
    "no time": (_plan(STEP + b', "minutes": NaN'),),
    "another image": (_plan(STEP.replace(b"columnar", b"../../x")),),
    "twice the same": (b'{"say": "plan", "steps": [{%s}, {%s}], "needed": []}' % (STEP, STEP),),
    "a success of its own": (
        _plan(STEP + b', "outputs": ["out/yields.csv"], "touched": ["out/yields.csv"]'),
        b'{"say": "run", "key": "[\\"x\\",{}]"}',
    ),
}
ENDS: Mapping[str, str] = {
    "exit": "import os; os._exit(0)\n",
    "system exit": "import sys; sys.exit(0)\n",
    "the parent": "import os, signal; os.kill(1, 9); os.kill(os.getppid(), 9); os._exit(0)\n",
    "everybody": "import os; os.kill(-1, 9); os._exit(0)\n",
    "at the start": "onstart:\n    import os\n    os._exit(0)\n\n",
    "at the end": "onsuccess:\n    import os\n    os._exit(0)\n\nonerror:\n    os._exit(0)\n\n",
    "an executor that runs nothing": "import snakemake_executor_plugin_reprun as plugin\n"
    "plugin.Executor._run = lambda *_: None\n",
    "a caller that is always answered": "import snakemake_executor_plugin_reprun as plugin\n"
    "plugin._Caller.run = lambda *_: None\n",
    "outputs made while it is read": "import os\nos.makedirs('out', exist_ok=True)\n"
    "open('out/first.txt', 'w').write('all,102\\n')\n"
    "open('out/yields.csv', 'w').write('cut,events\\nall,102\\n')\nos._exit(0)\n",
    "outputs made, nothing needed": "import os\nos.makedirs('out', exist_ok=True)\n"
    "open('out/yields.csv', 'w').write('cut,events\\nall,102\\n')\n"
    "os.utime('out/yields.csv', (4e9, 4e9))\n"
    "import snakemake_executor_plugin_reprun as plugin\nplugin.Executor._run = lambda *_: None\n",
    "a loop of processes": "import os\nfor _ in range(300):\n    os.fork() or os._exit(0)\n"
    "os._exit(0)\n",
    "when its process ends": "import atexit, os\natexit.register(os._exit, 0)\n",
    "at an alarm": "import os, signal\nsignal.signal(signal.SIGALRM, lambda *_: os._exit(0))\n"
    "signal.setitimer(signal.ITIMER_REAL, 0.001)\n",
    "from a thread": "import os, threading\nthreading.Timer(0.001, os._exit, (0,)).start()\n",
    "by a child that goes on": "import os\nif os.fork():\n    os._exit(0)\n",
    "as another program": "import os\nos.execv('/bin/true', ['true'])\n",
    "as a program that speaks like it": "import os\nos.execv('/bin/sh', ['sh', '-c',\n"
    "    'echo 3 of 3 steps done; echo Complete log: x; exit 0'])\n",
    "by an execution of nothing": "import snakemake.workflow\n"
    "snakemake.workflow.Workflow.execute = lambda *_, **__: True\n",
    "with nothing that is needed": "import snakemake.dag\n"
    "snakemake.dag.DAG.needrun_jobs = lambda *_, **__: iter(())\n",
    "by an executor that tells no plan": "import snakemake_executor_plugin_reprun as plugin\n"
    "plugin.Executor._tell_plan = lambda *_: True\nplugin.Executor._run = lambda *_: None\n",
    "by jobs that are done at once": "import snakemake_executor_plugin_reprun as plugin\n"
    "plugin.Executor.run_job = lambda self, job: self.report_job_success(\n"
    "    plugin.SubmittedJobInfo(job=job))\n",
    "at the start, by an exception": "onstart:\n    raise SystemExit(0)\n\n",
    "by a hook for errors": "import os, sys\nsys.excepthook = lambda *_: os._exit(0)\n"
    "raise BaseException\n",
    "by Ctrl-C": "raise KeyboardInterrupt\n",
    "without descriptors": "import os\nos.closerange(0, 256)\nos._exit(0)\n",
    "by a rule of Python": "ruleorder: quick > make\n\nrule quick:\n"
    '    output: "out/yields.csv"\n'
    "    run:\n        open(output[0], 'w').write('cut,events\\nall,102\\n')\n\n",
    "by a rule without a container": "ruleorder: quick > make\n\nrule quick:\n"
    '    output: "out/yields.csv"\n'
    "    shell: \"printf 'cut,events\\\\nall,102\\\\n' > {output}\"\n\n",
    "by a local rule": "localrules: first, make\n",
    "by a command of its own": 'shell("mkdir -p out; echo all,102 > out/first.txt; "\n'
    "      \"printf 'cut,events\\\\nall,102\\\\n' > out/yields.csv; kill -9 1\")\n"
    "import os\nos._exit(0)\n",
}
ENDS_OF_HONEST_RUNS = ("at the end", "when its process ends", "by a local rule")
"""Those among them that come when every step has run: they have nothing to hide."""
STEP_ENDS: Mapping[str, str] = {
    "fails": "exit 7",
    "kills its parent": "kill -9 $PPID; exit 7",
    "kills the first process": "kill -9 1; kill -TERM 1; kill -INT 1; kill -HUP 1; exit 7",
    "kills everybody": "kill -9 -1; exit 7",
    "stops its parent": "kill -STOP $PPID; kill -9 $$",
    "kills itself": "kill -9 $$",
    "ends by a signal that means nothing": "kill -CONT $PPID; exit 7",
    "leaves a child": "(sleep 600 &) ; exit 7",
    "hides behind a session": "setsid sh -c 'sleep 600' & exit 7",
    "closes everything": "exec 1>&- 2>&- 0<&-; exit 7",
    "fakes the end of bash": "python3 -c 'import os; os.kill(os.getppid(), 15); os._exit(7)'",
    "runs out of processes": "i=0; while [ $i -lt 400 ]; do sleep 5 & i=$((i+1)); done; exit 7",
    "exits with 256": "python3 -c 'import os; os._exit(256 + 7)'; exit 7",
    "ends by no signal": "kill -0 $$; kill -64 $$; exit 7",
    "aborts": "python3 -c 'import os; os.abort()'",
    "ends with a floating point exception": "kill -FPE $$",
    "is no program": "exec /nonexistent",
    "is a directory": "exec /tmp",
    "has a syntax error": "if then fi",
    "speaks Snakemake's log": "echo '1 of 1 steps (100%) done'; echo 'Finished jobid: 0'; exit 7",
}
ENDING = """
rule all:
    input: "out/yields.csv"

rule first:
    input: "attack.sh", "data/numbers.csv"
    output: "out/yields.csv"
    container: config["image"]
    shell: "printf 'cut,events\\\\nall,102\\\\n' > {output}; sh attack.sh"
"""
