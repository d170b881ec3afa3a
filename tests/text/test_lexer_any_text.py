"""What is true of the lexer's tokens whatever the text, and that each is read in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.text.lexer import Token, split, tokenize
from raxol_sql.text.source import Problem
from tests.text.conftest import WHITE


def outcome(text: str) -> tuple[list[tuple[int, int]], int]:
    """The places of the tokens, and where reading stopped: at a problem, or at the end."""
    found: list[tuple[int, int]] = []
    try:
        for token in tokenize(text):
            found.append((token.start, token.end))
    except Problem as stopped:
        return found, stopped.offset
    return found, len(text)


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
