"""`raxol-sql new`: migrations, and what to begin with for a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from raxol_sql.cli.output import Output
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.config import Config, Project
from raxol_sql.errors import ConfigError, LoadError
from raxol_sql.migrations import new_migration as migration_files
from raxol_sql.migrations import new_outcomes as outcomes_files
from raxol_sql.scaffold import find_sample, queries_text, record_text, text_of_test
from raxol_sql.schema import describe


@click.group()
def new() -> None:
    """Start a new file; nothing is ever overwritten."""


@new.command("migration")
@click.argument("name", nargs=-1, required=True)
def new_migration(name: tuple[str, ...]) -> None:
    """
    Write an empty migration and its rollback, after the latest one.

    \b
    Example:
      raxol-sql new migration create notes
    """
    folder = Project.find().migrations
    for path in migration_files(folder, " ".join(name)):
        click.echo(path)


@new.command("outcomes")
def new_outcomes() -> None:
    """
    Write the migration that makes the table for commit_check='marker'.

    \b
    Example:
      raxol-sql new outcomes
    """
    for path in outcomes_files(Project.find().migrations):
        click.echo(path)


@contextmanager
def _said() -> Iterator[None]:
    """Has a table that is not there, or that nothing can be made of, be an error of usage."""
    try:
        yield
    except (LookupError, ValueError) as error:
        raise click.UsageError(str(error)) from error


_NAME = click.option("--name", metavar="CLASS", help="The record's name; else the table's.")


@new.command()
@click.argument("table")
@_NAME
def record(table: str, name: str | None) -> None:
    """
    Print an attrs class for a table, with the rules that the table has.

    Types, NOT NULL, lengths, plain CHECKs, unique and foreign keys become fields, validators and
    constraints. Nothing is written: paste it into the project's module of records and edit it.

    \b
    Examples:
      raxol-sql new record notes
      raxol-sql new record user_preferences --name UserPreferences
    """
    config = Config.find()
    with opened(config, Output("json")) as database, _said():
        click.echo(record_text(describe(database, table), name), nl=False)


@new.command()
@click.argument("table")
@_NAME
def queries(table: str, name: str | None) -> None:
    """
    Print a SQL file for a table, with a query for each function of a repo.

    Nothing is written: save it as TABLE.sql in the project's folder of queries and edit it.

    \b
    Examples:
      raxol-sql new queries notes > sql/notes.sql
    """
    config = Config.find()
    with opened(config, Output("json")) as database, _said():
        click.echo(queries_text(describe(database, table), name), nl=False)


@new.command()
@click.argument("table")
@_NAME
def test(table: str, name: str | None) -> None:
    """
    Print a test for a table's record and queries, which passes as it is.

    Its values are found by asking the table, in a transaction that is rolled back. The record is
    the one that the project's queries of the table create, if they are there. Nothing is written:
    save it where pytest finds it.

    \b
    Examples:
      raxol-sql new test notes > tests/test_notes.py
    """
    config = Config.find()
    module = config.project.records
    if module is None:
        raise click.UsageError('say where records are: [project] records = "app.records"')
    with opened(config, Output("json")) as database, _said():
        sample = find_sample(database, describe(database, table))
        known = _known_records(config.project)
        click.echo(text_of_test(sample, module, name, known), nl=False)


def _known_records(project: Project) -> dict[str, str]:
    """The names of the records that the project's queries create, by the name of their file."""
    try:
        queries = project_queries(project)
    except (ConfigError, LoadError):
        return {}  # they may not be written yet
    return {
        table: result
        for name in queries
        for table, _, verb in [name.rpartition(".")]
        if verb == "create" and (result := queries[name].definition.result)
    }
