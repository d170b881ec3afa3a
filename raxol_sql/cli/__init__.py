"""The command line: one file for each group of commands, and thin as the library allows."""

from raxol_sql.cli.app import main

__all__ = ["main"]
