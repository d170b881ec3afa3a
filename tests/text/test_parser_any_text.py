"""What is true of definitions and errors whatever the file holds."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.text import Source, parse
from raxol_sql.text.variants import statement
from tests.text.conftest import names

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
