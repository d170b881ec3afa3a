"""The sections of `raxol-sql --help`: every command in one of them, with its summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Develop": {
        "demo": "Run the example on a real PostgreSQL.",
        "init": "Make a new project that works.",
        "config": "Show each configuration value and its origin.",
        "server": "Control the project's embedded PostgreSQL.",
        "new": "Start a new file: migration, record, queries, test.",
        "list": "List the queries.",
        "show": "Show a query and the SQL that is sent.",
        "run": "Run a query and print its result.",
        "check": "Check every query against the live schema.",
        "explain": "Show the plan of a query, and the problems in it.",
        "validate": "Validate an input for a record, without a server.",
        "docs": "Document every query, as Markdown.",
    },
    "Migrate": {
        "setup": "Create the database and apply the migrations.",
        "migrate": "Apply the pending migrations, in order.",
        "rollback": "Roll back migrations, the last one first.",
        "migrations": "List the migrations and their states.",
        "drift": "Compare the live schema with the migrations.",
    },
    "Operate": {
        "ping": "Test the connection, step by step.",
        "diagnose": "Diagnose the database, with remedies.",
        "top": "Watch queries, sessions and locks.",
        "pool-status": "Show connection slots in use and free.",
        "metrics": "Show the server's counters of the database.",
        "deadlocks": "Show deadlocks and blocked sessions.",
        "explain-error": "Explain a SQLSTATE, and whether to retry.",
        "vacuum": "Vacuum tables.",
        "analyze": "Gather the planner's statistics of tables.",
        "reindex": "Rebuild indexes, one at a time.",
    },
}


class CommandGroups(click.Group):
    """A group of commands whose help lists them by section."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a pipe that its reader has closed is left to `main`."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # With its number, click would end the program with 1.
            raise BrokenPipeError from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with its commands, in their order, and their summaries."""
        width = max(map(len, self.commands))
        for section, summaries in SECTIONS.items():
            with formatter.section(section):
                rows = [(name.ljust(width), summary) for name, summary in summaries.items()]
                formatter.write_dl(rows)
