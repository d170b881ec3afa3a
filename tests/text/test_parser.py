"""Files to definitions: sections, headers, documentation, and the time that it takes."""

from __future__ import annotations

import pickle
import time

import pytest

from raxol_sql.text import Definition, Directives, Kind, Source, parse
from raxol_sql.text.variants import statement
from tests.text.conftest import load


def text_of(definition: Definition) -> str:
    return statement(definition.template, (), {}).text


def test_a_file_is_its_queries_with_all_that_is_written_about_them() -> None:
    first, second = load(
        "-- The users.\n\n"
        "-- name: search :many -> User\n"
        "-- @timeout 2s\n"
        "-- Users by any filter:\n"
        "--   - email\n"
        "-- @idempotent\n"
        "--\n"
        "-- In no order.\n"
        "select * from users -- all\nwhere email = :email;\n"
        "\n  -- name: touch :affected\nupdate users set a = 1\n",
        "billing",
        "users",
    )
    assert first.qualified_name == "billing.users.search"
    assert first.location == "sql/a.sql:3"
    assert (first.kind, first.result) == (Kind.MANY, "User")
    assert first.directives == Directives(idempotent=True, timeout=2000)
    assert first.doc == "Users by any filter:\n  - email\n\nIn no order."
    assert first.template.parameters == {"email"}
    assert text_of(first) == "select * from users -- all\nwhere email = $1"
    assert (second.name, second.kind, second.doc) == ("touch", Kind.AFFECTED, "")
    assert text_of(second) == "update users set a = 1"


@pytest.mark.parametrize(
    ("comments", "doc"),
    [
        ("", ""),
        ("--\n", ""),
        ("-- a\n", "a"),
        ("--a\n--  b\n", "a\n  b"),
        ("-- a\n\n-- b\n", "a\nb"),
        ("-- a\r\n-- b\r\n", "a\nb"),
        ("-- a -- b @c\n", "a -- b @c"),
        ("-- it's /* :x $$\n", "it's /* :x $$"),
    ],
)
def test_comment_lines_below_the_header_are_the_documentation(comments: str, doc: str) -> None:
    (definition,) = load(f"-- name: q :one\n{comments}select 1 -- not this\n-- nor this\n")
    assert definition.doc == doc


def test_a_block_comment_ends_the_documentation_and_belongs_to_the_statement() -> None:
    (definition,) = load("-- name: q :one\n-- a\n/* b */\n-- @c\nselect 1")
    assert definition.doc == "a"
    assert text_of(definition) == "/* b */\n-- @c\nselect 1"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_ends_and_a_mark_give_the_same_queries(end: str) -> None:
    lines = ["-- name: a :one", "-- doc", "select :x,", "  'p", "q'", "-- name: b :exec", "do ''"]
    data = b"\xef\xbb\xbf" + end.join(lines).encode()
    first, second = load(Source.decode("sql/a.sql", data).text)
    assert (first.name, first.line, first.doc) == ("a", 1, "doc")
    assert (second.name, second.line) == ("b", 6)
    assert text_of(first) == f"select $1,{end}  'p{end}q'"


@pytest.mark.parametrize(
    "text",
    [
        "-- name: a :one\nselect 1 -- name: b :one\n",
        "-- name: a :one\nselect ' -- name: b :one\n'",
        "-- name: a :one\nselect $$\n-- name: b :one\n$$",
        "-- name: a :one\n/*\n-- name: b :one\nselect 2\n*/ select 1",
    ],
)
def test_a_header_in_a_literal_a_comment_or_behind_sql_is_none(text: str) -> None:
    assert [definition.name for definition in load(text)] == ["a"]


def test_a_statement_may_begin_with_a_choice() -> None:
    (query,) = load("-- name: a :one\n/*= s: a: select 1, :x */ select 2 /*=*/\n")

    assert query.template.choices == {"s": ("a",)}


def test_definitions_pickle_and_compare() -> None:
    text = "-- name: q :one\nselect :a /*? b */ , :b /*?*/ /*= s: k: v */ w /*=*/"
    definition = load(text)[0]
    assert pickle.loads(pickle.dumps(definition)) == definition == load(text)[0]


HUGE = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "'" * HUGE,
        "'" * (HUGE + 1),
        "/*" * HUGE,
        "/*? a */" * HUGE,
        "/*? a */ , :a /*?*/" * (HUGE // 10),
        "".join(f"/*? a{i} */ , :a{i} /*?*/" for i in range(HUGE // 20)),
        "".join(f"/*= a{i}: b: c */ , :b{i} /*=*/" for i in range(HUGE // 20)),
        "/*?*/" * HUGE,
        "/*= a: " + "b: c |" * HUGE + "*/ /*=*/",
        "/*= a: " + "".join(f"b{i}: c |" for i in range(HUGE // 5)) + "z: 1 */ /*=*/",
        "/*? a" + " " * HUGE + "! */ /*?*/",
        "/*? " + "a," * HUGE + " */ /*?*/",
        "/*=" + " " * HUGE + "*/",
        "/*=" + "a" * HUGE + "*/",
        "a " * (HUGE * 5),
        ":a " * HUGE,
        ";" * HUGE,
        "(" * HUGE + ";" * HUGE,
        "create function a " + "begin atomic case ; end " * (HUGE // 5),
        "1 -- " + "x" * (HUGE * 10),
        "1\n" + "-- name\n" * HUGE,
        "1\n" + " " * (HUGE * 10) + "-- name:",
        "'" + ("\n" + " " * 100) * (HUGE // 10),
        "1\n-- name: a\n-- @" + "x" * HUGE,
        "1\n-- name: a :" + "one" * HUGE,
        "1\n-- name: " + "a-" * HUGE + " :one",
        "1\n-- name: b :one\n" + "-- @null a\n" * (HUGE // 10),
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_pathological_file_is_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    definitions, errors = parse(Source("a.sql", f"-- name: q :one\nselect {text}"), ())
    assert definitions or errors
    assert time.process_time() - started < 5


def test_a_thousand_queries_are_read_in_a_moment() -> None:
    query = (
        "-- name: q{} :many -> User\n-- @timeout 2s\n-- Doc.\n"
        "select id, email from users where true /*? a */ and a = :a /*?*/\n"
        "order by /*= s: x: y desc | z: :z */ id /*=*/ limit :limit;\n\n"
    )
    started = time.process_time()
    assert len(load("".join(query.replace("{}", str(i)) for i in range(1000)))) == 1000
    assert time.process_time() - started < 5
