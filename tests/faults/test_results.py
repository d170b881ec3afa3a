"""What a server sends that Python cannot hold, or that is in another encoding, is never wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raxol_sql import embedded
    from tests.faults.conftest import Play

TABLE = "create table kept (id bigint generated always as identity, body text)"


def kept(side: psycopg.Connection[Any]) -> list[str]:
    return [body for (body,) in side.execute("select body from kept order by id")]


UNREADABLE = [
    "'infinity'::timestamptz",
    "'0044-03-15 BC'::date",
    "'24:00'::time",
    "'10000000 years'::interval",
    "array['infinity'::date]",
    "daterange('2024-01-01', 'infinity')",
]
MARK = "insert into kept (body) values ('x') returning 1 as fine, {} as unreadable;\n"
DECODING = "".join(
    f"-- name: mark{number} :one\n{MARK.format(value)}"
    f"-- name: mark_again{number} :one\n-- @idempotent\n{MARK.format(value)}"
    for number, value in enumerate(UNREADABLE)
)


@pytest.fixture
def marks(write: Any, side: psycopg.Connection[Any]) -> Any:
    """Queries that write, and give what Python has no value for."""
    side.execute(TABLE)
    return write(f"{DECODING}-- name: pid :one -> scalar\nselect pg_backend_pid();")


@pytest.mark.parametrize("name", ["mark", "mark_again"])
def test_a_result_that_python_has_no_value_for_is_of_work_that_was_done_once(
    play: Play, marks: Any, side: psycopg.Connection[Any], name: str
) -> None:
    async def story(db: Any) -> None:
        pid = await db.run(marks.pid())
        for number in range(len(UNREADABLE)):
            query = marks[f"{name}{number}"]
            with pytest.raises(psycopg.DataError) as caught:
                await db.run(query())
            assert any(f"in query {query.name} " in note for note in caught.value.__notes__)
            assert kept(side) == ["x"] * (number + 1)
        assert await db.run(marks.pid()) == pid

    play(story, pool_size=1)


def test_a_result_that_python_has_no_value_for_takes_its_transaction_back_and_is_not_repeated(
    play: Play, marks: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        pid = await db.run(marks.pid())
        for number in range(len(UNREADABLE)):
            query = marks[f"mark{number}"]
            begun: list[int] = []

            async def work(tx: Any, query: Any = query, begun: list[int] = begun) -> None:
                begun.append(1)
                await tx.run(query())

            with pytest.raises(psycopg.DataError):
                await db.run_transaction(work)
            assert begun == [1]
            with pytest.raises(psycopg.DataError):
                await db.run_many(query, [{}, {}])
            with pytest.raises(psycopg.DataError):
                await db.run(rx.Multi().add("mark", query()))
        assert kept(side) == []
        assert await db.run(marks.pid()) == pid

    play(story, pool_size=1)


@pytest.mark.parametrize("number", range(len(UNREADABLE)), ids=UNREADABLE)
def test_the_column_that_cannot_be_read_is_named(database: str, marks: Any, number: int) -> None:
    with rx.Database.open(database, pool_size=1) as db:
        with db.transaction() as tx, pytest.raises(psycopg.DataError) as caught:
            tx.run(marks[f"mark{number}"]())
        assert "unreadable" in " ".join([str(caught.value), *caught.value.__notes__])


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def other_encoding(request: pytest.FixtureRequest, server: embedded.Server) -> Iterator[str]:
    """The connection string of a database whose texts are not UTF-8."""
    name = f"raxol_{request.param.lower()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            f"create database {name} encoding '{request.param}' locale_provider libc "
            "locale 'C' template template0"
        )
        try:
            yield server.conninfo(name)
        finally:
            connection.execute(f"drop database {name} with (force)")


ENCODED = """\
    -- name: echo :one -> scalar
    select :text::text;
    -- name: put :affected
    insert into kept (body) values (:text);
    -- name: raw :one -> scalar
    select convert_from('\\x67fc'::bytea, getdatabaseencoding());
    -- name: put_raw :affected
    insert into kept (body) values (convert_from('\\x67fc'::bytea, getdatabaseencoding()));
    -- name: bodies :many -> scalar
    select body from kept order by id;
    -- name: named :one
    select 1 as größe;
"""


def test_in_a_database_of_another_encoding_a_text_is_a_str_and_right_or_an_error(
    play: Play, write: Any, other_encoding: str
) -> None:
    q = write(ENCODED)

    async def story(db: Any) -> None:
        with psycopg.connect(other_encoding, autocommit=True) as other:
            other.execute(TABLE)
        assert await db.run(q.echo(text="grün")) == "grün"
        assert (await db.run(q.named())).größe == 1
        await db.run(q.put(text="grün"))
        assert await db.run(q.bodies()) == ["grün"]
        if other_encoding.endswith("latin1"):
            with pytest.raises(psycopg.errors.UntranslatableCharacter):
                await db.run(q.put(text="\N{GRINNING FACE}"))
            await db.run(q.put_raw())
            assert await db.run(q.bodies()) == ["grün", "gü"]
        else:
            await db.run(q.put(text="\N{GRINNING FACE}"))
            assert await db.run(q.bodies()) == ["grün", "\N{GRINNING FACE}"]
            with pytest.raises((psycopg.errors.CharacterNotInRepertoire, UnicodeDecodeError)):
                await db.run(q.raw())
            await db.run(q.put_raw())
            with pytest.raises((psycopg.errors.CharacterNotInRepertoire, UnicodeDecodeError)):
                await db.run(q.bodies())
        assert await db.run(q.echo(text="x")) == "x"

    play(story, other_encoding, pool_size=1)


@pytest.mark.parametrize(
    "words", ["set client_encoding =", "set local client_encoding to", "SET names"]
)
def test_a_query_that_sets_the_encoding_is_refused_at_load(write: Any, words: str) -> None:
    with pytest.raises(rx.errors.LoadError, match="a query that sets client_encoding"):
        write(f"    -- name: set_it :exec\n    {words} 'latin1';\n")


@pytest.mark.parametrize("local", ["true", "false"])
def test_a_function_that_sets_the_encoding_costs_its_connection_and_no_text_is_wrong(
    play: Play, write: Any, side: psycopg.Connection[Any], local: str
) -> None:
    side.execute(TABLE)
    sets = f"select set_config('client_encoding', 'latin1', {local})"
    q = write(f"{ENCODED}    -- name: set_it :exec\n    {sets};\n")

    async def put(tx: Any) -> None:
        await tx.run(q.set_it())
        await tx.run(q.put(text="grün"))

    async def story(db: Any) -> None:
        await db.run(q.put(text="grün"))
        with pytest.raises(rx.errors.ConfigError, match="changed client_encoding"):
            await db.run_transaction(put)
        assert await db.run(q.bodies()) == ["grün"]
        assert await db.run(q.echo(text="grün")) == "grün"

    play(story, pool_size=1)
