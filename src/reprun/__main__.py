"""`reprun`: answers `--version` without importing anything heavy, else hands over to the cli."""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
"""As in `reprun.errors`, which this module does not import."""


def main() -> None:
    """Entry point of the `reprun` command."""
    _end_without_a_traceback()
    _own_packages_first()
    if sys.argv[1:] == ["--version"] and sys.stdout is not None:
        from reprun import __version__  # noqa: PLC0415 - each road imports only what it needs

        try:
            print(f"reprun {__version__}", flush=True)
        except OSError:
            pass  # the cli meets it again, and says what is wrong
        else:
            return
    try:
        from reprun.cli.main import main as run_cli  # noqa: PLC0415

        run_cli()
    finally:
        # Python takes its handlers away before it ends, and a signal would then end it in its way.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _end_without_a_traceback() -> None:
    """Let a signal end the program quietly while it is starting, and again when it is done."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # One that is ignored, as in the background of a script, stays so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(INTERRUPTED))


def _own_packages_first() -> None:
    """Let PYTHONPATH, and the directory of `python -m`, come after what reprun came with.

    Environments of experiments set it, to packages of other versions and another Python.
    """
    if sys.flags.ignore_environment:
        return
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    strange = {os.path.abspath(each) for each in named if each} | {os.getcwd()}  # noqa: PTH100, PTH109
    kept = [each for each in sys.path if os.path.abspath(each) not in strange]  # noqa: PTH100
    sys.path[:] = [*kept, *(each for each in sys.path if each not in kept)]


if __name__ == "__main__":
    main()
