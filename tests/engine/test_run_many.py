"""One query for many rows: in order, all or nothing, and few round trips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play, Relay


@attrs.frozen
class NewUser:
    """What the query asks for, and a field that it does not."""

    email: str
    name: str
    age: int | None = None
    nickname: str = "x"


def row(number: int, **changed: Any) -> dict[str, Any]:
    return {"email": f"{number}@b.de", "name": f"n{number}", "age": number + 1, **changed}


def test_results_come_in_the_order_of_the_rows_beyond_one_chunk(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        users = await db.run_many(queries.users.create, (row(n) for n in range(2500)))

        assert all(type(user) is User for user in users)
        assert [user.email for user in users] == [f"{n}@b.de" for n in range(2500)]
        assert await db.run(queries.users.all()) == users

    play(story)


def test_no_rows_give_no_results(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        assert await db.run_many(queries.users.create, []) == []
        assert await db.run_many(queries.users.create, iter(())) == []

    play(story)


def test_rows_are_mappings_or_records_of_which_more_fields_do_not_matter(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        rows = [NewUser("1@b.de", "a", 1), row(2), NewUser("3@b.de", "c")]
        users = await db.run_many(queries.users.create, rows)
        assert [(user.name, user.age) for user in users] == [("a", 1), ("n2", 3), ("c", None)]

    play(story)


def test_each_kind_gives_its_results(play: Play, queries: rx.Queries, write: Any) -> None:
    q = write("""\
        -- name: upto :many -> scalar
        select n from generate_series(1, :n) as n;
        -- name: rename :exec
        update users set name = :name where id = :id;
    """)

    async def story(db: Any) -> None:
        await db.run_many(queries.users.create, map(row, range(10)))
        ages = [{"age": 8}, {"age": 100}, {"age": 5}]
        assert await db.run_many(queries.users.deactivate_older_than, ages) == [2, 0, 3]
        assert await db.run_many(q.rename, [{"id": 1, "name": "z"}] * 2) == [None, None]
        assert (await db.run(queries.users.get(id=1))).name == "z"
        assert await db.run_many(q.upto, [{"n": 2}, {"n": 0}, {"n": 1}]) == [[1, 2], [], [1]]
        assert await db.run_many(queries.users.get, [{"id": 99}]) == [None]

    play(story)


def test_rows_of_different_variants_keep_their_order(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        (user,) = await db.run_many(queries.users.create, [row(1)])
        rows = [
            {"user_id": user.id, **more}
            for more in ({}, {"theme": "a"}, {"theme": "b"}, {}, {"notifications_enabled": False})
        ]
        made = await db.run_many(queries.user_preferences.create, rows)

        assert [each.id for each in made] == sorted(each.id for each in made)
        assert [each.theme for each in made] == [None, "a", "b", None, None]
        assert [each.notifications_enabled for each in made] == [True, True, True, True, False]

    play(story)


def test_a_failure_in_the_second_chunk_undoes_the_first_and_names_the_row(
    play: Play, queries: rx.Queries
) -> None:
    rows = [row(n) for n in range(1300)]
    rows[1234] = row(0)

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await db.run_many(queries.users.create, rows)

        location = queries.users.create.location
        assert caught.value.__notes__ == [f"in query users.create ({location}) in row 1234"]
        assert await db.run(queries.users.count()) == 0
        assert len(await db.run_many(queries.users.create, rows[:3])) == 3

    play(story, pool_size=1)


def test_a_row_without_a_result_undoes_all(play: Play, write: Any, queries: rx.Queries) -> None:
    q = write(
        "-- name: touch :one -> scalar\nupdate users set name = 'x' where id = :id returning id"
    )

    async def story(db: Any) -> None:
        await db.run_many(queries.users.create, map(row, range(2)))
        with pytest.raises(rx.NoRowsError, match=r"q\.touch") as caught:
            await db.run_many(q.touch, [{"id": 1}, {"id": 77}, {"id": 2}])
        assert caught.value.__notes__ == ["in row 1"]
        names = [user.name for user in await db.run(queries.users.all())]
        assert names == ["n0", "n1"]

    play(story, pool_size=1)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"email": "x@b.de", "name": "x"}, r"row \d+: age is missing"),
        (row(1, agee=1), "agee is not an argument; did you mean 'age'"),
        (("x@b.de", "x", 1), r"row \d+ is a tuple: give mappings or attrs records"),
        ("x@b.de", r"row \d+ is a str:"),
    ],
)
def test_arguments_that_do_not_fit_are_an_error_before_their_chunk_is_sent(
    play: Play, queries: rx.Queries, relay: Relay, wrong: Any, problem: str
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match=problem):
            await db.run_many(queries.users.create, [row(5), wrong])
        assert relay.messages["E"] == executed  # of the new connection, and no row
        assert await db.run(queries.users.count()) == 0
        with pytest.raises(TypeError, match=problem):
            await db.run_many(queries.users.create, [*map(row, range(1000)), wrong])
        assert await db.run(queries.users.count()) == 0

    async def nothing(db: Any) -> None:
        await db.run_many(queries.users.create, [])

    play(nothing, relay.conninfo, pool_size=1)
    executed = relay.messages["E"]
    relay.messages.clear()
    play(story, relay.conninfo, pool_size=1)


def test_an_error_of_the_rows_own_generator_undoes_all(play: Play, queries: rx.Queries) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from map(row, range(1500))
        raise OSError("the file ended")

    async def story(db: Any) -> None:
        with pytest.raises(OSError, match="the file ended"):
            await db.run_many(queries.users.create, rows())
        assert await db.run(queries.users.count()) == 0

    play(story, pool_size=1)


def test_what_is_no_query_is_refused(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.errors.QueryKindError, match=r"a :copy query is run by copy\(\)"):
            await db.run_many(queries.users.load, [row(1)])
        with pytest.raises(rx.errors.QueryKindError, match=r"run_many\(\) takes the query itself"):
            await db.run_many(queries.users.get(id=1), [{"id": 1}])
        with pytest.raises(TypeError, match=r"run_many\(\) takes a query; not str"):
            await db.run_many("select 1", [{}])

    play(story)


def test_round_trips_are_one_a_chunk_and_not_one_a_row(
    play: Play, queries: rx.Queries, relay: Relay
) -> None:
    async def story(db: Any) -> dict[int, int]:
        await db.run(queries.users.count())
        needed = {}
        for count in (1, 1000, 3000):
            await db.run(queries.users.clear())
            executes, trips = relay.messages["E"], relay.round_trips
            assert len(await db.run_many(queries.users.create, map(row, range(count)))) == count
            assert relay.messages["E"] - executes >= count  # every row is one execution
            needed[count] = relay.round_trips - trips
        return needed

    needed = play(story, relay.conninfo, pool_size=1, pool_min_size=1)
    # BEGIN and COMMIT; and for each chunk what psycopg's pipeline takes, which is no more than
    # three.
    assert needed[1] <= 5
    assert needed[1000] <= 5
    assert needed[3000] <= 11


def test_inside_of_a_transaction_it_is_a_part_of_it(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            assert len(await tx.run_many(queries.users.create, map(row, range(3)))) == 3
            with pytest.raises(psycopg.errors.UniqueViolation):
                await tx.run_many(queries.users.create, [row(7), row(1)])
            assert await tx.run(queries.users.count()) == 3  # the transaction goes on
        assert await db.run(queries.users.count()) == 3

        async def broken() -> None:
            async with db.transaction() as tx:
                await tx.run_many(queries.users.create, [row(8)])
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await broken()
        assert await db.run(queries.users.count()) == 3

    play(story, pool_size=1)
