"""`raxol-sql new record`, `new queries` and `new test`: what to begin with for a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click

from raxol_sql.cli.migrate import new
from raxol_sql.cli.output import Output
from raxol_sql.cli.project import opened
from raxol_sql.config import Config
from raxol_sql.schema import describe
from raxol_sql.starters import find_sample, queries_text, record_text, text_of_test


@contextmanager
def _said() -> Iterator[None]:
    """Has a table that is not there, or that nothing can be made of, be an error of usage."""
    try:
        yield
    except (LookupError, ValueError) as error:
        raise click.UsageError(str(error)) from error


new_starters = new
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

    Its values are found by asking the table, in a transaction that is taken back. Nothing is
    written: save it where pytest finds it.

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
        click.echo(text_of_test(sample, module, name), nl=False)
