"""Every environment variable that reprun reads: one table, from which docs/environment.md is made.

A test holds that no module reads a variable that is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["where things are", "REANA", "of other programs", "how output looks"]


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: what it means, and what holds where it is not set."""

    name: str
    group: Group
    meaning: str
    default: str = ""
    """In words; empty where nothing takes its place."""
    option: str = ""
    """What `--verbose` calls it: the option it stands behind, or a name of its own."""
    secret: bool = False
    """Its value is never printed or written."""


VARIABLES = (
    Variable(
        "REPRUN_PROJECT",
        "where things are",
        "Directory of the project: the one with `reprun.toml`.",
        "the nearest such directory from here upwards",
        option="project",
    ),
    Variable(
        "REPRUN_RESULTS",
        "where things are",
        "Directory for workspaces, records and reports. `--results` takes precedence.",
        "`results` in the project",
        option="results",
    ),
    Variable(
        "REPRUN_STORE",
        "where things are",
        "Directory of the store: images, data and conditions by digest.",
        "`$XDG_CACHE_HOME/reprun`",
        option="store",
    ),
    Variable(
        "XDG_CACHE_HOME",
        "where things are",
        "Directory of caches, where the store is unless `REPRUN_STORE` is set.",
        "`~/.cache`",
    ),
    Variable(
        "REPRUN_MIRRORS",
        "where things are",
        "Directories and URLs that are tried first for data, packages and wheels, separated by "
        "blanks.",
        option="mirrors",
    ),
    Variable(
        "REPRUN_DEBIAN_MIRROR",
        "where things are",
        "Base URLs of Debian archives, separated by blanks: what precedes `pool/`. "
        "`--debian-mirror` takes precedence.",
        "those that apt of this system uses",
        option="debian-mirror",
    ),
    Variable(
        "REPRUN_PORTAL",
        "where things are",
        "Base URL of the open-data portal from which `reprun data import-record` reads records.",
        "`https://opendata.cern.ch`",
        option="portal",
    ),
    Variable(
        "REPRUN_REGISTRY_LOGIN",
        "where things are",
        "`USER:PASSWORD@HOST` for a container registry that requires a login, sent to it alone.",
        option="registry-login",
        secret=True,
    ),
    Variable(
        "REANA_SERVER_URL",
        "REANA",
        "Address of the REANA server. `--server` takes precedence.",
        option="server",
    ),
    Variable(
        "REANA_ACCESS_TOKEN",
        "REANA",
        "Your token on that server. It is taken out of the environment before anything is started.",
        option="token",
        secret=True,
    ),
    Variable(
        "REANA_SERVER_CA_CERTS",
        "REANA",
        "File of certificates with which the server is verified.",
        "those of this system",
    ),
    Variable(
        "REPRUN_REANA_TIMEOUT",
        "REANA",
        "Timeout of one response of the server, in seconds.",
        "120",
    ),
    Variable(
        "REPRUN_REANA_PYTHON",
        "REANA",
        "Python interpreter with reana-commons 0.95 or newer, whose parser then reads the tests of "
        "a REANA project.",
        "reprun's own reader",
    ),
    Variable(
        "PYTHONPATH",
        "of other programs",
        "Directories of Python packages: searched after those that reprun came with.",
    ),
    Variable(
        "DOCKER_HOST",
        "of other programs",
        "Address of the Docker daemon or Podman socket.",
        "`unix:///var/run/docker.sock`",
        option="docker-host",
    ),
    Variable(
        "REGISTRY_AUTH_FILE",
        "of other programs",
        "File with the logins of `podman login`, read first.",
    ),
    Variable(
        "DOCKER_CONFIG",
        "of other programs",
        "Directory of `config.json` with the logins of `docker login`.",
        "`~/.docker`",
    ),
    Variable(
        "XDG_RUNTIME_DIR",
        "of other programs",
        "Where Podman keeps logins until the session ends.",
        "`/run/containers/UID`",
    ),
    Variable(
        "XDG_CONFIG_HOME",
        "of other programs",
        "Where Podman keeps logins that last.",
        "`~/.config`",
    ),
    Variable(
        "PIP_FIND_LINKS",
        "of other programs",
        "Ignored when wheels are fetched, as the only setting of pip: only an index has what a "
        "lock names.",
    ),
    Variable("PATH", "of other programs", "Where runc, apt-get, uv, xrdcp and others are found."),
    Variable("HOME", "of other programs", "What `~` stands for."),
    Variable("TMPDIR", "of other programs", "Where temporary files are made.", "`/tmp`"),
    Variable("LANG", "of other programs", "Passed on to reana-client."),
    Variable("LC_ALL", "of other programs", "Passed on to reana-client."),
    Variable("SSL_CERT_FILE", "of other programs", "Certificates for TLS.", "those of this system"),
    *(
        Variable(name, "of other programs", "Proxies for connections to servers.")
        for name in (
            *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
            *("http_proxy", "https_proxy", "no_proxy"),
        )
    ),
    Variable(
        "XRD_CONNECTIONWINDOW",
        "of other programs",
        "Timeout of a connection of xrdcp, in seconds.",
        "10",
    ),
    Variable(
        "XRD_CONNECTIONRETRY", "of other programs", "Number of connections that xrdcp tries.", "1"
    ),
    Variable(
        "XRD_STREAMERRORWINDOW", "of other programs", "Seconds after which xrdcp gives up.", "10"
    ),
    Variable(
        "XRD_REQUESTTIMEOUT",
        "of other programs",
        "Timeout of a request of xrdcp, in seconds.",
        "60",
    ),
    Variable(
        "COLUMNS",
        "how output looks",
        "Width of tables and lines, 60 to 200.",
        "the terminal's; 100 in a pipe",
    ),
    Variable("NO_COLOR", "how output looks", "If set, nothing is coloured."),
    Variable("FORCE_COLOR", "how output looks", "If set, output is coloured in a pipe as well."),
)

PAGE_HEAD = """\
# Environment variables

<!-- made by tools/schemas.py from src/reprun/cli/environment.py; edit the table there -->

What reprun reads from its environment. An option of the command line is always stronger than a
variable; `reprun --verbose run NAME` shows which of them each value came from.
"""


def page() -> str:
    """Return docs/environment.md."""
    lines = [PAGE_HEAD.rstrip("\n")]
    for group in dict.fromkeys(variable.group for variable in VARIABLES):
        lines += ["", f"## {group[0].upper()}{group[1:]}", ""]
        lines += ["| variable | meaning | default |", "|---|---|---|"]
        for one in VARIABLES:
            if one.group == group:
                secret = " Never printed or written." if one.secret else ""
                lines.append(f"| `{one.name}` | {one.meaning}{secret} | {one.default or 'none'} |")
    return "\n".join(lines) + "\n"
