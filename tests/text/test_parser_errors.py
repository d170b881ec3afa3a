"""Everything that is wrong in a file is reported in one go, and hides no query."""

from __future__ import annotations

import pickle
import time

import pytest

from raxol_sql.errors import DefinitionError, LoadError
from raxol_sql.text import Source, parse
from tests.text.conftest import load, names


def wrong(text: str, *namespace: str) -> list[tuple[int | None, int | None, str, str | None]]:
    _, errors = parse(Source("sql/a.sql", text), namespace)
    return [(error.line, error.column, error.problem, error.query) for error in errors]


@pytest.mark.parametrize("quote", ["'", '"', "E'", 'U&"'])
def test_two_stray_quotes_do_not_hide_the_query_between_them(quote: str) -> None:
    stray = f"select {quote}oops\n"
    text = f"-- name: a :one\n{stray}-- name: b :one\n{stray}-- name: c :one\nselect 1\n"

    definitions, errors = parse(Source("sql/a.sql", text), ())

    assert [definition.name for definition in definitions] == ["c"]
    assert [(error.line, error.query) for error in errors] == [(2, "a"), (4, "b")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("/*? x */ select :x /*?*/", "can be left without SQL"),
        ("/*? x */ select 1 /*?*/ commit", "transaction control"),
        ("/*= s: a: rollback */ select 1 /*=*/", "transaction control"),
        ("/* hm */ /*? x */ select 1; /*?*/ ", "not closed"),
    ],
)
def test_a_statement_that_begins_with_a_block_may_stand_in_every_variant(
    body: str, problem: str
) -> None:
    _, errors = parse(Source("sql/a.sql", f"-- name: a :one\n{body}\n"), ())

    assert [error.query for error in errors] == ["a"]
    assert problem in errors[0].problem


@pytest.mark.parametrize("text", ["", "\n\n", "-- only a comment\n", "/* only\n */", " \t\f\v\r\n"])
def test_a_file_without_a_query_is_an_error_of_the_whole_file(text: str) -> None:
    _, (error,) = parse(Source("sql/a.sql", text), ())
    assert (error.problem, error.line, error.column) == ("no query in this file", None, None)
    assert str(error) == (
        "sql/a.sql: no query in this file\n    a query begins with a line -- name: NAME :KIND"
    )


def test_sql_before_the_first_query_is_an_error_where_it_begins() -> None:
    found = wrong("-- c\n/* d */ select 1;\n-- name: a :one\nselect 1")
    assert found == [(2, 9, "SQL before the first query", None)]


def test_everything_wrong_in_a_file_is_reported_in_the_order_of_its_lines() -> None:
    text = (
        "select 0;\n"
        "-- name: a-b :one\n-- @nope\n-- @timeout\nselect 1; select 2\n"
        "-- name: fine :one\nselect 1\n"
        "-- name: c :mny\n-- @null\nselect $1\n"
        "-- name: d :one\nselect /*? x */ 1\n"
        "-- name: e :one\n"
        "-- name: f :one\ncommit\n"
        "-- name: also_fine :one\nselect :x"
    )
    assert wrong(text, "ns") == [
        (1, 1, "SQL before the first query", None),
        (2, 10, "'a-b' cannot be a name", "ns.a-b"),
        (3, 4, "unknown directive @nope", "ns.a-b"),
        (4, 4, "@timeout needs more", "ns.a-b"),
        (5, 11, "a second statement in one query", "ns.a-b"),
        (8, 12, "unknown kind ':mny'; did you mean ':many'?", "ns.c"),
        (9, 4, "@null needs more", "ns.c"),
        (10, 8, "a parameter by number: $1", "ns.c"),
        (12, 8, "an optional block that is not closed", "ns.d"),
        (13, 1, "a query without SQL", "ns.e"),
        (15, 1, "transaction control in a query: commit", "ns.f"),
    ]
    assert names(text) == ["fine", "also_fine"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("body", "column", "said"),
    [
        ("select 'a", 8, "a string literal that is not closed"),
        ("select E'a\\'", 8, "a string literal that is not closed"),
        ('select "a', 8, "a quoted name that is not closed"),
        ("select $t$ a $$", 8, "a dollar-quoted string that is not closed: $t$"),
        ("select /* a /* b */", 8, "a comment that is not closed"),
        ("select 1a", 8, "a number runs into a word"),
        ("select {", 8, "'{' has no meaning in SQL here"),
        ("select : a", 8, "a colon without a parameter's name"),
    ],
)
def test_reading_goes_on_at_the_next_header(end: str, body: str, column: int, said: str) -> None:
    text = end.join(
        ["-- name: a :one", "select 1", "-- name: b :one", body, "-- name: c :one", "select 2"]
    )
    assert wrong(text) == [(4, column, said, "b")]
    assert names(text) == ["a", "c"]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_literal_that_ends_in_the_next_query_is_reported_where_it_begins(quote: str) -> None:
    text = (
        f"-- name: a :one\nselect {quote}x\n"
        f"-- name: b :one\nselect {quote}y{quote}\n"
        "-- name: c :one\nselect 1"
    )
    kind = "string" if quote == "'" else "quoted name"
    assert wrong(text) == [(2, 8, f"a {kind} that is not closed before the next query", "a")]
    assert names(text) == ["b", "c"]


def test_every_one_of_many_unclosed_queries_is_reported() -> None:
    text = "".join(f"-- name: q{i} :one\nselect /* {i}\n" for i in range(50))
    found = wrong(text)
    assert [query for _, _, _, query in found] == [f"q{i}" for i in range(50)]
    assert {problem for _, _, problem, _ in found} == {"a comment that is not closed"}


def test_an_unclosed_literal_before_the_first_query_hides_none() -> None:
    text = "'a\n-- name: a :one\nselect 1"
    assert wrong(text) == [(1, 1, "a string literal that is not closed", None)]
    assert names(text) == ["a"]


@pytest.mark.parametrize(
    ("text", "excerpt"),
    [
        (
            "-- name: a :one\n\tselect '\N{HIRAGANA LETTER A}'\t$1",
            "     2 | \tselect '\N{HIRAGANA LETTER A}'\t$1\n       | \t" + " " * 11 + "\t^",
        ),
        (
            "-- name: a :one\r\nselect 'é' {\r\n",
            "     2 | select 'é' {\n       | " + " " * 11 + "^",
        ),
        (
            "-- name: \N{HIRAGANA LETTER A} :one\nselect 1",
            "     1 | -- name: \N{HIRAGANA LETTER A} :one\n       | " + " " * 9 + "^",
        ),
    ],
)
def test_the_caret_stands_below_what_is_wrong(text: str, excerpt: str) -> None:
    _, (error,) = parse(Source("sql/a.sql", text), ())
    assert error.excerpt == excerpt


def test_the_limit_of_variants_is_an_error_at_the_header() -> None:
    blocks = "".join(f"/*? a{i} */ , :a{i} /*?*/" for i in range(9))
    text = f"-- name: q :one\nselect 1 {blocks}"
    assert wrong(text) == [(1, 1, "more than 256 variants", "q")]
    assert len(load(text.replace("\n", "\n-- @max-variants 512\n", 1))) == 1


def test_errors_of_a_file_pickle_together() -> None:
    _, errors = parse(Source("sql/a.sql", "select\n-- name: a :x\n$1"), ("ns",))
    error = LoadError(errors)
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert str(copy).startswith(f"{len(errors)} errors in SQL files\nsql/a.sql:1:1: SQL before")
    assert [vars(each) for each in copy.errors] == [vars(each) for each in errors]
    assert all(isinstance(each, DefinitionError) for each in copy.errors)


def test_a_thousand_wrong_queries_are_all_reported_in_a_moment() -> None:
    started = time.process_time()
    found = wrong("".join(f"-- name: q{i} :one\nselect /* $a{i}$ '\n" for i in range(1000)))
    assert len(found) == 1000
    assert time.process_time() - started < 10


def test_a_header_in_capitals_is_an_error_and_hides_no_query() -> None:
    text = "-- name: a :one\nselect 1\n-- Name: b :one\nselect 2\n"

    definitions, errors = parse(Source("sql/a.sql", text), ())

    assert [definition.name for definition in definitions] == ["a"]
    assert [(error.line, error.problem) for error in errors] == [
        (3, "a header with capital letters")
    ]
