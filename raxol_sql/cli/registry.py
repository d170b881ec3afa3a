"""`raxol-sql list`, `show` and `run`: the registry from a shell."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import attrs
import click
import psycopg

from raxol_sql import Bound, Query
from raxol_sql.cli.output import Output, columns_of, formatted, shown, values_of
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.config import Config, Project
from raxol_sql.config.config import MASK
from raxol_sql.text import Kind
from raxol_sql.text.variants import all_statements


@click.command("list")
@formatted
def list_queries(output: Output) -> None:
    """List every query: its kind, its result, how it is called, where it is written."""
    queries = project_queries(Project.find())
    found: list[Query[Any]] = [queries[name] for name in queries]
    output.table(
        ["query", "kind", "result", "arguments", "place"],
        [
            (
                query.name,
                query.kind.value,
                query.definition.result,
                query.signature[len(query.definition.name) + 1 : -1],
                query.location,
            )
            for query in found
        ],
    )


@click.command()
@click.argument("query")
@click.option("--all", "every", is_flag=True, help="Every statement that it can become.")
@formatted
def show(query: str, every: bool, output: Output) -> None:
    """
    Show a query: its documentation, and the text that is sent.

    \b
    Examples:
      raxol-sql show users.search
      raxol-sql show users.search --all
    """
    found: Query[Any] = project_queries(Project.find())[query]
    statements = list(all_statements(found.definition.template))
    if output.format == "json":
        output.json(
            {
                "query": found.name,
                "kind": found.kind.value,
                "result": found.definition.result,
                "doc": found.definition.doc,
                "place": found.location,
                "directives": attrs.asdict(found.definition.directives),
                "statements": [
                    {"text": one.text, "parameters": one.parameters} for one in statements
                ],
            }
        )
        return
    result = f" -> {found.definition.result}" if found.definition.result else ""
    output.say(f"{found.name} :{found.kind.value}{result}  {found.location}")
    if found.definition.doc:
        output.say(found.definition.doc)
    output.say(f"called as {found.signature}; {len(statements)} statements")
    for statement in statements if every else statements[:1]:
        numbered = (f"${n} = {name}" for n, name in enumerate(statement.parameters, start=1))
        output.say(f"\n{tidied(statement.text)}\n-- {', '.join(numbered) or 'no parameters'}")


@click.command()
@click.argument("query")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--null", "nulls", metavar="NAME", multiple=True, help="An argument that is NULL.")
@click.option("--write", is_flag=True, help="Allow it to change data.")
@click.option("--show-sensitive", is_flag=True, help="Do not mask the columns of @sensitive.")
@formatted
def run(
    query: str,
    arguments: tuple[str, ...],
    nulls: tuple[str, ...],
    write: bool,
    show_sensitive: bool,
    output: Output,
) -> None:
    """
    Run a query and print what it gives.

    Values are written as PostgreSQL writes them: an array is {1,2,3}. It runs in a read-only
    transaction unless --write is given. A :copy query reads stdin or writes stdout, in the format
    of its COPY.

    \b
    Examples:
      raxol-sql run users.get id=1
      raxol-sql run users.search min_age=18 sort=newest limit=10
      raxol-sql run users.create email=a@example.org name=Ann --null age --write
      raxol-sql run users.dump > users.csv
    """
    config = Config.find()
    found: Query[Any] = project_queries(config.project)[query]
    bound = found(**_arguments(found, arguments, nulls))
    # What a copy gives, and nothing else, goes to stdout.
    beside = Output("json") if found.kind is Kind.COPY else output
    with opened(config, beside) as database:
        try:
            with database.transaction(read_only=None if write else True) as transaction:
                if found.definition.copy is not None:
                    _copy(transaction, found)
                    return
                result = transaction.run(bound)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise click.UsageError(f"{found.name} changes data: give --write") from error
    _print(found, bound, result, () if show_sensitive else _sensitive(found), output)


def _arguments(
    query: Query[Any], arguments: Sequence[str], nulls: Sequence[str]
) -> dict[str, object]:
    given: dict[str, object] = dict.fromkeys(nulls)
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise click.UsageError(f"write an argument as NAME=VALUE, not {argument!r}")
        if name in given:
            raise click.UsageError(f"{name} is given twice")
        given[name] = value
    for name in query.definition.template.switches & given.keys():
        if given[name] not in ("true", "false"):
            raise click.UsageError(f"{name} is a switch: write {name}=true or {name}=false")
        given[name] = given[name] == "true"
    return given


def _copy(transaction: Any, query: Query[Any]) -> None:
    assert query.definition.copy is not None, "only for :copy queries"
    if query.definition.copy.into_server:
        count = transaction.copy(query, sys.stdin.buffer)
        click.echo(f"{count} rows", err=True)
    else:
        sys.stdout.flush()
        transaction.copy(query, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _sensitive(query: Query[Any]) -> tuple[str, ...]:
    return query.definition.directives.sensitive


def _print(
    query: Query[Any], bound: Bound[Any], result: Any, masked: tuple[str, ...], output: Output
) -> None:
    if query.kind is Kind.AFFECTED:
        output.table(["affected"], [(result,)])
        return
    if query.kind is Kind.EXEC:
        output.say("done")
        return
    records = result if query.kind is Kind.MANY else [] if result is None else [result]
    if not records:
        output.say("no rows")
        if output.format == "json":
            output.json([])
        return
    columns = columns_of(records[0])
    rows = (
        [
            MASK if name in masked else value if output.format == "json" else shown(value)
            for name, value in zip(columns, values_of(record), strict=True)
        ]
        for record in records
    )
    output.table(columns, rows)


def tidied(text: str) -> str:
    """A statement for people: without the lines that left-out blocks left blank."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
