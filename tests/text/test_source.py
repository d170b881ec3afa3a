"""Bytes to text, and offsets to places that people can find."""

from __future__ import annotations

import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql.errors import DefinitionError
from raxol_sql.text.source import MAX_BYTES, Problem, Source


def refused(data: bytes) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        Source.decode("sql/a.sql", data)
    return caught.value


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"select 1", "select 1"),
        (b"\xef\xbb\xbfselect 1", "select 1"),
        (b"\xef\xbb\xbf", ""),
        (b"a\r\nb\rc\n", "a\r\nb\rc\n"),
        ("größe \N{GRINNING FACE}".encode(), "größe \N{GRINNING FACE}"),
        (b"\xef\xbb\xbf\xef\xbb\xbfa", "\ufeffa"),
    ],
)
def test_utf8_is_read_with_or_without_a_mark_and_line_ends_are_kept(data: bytes, text: str) -> None:
    assert Source.decode("a.sql", data).text == text


@pytest.mark.parametrize(
    ("data", "line", "column", "byte"),
    [
        (b"\xff", 1, 1, "0xff"),
        (b"select '\xe9'", 1, 9, "0xe9"),
        (b"select 1\nselect '\xc3\xa9 \xe9'", 2, 11, "0xe9"),
        (b"\xef\xbb\xbfab\x80", 1, 3, "0x80"),
        (b"\xef\xbb\xbf\r\n\xc3\xa9\xe9\r\n", 2, 2, "0xe9"),
        (b"a\r\nb\xe2\x82", 2, 2, "0xe2"),
        (b"\xef\xbb", 1, 1, "0xef"),
        (b"\xed\xa0\x80", 1, 1, "0xed"),
        (b"\xff\xfes\x00", 1, 1, "0xff"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused_with_their_place(
    data: bytes, line: int, column: int, byte: str
) -> None:
    error = refused(data)
    assert (error.line, error.column) == (line, column)
    assert error.problem == f"byte {byte} is not UTF-8 here"
    assert error.remedy == "save the file as UTF-8"
    assert error.excerpt.splitlines()[-1] == "       | " + " " * (column - 1) + "^"


def test_a_nul_character_is_refused_with_its_place() -> None:
    error = refused(b"select 1\n\tselect '\0'")
    assert (error.problem, error.line, error.column) == ("a NUL character", 2, 10)
    assert error.excerpt.endswith("       | \t" + " " * 8 + "^")


def test_a_file_of_data_is_too_large() -> None:
    assert len(Source.decode("a.sql", b" " * MAX_BYTES).text) == MAX_BYTES
    error = refused(b"\xff" * 5 * 1024 * 1024)
    assert error.problem == "5.0 MiB is too large for a file of queries (at most 4 MiB)"
    assert (error.path, error.line, error.column, error.excerpt) == ("sql/a.sql", None, None, "")
    assert str(error).startswith("sql/a.sql: 5.0 MiB")


@pytest.mark.parametrize(
    ("text", "offset", "line", "column"),
    [
        ("", 0, 1, 1),
        ("ab", 1, 1, 2),
        ("ab", 2, 1, 3),
        ("a\nb", 1, 1, 2),
        ("a\nb", 2, 2, 1),
        ("a\r\nb", 3, 2, 1),
        ("a\rb", 2, 2, 1),
        ("a\n\rb", 3, 3, 1),
        ("a\r\n\r\nb", 5, 3, 1),
        ("é\N{GRINNING FACE}b", 2, 1, 3),
        ("a\u2028b\fc\vd", 6, 1, 7),
    ],
)
def test_places_count_lines_and_characters_from_one(
    text: str, offset: int, line: int, column: int
) -> None:
    assert Source("a.sql", text).place(offset) == (line, column)


@pytest.mark.parametrize(
    ("text", "offset", "begins"),
    [("a", 0, True), (" \ta", 2, True), ("a b", 2, False), ("a\n b", 3, True), ("a\rb", 2, True)],
)
def test_a_line_begins_behind_blanks(text: str, offset: int, begins: bool) -> None:
    assert Source("a.sql", text).begins_line(offset) is begins


@pytest.mark.parametrize(
    ("text", "offset", "shown", "before"),
    [
        ("select x", 7, "select x", " " * 7),
        ("\tselect\tx", 8, "\tselect\tx", "\t" + " " * 6 + "\t"),
        ("'\N{HIRAGANA LETTER A}\N{GRINNING FACE}' x", 5, None, " " + "    " + "  "),
        ("'e\N{COMBINING ACUTE ACCENT}' x", 5, None, " " * 4),
        ("'é' x", 4, None, " " * 4),
        ("a\r\nb x\r\nc", 5, "b x", "  "),
        ("a\rb x\rc", 4, "b x", "  "),
        ("a", 1, "a", " "),
    ],
)
def test_the_caret_stands_below_its_character(
    text: str, offset: int, shown: str | None, before: str
) -> None:
    error = Source("a.sql", text).error(Problem("wrong", "right", offset))
    first, second = error.excerpt.split("\n")
    assert first == f"{error.line:>6} | {text if shown is None else shown}"
    assert second == f"       | {before}^"


def test_of_a_long_line_the_part_around_the_caret_is_shown() -> None:
    text = "a" * 100_000 + "X" + "b" * 100_000
    error = Source("a.sql", text).error(Problem("wrong", "right", 100_000))
    first, second = error.excerpt.split("\n")
    assert len(first) < 200
    assert first[second.index("^")] == "X"


def test_an_error_says_place_problem_query_excerpt_and_remedy() -> None:
    error = Source("sql/a.sql", "select\n  x").error(Problem("wrong", "do right", 9), "ns.q")
    assert str(error) == (
        "sql/a.sql:2:3: wrong (query ns.q)\n     2 |   x\n       |   ^\n    do right"
    )
    assert isinstance(error, ValueError)


def test_errors_and_problems_pickle() -> None:
    problem = Problem("wrong", "right", 3)
    again = pickle.loads(pickle.dumps(problem))
    assert (again.problem, again.remedy, again.offset) == ("wrong", "right", 3)
    error = Source("a.sql", "select").error(problem, "q")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@given(st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode("utf-16")))
@settings(deadline=None, max_examples=300)
def test_bytes_are_either_text_or_an_error_with_a_place_in_them(data: bytes) -> None:
    try:
        source = Source.decode("a.sql", data)
    except DefinitionError as error:
        lines = 1 + data.count(b"\n") + data.count(b"\r")
        refused_at = error.line or 0, error.column or 0
    else:
        assert source.text.encode() == data.removeprefix(b"\xef\xbb\xbf")
        return
    assert (1, 1) <= refused_at <= (lines, len(data) + 1)


@given(st.text(st.sampled_from("a\r\n\t é\N{GRINNING FACE}"), max_size=30), st.data())
@settings(deadline=None, max_examples=200)
def test_a_place_leads_back_to_its_offset(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    line, column = Source("a.sql", text).place(offset)
    lines = re.split("(?<=\n)|(?<=\r)(?!\n)", text)
    assert sum(map(len, lines[: line - 1])) + column - 1 == offset
