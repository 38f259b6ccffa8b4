"""`reprun`: answers `--version` without importing anything heavy, else hands over to the cli."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `reprun` command."""
    if sys.argv[1:] == ["--version"]:
        from reprun import __version__  # noqa: PLC0415 - each road imports only what it needs

        print(f"reprun {__version__}")
        return
    from reprun.cli.main import main as run_cli  # noqa: PLC0415

    run_cli()


if __name__ == "__main__":
    main()
