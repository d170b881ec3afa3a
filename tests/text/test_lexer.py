"""The lexer's tokens, its reading of colons, and the places where it stops."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.text import lexer
from raxol_sql.text.lexer import Token, TokenKind, split, tokenize
from raxol_sql.text.source import Problem

WHITE = " \t\n\r\f\v"


def read(text: str) -> list[str]:
    return [text[token.start : token.end] for token in tokenize(text)]


def kinds(text: str) -> list[TokenKind]:
    return [token.kind for token in tokenize(text)]


def parameters(text: str) -> list[str]:
    found = (token for token in tokenize(text) if token.kind is TokenKind.PARAMETER)
    return [text[token.start : token.end] for token in found]


def outcome(text: str) -> tuple[list[tuple[int, int]], int]:
    """The places of the tokens, and where reading stopped: at a problem, or at the end."""
    found: list[tuple[int, int]] = []
    try:
        for token in tokenize(text):
            found.append((token.start, token.end))
    except Problem as stopped:
        return found, stopped.offset
    return found, len(text)


def problem(text: str) -> Problem:
    with pytest.raises(Problem) as caught:
        list(tokenize(text))
    return caught.value


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("abc", TokenKind.WORD),
        ("_a1$b", TokenKind.WORD),
        ("größe", TokenKind.WORD),
        ("\N{NO-BREAK SPACE}", TokenKind.WORD),
        ("\u2028", TokenKind.WORD),
        ("\N{GRINNING FACE}", TokenKind.WORD),
        ('"a ""b"" :c"', TokenKind.QUOTED),
        ('U&"d\\0061t" ', TokenKind.QUOTED),
        ("1", TokenKind.NUMBER),
        ("1_000", TokenKind.NUMBER),
        ("0xFF_ff", TokenKind.NUMBER),
        ("0x_1", TokenKind.NUMBER),
        ("0o17", TokenKind.NUMBER),
        ("0b1_0", TokenKind.NUMBER),
        ("1.", TokenKind.NUMBER),
        (".5", TokenKind.NUMBER),
        ("1.5e-1_0", TokenKind.NUMBER),
        ("1.e5", TokenKind.NUMBER),
        ("'a''b\\'", TokenKind.STRING),
        ("'a\n:b'", TokenKind.STRING),
        ("e'\\'\\\\'", TokenKind.STRING),
        ("E'a''\\'b'", TokenKind.STRING),
        ("U&'\\0061'", TokenKind.STRING),
        ("b'01'", TokenKind.STRING),
        ("X'1f'", TokenKind.STRING),
        ("$$ ' \" :x /* -- $ $1 $a$ $$", TokenKind.STRING),
        ("$a$ $b$ $$ $A$ $a$", TokenKind.STRING),
        ("$é1_$ $é1 $é1_$", TokenKind.STRING),
        ("'a'\n'b'", TokenKind.STRING),
        ("'a' \r 'b'", TokenKind.STRING),
        ("'a'\f\v\n\n\t'b'", TokenKind.STRING),
        ("'a' -- it's :x\n -- and 'more'\n 'b'", TokenKind.STRING),
        ("E'a\\''\n'b\\''", TokenKind.STRING),
        ("b'1'\n'0'", TokenKind.STRING),
        ("U&'1'\n'0'", TokenKind.STRING),
        ("-- it's :x", TokenKind.LINE_COMMENT),
        ("/* a /* :x ' */ $$ */", TokenKind.BLOCK_COMMENT),
        ("/**/", TokenKind.BLOCK_COMMENT),
        ("/*/**/*/", TokenKind.BLOCK_COMMENT),
        ("/*//**/*/", TokenKind.BLOCK_COMMENT),
        ("/*****/", TokenKind.BLOCK_COMMENT),
        ("::", TokenKind.OPERATOR),
        (":=", TokenKind.OPERATOR),
        ("..", TokenKind.OPERATOR),
        ("?|", TokenKind.OPERATOR),
        ("<->", TokenKind.OPERATOR),
        ("@-", TokenKind.OPERATOR),
        (":name", TokenKind.PARAMETER),
        (":'name'", TokenKind.PARAMETER),
        (":größe", TokenKind.PARAMETER),
        (";", TokenKind.PUNCTUATION),
    ],
)
def test_a_text_is_one_token_of_its_kind(text: str, kind: TokenKind) -> None:
    assert kinds(text) == [kind]
    assert read(text) == [text.strip(" ")]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        (WHITE, []),
        ("a\fb\vc\rd", ["a", "b", "c", "d"]),
        ("-- a\rb", ["-- a", "b"]),
        ("-- a\r\nb", ["-- a", "b"]),
        ("'a' 'b'", ["'a'", "'b'"]),
        ("'a' -- c 'b'", ["'a'", "-- c 'b'"]),
        ("'a' /* \n */ 'b'", ["'a'", "/* \n */", "'b'"]),
        ("'a'\n/**/ 'b'", ["'a'", "/**/", "'b'"]),
        ("'a'\nE'b'", ["'a'", "E'b'"]),
        ("'a'\n\"b\"", ["'a'", '"b"']),
        ("'a\\'\n'b'", ["'a\\'\n'b'"]),
        ("b'1''0'", ["b'1'", "'0'"]),
        ("n'a'", ["n", "'a'"]),
        ("aE'x'", ["aE", "'x'"]),
        ("u & 'x'", ["u", "&", "'x'"]),
        ("xU&'a'", ["xU", "&", "'a'"]),
        ("$$a$$$$b$$", ["$$a$$", "$$b$$"]),
        ("a$$b$$", ["a$$b$$"]),
        ("1$$a$$", ["1", "$$a$$"]),
        ("$a$b$a$$b$a$b$", ["$a$b$a$", "$b$a$b$"]),
        ("1..2", ["1", "..", "2"]),
        ("1...2", ["1", "..", ".2"]),
        ("1.0..2", ["1.0", "..", "2"]),
        ("1.5.3", ["1.5", ".3"]),
        ("t.a.b", ["t", ".", "a", ".", "b"]),
        ("1-1", ["1", "-", "1"]),
        ("1--1", ["1", "--1"]),
        ("1 - -1", ["1", "-", "-", "1"]),
        ("a=-1", ["a", "=", "-", "1"]),
        ("a<>-1", ["a", "<>", "-", "1"]),
        ("a*-+-1", ["a", "*", "-", "+", "-", "1"]),
        ("a@-1", ["a", "@-", "1"]),
        ("a?-1", ["a", "?-", "1"]),
        ("a|/-1", ["a", "|/-", "1"]),
        ("a*/*c*/b", ["a", "*", "/*c*/", "b"]),
        ("a@--c\nb", ["a", "@", "--c", "b"]),
        ("a@-/**/b", ["a", "@-", "/**/", "b"]),
        ("a+--c", ["a", "+", "--c"]),
        ("a=---c", ["a", "=", "---c"]),
        ("a//*c*/b", ["a", "/", "/*c*/", "b"]),
        ("a=>:x", ["a", "=>", ":x"]),
        ("a:=:x", ["a", ":=", ":x"]),
        ("a:::x", ["a", "::", ":x"]),
        (":x::text", [":x", "::", "text"]),
        (":x:y", [":x", ":y"]),
        (":x'a'", [":x", "'a'"]),
        (":'x''a'", [":'x'", "'a'"]),
        (":x$$a$$", [":x", "$$a$$"]),
        ("limit:n", ["limit", ":n"]),
        ("a->>'k'=:x", ["a", "->>", "'k'", "=", ":x"]),
        ("a%:x", ["a", "%", ":x"]),
        ("a||:'x'||b", ["a", "||", ":'x'", "||", "b"]),
        ("a?:x", ["a", "?", ":x"]),
        ("a@>:x", ["a", "@>", ":x"]),
        ("f(:x)", ["f", "(", ":x", ")"]),
        ("a\N{NO-BREAK SPACE}:x", ["a\N{NO-BREAK SPACE}", ":x"]),
    ],
)
def test_a_text_becomes_the_tokens_of_the_server(text: str, tokens: list[str]) -> None:
    assert read(text) == tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # Slices: a colon after an operand separates, and every other is a parameter's.
        ("a[1:n]", []),
        ("a[1 : :n]", [":n"]),
        ("a[:n]", [":n"]),
        ("a[: :n]", [":n"]),
        ("a[:]", []),
        ("a[1:]", []),
        ("a[:1]", []),
        ("a[:x:y]", [":x"]),
        ("a[:x : :y]", [":x", ":y"]),
        ("a[:'x':y]", [":'x'"]),
        ("a[1:'x']", []),
        ("a[-1:-:x]", [":x"]),
        ("a[b.c:n]", []),
        ("a[f(:x):n]", [":x"]),
        ("a[(:x):n]", [":x"]),
        ("a[b[1:n]:m]", []),
        ("a[b[1]:m]", []),
        ('a["b":n]', []),
        ("a['1':n]", []),
        ("a[$$1$$:n]", []),
        ("a[x::int:n]", []),
        ("a[:x::int:n]", [":x"]),
        ("a[x::double precision:n]", []),
        ("a[x::character varying:n]", []),
        ("a[cast(:x as int):n]", [":x"]),
        ("a[case when :x then 1 else 2 end:n]", [":x"]),
        ("a[case when b then :x else :y end : :z]", [":x", ":y", ":z"]),
        ("a[case b when :x then :y end:n]", [":x", ":y"]),
        ("a[1 + :x : 2 + :y]", [":x", ":y"]),
        ("a[b and :x]", [":x"]),
        ("a[x is null:n]", []),
        ("a[x isnull:n]", []),
        ("a[b at time zone :z]", [":z"]),
        ("a[b /* c */:n]", []),
        ("a[b -- c\n:n]", []),
        ("a[count(*):n]", []),
        ("a[1:2][:n:m]", [":n"]),
        ("a[1:n] = :x", [":x"]),
        ("(a)[1:n]", []),
        ("a[1 operator(pg_catalog.+) :x]", [":x"]),
        ("a[1 OPERATOR ( + ) :x:n]", [":x"]),
        ("a[(select b[1:n] from t where c = :x):m]", [":x"]),
        # Array constructors hold values, and no bounds.
        ("array[:x, :y]", [":x", ":y"]),
        ("ARRAY [1, :x]", [":x"]),
        ("array[[:x, 1], [:y]]", [":x", ":y"]),
        ("array[a[1:n], :x]", [":x"]),
        ("array[a[1:n][2:m], array[:x]]", [":x"]),
        ("array[1,2,3][1:n]", []),
        ("(array[1,2,3])[1:n]", []),
        ("array[1,2,3][: :n]", [":n"]),
        ("'{1}'::int[] || :x", [":x"]),
        ("('{1}'::int[])[1:n]", []),
        # Keys and values of JSON constructors.
        ("json_object('k':v)", []),
        ("json_object('k': :v)", [":v"]),
        ("json_object(:k : :v)", [":k", ":v"]),
        ("json_object(:k:v)", [":k"]),
        ("JSON_OBJECT ('a':b, :'k':c)", [":'k'"]),
        ("json_object('k' value :v)", [":v"]),
        ("json_object(:keys, :values)", [":keys", ":values"]),
        ("json_object('a': json_object('b':c), 'd': :e)", [":e"]),
        ("json_object(x[1:n]:v)", []),
        ("json_objectagg(k:v)", []),
        ("json_objectagg(:k : v)", [":k"]),
        ("json_object((select :x):v)", [":x"]),
        ("json_object('k':v), f(a :x)", [":x"]),
        # Everywhere else a colon is a parameter's.
        ("f(a :x)", [":x"]),
        ("json_build_object('k', :v)", [":v"]),
        ("a]:x", [":x"]),
        ("a.b:c", [":c"]),
        ("a[1]:x", [":x"]),
        ("[", []),
    ],
)
def test_a_colon_after_an_operand_in_a_subscript_separates_bounds(
    text: str, found: list[str]
) -> None:
    assert parameters(text) == found


@pytest.mark.parametrize(
    ("text", "said", "offset"),
    [
        ("a 'b", "a string literal that is not closed", 2),
        ("a 'b''", "a string literal that is not closed", 2),
        ("a E'b\\'", "a string literal that is not closed", 2),
        ("a U&'b", "a string literal that is not closed", 2),
        ("a x'b", "a string literal that is not closed", 2),
        ("'a'\n'b", "a string literal that is not closed", 0),
        ("E'a'\n'b\\' :x", "a string literal that is not closed", 0),
        ("U&'a' -- c\n'b", "a string literal that is not closed", 0),
        ('a "b', "a quoted name that is not closed", 2),
        ('a "b""', "a quoted name that is not closed", 2),
        ('a u&"b', "a quoted name that is not closed", 2),
        ("a $$ $", "a dollar-quoted string that is not closed: $$", 2),
        ("a $b$ $B$ $$", "a dollar-quoted string that is not closed: $b$", 2),
        ("a /* /* */ b", "a comment that is not closed", 2),
        ("a /*/ b", "a comment that is not closed", 2),
        ("a 1b", "a number runs into a word", 2),
        ("a 1_", "a number runs into a word", 2),
        ("a 1__0", "a number runs into a word", 2),
        ("a 1e", "a number runs into a word", 2),
        ("a 1e+", "a number runs into a word", 2),
        ("a 1.5x", "a number runs into a word", 2),
        ("a 0x", "a number runs into a word", 2),
        ("a 0b12", "a number runs into a word", 2),
        ("a 0o8", "a number runs into a word", 2),
        ("a 0xg", "a number runs into a word", 2),
        ("a 0x1$$b$$", "a number runs into a word", 2),
        ("a 1_0$$b$$", "a number runs into a word", 2),
        ("a 1e5$1", "a number runs into a word", 2),
        ("a 1é", "a number runs into a word", 2),
        ("a $1", "a parameter by number: $1", 2),
        (":x$1", "a parameter by number: $1", 2),
        ("a $", "'$' has no meaning in SQL here", 2),
        ("a $b", "'$' has no meaning in SQL here", 2),
        ("a {b}", "'{' has no meaning in SQL here", 2),
        ("a \\gset", "'\\\\' has no meaning in SQL here", 2),
        ("a \x7f", "'\\x7f' has no meaning in SQL here", 2),
        ("a : b", "a colon without a parameter's name", 2),
        ("a :1", "a colon without a parameter's name", 2),
        ("a :'1'", "a colon without a parameter's name", 2),
        ("a :'b", "a colon without a parameter's name", 2),
        ("a :", "a colon without a parameter's name", 2),
        ("a :{?b}", "a colon without a parameter's name", 2),
        ("json_object(: b)", "a colon without a parameter's name", 12),
        ('a :"b"', "a parameter cannot stand for a name", 2),
    ],
)
def test_what_sql_does_not_have_is_a_problem_at_its_place(
    text: str, said: str, offset: int
) -> None:
    found = problem(text)
    assert (found.problem, found.offset) == (said, offset)
    assert found.remedy


def test_a_backslash_command_of_psql_is_named_as_such() -> None:
    assert "psql" in problem("\\d").remedy


def test_a_problem_ends_the_tokens_but_not_those_before() -> None:
    tokens = tokenize("select 'a")
    assert next(tokens).kind is TokenKind.WORD
    with pytest.raises(Problem):
        next(tokens)


def test_a_range_is_read_as_if_nothing_stood_around_it() -> None:
    text = "'a b' 1x -*/"
    ranges = {(1, 2): ["a"], (6, 7): ["1"], (9, 10): ["-"], (5, 5): []}
    for (start, end), tokens in ranges.items():
        assert [text[t.start : t.end] for t in tokenize(text, start, end)] == tokens


FRAGMENTS = [
    *"'\"$:;.,()[]{}\\?=*/-+@|&~!<>#%^`",
    *WHITE,
    *["--", "/*", "*/", "''", '""', "$$", "$a$", "::", ":=", "..", "E'", "U&'", "x'", "b'"],
    *["a", "b1", "é", "\N{NO-BREAK SPACE}", "end", "array", "json_object", "1", "0x", "1e", "_"],
    *[":x", ":'y'", "$1", "\\'", "-- name: q :one\n", "/*? a */", "/*?*/", "/*= k: a: b */"],
]
SOUP = st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join)


@given(SOUP | st.text())
@settings(deadline=None, max_examples=1000)
def test_tokens_cover_the_text_and_nothing_else_is_between_them(text: str) -> None:
    found, stopped = outcome(text)
    position = 0
    for start, end in found:
        assert text[position:start].strip(WHITE) == ""
        assert start < end
        position = end
    assert position <= stopped <= len(text)
    assert text[position:stopped].strip(WHITE) == ""


@given(SOUP | st.text())
@settings(max_examples=300)
def test_runs_are_the_same_tokens_read_at_once(text: str) -> None:
    def read_until_problem(runs: bool) -> list[Token | str]:
        found: list[Token | str] = []
        try:
            found.extend(split(text, tokenize(text, runs=runs)))
        except Problem as problem:
            found.append(f"{problem.problem} at {problem.offset}")
        return found

    assert read_until_problem(runs=True) == read_until_problem(runs=False)


@pytest.mark.parametrize(
    "text",
    [
        "a.b::int<=3",
        "x<-1",
        "f(a,b)>=:x",
        "1.5.x",
        "1..2",
        "a.*",
        "e'\\''",
        "u&'x' n'y'",
        "a<b/*c*/",
    ],
)
def test_runs_end_where_more_than_plain_words_begins(text: str) -> None:
    try:
        expected = list(tokenize(text))
    except Problem as problem:
        with pytest.raises(Problem, match=problem.problem):
            list(split(text, tokenize(text, runs=True)))
    else:
        assert list(split(text, tokenize(text, runs=True))) == expected


@given(SOUP)
@settings(deadline=None, max_examples=300)
def test_line_ends_of_any_form_give_the_same_tokens(text: str) -> None:
    assert outcome(text.replace("\n", "\r")) == outcome(text.replace("\r", "\n"))


HUGE = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "'" * (HUGE + 1),
        "'" * HUGE,
        '"' * (HUGE + 1),
        "E'" + "\\'" * HUGE,
        "$" * (HUGE + 1),
        "$a$" + "$a" * HUGE,
        "/*" * HUGE,
        "/*" * HUGE + "*/" * HUGE,
        "/" * HUGE + "*",
        "'a'" + "\n-- b" * HUGE,
        "'a'\n" * HUGE,
        "'a' -- b" * HUGE,
        "a[" * HUGE + ":x" + "]" * HUGE,
        "-" * HUGE,
        "@" + "+-" * HUGE,
        "+-" * HUGE,
        "1_" * HUGE,
        "1." * HUGE,
        "0x" + "_f" * HUGE + "g",
        "1e+" * HUGE,
        " " * HUGE * 10,
        "a" * HUGE * 10,
        "a " * HUGE + "'",
        ":" * HUGE,
        ":a" * HUGE,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_a_pathological_text_is_read_in_linear_time(text: str) -> None:
    started = time.process_time()
    outcome(text)
    assert time.process_time() - started < 5


def test_no_group_is_possessive_because_early_pythons_of_3_11_match_those_wrongly() -> None:
    # https://github.com/python/cpython/issues/106052, mended in 3.11.5
    for pattern in (lexer._TOKEN.pattern, lexer._TOKEN_OR_RUN.pattern):
        assert not re.search(r"\)(\*|\+|\?|\{[\d,]+\})\+", pattern)
