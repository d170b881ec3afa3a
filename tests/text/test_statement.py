"""What may stand as the one statement of a query."""

from __future__ import annotations

import pytest

from raxol_sql.errors import DefinitionError
from raxol_sql.text.definition import Definition
from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.variants import statement


def load(body: str, kind: str = "exec") -> Definition:
    definitions, errors = parse(Source("q.sql", f"-- name: q :{kind}\n{body}"), ())
    assert not errors, str(errors[0])
    return definitions[0]


def text_of(body: str) -> str:
    return statement(load(body).template, (), {}).text


def refused(body: str, kind: str = "exec") -> DefinitionError:
    definitions, errors = parse(Source("q.sql", f"-- name: q :{kind}\n{body}"), ())
    assert not definitions
    assert len(errors) == 1, errors
    assert errors[0].query == "q"
    return errors[0]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("select 1", "select 1"),
        ("select 1;", "select 1"),
        ("select 1 ; ; -- done\n /* really */ ;\n", "select 1"),
        ("\n\n  select 1 -- one\n;", "select 1 -- one"),
        ("/*====*/ select 1 /*-*/ /*?-?*/", None),
        ("select ';', $$;$$, \"a;\" /* ; */ -- ;\n", "select ';', $$;$$, \"a;\" /* ; */ -- ;"),
        ("create rule r as on insert to t do (select 1; select 2)", None),
        ("create rule r as on insert to t do also (select 1; select 2);", None),
        ("create function f() returns int begin atomic select 1; select 2; end", None),
        ("create function f() returns int begin atomic select 1; select 2; end;", None),
        ("create or replace procedure p() begin atomic insert into t values (1); end;", None),
        (
            "create function f() returns int begin atomic select case when true then 1 end;"
            " select case when true then 2 end; end;",
            None,
        ),
        ("CREATE /* c */ FUNCTION f(a int) RETURNS int BEGIN ATOMIC SELECT 1; END", None),
        ("create function f() returns int language plpgsql as $$ begin; end; $$;", None),
        ("do $$ begin perform 1; end $$", None),
        ("set local statement_timeout = 1", None),
        ("prepare p as select 1", None),
        ("declare c cursor for select 1", None),
        ("select begin from rollback", None),
        ('"begin"', None),
    ],
)
def test_a_query_is_one_statement_without_its_semicolon(body: str, text: str | None) -> None:
    assert text_of(body) == (body.rstrip(";") if text is None else text)


@pytest.mark.parametrize(
    ("body", "line", "column"),
    [
        ("select 1; select 2", 2, 11),
        ("select 1;\n\n  /* c */ select 2;", 4, 11),
        ("create rule r as on insert to t do (select 1); select 2", 2, 48),
        ("create function f() begin atomic select 1; end; select 2", 2, 49),
        ("select begin from t; select 2", 2, 22),
        ("create table begin (a int); select 1", 2, 29),
        ("(select 1)); select 2", 2, 14),
    ],
)
def test_a_second_statement_is_refused_where_it_begins(body: str, line: int, column: int) -> None:
    error = refused(body)
    assert (error.problem, error.line, error.column) == (
        "a second statement in one query",
        line,
        column,
    )
    assert "its own header" in error.remedy


@pytest.mark.parametrize(
    "body", ["", "\n\n", "-- only words\n", "/* only words */", ";", "-- a\n;\n", "/* a */;"]
)
def test_a_query_without_sql_is_refused(body: str) -> None:
    error = refused(body)
    assert error.problem == "a query without SQL"
    assert error.remedy == "write its statement below the header"
    assert error.line in (1, 2, 3)


@pytest.mark.parametrize(
    "body",
    [
        "begin",
        "begin work isolation level serializable",
        "BEGIN;",
        "start transaction read only",
        "commit",
        "commit and chain",
        "commit prepared 'a'",
        "end",
        "rollback",
        "rollback to savepoint a",
        "rollback prepared 'a'",
        "abort",
        "savepoint a",
        "release a",
        "prepare transaction 'a'",
        "set transaction isolation level serializable",
        "set transaction snapshot 'a'",
        "set local transaction read only",
        "set session transaction read only",
        "set session characteristics as transaction read only",
        "set local session characteristics as transaction read only",
        "set session session characteristics as transaction read only",
        "/* c */ -- d\n Commit",
        "/*? x */ commit /*?*/",
    ],
)
def test_transaction_control_is_refused_in_all_its_forms(body: str) -> None:
    error = refused(body)
    assert error.problem.startswith("transaction control in a query: ")
    assert "db.transaction()" in error.remedy


def test_transaction_control_is_refused_at_its_first_word() -> None:
    error = refused("/* c */\n  set /* d */ transaction read only")
    assert (error.problem, error.line, error.column) == (
        "transaction control in a query: set",
        3,
        3,
    )
