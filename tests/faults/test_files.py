"""What a file of queries holds is refused where it stands, or reaches the server exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.failures import Effect, Phase, Verdict, classify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER = "-- name: odd :one -> scalar\n"
DEEP = 100_000


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], Any]:
    """Loads the bytes of one file."""

    def load(data: bytes) -> Any:
        (tmp_path / "q.sql").write_bytes(data)
        return rx.load(tmp_path).q

    return load


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"-- name: odd :one\nselect 'a\0b'", (2, 10)),
        (b"-- name: odd :one\nselect 1 -- \0\n", (2, 13)),
        (b"\0-- name: odd :one\nselect 1", (1, 1)),
        (b"-- name: o\0dd :one\nselect 1", (1, 11)),
    ],
)
def test_a_nul_anywhere_in_a_file_is_an_error_of_loading_with_its_place(
    load: Any, data: bytes, place: tuple[int, int]
) -> None:
    with pytest.raises(rx.errors.LoadError) as caught:
        load(data)

    (error,) = caught.value.errors
    assert (error.line, error.column) == place
    assert "NUL" in error.problem


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_a_file_in_another_encoding_is_an_error_of_loading_with_a_place(
    load: Any, encoding: str
) -> None:
    with pytest.raises(rx.errors.LoadError) as caught:
        load(f"{HEADER}select 'größe'".encode(encoding))

    (error,) = caught.value.errors
    assert error.line in (1, 2)
    assert error.column is not None
    assert error.remedy


ODD = {
    "bidi": "a\u202eb\u202c \u2066c\u2069",
    "zero width": "a\u200bb\u200d\ufeffc",
    "separators": "a\u2028b\u2029c\x85d",
    "form feed": "a\fb\vc",
    "controls": "".join(map(chr, [*range(1, 10), *range(14, 32), 127])),
    "noncharacters": "\ufffe\uffff\U0010ffff",
    "line ends": "a\r\nb\rc\n\rd",
    "decomposed": "e\u0301 \u00e9",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD.keys())
@pytest.mark.parametrize("end", ["", ";", "\n", "\r", "\r\n", "\f\n", " -- the end", "\u001a"])
def test_a_literal_reaches_the_server_with_every_character_that_the_file_has(
    load: Any, database: str, text: str, end: str
) -> None:
    data = f"{HEADER}select '{text}'{end}".encode()
    if end == "\u001a":
        with pytest.raises(rx.errors.LoadError):
            load(data)
        return

    with rx.Database.open(database, pool_size=1) as db:
        assert db.run(load(data).odd()) == text


def test_white_space_is_what_the_server_takes_for_it(load: Any, database: str) -> None:
    with rx.Database.open(database, pool_size=1) as db:
        assert db.run(load(f"{HEADER}\f select\v1\f+\t:x\r\f".encode()).odd(x=2)) == 3
        # What only looks like a blank is a letter of a name, to the server and to us.
        for blank in ("\u00a0", "\u2003", "\u3000", "\ufeff", "\u202e"):
            with pytest.raises((psycopg.errors.SyntaxError, psycopg.errors.UndefinedColumn)):
                db.run(load(f"{HEADER}select {blank}1".encode()).odd())


@pytest.mark.parametrize("name", ["ODD", "Odd", "odd"])
def test_names_that_differ_in_case_are_different_queries(load: Any, name: str) -> None:
    texts = [f"-- name: {one} :one\nselect '{one}';\n" for one in ("odd", "Odd", "ODD")]

    q = load("".join(texts).encode())

    assert getattr(q, name)().statement.text == f"select '{name}'"


def test_one_name_twice_is_an_error_that_shows_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- name: b :one\nselect 1;\n")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.sql").write_text("\n-- name: c :one\nselect 1;\n-- name: c :one\nselect 2")

    with pytest.raises(rx.errors.LoadError) as caught:
        rx.load(tmp_path)

    told = str(caught.value)
    assert f"{tmp_path}/a/b.sql:4:" in told
    assert f"{tmp_path}/a/b.sql:2" in told
    assert f"{tmp_path}/a.sql:1" in told


HOSTILE = [
    "\\i ../../etc/passwd",
    "\\include /etc/passwd",
    "\\ir ../secrets.sql",
    "\\copy users from '/etc/passwd'",
    "\\! rm -rf /",
    "select 1 \\gexec",
    "select 1 \\g |sh",
    "commit",
    "select 1; commit",
    "commit; select 1",
    "rollback to savepoint raxol_sql_1",
    "end",
    "prepare transaction 'x'",
    "set transaction read write",
    "start transaction",
    "/* */ commit -- ",
    "select 1;; select 2",
    "select '",
    "select $a$ $b$",
    "select /* /* */",
]


@pytest.mark.parametrize("body", HOSTILE)
def test_what_would_leave_the_file_or_the_statement_is_refused_at_its_place(
    load: Any, body: str
) -> None:
    with pytest.raises(rx.errors.LoadError) as caught:
        load(f"{HEADER}{body}\n".encode())

    assert all(error.line == 2 and error.column for error in caught.value.errors)


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("(", ")", (psycopg.errors.SyntaxError, psycopg.errors.StatementTooComplex)),
        ("- ", "", (psycopg.errors.SyntaxError, psycopg.errors.StatementTooComplex)),
        ("/* ", " */", ()),
        ("'a' ||", "", (psycopg.errors.SyntaxError, psycopg.errors.StatementTooComplex)),
    ],
    ids=["parentheses", "signs", "comments", "operators"],
)
def test_what_is_too_deep_for_the_server_is_its_error_once_and_the_connection_goes_on(
    load: Any, database: str, before: str, after: str, error: Any, watch: Any
) -> None:
    last = "'1'" if "|" in before else "1"
    with watch.at_most(10):
        if not error:
            q = load(f"{HEADER}select {before * DEEP}{after * DEEP} 1".encode())
        else:
            q = load(f"{HEADER}select {before * DEEP}{last}{after * DEEP}".encode())

    with rx.Database.open(database, pool_size=1) as db:
        fine = load(f"{HEADER}select pg_backend_pid()".encode()).odd()
        pid = db.run(fine)
        with watch.at_most(10):
            if error:
                with pytest.raises(error) as caught:
                    db.run(q.odd())
                failure = classify(caught.value, Phase.SENT)
                assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.NEVER)
            else:
                assert db.run(q.odd()) == 1
        assert db.run(fine) == pid
