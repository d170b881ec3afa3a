"""Rows into the server and out of it, in both colours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from tests.engine.conftest import Play

SQL = """\
    -- name: into :copy
    copy notes (id, body) from stdin;
    -- name: into_any :copy
    copy notes from stdin;
    -- name: csv_in :copy
    copy notes (id, body) from stdin with (format csv);
    -- name: binary_in :copy
    copy notes (id, body) from stdin with (format binary);
    -- name: out :copy
    copy (select id, body from notes order by id) to stdout;
    -- name: csv_out :copy
    copy (select id, body from notes order by id) to stdout (format csv, header);
    -- name: binary_out :copy
    copy (select id, body from notes order by id) to stdout (format binary);
    -- name: many_out :copy
    copy (select n, repeat('x', 100) from generate_series(1, 20000) as n) to stdout;
    -- name: all :many
    select id, body from notes order by id;
    -- name: clear :exec
    truncate notes;
    -- name: count :one -> scalar
    select count(*) from notes;
"""
# What COPY's text format writes in a way of its own, and what only looks like it.
AWKWARD = [
    *(
        "",
        "\t",
        "\n",
        "\r\n",
        "\\",
        "\\N",
        "\\.",
        "NULL",
        "a\tb\\nc",
        '"',
        ",",
        "'",
        "\\\\N",
        "ü€😀",
    ),
    *(" ", "\x01", "\x0b", "\\x41", "\\101", "a\\"),
]


@attrs.frozen
class Note:
    """A row, with one field more than the table has columns."""

    body: str | None
    id: int
    length: int = 0


@attrs.frozen
class Half:
    """A row that lacks a column."""

    id: int


@pytest.fixture(scope="module")
def q(engine_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Queries of a table of its own."""
    root = tmp_path_factory.mktemp("copy")
    (root / "q.sql").write_text(SQL)
    with psycopg.connect(engine_database, autocommit=True) as connection:
        connection.execute("drop table if exists notes; create table notes (id int, body text)")
    return rx.load(root).q


@pytest.fixture(autouse=True)
def _no_notes(q: Any, accounts_database: str) -> None:
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        connection.execute("truncate notes")


def generated(*rows: Any) -> Iterator[Any]:
    yield from rows


def pairs(rows: list[Any]) -> list[tuple[int, str | None]]:
    return [(row.id, row.body) for row in rows]


@pytest.mark.parametrize(
    "data",
    [
        lambda: [(1, "a"), (2, None)],
        lambda: [[1, "a"], [2, None]],
        lambda: ((1, "a"), [2, None]),
        lambda: [{"id": 1, "body": "a"}, {"body": None, "id": 2}],
        lambda: [Note("a", 1), Note(None, 2)],
        lambda: [(1, "a"), {"id": 2, "body": None}],
        lambda: generated((1, "a"), Note(None, 2)),
        lambda: b"1\ta\n2\t\\N\n",
        lambda: bytearray(b"1\ta\n2\t\\N\n"),
        lambda: memoryview(b"1\ta\n2\t\\N\n"),
        lambda: io.BytesIO(b"1\ta\n2\t\\N\n"),
    ],
)
def test_rows_records_bytes_and_files_are_copied(
    play: Play, q: Any, data: Callable[[], Any]
) -> None:
    async def story(db: Any) -> None:
        assert await db.copy(q.into, data()) == 2
        assert pairs(await db.run(q.all())) == [(1, "a"), (2, None)]

    play(story)


def test_an_asynchronous_generator_is_copied_by_the_asyncio_colour_alone(
    play: Play, q: Any
) -> None:
    async def rows() -> AsyncIterator[Any]:
        for number in range(3):
            yield (number, "x")

    async def story(db: Any) -> None:
        if play.colour == "asyncio":
            assert await db.copy(q.into, rows()) == 3
        else:
            with pytest.raises(TypeError, match=r"q\.into: copy\(\) takes an asynchronous"):
                await db.copy(q.into, rows())
            assert await db.run(q.count()) == 0

    play(story)


@pytest.mark.parametrize("nothing", [[], b"", iter(()), None])
def test_nothing_is_zero_rows(play: Play, q: Any, nothing: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.copy(q.into, nothing) == 0

    play(story)


def test_a_file_larger_than_a_block_arrives_whole(play: Play, q: Any, tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("".join(f'{n},"line\n""{n}"""\n' for n in range(10_000)))

    async def story(db: Any) -> None:
        with path.open("rb") as file:
            assert await db.copy(q.csv_in, file) == 10_000
        rows = pairs(await db.run(q.all()))
        assert rows[9_876] == (9_876, 'line\n"9876"')

    play(story)


def test_csv_is_given_as_bytes_and_not_as_rows(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.copy(q.csv_in, b'1,"a,b"\n2,\n3,""\n') == 3
        assert pairs(await db.run(q.all())) == [(1, "a,b"), (2, None), (3, "")]
        with pytest.raises(rx.errors.QueryKindError, match="this COPY reads csv: give copy"):
            await db.copy(q.csv_in, [(4, "x")])

    play(story)


@pytest.mark.parametrize(
    ("query", "wrong", "problem"),
    [
        ("into", (2,), r"row 1 has 1 values for 2 columns: id, body"),
        ("into", (2, "b", "c"), r"row 1 has 3 values for 2 columns: id, body"),
        ("into", {"id": 2}, r"row 1 has no body"),
        ("into", {"id": 2, "body": "b", "x": 1}, r"row 1 has x, which is not a column"),
        ("into", {"Id": 2}, r"row 1 has no id; row 1 has no body; row 1 has Id, which"),
        ("into", Half(2), r"row 1 has no body"),
        ("into", "2b", r"row 1 is a str, which is not a row"),
        ("into", b"2b", r"row 1 is a bytes, which is not a row"),
        ("into", 2, r"row 1 is an int, which is not a row"),
        ("into", None, r"row 1 is a NoneType, which is not a row"),
        ("into_any", {"id": 2, "body": "b"}, r"to give rows by name, list the columns in the"),
    ],
)
def test_a_row_that_does_not_fit_is_an_error_with_its_number_and_nothing_is_copied(
    play: Play, q: Any, query: str, wrong: Any, problem: str
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.errors.ParameterError, match=rf"q\.{query}: {problem}"):
            await db.copy(getattr(q, query), [(1, "a"), wrong])
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


def test_a_copy_without_columns_takes_rows_in_the_order_of_the_table(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        assert await db.copy(q.into_any, [(1, "a")]) == 1
        with pytest.raises(
            rx.errors.ParameterError, match="row 1 has 1 values for 2 columns: id, body"
        ):
            await db.copy(q.into_any, [(2, "b"), (3,)])
        assert await db.run(q.count()) == 1

    play(story, pool_size=1)


def test_an_error_of_the_generator_leaves_nothing_half_copied(play: Play, q: Any) -> None:
    def rows() -> Iterator[Any]:
        yield from ((n, "x" * 100) for n in range(10_000))
        raise OSError("the disk is gone")

    async def story(db: Any) -> None:
        with pytest.raises(OSError, match="the disk is gone"):
            await db.copy(q.into, rows())
        assert await db.run(q.count()) == 0
        assert await db.copy(q.into, [(1, "a")]) == 1

    play(story, pool_size=1)


def test_an_error_of_the_server_leaves_nothing_and_says_no_value(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
            await db.copy(q.into, [(1, "a"), ("secret", "b")])
        assert caught.value.__notes__ == [f"in query q.into ({q.into.location})"]
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


@pytest.mark.parametrize("data", ["1\ta\n", io.StringIO("1\ta\n")])
def test_text_is_refused_where_bytes_are_meant(play: Play, q: Any, data: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match=r"not a str|open the file .* in binary mode"):
            await db.copy(q.into, data)
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


def test_what_is_no_data_at_all_is_refused(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match="not iterable"):
            await db.copy(q.into, 5)
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


def test_other_kinds_are_refused(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for wrong, error, message in [
            (q.count, rx.errors.QueryKindError, r"copy\(\) takes :copy, and this is :one"),
            (q.into(), TypeError, r"copy\(\) takes a :copy query; not Bound"),
            ("copy notes from stdin", TypeError, r"copy\(\) takes a :copy query; not str"),
        ]:
            with pytest.raises(error, match=message):
                await db.copy(wrong, [])

    play(story)


def test_rows_come_out_as_texts(play: Play, q: Any) -> None:
    rows = [(n, text) for n, text in enumerate([*AWKWARD, None])]

    async def story(db: Any) -> None:
        assert await db.copy(q.out) == []
        await db.copy(q.into, rows)
        assert await db.copy(q.out) == [(str(n), text) for n, text in rows]
        with pytest.raises(
            rx.errors.QueryKindError, match="this COPY sends csv with header: give copy"
        ):
            await db.copy(q.csv_out)

    play(story)


def test_bytes_come_out_into_a_file_and_go_in_again(play: Play, q: Any, tmp_path: Path) -> None:
    rows = [(n, text) for n, text in enumerate([*AWKWARD, None])]

    async def story(db: Any) -> None:
        await db.copy(q.into, rows)
        for out, into in [(q.out, q.into), (q.binary_out, q.binary_in)]:
            path = tmp_path / out.definition.name
            with path.open("wb") as file:
                assert await db.copy(out, file) == file.tell()
            await db.run(q.clear())
            with path.open("rb") as file:
                assert await db.copy(into, file) == len(rows)
            assert pairs(await db.run(q.all())) == rows
        file = io.BytesIO()
        await db.copy(q.csv_out, file)
        assert file.getvalue().startswith(b'id,body\n0,""\n1,\t\n')

    play(story)


class Silent(io.RawIOBase):
    """A file whose write() says nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> None:  # type: ignore[override]
        self.got = getattr(self, "got", 0) + len(data)


def test_the_count_of_bytes_does_not_rest_on_what_the_file_says(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        file = Silent()
        assert await db.copy(q.many_out, file) == file.got > 2_000_000

    play(story)


@pytest.mark.parametrize("file", [[(1, "a")], b"x", "x", 5, io.StringIO()])
def test_what_is_no_binary_file_is_refused_for_data_that_comes_out(
    play: Play, q: Any, file: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match=r"q\.out: this COPY sends bytes: open the file for"):
            await db.copy(q.out, file)
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


def test_an_error_of_the_file_ends_the_copy_and_frees_the_connection(play: Play, q: Any) -> None:
    class Full(io.RawIOBase):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    async def story(db: Any) -> None:
        with pytest.raises(OSError, match="No space left"):
            await db.copy(q.many_out, Full())
        assert await db.run(q.count()) == 0

    play(story, pool_size=1)


def test_copies_are_a_part_of_their_transaction(play: Play, q: Any) -> None:
    async def broken(db: Any) -> None:
        async with db.transaction() as tx:
            assert await tx.copy(q.into, [(1, "a"), (2, "b")]) == 2
            assert await tx.copy(q.out) == [("1", "a"), ("2", "b")]
            raise ZeroDivisionError

    async def story(db: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            await broken(db)
        assert await db.run(q.count()) == 0
        async with db.transaction() as tx:
            await tx.copy(q.into, [(1, "a")])
            with pytest.raises(rx.errors.ParameterError):
                async with tx.transaction() as inner:
                    await inner.copy(q.into, [(2, "b"), (3,)])
        assert await db.run(q.count()) == 1

    play(story, pool_size=1)


texts = st.one_of(
    st.none(),
    st.sampled_from(AWKWARD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.text("\\\t\n\rN.x", max_size=8),
)


@given(bodies=st.lists(texts, max_size=20))
def test_every_text_and_null_comes_back_as_it_was(
    engine_database: str, q: Any, bodies: list[str | None]
) -> None:
    with rx.Database.open(engine_database, pool_size=1) as db:
        db.run(q.clear())
        assert db.copy(q.into, enumerate(bodies)) == len(bodies)
        assert [row.body for row in db.run(q.all())] == bodies
        assert [body for _, body in db.copy(q.out)] == bodies
