"""The command line: one file for each group of commands, and thin as the library allows."""

from __future__ import annotations

import sys
from typing import NoReturn

USAGE = 2
_EXTRA = ("click", "rich", "yoyo")


def main() -> NoReturn:
    """Run the command line and end the process; without its libraries, name their extra."""
    try:
        from raxol_sql.cli.app import main as run
    except ImportError as error:
        name = (error.name or "").partition(".")[0]
        if name not in _EXTRA:
            raise
        message = f'error: {name} is not installed. Run: pip install "raxol_sql[cli]"\n'
        if sys.stderr is not None:
            sys.stderr.write(message)
        sys.exit(USAGE)
    run()


__all__ = ["main"]
