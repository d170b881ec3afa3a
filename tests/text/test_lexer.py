"""The lexer's tokens, one by one, in runs, and in a part of a text."""

from __future__ import annotations

import re

import pytest

from raxol_sql.text import lexer
from raxol_sql.text.lexer import TokenKind, split, tokenize
from raxol_sql.text.source import Problem
from tests.text.conftest import WHITE


def read(text: str) -> list[str]:
    return [text[token.start : token.end] for token in tokenize(text)]


def kinds(text: str) -> list[TokenKind]:
    return [token.kind for token in tokenize(text)]


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


def test_a_range_is_read_as_if_nothing_stood_around_it() -> None:
    text = "'a b' 1x -*/"
    ranges = {(1, 2): ["a"], (6, 7): ["1"], (9, 10): ["-"], (5, 5): []}
    for (start, end), tokens in ranges.items():
        assert [text[t.start : t.end] for t in tokenize(text, start, end)] == tokens


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


def test_no_group_is_possessive_because_early_pythons_of_3_11_match_those_wrongly() -> None:
    # https://github.com/python/cpython/issues/106052, mended in 3.11.5
    for pattern in (lexer._compiled(runs)[0].pattern for runs in (False, True)):
        assert not re.search(r"\)(\*|\+|\?|\{[\d,]+\})\+", pattern)
