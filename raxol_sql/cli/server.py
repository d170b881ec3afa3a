"""`raxol-sql config` and `server`: where the database is, and the embedded server."""

from __future__ import annotations

from pathlib import Path

import click

from raxol_sql import embedded
from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, formatted
from raxol_sql.config import Config, Project


@click.command()
@formatted
def config(output: Output) -> None:
    """
    Show every configuration value and where it comes from; secrets are masked.

    Where DATABASE_URL and a RAXOL_DB_* variable say different things, that is told on stderr.
    """
    found = Config.find()
    file = found.project.file or "no raxol_sql.toml here or above"
    output.say(f"environment {found.environment}, {file}")
    output.table(["key", "value", "origin"], found.describe())
    for conflict in found.conflicts:
        click.echo(conflict, err=True)


@click.group()
def server() -> None:
    """
    The project's embedded PostgreSQL server, for development and tests.

    It lives in the folder .raxol of the project, listens on a Unix socket only, and runs until it
    is stopped.
    """


@server.command()
@formatted
def start(output: Output) -> None:
    """Start it, if it does not run yet."""
    _show(embedded.start(_project()), output)


@server.command()
@formatted
def stop(output: Output) -> None:
    """Stop it, if it runs."""
    stopped = embedded.stop(_project())
    output.say("stopped" if stopped else "was not running")
    if output.format == "json":
        output.json({"stopped": stopped})


@server.command()
@formatted
def status(output: Output) -> None:
    """Show whether it runs; exit 1 if not."""
    running = embedded.status(_project())
    if running is None:
        output.say("not running")
        if output.format == "json":
            output.json([])
        raise click.exceptions.Exit(FINDINGS)
    _show(running, output)


def _show(running: embedded.Server, output: Output) -> None:
    output.table(
        ["version", "pid", "started", "PGHOST", "PGPORT", "PGUSER", "data", "log"],
        [
            (
                running.version,
                running.pid,
                running.started.isoformat(timespec="seconds"),
                running.host,
                running.port,
                "postgres",
                running.data,
                running.log,
            )
        ],
    )


def _project() -> Path:
    return Project.find().root
