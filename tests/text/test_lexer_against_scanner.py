"""
The lexer beside the scanner of PostgreSQL 18 itself, as libpg_query packages it.

Where both accept a text, the tokens are the same to the character. Where only one of them does,
the reason is one of those named here:

- We refuse what may be a token, but has no place in a query: numbered parameters, characters
  without a meaning, colons without a name.
- The scanner also looks into literals: bad escapes, and names and operators of a wrong length.
- libpg_query, unlike the server, gives comments as tokens, and so no longer sees that literals
  with a line comment between them are one. (Those are compared with the server.)
"""

from __future__ import annotations

import re

import postgast
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raxol_sql.text.lexer import TokenKind, tokenize
from raxol_sql.text.source import Problem

OURS_ALONE = (
    "a parameter by number",
    "a parameter cannot stand for a name",
    "a colon without a parameter's name",
    "has no meaning in SQL here",
)
THEIRS_ALONE = (
    "zero-length delimited identifier",
    "invalid Unicode",
    "invalid byte sequence for encoding",
    "operator too long",
)


def scan(text: str) -> list[tuple[int, int]]:
    """The places of the server's tokens, in characters."""
    encoded = text.encode()
    at = dict.fromkeys(range(len(encoded) + 1), -1)
    position = 0
    for index, character in enumerate(text):
        at[position] = index
        position += len(character.encode())
    at[position] = len(text)
    return [(at[token.start], at[token.end]) for token in postgast.scan(text).tokens]


def read(text: str) -> tuple[list[tuple[int, int]], str, Problem | None]:
    """
    The places of our tokens, up to the problem if there is one, and the text without parameters.

    The server knows no parameters by name: brackets, one for each character, take their place.
    """
    places: list[tuple[int, int]] = []
    without = text
    try:
        for token in tokenize(text):
            start, end = token.start, token.end
            if token.kind is TokenKind.PARAMETER:
                without = without[:start] + "(" * (end - start) + without[end:]
                places += [(place, place + 1) for place in range(start, end)]
            else:
                places.append((start, end))
    except Problem as problem:
        return places, without, problem
    return places, without, None


def has_comment_in_literal(text: str) -> bool:
    return any(
        token.kind is TokenKind.STRING
        and re.search(r"'[ \t\n\r\f\v]*--", text[token.start : token.end])
        for token in tokenize(text)
    )


def compare(text: str) -> None:
    ours, without, problem = read(text)
    try:
        theirs = scan(without)
    except postgast.PgQueryError as error:
        refused = str(error)
        excused = problem is not None or refused.startswith(THEIRS_ALONE)
        assert excused or has_comment_in_literal(text), refused
        return
    if problem is not None:
        commented = "--" in text and problem.problem == "a string literal that is not closed"
        assert any(said in problem.problem for said in OURS_ALONE) or commented, problem
        return
    assert ours == theirs or has_comment_in_literal(text)


WORDS = [
    *["a", "E", "e", "u", "U", "n", "x", "b", "é", "ab1$", "end", "array", "\N{NO-BREAK SPACE}"],
    *["0", "1", "12", "_", "x", "e", ".", "..", "0x", "0b", "0o", "f", "1.5", "1_0", "1e5"],
]
SPACES = [" ", "\n", "\r", "\t", "\f", "\v", "\r\n"]
QUOTES = ["'", "''", "E'", "U&'", "x'", "b'", "N'", '"', '""', 'U&"', "$$", "$a$", "$", "\\", "\\'"]
COMMENTS = ["--", "/*", "*/", "/**/", "-- c\n"]
OPERATORS = [*"~!@#^&|`?+-*/%<>=()[]{},;:", "::", ":=", "=>", "->>", "<>"]


def soup(*fragments: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([f for some in fragments for f in some]), max_size=12).map(
        "".join
    )


TEXTS = st.one_of(
    soup(WORDS),
    soup(WORDS, OPERATORS),
    soup(OPERATORS, COMMENTS),
    soup(WORDS, SPACES, QUOTES),
    soup(SPACES, QUOTES, COMMENTS),
    soup(WORDS, SPACES, QUOTES, COMMENTS, OPERATORS),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
)


@given(TEXTS)
@example("E'a'\n'\\' :x")
@example(":E'\\'")
@example("0X0$$$$")
@example("1e5$$$$")
@example("1_0$$$$")
@example("1e+5$$$$")
@example("1e+5_0$$$$")
@example("1.$$$$")
@example("+-" * 40 + "=")
@example("=" + "+-" * 40)
@settings(deadline=None, max_examples=1500)
def test_tokens_end_where_those_of_the_server_end(text: str) -> None:
    compare(text)


@pytest.mark.parametrize(
    "text",
    [
        "select 'a''b', E'a\\'b', U&'d\\0061t', b'01', X'1F', N'x', $$a$$, $t$ $$ $t$",
        "select 'a'\n'b', E'a\\''\r\n'b\\'', b'1' \t\r '0'",
        "select a[1:2], a[b:c], (array[1,2])[1:], json_object('k':v)",
        "select x::text, :a::text, a@>b, a->>'b' ? 'c', a?|b, a?&b, a@?b, a@@b, a#>>b",
        "select 1_000, 0xff, 0o17, 0b11, 1., .5, 1.5e-10, 1..2, 1e1.5, 1.5.5",
        "select 1 - -1, 1-1, a=-1, a@-1, a<>-1, a*-1, a|/-1, -+-1, a%-1, 2^-1, a!=-b",
        "select 1 /* a /* b */ c */ + 2 -- it's\n, a*/*c*/b, a@--c\n1, a//**/b, a/-/**/b",
        "select 1 /*****/, /*/**/*/ 2, /*//**/*/ 3",
        'select "a""b:c", U&"d\\0061t", "é"',
        "select größe\N{NO-BREAK SPACE}\u2028, \N{GRINNING FACE}, \N{GRINNING FACE}.\u3000",
        "a\rb\fc\vd\r\ne-- f\rg",
        "f(a => 1, b := 2, variadic c)",
        "select a operator(pg_catalog.+) b, $a$ $b$ $a$, $$$a$$",
        "create function f() returns int begin atomic select 1; end",
        "/*? a */ b /*?*/ /*= c: d: e | f: g */ h /*=*/ /*====*/",
        "'\N{GRINNING FACE}' 'é'\n'\u2028' é",
        "\ufeffselect 1",
    ],
)
def test_hand_written_texts_have_the_tokens_of_the_server(text: str) -> None:
    ours, without, problem = read(text)
    assert problem is None
    assert ours == scan(without)


@pytest.mark.parametrize("text", ["$1", "{", "}", "\\", "a : b", ":1", ':"a"', "a $ b", "\x7f"])
def test_what_we_refuse_beyond_the_scanner_is_named(text: str) -> None:
    scan(text)
    with pytest.raises(Problem) as caught:
        list(tokenize(text))
    assert any(said in caught.value.problem for said in OURS_ALONE)


@pytest.mark.parametrize(
    "text",
    ['""', 'U&""', "E'\\u12'", "E'\\xff'", "E'\\0'", "E'\\ud800'", "@" * 64 + "a"],
)
def test_what_the_scanner_refuses_beyond_us_is_named(text: str) -> None:
    list(tokenize(text))
    with pytest.raises(postgast.PgQueryError) as caught:
        scan(text)
    assert str(caught.value).startswith(THEIRS_ALONE)


@pytest.mark.parametrize("text", ["1a", "1_", "1e", "1e+", "0x", "0b2", "'a", '"a', "/*", "$$a"])
def test_what_both_refuse_is_refused_by_both(text: str) -> None:
    with pytest.raises(postgast.PgQueryError):
        scan(text)
    with pytest.raises(Problem):
        list(tokenize(text))


def test_a_comment_between_literals_is_the_one_known_difference() -> None:
    text = "'a' -- b\n'c'"
    assert scan(text) == [(0, 3), (4, 8), (9, 12)]
    assert read(text)[0] == [(0, 12)]
