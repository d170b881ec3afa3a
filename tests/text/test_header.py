"""Header lines and directive lines, right and wrong."""

from __future__ import annotations

import pytest

from raxol_sql.text.definition import Directives, Kind
from raxol_sql.text.header import (
    Header,
    header_name,
    is_directive,
    is_header,
    read_directive,
    read_header,
)
from raxol_sql.text.source import Problem


def header_problem(comment: str) -> Problem:
    with pytest.raises(Problem) as caught:
        read_header(comment, 100)
    return caught.value


def directive_problem(comment: str, sofar: Directives | None = None) -> Problem:
    with pytest.raises(Problem) as caught:
        read_directive(comment, 100, sofar or Directives())
    return caught.value


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("-- name: a :one", True),
        ("--name:a:one", True),
        ("--\tname\t:", True),
        ("-- Name: a :one", True),
        ("-- Name: of the user", False),
        ("-- names: a :one", False),
        ("-- the name: a :one", False),
        ("--- name: a :one", False),
        ("-- name", False),
    ],
)
def test_a_header_is_a_comment_that_begins_with_name_and_a_colon(comment: str, found: bool) -> None:
    assert is_header(comment) is found


@pytest.mark.parametrize(
    ("comment", "header"),
    [
        ("-- name: a :one", Header("a", Kind.ONE, None)),
        ("--name:get_2 :maybe", Header("get_2", Kind.MAYBE, None)),
        ("--  name :  A\t:many  -> User ", Header("A", Kind.MANY, "User")),
        ("-- name: count :one -> scalar", Header("count", Kind.ONE, "scalar")),
        ("-- name: get :maybe -> User", Header("get", Kind.MAYBE, "User")),
        ("-- name: touch :affected", Header("touch", Kind.AFFECTED, None)),
        ("-- name: vacuum :exec", Header("vacuum", Kind.EXEC, None)),
        ("-- name: load :copy", Header("load", Kind.COPY, None)),
        ("-- name: dump :copy -> User", Header("dump", Kind.COPY, "User")),
        ("-- name: match :one", Header("match", Kind.ONE, None)),
    ],
)
def test_a_header_says_name_kind_and_result(comment: str, header: Header) -> None:
    assert read_header(comment, 0) == header


@pytest.mark.parametrize(
    ("comment", "said", "word", "remedy"),
    [
        ("-- name:", "a header without a name", "--", "write -- name: NAME :KIND, or"),
        ("-- name: 2a :one", "'2a' cannot be a name", "2a", "use a letter, then letters"),
        ("-- name: a-b :one", "'a-b' cannot be a name", "a-b", ": a_b"),
        ("-- name: :one", "':one' cannot be a name", ":one", ": one"),
        ("-- name: größe :one", "'größe' cannot be a name", "größe", ": gr_e"),
        ("-- name: _a :one", "'_a' cannot be a name", "_a", ": a"),
        ("-- name: é :one", "'é' cannot be a name", "é", "underscores"),
        ("-- name: a.b :one", "'a.b' cannot be a name", "a.b", ": a_b"),
        ("-- name: class :one", "'class' is a Python keyword", "class", "class_"),
        ("-- name: None :one", "'None' is a Python keyword", "None", "None_"),
        ("-- name: a", "query 'a' has no kind", "--", ":one, :maybe, :many, :affected"),
        ("-- name: a one", "unknown kind 'one'; did you mean ':one'?", "one", "the kinds are"),
        ("-- name: a :mny", "unknown kind ':mny'; did you mean ':many'?", ":mny", "the kinds are"),
        ("-- name: a :ONE", "unknown kind ':ONE'", ":ONE", "the kinds are"),
        ("-- name: a :many User", "a header with something more in it", "User", "-> RESULT"),
        ("-- name: a :many ->", "a header with something more in it", "->", "-> RESULT"),
        ("-- name: a :many -> A B", "a header with something more in it", "->", "-> RESULT"),
        ("-- name: a :many -> 2", "'2' cannot be the name of a record", "2", "or scalar"),
        ("-- name: a :many -> a.B", "'a.B' cannot be the name of a record", "a.B", "or scalar"),
        ("-- name: a :exec -> A", "a :exec query has no result to name", "->", "leave out -> A"),
        (
            "-- name: a :affected -> A",
            "a :affected query has no result to name",
            "->",
            "or use :one, :maybe or :many",
        ),
    ],
)
def test_a_wrong_header_is_a_problem_at_the_wrong_word(
    comment: str, said: str, word: str, remedy: str
) -> None:
    found = header_problem(comment)
    assert (found.problem, found.offset) == (said, 100 + comment.rindex(word))
    assert remedy in found.remedy


@pytest.mark.parametrize(
    ("comment", "name"),
    [("-- name: a :many", "a"), ("-- name: a", "a"), ("-- name:", None), ("-- name: :one", None)],
)
def test_a_wrong_header_may_still_have_a_name(comment: str, name: str | None) -> None:
    assert header_name(comment) == name


@pytest.mark.parametrize(
    ("comment", "found"),
    [("-- @a", True), ("--@a b", True), ("-- a @b", False), ("-- a@b.org", False), ("--", False)],
)
def test_a_directive_is_a_comment_that_begins_with_an_at_sign(comment: str, found: bool) -> None:
    assert is_directive(comment) is found


@pytest.mark.parametrize(
    ("comment", "directives"),
    [
        ("-- @idempotent", Directives(idempotent=True)),
        ("--@idempotent  ", Directives(idempotent=True)),
        ("-- @timeout 500ms", Directives(timeout=500)),
        ("-- @timeout 2s", Directives(timeout=2000)),
        ("--\t@timeout\t1min", Directives(timeout=60_000)),
        ("-- @null a", Directives(null=("a",))),
        ("-- @null a, b c,a", Directives(null=("a", "b", "c"))),
        ("-- @not-null a", Directives(not_null=("a",))),
        ("-- @sensitive a b", Directives(sensitive=("a", "b"))),
        (
            "-- @allow seq_scan: it is small: 10 rows",
            Directives(allow=(("seq_scan", "it is small: 10 rows"),)),
        ),
        ("-- @max-variants 512", Directives(max_variants=512)),
    ],
)
def test_a_directive_sets_its_field(comment: str, directives: Directives) -> None:
    assert read_directive(comment, 0, Directives()) == directives


def test_directives_of_one_word_add_up() -> None:
    directives = Directives()
    for comment in ("-- @null a", "-- @null b a", "-- @allow X: one", "-- @allow Y: two"):
        directives = read_directive(comment, 0, directives)
    assert directives == Directives(null=("a", "b"), allow=(("X", "one"), ("Y", "two")))


@pytest.mark.parametrize(
    ("comment", "said", "remedy"),
    [
        ("-- @idempotnt", "unknown directive @idempotnt; did you mean 'idempotent'?", "@timeout"),
        ("-- @", "unknown directive @", "the directives are @idempotent, @timeout"),
        ("-- @author me", "unknown directive @author", "the directives are"),
        ("-- @idempotent yes", "@idempotent does not read 'yes'", "stands alone"),
        ("-- @timeout", "@timeout needs more", "such as 500ms, 2s or 1min"),
        ("-- @timeout 5", "@timeout does not read '5'", "such as 500ms"),
        ("-- @timeout 0s", "@timeout does not read '0s'", "write none, or a duration"),
        ("-- @timeout -1s", "@timeout does not read '-1s'", "write none, or a duration"),
        ("-- @timeout 1.5s", "@timeout does not read '1.5s'", "such as 500ms"),
        ("-- @timeout ٣s", "@timeout does not read '٣s'", "such as 500ms"),
        ("-- @null", "@null needs more", "at least one column"),
        ("-- @not-null ,", "@not-null does not read ','", "at least one column"),
        ("-- @sensitive", "@sensitive needs more", "at least one column"),
        ("-- @allow", "@allow needs more", "write @allow CODE: the reason"),
        ("-- @allow X", "@allow does not read 'X'", "write @allow CODE: the reason"),
        ("-- @allow X:", "@allow does not read 'X:'", "write @allow CODE: the reason"),
        ("-- @allow a b: c", "@allow does not read 'a b: c'", "write @allow CODE"),
        ("-- @max-variants", "@max-variants needs more", "such as 512"),
        ("-- @max-variants 0", "@max-variants does not read '0'", "above zero"),
        ("-- @max-variants 1e3", "@max-variants does not read '1e3'", "such as 512"),
        ("-- @max-variants ٣", "@max-variants does not read '٣'", "such as 512"),
    ],
)
def test_a_wrong_directive_is_a_problem_at_its_word(comment: str, said: str, remedy: str) -> None:
    found = directive_problem(comment)
    assert (found.problem, found.offset) == (said, 100 + comment.index("@"))
    assert remedy in found.remedy


@pytest.mark.parametrize("word", ["@timeout {}s", "@max-variants {}"])
def test_a_number_of_thousands_of_digits_is_a_problem_with_the_usual_remedy(word: str) -> None:
    found = directive_problem("-- " + word.format("9" * 5000))
    assert "such as" in found.remedy


def test_a_second_timeout_is_a_problem() -> None:
    found = directive_problem("-- @timeout 2s", Directives(timeout=1))
    assert found.remedy == "a query has one timeout: remove the other"
