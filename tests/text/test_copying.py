"""What a COPY statement moves, and which of them may stand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.errors import DefinitionError
from raxol_sql.text.definition import CopyShape
from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source


def shape(body: str) -> CopyShape | None:
    definitions, errors = parse(Source("q.sql", f"-- name: q :copy\n{body}"), ())
    assert not errors, str(errors[0])
    return definitions[0].copy


def refused(body: str, header: str = ":copy") -> DefinitionError:
    definitions, errors = parse(Source("q.sql", f"-- name: q {header}\n{body}"), ())
    assert not definitions
    assert len(errors) == 1, errors
    assert errors[0].query == "q"
    return errors[0]


def into(relation: str, *columns: str, layout: tuple[str, ...] = ()) -> CopyShape:
    return CopyShape(True, columns, "text", relation, None, layout)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("copy users from stdin", into("users")),
        ("copy users (a, b) from stdin;", into("users", "a", "b")),
        ("copy users(a) from stdin", into("users", "a")),
        ("COPY s.users(A, É) FROM STDIN", into("s.users", "a", "É")),
        ('copy S . "U.x" ( a ) from stdin', into('S."U.x"', "a")),
        ('copy "from" ("a""b", "C d") from stdin', into('"from"', 'a"b', "C d")),
        ("copy csv from stdin", into("csv")),
        ("copy stdin (csv) from stdin", into("stdin", "csv")),
        ('copy "binary" from stdin', into('"binary"')),
        ('copy "(" (a) from stdin', into('"("', "a")),
        ("/*====*/ copy /*=====*/ t /* c */ (a /*?-?*/) from stdin", into("t", "a")),
        ("copy a/*b*/./*(*/b -- c\n from stdin", into("a.b")),
        ("copy t from stdin where a > 1", into("t")),
        ("copy users (a) to stdout", CopyShape(False, ("a",), "text", "users")),
    ],
)
def test_a_copy_has_a_direction_a_table_and_columns(body: str, expected: CopyShape) -> None:
    assert shape(body) == expected


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ("copy (select id, a from users) to stdout", "select id, a from users"),
        ("copy (select format csv from t) to stdout", "select format csv from t"),
        ("copy(select (a), (b) from t)to stdout", "select (a), (b) from t"),
        ("copy (\n  select ')' as \")\" -- )\n) to stdout", "select ')' as \")\" -- )"),
        ("copy (delete from t returning (a)) to stdout", "delete from t returning (a)"),
        ("copy (values (1), (2)) to stdout", "values (1), (2)"),
    ],
)
def test_a_copy_of_a_query_has_its_text(body: str, query: str) -> None:
    assert shape(body) == CopyShape(False, (), "text", None, query)


@pytest.mark.parametrize(
    ("body", "format"),
    [
        ("copy users to stdout (format csv)", "csv"),
        ("copy users to stdout with (freeze, format 'CSV')", "csv"),
        ("copy users from stdin with (format binary)", "binary"),
        ("copy users (a) from stdin (format text, force_null (csv))", "text"),
        ("copy users from stdin csv", "csv"),
        ("copy users from stdin with binary", "binary"),
        ("copy binary users from stdin", "binary"),
        ("copy binary users (a) to stdout", "binary"),
        ("copy (select a from stdin) to stdout (format csv)", "csv"),
    ],
)
def test_a_copy_has_a_format(body: str, format: str) -> None:
    found = shape(body)
    assert found is not None
    assert (found.format, found.layout) == (format, ())
    assert found.relation in ("users", None)


@pytest.mark.parametrize(
    ("options", "layout"),
    [
        ("(header)", ("header",)),
        ("with (format text, header true)", ("header",)),
        ("(delimiter 'x', null 'binary')", ("delimiter", "null")),
        ("(format text, null 'csv')", ("null",)),
        ("(NULL '', \"encoding\" 'latin1', default 'd')", ("null", "encoding", "default")),
        ("with delimiter ',' null as 'x'", ("delimiter", "null")),
        ("using delimiters ','", ("delimiters",)),
        ("(format text, freeze)", ()),
        ("(force_null (null, header), on_error ignore)", ()),
        ("where header is not null and (null, header) = (1, 2)", ()),
        ("(freeze) where header is null", ()),
    ],
)
def test_a_copy_says_which_options_make_its_rows_look_otherwise(
    options: str, layout: tuple[str, ...]
) -> None:
    assert shape(f"copy t from stdin {options}") == into("t", layout=layout)


def test_another_statement_has_no_copy_shape() -> None:
    definitions, _ = parse(Source("q.sql", "-- name: q :exec\nselect copy from stdin"), ())
    assert definitions[0].copy is None


@pytest.mark.parametrize(
    ("body", "kind", "said", "column"),
    [
        ("select 1", "copy", "a :copy query that is no COPY statement", 1),
        ("/* c */ select 1", "copy", "a :copy query that is no COPY statement", 9),
        ("copy t from stdin", "exec", "a COPY statement in a :exec query", 1),
        ("copy t to stdout", "many", "a COPY statement in a :many query", 1),
        ("copy from stdin", "copy", "a COPY of nothing", 1),
        ("copy binary to stdout", "copy", "a COPY of nothing", 1),
        ('copy U&"d" from stdin', "copy", "a name with Unicode escapes in a COPY", 6),
        ('copy t (a, u&"b") from stdin', "copy", "a name with Unicode escapes in a COPY", 12),
        ("copy t from '/etc/passwd'", "copy", "a COPY of a file on the server's machine", 1),
        ("copy t to program 'sh'", "copy", "a COPY of a file on the server's machine", 1),
        ("copy t from '/etc/passwd'", "exec", "a COPY of a file on the server's machine", 1),
        (
            "copy (select a from stdin) to 'x'",
            "copy",
            "a COPY of a file on the server's machine",
            1,
        ),
        ("copy stdin to 'x'", "copy", "a COPY of a file on the server's machine", 1),
        ("copy (select :a) to stdout", "copy", "COPY takes no parameters and no blocks", 14),
        (
            "copy t /*? a */ (a) /*?*/ from stdin",
            "copy",
            "COPY takes no parameters and no blocks",
            8,
        ),
        (
            "copy t /*= a: b: (c) */ (d) /*=*/ from stdin",
            "copy",
            "COPY takes no parameters and no blocks",
            8,
        ),
    ],
)
def test_a_copy_that_its_kind_does_not_have_is_refused(
    body: str, kind: str, said: str, column: int
) -> None:
    error = refused(body, f":{kind}")
    assert (error.problem, error.line, error.column) == (said, 2, column)
    assert error.remedy


@pytest.mark.parametrize("options", ["", "(format text)", "(format binary)", "binary", "(freeze)"])
@pytest.mark.parametrize("result", ["User", "scalar"])
def test_a_copy_to_stdout_may_name_a_result(options: str, result: str) -> None:
    text = f"-- name: q :copy -> {result}\ncopy t to stdout {options}"
    definitions, errors = parse(Source("q.sql", text), ())
    assert not errors
    assert definitions[0].result == result


@pytest.mark.parametrize(
    ("body", "said", "remedy"),
    [
        ("copy t from stdin", "a COPY from stdin has no result to name", "leave out -> User: rec"),
        ("copy t to stdout csv", "a COPY in csv gives no records", "(format binary) or (format te"),
        (
            "copy t to stdout (header, null '')",
            "a COPY with header, null gives no records",
            "leave out the option, or leave out -> User",
        ),
    ],
)
def test_a_result_that_a_copy_cannot_give_is_refused_where_it_is_named(
    body: str, said: str, remedy: str
) -> None:
    error = refused(body, ":copy  -> User")
    assert (error.problem, error.line, error.column) == (said, 1, 19)
    assert remedy in error.remedy


WORDS = st.sampled_from(
    [
        *("binary", "t", '"t"', "(", ")", ",", ".", "a", "from", "to", "stdin", "stdout"),
        *("(select", "format", "csv", "'x'", "where", "header", "--\n", "/**/", 'U&"x"', "[", "]"),
    ]
)


@given(st.lists(WORDS, max_size=12))
def test_whatever_follows_the_word_copy_is_a_shape_or_an_error_with_a_place(
    words: list[str],
) -> None:
    text = "-- name: q :copy -> User\ncopy " + " ".join(words)
    definitions, errors = parse(Source("q.sql", text), ())
    for definition in definitions:
        assert definition.copy is not None
        assert (definition.copy.relation is None) != (definition.copy.query is None)
    assert len(definitions) + len(errors) == 1
    assert all(error.line and error.column for error in errors)
