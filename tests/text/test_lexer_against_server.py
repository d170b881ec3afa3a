"""
The lexer and the server: texts put together from literals whose values are known beforehand.

Each expression that a strategy writes knows its own value and its own parameters. The server
prepares the select list that they make, must find the parameters that we found, and must give
the values back. One round trip prepares and runs many expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.text.parser import parse
from raxol_sql.text.source import Source
from raxol_sql.text.variants import Statement, statement


class Written(NamedTuple):
    """An expression of type text, the value it has, and the parameters in it, in order."""

    sql: str
    value: str
    parameters: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def connection(server_conninfo: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(server_conninfo, autocommit=True) as connection:
        yield connection


def expand(body: str) -> Statement:
    definitions, errors = parse(Source("q.sql", f"-- name: q :many\n{body}"), ())
    assert not errors, str(errors[0])
    return statement(definitions[0].template, (), {})


def value_of(name: str) -> str:
    return f"<{name}: 'ü' $1 :{name} \\>"


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


TRICKY = [
    *[
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        ":x",
        ":'x'",
        "::",
        "$1",
        "$$",
        "$a$",
        "$tag",
        # Where no line can begin with it: there the parser takes a quote for one not closed.
        "x -- name: q :one",
    ],
    *["--", "/*", "*/", "/*? x */", "/*= x: y: z */", "{", "%s", "%", "?", "|", ";", "[1:2]"],
    *["\n", "\r\n", "\r", "\t", "\f", " ", "a", "é", "\N{GRINNING FACE}", "\u2028", "0", "\\u0041"],
]
PIECES = st.lists(st.sampled_from(TRICKY), max_size=6).map("".join)
LINE_ENDS = st.sampled_from(
    ["\n", "\r", "\r\n", " \t\n", "\n\f\v\n", " -- it's :x\n", "-- 'a'\n -- \"b\n\n", "\n--\r"]
)
SPACES = st.sampled_from(
    [" ", "\n", "\t", "\f", "\v", "\r", " /* a /* :x ' */ b */ ", " -- it's :y $$\n", "/**/"]
)


@st.composite
def standard(draw: st.DrawFn) -> Written:
    parts = draw(st.lists(PIECES, min_size=1, max_size=3))
    written = "'" + parts[0].replace("'", "''") + "'"
    for part in parts[1:]:
        written += draw(LINE_ENDS) + "'" + part.replace("'", "''") + "'"
    national = draw(st.sampled_from(["", "N", "n"]))
    value = "".join(parts)
    # N'' is of the type bpchar, whose last blanks mean nothing.
    return Written(f"{national}{written}::text", value.rstrip(" ") if national else value)


def escaped_character(character: str) -> st.SearchStrategy[str]:
    point = ord(character)
    forms = [f"\\U{point:08x}"]
    if point < 0x10000:
        forms.append(f"\\u{point:04X}")
    if point < 0x80:
        forms += [f"\\x{point:02x}", f"\\{point:03o}"]
    if character not in "'\\":
        forms.append(character)
    if character not in "01234567xuUbfnrt":
        forms.append("\\" + character)
    if character == "'":
        forms.append("''")
    forms += {"\n": ["\\n"], "\r": ["\\r"], "\t": ["\\t"], "\f": ["\\f"]}.get(character, [])
    return st.sampled_from(forms)


@st.composite
def escaped(draw: st.DrawFn) -> Written:
    parts = draw(st.lists(PIECES, min_size=1, max_size=3))
    inside = ["".join(draw(escaped_character(c)) for c in part) for part in parts]
    written = draw(st.sampled_from("eE")) + f"'{inside[0]}'"
    for part in inside[1:]:
        written += draw(LINE_ENDS) + f"'{part}'"
    return Written(written + "::text", "".join(parts))


def unicode_inside(draw: st.DrawFn, value: str, escape: str, quote: str) -> str:
    written = ""
    for character in value:
        point = ord(character)
        forms = [f"{escape}+{point:06x}"]
        if point < 0x10000:
            forms.append(f"{escape}{point:04X}")
        if character in (escape, quote):
            forms.append(character * 2)
        else:
            forms.append(character)
        written += draw(st.sampled_from(forms))
    return written


@st.composite
def with_unicode(draw: st.DrawFn) -> Written:
    value = draw(PIECES)
    escape = draw(st.sampled_from(["\\", "!", ":", "$", "?", "|"]))
    written = f"U&'{unicode_inside(draw, value, escape, chr(39))}'"
    if escape != "\\":
        written += f"{draw(SPACES)}uescape{draw(SPACES)}'{escape}'"
    return Written(f"({written})::text", value)


@st.composite
def dollars(draw: st.DrawFn) -> Written:
    tag = draw(st.sampled_from(["$$", "$a$", "$A1$", "$é_$", "$name$"]))
    value = draw(PIECES)
    # A value that has the tag in it, or ends in its beginning, would close the literal early.
    if (value + tag).find(tag) != len(value):
        value = ":x"
    return Written(f"{tag}{value}{tag}::text", value)


@st.composite
def bits(draw: st.DrawFn) -> Written:
    value = draw(st.text("01", max_size=8))
    if draw(st.booleans()):
        return Written(f"B'{value}'::text", value)
    if draw(st.booleans()):
        return Written(f"b'{value[:3]}'\n'{value[3:]}'::text", value)
    return Written("x'aF'::text", "10101111")


NUMBERS = st.sampled_from(
    [
        Written("1_000::text", "1000"),
        Written("0xFf::text", "255"),
        Written("0x_f_f::text", "255"),
        Written("0o17::text", "15"),
        Written("0b1_01::text", "5"),
        Written("1.::text", "1"),
        Written(".5::text", "0.5"),
        Written("1.5e1::text", "15"),
        Written("1e-1::text", "0.1"),
        Written("1_0.2_5::text", "10.25"),
        Written("(1 - -1)::text", "2"),
        Written("(1- -1)::text", "2"),
        Written("(1+-1)::text", "0"),
        Written("(2*-1)::text", "-2"),
        Written("(1=-1)::text", "false"),
        Written("(1<>-1)::text", "true"),
        Written("(10%3)::text", "1"),
        Written("(@ -1)::text", "1"),
        Written("(2*/*c*/3)::text", "6"),
        Written("(@--c\n-1)::text", "1"),
        Written("(1--c\n+1)::text", "2"),
        Written("(7//*c*/2)::text", "3"),
        Written("(2^ -1)::text", "0.5"),
        Written("(|/4)::text", "2"),
    ]
)

PARAMETER_NAMES = st.sampled_from(["x", "y", "name", "_1", "X", "end_", "int4"])


@st.composite
def parameters(draw: st.DrawFn) -> Written:
    name = draw(PARAMETER_NAMES)
    form = draw(st.sampled_from([":{0}::text", ":'{0}'::text", "(:{0})::text", ":{0} ::text"]))
    return Written(form.format(name), value_of(name), (name,))


SIMPLE = st.one_of(
    standard(), escaped(), with_unicode(), dollars(), bits(), NUMBERS, parameters(), parameters()
)


def in_case(parts: list[Written]) -> Written:
    first, second = parts
    return Written(
        f"case when {first.sql} is null then {first.sql} else {second.sql} end",
        second.value,
        first.parameters + second.parameters,
    )


def joined(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"({first.sql}||{second.sql})", first.value + second.value, both)


def sliced(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"((array[{first.sql},{second.sql}])[2:])[1]", second.value, both)


def sliced_by_columns(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f"(select ((array[{first.sql},{second.sql}])[n:m])[1] from (select 2 n, 2 m) s)"
    return Written(sql, second.value, both)


def sliced_after_parameter(parts: list[Written]) -> Written:
    first, second = parts
    both = (*first.parameters, *second.parameters, "x")
    sql = f"(select ((array[{first.sql}, {second.sql}])[length(:x) - length(:x)+2:n])[1]"
    return Written(f"{sql} from (select 2 n) s)", second.value, both)


def nested_array(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    return Written(f"(array[[{first.sql}],[{second.sql}]])[1][1]", first.value, both)


def keyed(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    # `'k'::x` would be a cast.
    colon = ": " if first.sql.startswith(":") else ":"
    sql = f"(json_object('k'{colon}{first.sql}, 'l' : {second.sql})::jsonb->>'k')"
    return Written(sql, first.value, both)


def keyed_by_value(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = (
        f"(select json_object('k' value {first.sql}, 'l': v)->>'l' from (select {second.sql} v) s)"
    )
    return Written(sql, second.value, both)


def named(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f'(select ":x \'"||"U&""" from (select {first.sql} ":x \'", {second.sql} "U&""") s)'
    return Written(sql, first.value + second.value, both)


def contained(parts: list[Written]) -> Written:
    first, second = parts
    both = first.parameters + second.parameters
    sql = f"(array[{first.sql}]@>array[{first.sql}] and {second.sql}={second.sql})::text"
    return Written(sql, "true", both)


def compound(inner: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    wrappers = [in_case, joined, sliced, sliced_by_columns, sliced_after_parameter]
    wrappers += [nested_array, keyed, keyed_by_value, named, contained]
    pairs = st.lists(inner, min_size=2, max_size=2)
    return st.one_of([pairs.map(wrapper) for wrapper in wrappers])


EXPRESSIONS = st.recursive(SIMPLE, compound, max_leaves=5)


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
