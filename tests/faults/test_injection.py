"""Wherever a value or a name can come in, it stays one: nothing of it is ever executed."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import databases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from raxol_sql import embedded
    from tests.faults.conftest import Play

DROP = "drop table canary"
CORPUS = [
    f"'; {DROP}; --",
    f"''; {DROP}; --",
    f"\\'; {DROP}; --",
    f"\\\\'; {DROP}; --",
    f'"; {DROP}; --',
    f'""; {DROP}; --',
    f"1; {DROP}",
    f"1); {DROP}; --",
    f"$$; {DROP}; $$",
    f"$a$; {DROP}; $a$",
    f"*/ ; {DROP} /*",
    f"-- \n; {DROP}",
    f"E'\\'; {DROP}; --'",
    f"U&'\\0027; {DROP}; --'",
    f"\N{FULLWIDTH APOSTROPHE}; {DROP}; --",
    f"\N{MODIFIER LETTER APOSTROPHE}; {DROP}; --",
    f"\xbf'; {DROP}; --",
    f"x',1); {DROP}; --",
    f"(select pg_sleep(60)); {DROP}",
    f"\\.\n{DROP};\n",
    *("$1", "$2", ":x", ":'x'", ':"x"', "%s", "%(x)s", "%", "{0}", "{x}", "{}", "?", "@x"),
    *("/*? x */", "/*?*/", "/*= a: b */", "-- name: x :one", "-- @timeout 1s", "\\i /etc/passwd"),
    *("\\N", "\\.", "\\", "\t", "\n", "\r\n", "\x1a", "\x1b[2J", '"', "'", ",", "", " ", "NULL"),
    *("{a,b}", "{NULL}", '{"', "(1,2)", '("', "[1,2)", "empty", "' or '1'='1", "1 or 1=1", "null"),
    *("\N{GRINNING FACE}'", "\N{RIGHT-TO-LEFT OVERRIDE}'", "\N{LINE SEPARATOR}'"),
]
SQL = """\
    -- name: put :affected
    insert into kept (body) values (:body);
    -- name: put_quoted :affected
    insert into kept (body) values (:'body');
    -- name: put_list :affected
    insert into kept (body) select unnest(:bodies::text[]);
    -- name: put_composite :affected
    insert into kept (body) select (:pair::pair).b;
    -- name: put_document :affected
    insert into kept (body) select (jsonb_each_text(:document::jsonb)).key;
    -- name: put_document_value :affected
    insert into kept (body) select (jsonb_each_text(:document::jsonb)).value;
    -- name: put_range :affected
    insert into kept (body) select lower(:range::textrange);
    -- name: put_block :affected
    insert into kept (body) select :body /*? only */ where :only = :only /*?*/;
    -- name: put_choice :affected
    insert into kept (body) select /*= which: upper: upper('x') | given: :body */ 'x' /*=*/;
    -- name: found :many -> scalar
    select body from kept where body = :body order by /*= sort: up: id | down: id desc */ id /*=*/;
    -- name: like :many -> scalar
    select body from kept where strpos(body, :body) = 1 and body like '%' limit :most;
    -- name: load :copy
    copy kept (body) from stdin;
    -- name: load_csv :copy
    copy kept (body) from stdin (format csv);
    -- name: load_binary :copy
    copy kept (body) from stdin (format binary);
    -- name: unload :copy -> scalar
    copy (select body from kept order by id) to stdout (format binary);
    -- name: set :one -> scalar
    select set_config('raxol.value', :value, true);
"""
TABLES = """\
    create table kept (id bigint generated always as identity, body text);
    create type pair as (a int, b text);
    create type textrange as range (subtype = text, collation = "C");
"""


@attrs.frozen
class Row:
    """What a COPY of records takes."""

    body: str


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any]) -> Any:
    side.execute(TABLES)
    return write(SQL, Row)


@pytest.fixture(autouse=True)
def _canary(side: psycopg.Connection[Any]) -> Iterator[None]:
    """Whatever is tried, the table that it is to drop is there afterwards."""
    side.execute("create table canary (alive bool)")
    yield
    assert side.execute("select to_regclass('canary') is not null").fetchone() == (True,)


def kept(side: psycopg.Connection[Any]) -> list[str]:
    return [body for (body,) in side.execute("select body from kept order by id")]


async def as_run(db: Any, q: Any) -> None:
    for value in CORPUS:
        assert await db.run(q.put(body=value)) == 1


async def as_quoted(db: Any, q: Any) -> None:
    for value in CORPUS:
        assert await db.run(q.put_quoted(body=value)) == 1


async def as_run_many(db: Any, q: Any) -> None:
    await db.run_many(q.put, [{"body": value} for value in CORPUS])


async def as_records(db: Any, q: Any) -> None:
    await db.run_many(q.put, [Row(value) for value in CORPUS])


async def as_multi(db: Any, q: Any) -> None:
    steps = rx.Multi()
    for number, value in enumerate(CORPUS):
        steps = steps.add(f"{value} {number}", q.put(body=value))
    await db.run(steps)


async def as_transaction(db: Any, q: Any) -> None:
    async with db.transaction(isolation="serializable") as tx:
        for value in CORPUS:
            await tx.run(q.put(body=value))


async def as_list(db: Any, q: Any) -> None:
    await db.run(q.put_list(bodies=CORPUS))


async def as_composite(db: Any, q: Any) -> None:
    for value in CORPUS:
        await db.run(q.put_composite(pair=(1, value)))


async def as_key_of_a_document(db: Any, q: Any) -> None:
    for value in CORPUS:
        await db.run(q.put_document(document={value: 1}))


async def as_value_of_a_document(db: Any, q: Any) -> None:
    for value in CORPUS:
        await db.run(q.put_document_value(document={"key": value}))


async def as_bound_of_a_range(db: Any, q: Any) -> None:
    for value in CORPUS:
        bounds = psycopg.types.range.Range(value, None)
        await db.run(q.put_range(range=bounds))


async def as_block(db: Any, q: Any) -> None:
    for value in CORPUS:
        await db.run(q.put_block(body=value, only=value))


async def as_choice(db: Any, q: Any) -> None:
    for value in CORPUS:
        await db.run(q.put_choice(which="given", body=value))


async def as_copy(db: Any, q: Any) -> None:
    await db.copy(q.load, [(value,) for value in CORPUS])


async def as_copy_of_records(db: Any, q: Any) -> None:
    await db.copy(q.load, [Row(value) for value in CORPUS])


async def as_binary_copy(db: Any, q: Any) -> None:
    await db.copy(q.load_binary, [(value,) for value in CORPUS])


WAYS = [
    *(as_run, as_quoted, as_run_many, as_records, as_multi, as_transaction, as_list, as_composite),
    *(as_key_of_a_document, as_value_of_a_document, as_bound_of_a_range, as_block, as_choice),
    *(as_copy, as_copy_of_records, as_binary_copy),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_value_is_stored_as_it_is_and_never_executed(
    play: Play, q: Any, side: psycopg.Connection[Any], way: Callable[..., Awaitable[None]]
) -> None:
    async def story(db: Any) -> None:
        await way(db, q)
        assert kept(side) == CORPUS
        async with play.opened(pool_size=1, prepare=False) as unprepared:
            await way(unprepared, q)
        assert kept(side) == CORPUS * 2

    play(story, pool_size=1)


def test_a_value_finds_itself_and_nothing_else(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        await db.run_many(q.put, [{"body": value} for value in CORPUS])
        for value in CORPUS:
            expected = [one for one in CORPUS if one == value]
            assert await db.run(q.found(body=value, sort="down")) == expected
            assert [row async for row in db.stream(q.found(body=value))] == expected
            begin = [one for one in CORPUS if one.startswith(value)]
            assert await db.run(q.like(body=value, most=1000)) == begin
        assert await db.copy(q.unload) == CORPUS
        assert kept(side) == CORPUS

    play(story, pool_size=1)


def test_a_text_where_a_number_or_a_key_belongs_is_refused(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    async def story(db: Any) -> None:
        for value in CORPUS:
            with pytest.raises((psycopg.DataError, rx.errors.ParameterError)):
                await db.run(q.like(body="x", most=value))
            with pytest.raises(rx.errors.ParameterError):
                q.found(body="x", sort=value)
            with pytest.raises(rx.errors.ParameterError):
                q.put(body="x", **{value: 1})
            with pytest.raises(rx.errors.UnknownQueryError):
                q[value]
            with pytest.raises(ValueError, match="isolation"):
                async with db.transaction(isolation=value):
                    pass
            with pytest.raises(ValueError, match="commit_check"):
                await db.run(q.put(body="x"), commit_check=value)
        assert kept(side) == []

    play(story, pool_size=1)


def test_the_end_of_a_copy_in_a_value_ends_no_copy(
    play: Play, q: Any, side: psycopg.Connection[Any]
) -> None:
    values = ["before", "\\.", "\\.\n", f"\\.\n{DROP};", "after"]

    async def story(db: Any) -> None:
        for query in (q.load, q.load_binary):
            assert await db.copy(query, [(value,) for value in values]) == len(values)
        quoted = "".join('"{}"\n'.format(value.replace('"', '""')) for value in values)
        assert await db.copy(q.load_csv, quoted.encode()) == len(values)
        assert kept(side) == values * 3

    play(story, pool_size=1)


def test_a_setting_takes_a_value_and_no_more(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for value in CORPUS:
            async with db.transaction() as tx:
                assert await tx.run(q.set(value=value)) == value

    play(story, pool_size=1)


# What is not ASCII takes more bytes, of which a name has 63, and the server cuts off the rest.
NAMES = [value for value in CORPUS if value and len(value.encode()) < 50]


def test_a_name_of_a_database_is_one(server: embedded.Server, database: str) -> None:
    maintenance = server.conninfo("postgres")
    with psycopg.connect(maintenance, autocommit=True) as connection:
        for value in NAMES[::5]:
            name = f"{uuid.uuid4().hex[:8]} {value}"
            assert databases.create(maintenance, name)
            try:
                with rx.Database.open(make_conninfo(maintenance, dbname=name), pool_size=1) as db:
                    assert db.config.database == name
                count = "select count(*) from pg_database where datname = %s"
                assert connection.execute(count, [name]).fetchone() == (1,)
                assert databases.sessions(maintenance, name) >= 0
            finally:
                assert databases.drop(maintenance, name, force=True)


def test_a_name_of_a_database_is_not_cut_at_a_nul(server: embedded.Server) -> None:
    maintenance = server.conninfo("postgres")
    name = uuid.uuid4().hex
    assert databases.create(maintenance, name)
    try:
        with pytest.raises((psycopg.DataError, ValueError)):
            databases.drop(maintenance, f"{name}\0_of_somebody_else")
        with pytest.raises((psycopg.DataError, ValueError)):
            databases.create(maintenance, f"{name}\0; {DROP}")
        assert not databases.create(maintenance, name)
    finally:
        databases.drop(maintenance, name)


def test_a_name_of_a_user_or_a_program_is_one(database: str, side: psycopg.Connection[Any]) -> None:
    for value in NAMES:
        shown = "select 1 from pg_stat_activity where application_name = %s"
        named = make_conninfo(database, application_name=value)
        with rx.Database.open(named, pool_size=1):
            # The server shows what is not ASCII as \x.., or as a question mark.
            assert (
                not value.isascii()
                or not value.isprintable()
                or (side.execute(shown, [value]).fetchall() != [])
            )
        with pytest.raises(psycopg.OperationalError) as caught:
            rx.Database.open(make_conninfo(database, user=f"nobody {value}"), timeout=2000)
        assert caught.value.sqlstate == "28000"


HOSTILE = """\
    create schema "{name}";
    create type "{name}"."enum {name}" as enum ('a', '{label}');
    create type "{name}"."pair {name}" as ("{name}" int, "{name} 2" text);
    create table "{name}"."{name}" (
        "{name}" int, body text, mood "{name}"."enum {name}", pair "{name}"."pair {name}"
    );
"""


@pytest.mark.parametrize("value", NAMES[:8], ids=range(8))
def test_a_name_of_the_server_s_own_that_looks_like_sql_is_one(
    play: Play, write: Any, side: psycopg.Connection[Any], value: str
) -> None:
    name, label = value.replace('"', '""'), value.replace("'", "''")
    side.execute(HOSTILE.format(name=name, label=label))
    q = write(
        f"""\
        -- name: put :affected
        insert into "{name}"."{name}" values (:n, :body, :mood, :pair);
        -- name: all :many
        select "{name}" as n, body, mood, (pair)."{name} 2" as second from "{name}"."{name}";
        -- name: named :many
        select * from "{name}"."{name}";
        -- name: load :copy
        copy "{name}"."{name}" from stdin;
        -- name: load_binary :copy
        copy "{name}"."{name}" ("{name}", body) from stdin (format binary);
        """
    )

    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1, body=value, mood=value, pair=(1, value))) == 1
        assert await db.copy(q.load, [(2, value, value, (1, value))]) == 1
        assert await db.copy(q.load_binary, [(3, value)]) == 1
        rows = [attrs.astuple(row) for row in await db.run(q.all())]
        assert rows == [(1, value, value, value), (2, value, value, value), (3, value, None, None)]
        with pytest.raises(rx.errors.RecordError, match="as"):
            await db.run(q.named())

    play(story, pool_size=1)
