"""`raxol-sql list`, `show` and `run`: the registry from a shell."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import click
import psycopg

from raxol_sql import BoundQuery, Database, Queries, Query, Transaction
from raxol_sql.cli.failure import FAILED
from raxol_sql.cli.output import Output, formatted, pairs_of
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.config import Config, Project
from raxol_sql.config.passwords import MASK
from raxol_sql.migrations import server_lost
from raxol_sql.text import CopyShape, Kind, writes
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
    found = named_query(project_queries(Project.find()), query)
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
    count = "1 statement" if len(statements) == 1 else f"{len(statements)} statements"
    output.say(f"called as {found.signature}; {count}")
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

    Values are written as PostgreSQL writes them: an array is {1,2,3}. Without --write a query that
    changes data is refused, and every other one runs in a transaction that is read-only at the
    server. A :copy query reads stdin or writes stdout, in the format of its COPY.

    \b
    Examples:
      raxol-sql run users.get id=1
      raxol-sql run users.search min_age=18 sort=newest limit=10
      raxol-sql run users.create email=a@example.org name=Ann --null age --write
      raxol-sql run users.dump > users.csv
    """
    config = Config.find()
    found = named_query(project_queries(config.project), query)
    bound = found(**arguments_of(found, arguments, nulls))
    if not write and _may_change(found, bound):
        raise click.UsageError(f"{found.name} changes data: give --write")
    masked = () if show_sensitive else found.definition.directives.sensitive
    if found.kind is Kind.COPY:
        if output.format == "json":
            raise click.UsageError(f"{found.name} is a :copy query, whose format COPY decides")
        if masked:
            raise click.UsageError(f"{found.name} has sensitive columns: give --show-sensitive")
    # What a copy gives, and nothing else, goes to stdout.
    beside = Output("json") if found.kind is Kind.COPY else output
    with opened(config, beside) as database, discreet(found, masked):
        if write:
            result = _result(database, found, bound)
        else:
            try:
                with database.transaction(read_only=True) as transaction:
                    result = _result(transaction, found, bound)
            except psycopg.errors.ReadOnlySqlTransaction as error:
                raise click.UsageError(f"{found.name} changes data: give --write") from error
    if found.kind is not Kind.COPY:
        _print(found, result, masked, output)


def named_query(queries: Queries, name: str) -> Query[Any]:
    """The query of that name; a namespace, or a name that does not exist, is wrong use."""
    found = queries[name]
    if isinstance(found, Query):
        return found
    raise click.UsageError(f"{name} is a namespace; its queries are {', '.join(found)}")


def _may_change(query: Query[Any], bound: BoundQuery[Any]) -> bool:
    """Whether a query is there to change something, as its kind or its text says."""
    copy = query.definition.copy
    is_for_it = query.kind in (Kind.AFFECTED, Kind.EXEC) or (copy is not None and copy.into_server)
    return is_for_it or writes(bound.statement.text)


class _Withheld(click.ClickException):
    """A statement failed, and what the server says of it may show what is sensitive."""

    exit_code = FAILED


@contextmanager
def discreet(query: Query[Any], masked: tuple[str, ...]) -> Iterator[None]:
    """Keeps the server's words back where they may quote a sensitive value."""
    try:
        yield
    except psycopg.Error as error:
        if not masked or server_lost(error):
            raise
        raise _Withheld(
            f"{query.name}: {type(error).__name__} (SQLSTATE {error.sqlstate}); the server's words "
            "may quote what is sensitive: see them with --show-sensitive"
        ) from error


def _result(runner: Database | Transaction, query: Query[Any], bound: BoundQuery[Any]) -> Any:
    if query.definition.copy is not None:
        return _copy(runner, query, query.definition.copy)
    return runner.run(bound)


def arguments_of(
    query: Query[Any], arguments: Sequence[str], nulls: Sequence[str]
) -> dict[str, object]:
    """What was written as NAME=VALUE, or named as a null, by name; raises UsageError."""
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


def _copy(runner: Database | Transaction, query: Query[Any], shape: CopyShape) -> None:
    if shape.into_server:
        if sys.stdin is None:
            raise click.UsageError(f"{query.name} reads its rows from stdin, and that is closed")
        count = runner.copy(query, sys.stdin.buffer)
        click.echo(f"{count} rows", err=True)
    elif isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.flush()
        runner.copy(query, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _print(query: Query[Any], result: Any, masked: tuple[str, ...], output: Output) -> None:
    if query.kind is Kind.AFFECTED:
        output.table(["affected"], [(result,)])
        return
    if query.kind is Kind.EXEC:
        output.say("done")
        if output.format == "json":
            output.json(None)
        return
    records = result if query.kind is Kind.MANY else [] if result is None else [result]
    if not records:
        output.say("no rows")
        if output.format == "json":
            output.json([])
        return
    # A scalar is the one column there is.
    hidden = masked and query.is_scalar
    rows = [
        [MASK if hidden else _hidden(name, value, masked) for name, value in pairs_of(record)]
        for record in records
    ]
    output.table([name for name, _ in pairs_of(records[0])], rows)


def _hidden(column: str, value: object, masked: tuple[str, ...]) -> object:
    """A value with everything in it masked that is called sensitive, as `"a.b"` in a record."""
    if column in masked:
        return MASK
    inner = tuple(name.removeprefix(f"{column}.") for name in masked if name.startswith(column))
    if inner and attrs.has(type(value)):
        return {name: _hidden(name, part, inner) for name, part in pairs_of(value)}
    return value


def tidied(text: str) -> str:
    """A statement for people: without the lines that left-out blocks left blank."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
