"""The places where the lexer stops, and what it says there."""

from __future__ import annotations

import pytest

from raxol_sql.text.lexer import TokenKind, tokenize
from raxol_sql.text.source import Problem


def problem(text: str) -> Problem:
    with pytest.raises(Problem) as caught:
        list(tokenize(text))
    return caught.value


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
