"""Files to definitions: sections, documentation, and everything that is wrong in one go."""

from __future__ import annotations

import pickle
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.errors import DefinitionError, LoadError
from raxol_sql.text import Definition, Directives, Kind, Source, parse
from raxol_sql.text.variants import statement


def load(text: str, *namespace: str) -> list[Definition]:
    definitions, errors = parse(Source("sql/a.sql", text), namespace)
    assert not errors, str(errors[0])
    return definitions


def wrong(text: str, *namespace: str) -> list[tuple[int | None, int | None, str, str | None]]:
    _, errors = parse(Source("sql/a.sql", text), namespace)
    return [(error.line, error.column, error.problem, error.query) for error in errors]


def names(text: str) -> list[str]:
    definitions, _ = parse(Source("sql/a.sql", text), ())
    return [definition.name for definition in definitions]


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


def test_a_statement_may_begin_with_a_choice() -> None:
    (query,) = load("-- name: a :one\n/*= s: a: select 1, :x */ select 2 /*=*/\n")

    assert query.template.choices == {"s": ("a",)}


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


def test_definitions_pickle_and_compare() -> None:
    text = "-- name: q :one\nselect :a /*? b */ , :b /*?*/ /*= s: k: v */ w /*=*/"
    definition = load(text)[0]
    assert pickle.loads(pickle.dumps(definition)) == definition == load(text)[0]


FRAGMENTS = [
    *["-- name: a :one\n", "-- name: b :many -> User\n", "-- name: c :copy\n", "-- name:\n"],
    *["-- name: d :x\n", "--name:e:one\r\n", "-- name: class :one\r", "-- @null a\n", "-- @\n"],
    *["-- @timeout 1s\n", "-- @max-variants 2\n", "-- doc\n", "select ", "copy t from stdin "],
    *[
        "copy ",
        "(",
        ")",
        "[",
        "]",
        "to stdout",
        "begin ",
        "create function f() ",
        "atomic ",
        "end ",
    ],
    *["set session transaction ", "case ", "'", '"', "$$", "$a$", "E'", "--", "/*", "*/", "\\"],
    *["/*? a */", "/*? a, b */", "/*?*/", "/*= c: d: e */", "/*= c: d: :x | f: 'g' */", "/*=*/"],
    *["/*? class */", "/*=", "/*?", "/*====*/", ":", ":a", ":'b'", "::", ":class", ":é", "$1", "{"],
    *[";", ",", "1", "1a", ".", " ", "\n", "\r", "\t", "\f", "é", "\N{NO-BREAK SPACE}", "\ufeff"],
    *["|", "-", "+", "json_object(", "array[", "\N{GRINNING FACE}", "\x00", "\x7f"],
]
SOUP = st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


@given(SOUP | st.text())
@settings(deadline=None, max_examples=1000)
def test_any_text_gives_definitions_and_errors_with_places_in_it(text: str) -> None:
    definitions, errors = parse(Source("sql/a.sql", text), ("ns",))
    assert definitions or errors
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    places = [(error.line, error.column) for error in errors if error.line and error.column]
    assert places == sorted(places)
    assert len(places) == len(errors) or (len(errors) == 1 and not definitions)
    for line, column in places:
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
    for error in errors:
        assert error.path == "sql/a.sql"
        assert error.problem
        assert error.remedy
        assert bool(error.excerpt) == bool(error.line)
    assert len({definition.line for definition in definitions}) == len(definitions)
    for definition in definitions:
        assert lines[definition.line - 1].lstrip().startswith("--")
        statement(definition.template, definition.template.conditions, {})


@given(st.lists(SOUP, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_a_wrong_query_hides_no_query_behind_it_that_it_cannot_quote(bodies: list[str]) -> None:
    # No part can reach into the next: quotes and openings of comments are what could.
    harmless = [
        body.translate(str.maketrans("", "", "'\"$/\\")).replace("name", "") for body in bodies
    ]
    text = "".join(
        f"-- name: w{index} :one\nselect {body}\n-- name: f{index} :one\nselect 1\n"
        for index, body in enumerate(harmless)
    )
    found = names(text)
    assert [name for name in found if name.startswith("f")] == [
        f"f{index}" for index in range(len(bodies))
    ]


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
