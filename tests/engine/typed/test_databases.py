"""What a database is opened with: its own types, the program's classes and its hook."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.types.composite import CompositeInfo
from psycopg.types.enum import EnumInfo, register_enum

import raxol_sql as rx
from tests.engine.typed.conftest import Addr, Line, Load, Mood

Opened = Callable[..., Any]
SCALARS = """
-- name: mood :one -> scalar
select :x::mood;
-- name: moods :one -> scalar
select :x::mood[];
-- name: addr :one -> scalar
select :x::addr;
-- name: addrs :one -> scalar
select array[:x::addr, null];
-- name: text :one -> scalar
select (:x::addr)::text;
"""


@attrs.frozen
class Row:
    """A row with a mood."""

    v: Mood


def test_classes_given_for_types_are_made_where_no_field_says_so(
    opened: Opened, typed_database: str, load: Load
) -> None:
    queries = load(SCALARS)
    addr = Addr("a", None, 1)

    async def story() -> None:
        async with opened(typed_database, types={"mood": Mood, "public.addr": Addr}) as db:
            assert await db.run(queries.mood(x="ok")) is Mood.FINE
            assert await db.run(queries.moods(x=[Mood.SAD])) == [Mood.SAD]
            assert await db.run(queries.addr(x=addr)) == addr
            assert await db.run(queries.addrs(x=addr)) == [addr, None]

    asyncio.run(story())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"types": {"moood": Mood}}, "the database has no type moood on its search path"),
        ({"types": {"mood": str}}, "'mood' needs an Enum, an attrs class or a NamedTuple"),
        ({"infinity": "max"}, "infinity must be 'error' or 'clamp' or 'none', not 'max'"),
        ({"on_connect": "set x"}, "on_connect must be a function that takes a connection"),
    ],
)
def test_what_a_database_cannot_be_opened_with_is_refused_at_once(
    opened: Opened, typed_database: str, options: Any, problem: str
) -> None:
    async def story() -> None:
        with pytest.raises(rx.errors.ConfigError, match=problem):
            async with opened(typed_database, **options):
                pass

    asyncio.run(story())


def test_a_class_that_cannot_be_made_of_its_type_is_an_error_of_the_first_query(
    typed_database: str, load: Load
) -> None:
    queries = load(SCALARS)

    with rx.Database.open(typed_database, types={"addr": Line}) as db:
        with pytest.raises(psycopg.ProgrammingError, match="Line for the type addr: Line has no"):
            db.run(queries.addr(x=None))
        assert db.run(queries.mood(x="ok")) == "ok"


def test_a_type_that_is_created_again_is_known_again(own_database: str, load: Load) -> None:
    queries = load("-- name: get :many -> Row\nselect v from kept;\n" + SCALARS, Row)

    with (
        rx.Database.open(own_database, types={"mood": Mood}) as db,
        psycopg.connect(own_database, autocommit=True) as side,
    ):
        for _ in range(2):
            side.execute("create table kept (v mood); insert into kept values ('ok')")
            assert db.run(queries.get()) == [Row(Mood.FINE)]
            assert db.run(queries.moods(x=[Mood.SAD])) == [Mood.SAD]
            side.execute("drop table kept; drop type mood cascade")
            side.execute("create type mood as enum ('ok', 'sad')")


def test_each_database_has_its_own_types(typed_database: str, database: str, load: Load) -> None:
    queries = load(SCALARS)
    with psycopg.connect(database, autocommit=True) as side:
        side.execute("create type addr as (zip text); create type mood as enum ('x')")

    with rx.Database.open(typed_database) as first, rx.Database.open(database) as second:
        for _ in range(2):
            assert first.run(queries.addr(x=("a", "b", 1))) == ("a", "b", 1)
            assert second.run(queries.addr(x=("z",))) == ("z",)
            assert second.run(queries.moods(x=["x"])) == ["x"]


class Registered(enum.Enum):
    """What a program registers with psycopg, under other labels."""

    GLAD = 1
    SAD = 2


def test_what_a_program_registered_holds_in_another_database_too(
    typed_database: str, own_database: str, load: Load
) -> None:
    queries = load(SCALARS)
    with psycopg.connect(typed_database) as side:
        info = EnumInfo.fetch(side, "mood")
    assert info is not None

    def register(connection: Any) -> None:
        mapping = {Registered.GLAD: "ok", Registered.SAD: "sad"}
        register_enum(info, connection, Registered, mapping=mapping)

    for url in (typed_database, own_database):
        with rx.Database.open(url, on_connect=register) as db:
            assert db.run(queries.mood(x=Registered.GLAD)) is Registered.GLAD
            assert db.run(queries.moods(x=[Registered.SAD, "ok"])) == [
                Registered.SAD,
                Registered.GLAD,
            ]


def test_what_is_registered_under_the_oid_of_another_type_is_not_used_for_that(
    typed_database: str, load: Load
) -> None:
    queries = load(SCALARS)
    with psycopg.connect(typed_database) as side:
        addr = CompositeInfo.fetch(side, "addr")
    assert addr is not None

    def register(connection: Any) -> None:
        # As in another cluster, where mood has the OID that addr has here.
        info = EnumInfo("mood", addr.oid, addr.array_oid, ["ok", "sad"])
        mapping = {Registered.GLAD: "ok", Registered.SAD: "sad"}
        register_enum(info, connection, Registered, mapping=mapping)

    with rx.Database.open(typed_database, on_connect=register) as db:
        assert db.run(queries.addr(x=Addr("a", None, 1))) == ("a", None, 1)
        assert db.run(queries.addrs(x=Addr("a", None, 1))) == [("a", None, 1), None]
        assert db.run(queries.mood(x=Registered.GLAD)) is Registered.GLAD
        assert db.run(queries.moods(x=[Registered.SAD])) == [Registered.SAD]


def test_an_altered_composite_is_written_and_read_as_it_is_now(
    own_database: str, load: Load
) -> None:
    queries = load(SCALARS)

    with (
        rx.Database.open(own_database, pool_size=1) as db,
        psycopg.connect(own_database, autocommit=True) as side,
    ):
        assert db.run(queries.addr(x=("a", "b", 1))) == ("a", "b", 1)
        side.execute("alter type addr add attribute city text")
        assert db.run(queries.addr(x=("a", "b", 1, "c"))) == ("a", "b", 1, "c")
        side.execute("alter type addr drop attribute city")
        with db.transaction() as tx:
            assert tx.run(queries.addr(x=("a", "b", 1))) == ("a", "b", 1)
        assert db.run(queries.addr(x=("a", "b", 1))) == ("a", "b", 1)
        side.execute("alter type addr drop attribute floor")
        assert db.run(queries.text(x="(a,b)")) == "(a,b)"
        with pytest.raises(psycopg.DataError, match="the type addr was altered"):
            db.run(queries.addr(x="(a,b)"))
        assert db.run(queries.addr(x="(a,b)")) == ("a", "b")


def test_a_hook_gets_each_connection_and_once_more_after_a_reset(
    opened: Opened, typed_database: str, load: Load
) -> None:
    queries = load(
        "-- name: get :one -> scalar\nselect current_setting('my.tenant', true);\n"
        "-- name: leave :exec\nset my.tenant = 'b';\n"
    )
    count = 0

    async def story() -> None:
        def plain(connection: Any) -> Any:
            nonlocal count
            count += 1
            return connection.execute("set my.tenant = 'a'")

        async with opened(typed_database, on_connect=plain, pool_size=1) as db:
            assert await db.run(queries.get()) == "a"
            await db.run(queries.leave())
            assert await db.run(queries.get()) == "a"

    asyncio.run(story())
    assert count >= 2


def test_an_async_hook_is_awaited(typed_database: str, load: Load) -> None:
    queries = load("-- name: get :one -> scalar\nselect current_setting('my.tenant', true);\n")

    async def hook(connection: psycopg.AsyncConnection[Any]) -> None:
        await connection.execute("set my.tenant = 'a'")

    async def story() -> None:
        async with rx.AsyncDatabase.open(typed_database, on_connect=hook) as db:
            assert await db.run(queries.get()) == "a"

    asyncio.run(story())


class HookError(Exception):
    """What a hook of a program raises."""


def test_what_a_hook_raises_is_the_error_of_the_attempt_to_connect(
    opened: Opened, typed_database: str
) -> None:
    def raising(connection: Any) -> None:
        raise HookError

    def leaving(connection: Any) -> Any:
        return connection.execute("begin")

    async def story(hook: Any, expected: Any) -> None:
        with pytest.raises(expected):
            async with opened(typed_database, on_connect=hook):
                pass

    asyncio.run(story(raising, HookError))
    asyncio.run(story(leaving, psycopg.ProgrammingError))


DATES = """
-- name: get :one
select 'infinity'::date as a, '-infinity'::timestamp as b, 'infinity'::timestamptz as c,
    '0044-03-15 BC'::date as d, '{2020-01-01,infinity}'::date[] as e;
-- name: text :one -> scalar
select :x::date::text;
-- name: stamps :one -> scalar
select array[:x::timestamptz]::text;
-- name: into :copy
copy bounds (d, t) from stdin (format binary);
"""


def test_an_infinite_date_is_an_error_or_what_the_database_was_opened_for(
    opened: Opened, typed_database: str, load: Load
) -> None:
    queries = load(DATES)

    async def story() -> None:
        async with opened(typed_database) as db:
            with pytest.raises(psycopg.DataError):
                await db.run(queries.get())
        async with opened(typed_database, infinity="none") as db:
            row = await db.run(queries.get())
            assert (row.a, row.b, row.c, row.d) == (None,) * 4
            assert row.e == [dt.date(2020, 1, 1), None]
        async with opened(typed_database, infinity="clamp") as db:
            row = await db.run(queries.get())
            assert (row.a, row.b) == (dt.date.max, dt.datetime.min)
            assert (row.c, row.d) == (dt.datetime.max.replace(tzinfo=dt.UTC), dt.date.min)
            assert row.e == [dt.date(2020, 1, 1), dt.date.max]
            assert await db.run(queries.text(x=dt.date.max)) == "infinity"
            assert await db.run(queries.stamps(x=row.c)) == "{infinity}"

    asyncio.run(story())


def test_a_clamped_date_is_copied_as_the_infinite_one_that_it_stands_for(
    own_database: str, load: Load
) -> None:
    queries = load(DATES)

    with (
        rx.Database.open(own_database, infinity="clamp") as db,
        psycopg.connect(own_database, autocommit=True) as side,
    ):
        side.execute("create table bounds (d date, t timestamp)")
        db.copy(queries.into, [(dt.date.max, dt.datetime.min), (dt.date(1, 1, 2), None)])
        found = side.execute("select d::text, t::text from bounds").fetchall()
    assert found == [("infinity", "-infinity"), ("0001-01-02", None)]


def test_an_interval_has_one_sign_where_clocks_change(db: rx.Database, load: Load) -> None:
    queries = load(
        "-- name: add :one -> scalar\n"
        "select ('2026-03-29 12:00 Europe/Paris'::timestamptz + :x::interval)"
        " at time zone 'UTC';\n"
        "-- name: texts :one -> scalar\nselect :x::interval[]::text;\n"
        "-- name: months :one -> scalar\nselect '5 years'::interval;\n"
    )

    assert db.run(queries.add(x=dt.timedelta(hours=-11))) == dt.datetime(2026, 3, 28, 23)
    assert db.run(queries.texts(x=[dt.timedelta(hours=-3)])) == "{-03:00:00}"
    with pytest.raises(psycopg.DataError, match="months or years"):
        db.run(queries.months())


@attrs.frozen
class Order:
    """What is kept as JSON."""

    lines: list[Line]
    wait: dt.timedelta | None = None


def test_a_record_that_was_read_from_json_is_written_as_it_is_changed(
    db: rx.Database, load: Load
) -> None:
    held = attrs.make_class("Held", {"j": attrs.field(type=Order)}, frozen=True)
    queries = load("-- name: turn :one -> Held\nselect :j::jsonb as j;", held)
    order = Order([Line("a", Decimal("0.10"), Mood.SAD)], dt.timedelta(hours=-30))

    read = db.run(queries.turn(j=order)).j
    assert read == order
    changed = attrs.evolve(read, lines=[*read.lines, Line("b", Decimal(2), Mood.FINE)])
    assert db.run(queries.turn(j=changed)).j == changed


def test_json_that_cannot_be_written_is_refused_with_its_place(db: rx.Database, load: Load) -> None:
    queries = load("-- name: turn :one -> scalar\nselect :j::jsonb;")
    wrong: Any = object()

    for value, place in [
        (Order([Line("a", wrong, Mood.SAD)]), "lines[0].price is an object, which has no form"),
        ({"a": [1, {1, 2}]}, "a[1] is a set, which has no form in JSON"),
        ({"a": Decimal("NaN")}, "a is no finite number"),
    ]:
        with pytest.raises(rx.errors.ParameterError, match="cannot be written as JSON") as caught:
            db.run(queries.turn(j=value))
        assert place in str(caught.value)


def test_a_text_that_json_was_read_as_is_written_as_that_text(db: rx.Database, load: Load) -> None:
    queries = load(
        "-- name: read :one -> scalar\nselect '\"5\"'::jsonb;\n"
        "-- name: text :one -> scalar\nselect :j::jsonb::text;\n"
    )

    text = db.run(queries.read())
    assert text == "5"
    assert db.run(queries.text(j=text)) == '"5"'
    assert db.run(queries.text(j=[text, {"a": text}])) == '["5", {"a": "5"}]'
    assert db.run(queries.text(j='{"a": 1}')) == '{"a": 1}'
