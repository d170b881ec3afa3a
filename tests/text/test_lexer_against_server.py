"""
The lexer and the server: texts put together from literals whose values are known beforehand.

Each expression that a strategy writes knows its own value and its own parameters. The server
prepares the select list that they make, must find the parameters that we found, and must give
the values back. One round trip prepares and runs many expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.variants import Statement, statement
from tests.text.expressions import EXPRESSIONS, SPACES, Written, value_of


@pytest.fixture(scope="module")
def connection(server_conninfo: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(server_conninfo, autocommit=True) as connection:
        yield connection


def expand(body: str) -> Statement:
    definitions, errors = parse(Source("q.sql", f"-- name: q :many\n{body}"), ())
    assert not errors, str(errors[0])
    return statement(definitions[0].template, (), {})


def run(connection: psycopg.Connection[tuple[Any, ...]], expanded: Statement) -> list[str | None]:
    """
    The values of the one row, as text.

    Prepares by the protocol's own messages, so that nothing but the server reads the text.
    """
    pg = connection.pgconn
    prepared = pg.prepare(b"", expanded.text.encode())
    assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, (
        f"{prepared.error_message.decode()} in {expanded.text}"
    )
    described = pg.describe_prepared(b"")
    assert described.nparams == len(expanded.parameters), expanded.text
    values = [value_of(name).encode() for name in expanded.parameters]
    result = pg.exec_prepared(b"", values)
    assert result.status == psycopg.pq.ExecStatus.TUPLES_OK, (
        f"{result.error_message.decode()} in {expanded.text}"
    )
    row = [result.get_value(0, column) for column in range(result.nfields)]
    return [value.decode() if value is not None else None for value in row]


@given(st.lists(st.tuples(SPACES, EXPRESSIONS, SPACES), min_size=1, max_size=12))
@settings(deadline=None, max_examples=100)
def test_the_server_finds_our_parameters_and_gives_the_literals_back(
    connection: psycopg.Connection[tuple[Any, ...]], columns: list[tuple[str, Written, str]]
) -> None:
    listed = ",".join(f"{before}{written.sql}{after}" for before, written, after in columns)
    expanded = expand(f"select {listed}")
    names = dict.fromkeys(name for _, written, _ in columns for name in written.parameters)
    assert expanded.parameters == tuple(names)
    assert run(connection, expanded) == [written.value for _, written, _ in columns]


def test_a_statement_shows_its_parameters_in_the_server_s_own_list(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    expanded = expand("select :b::int, :a::text, :b + 1, '12:30', $$:c$$, :'a' || ':d'")
    connection.execute(b"prepare listed as " + expanded.text.encode())
    try:
        row = connection.execute(
            "select parameter_types::text from pg_prepared_statements where name = 'listed'"
        ).fetchone()
    finally:
        connection.execute("deallocate listed")
    assert expanded.parameters == ("b", "a")
    assert row == ("{integer,text}",)


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ("select 'abc' LIKE 'a%', :x::text", ["t", value_of("x")]),
        ("select 10 % length(:x::text)", ["10"]),
        ("select :x::text -- it's :y", [value_of("x")]),
        ("select (array[1,2,3])[1:2], :x::text", ["{1,2}", value_of("x")]),
        ("select $$ :y $$, :x::text", [" :y ", value_of("x")]),
        ("select E'it\\'s :y', :x::text", ["it's :y", value_of("x")]),
        ("select '12:30', :x::text", ["12:30", value_of("x")]),
        ("select :x::text", [value_of("x")]),
        ("select '{\"a\": 1}'::jsonb ? 'a', '{}'::jsonb ? :x", ["t", "f"]),
        ("select /* a /* :y */ b */ :x::text", [value_of("x")]),
    ],
)
def test_the_ten_texts_that_mislead_other_lexers_have_x_as_their_only_parameter(
    connection: psycopg.Connection[tuple[Any, ...]], body: str, row: list[str]
) -> None:
    expanded = expand(body)
    assert expanded.parameters == ("x",)
    assert run(connection, expanded) == row


@pytest.mark.parametrize(
    ("body", "parameters", "row"),
    [
        ("select 'a' -- b's\n 'c', E'a\\''  -- '\n\t'b\\''", (), ["ac", "a'b'"]),
        ("select 1\vas\fa, 2\ras b", (), ["1", "2"]),
        ("select \N{NO-BREAK SPACE} from (select 3 as \N{NO-BREAK SPACE}) s", (), ["3"]),
        ("select 1 as \N{NO-BREAK SPACE}", (), ["1"]),
        ("select 1 -- a\r+ 1", (), ["2"]),
        ("select größe from (select 1 größe) s", (), ["1"]),
        ("select json_object(:x::text : 1)->>:x", ("x",), ["1"]),
        ("select json_object('a':(array[1,2])[2:2])", (), ['{"a" : [2]}']),
        ("select make_interval(days=>:x::text::varchar::text = '' and 1 = 1)", ("x",), []),
        ("select (array[5,6,7])[case when :x::text = '' then 1 else 2 end:2]", ("x",), ["{6}"]),
        ("select (array[5,6])[1 operator(pg_catalog.+) length(:x) - length(:x)]", ("x",), ["5"]),
        ("select (array['a','b'])[:x::text::name = '' or 1 = 1]", ("x",), []),
        ("select 1 operator(pg_catalog.+) 2", (), ["3"]),
        ("select (array[array[1,2],array[3,4]])[2:2][1:1]", (), ["{{3}}"]),
        ("select (array[(array[1,2])[2:2],(array[3,4])[1:1]])[1:][1:]", (), ["{{2},{3}}"]),
        ("select ('{1,2,3}'::int[])[2:], ('{1,2,3}'::int[])[:2]", (), ["{2,3}", "{1,2}"]),
    ],
)
def test_the_server_reads_an_edge_as_we_do(
    connection: psycopg.Connection[tuple[Any, ...]],
    body: str,
    parameters: tuple[str, ...],
    row: list[str],
) -> None:
    expanded = expand(body)
    assert expanded.parameters == parameters
    if row:
        assert run(connection, expanded) == row


@pytest.mark.parametrize(
    "body",
    [
        "set session transaction isolation level serializable",
        "set local session characteristics as transaction isolation level serializable",
        "set session session characteristics as transaction read only",
    ],
)
def test_the_long_forms_of_transaction_control_are_real(
    connection: psycopg.Connection[tuple[Any, ...]], body: str
) -> None:
    connection.execute(body.encode())
    connection.execute("reset all")
    _, errors = parse(Source("q.sql", f"-- name: q :exec\n{body}"), ())
    assert [error.problem for error in errors] == ["transaction control in a query: set"]


def test_the_server_refuses_what_we_call_not_closed(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> None:
    for body in ["select 'a'\n'b", "select E'a'\n'b\\' ", "select E'a' -- c\n '\\' "]:
        with pytest.raises(psycopg.errors.SyntaxError, match="unterminated quoted string"):
            connection.execute(body.encode())
        _, errors = parse(Source("q.sql", f"-- name: q :exec\n{body}"), ())
        assert [error.problem for error in errors] == ["a string literal that is not closed"]
