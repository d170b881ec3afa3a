"""The children of many parents come in one query."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.demo.accounts import User, UserPreferences


@attrs.frozen
class Person:
    """A user with the preferences, in a tuple and in a list, and the newest of them."""

    id: int
    name: str
    preferences: tuple[UserPreferences, ...] = ()
    listed: list[UserPreferences] | None = None
    newest: UserPreferences | None = None


def person(user: User) -> Person:
    return Person(user.id, user.name)


async def filled(db: Any, queries: rx.Queries, children: list[int]) -> list[User]:
    """Users of whom each has so many preferences."""
    await db.run(queries.users.clear())
    rows = [{"email": f"{n}@b.de", "name": f"N{n}", "age": None} for n in range(len(children))]
    users = await db.run_many(queries.users.create, rows)
    themes = [
        {"user_id": user.id, "theme": f"t{n}"}
        for user, count in zip(users, children, strict=True)
        for n in range(count)
    ]
    await db.run_many(queries.user_preferences.create, themes)
    return list(users)


def test_fifty_users_and_their_preferences_are_two_queries_and_not_fifty_one(
    play: Any, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        await filled(db, queries, [n % 3 for n in range(50)])
        by_user_ids = queries.user_preferences.by_user_ids
        with db.watch_queries() as watched:
            users = await db.run(queries.users.all())
            attached = await db.preload(users, by_user_ids)
        assert watched.counts == {"users.all": 1, "user_preferences.by_user_ids": 1}
        with (
            pytest.warns(
                rx.errors.RepeatedQueryWarning, match="by_user_ids ran 50 times in one block"
            ),
            db.watch_queries() as looped,
        ):
            one_by_one = [(user, await db.run(by_user_ids(user_ids=[user.id]))) for user in users]
        assert looped.counts == {"user_preferences.by_user_ids": 50}
        assert attached == one_by_one

    play(story)


@settings(max_examples=25)
@given(
    children=st.lists(st.integers(0, 3), max_size=6),
    chosen=st.lists(st.integers(0, 5), max_size=10),
)
def test_preload_is_the_loop_over_the_parents_without_children_and_twice_the_same_included(
    engine_database: str, queries: rx.Queries, children: list[int], chosen: list[int]
) -> None:
    by_user_ids = queries.user_preferences.by_user_ids
    with rx.Database.open(engine_database, pool_size=1) as db:
        db.run(queries.users.clear())
        users = [
            db.run(queries.users.create(email=f"{n}@b.de", name="N", age=None))
            for n in range(len(children))
        ]
        for user, count in zip(users, children, strict=True):
            for _ in range(count):
                db.run(queries.user_preferences.create(user_id=user.id))
        parents = [users[n] for n in chosen if n < len(users)]
        loop = [(user, db.run(by_user_ids(user_ids=[user.id]))) for user in parents]
        assert db.preload(parents, by_user_ids) == loop
        people = [person(user) for user in parents]
        assert db.preload(people, by_user_ids, into="preferences") == [
            attrs.evolve(person(user), preferences=tuple(own)) for user, own in loop
        ]
        assert db.preload(people, by_user_ids, into="listed") == [
            attrs.evolve(person(user), listed=own) for user, own in loop
        ]


def test_preload_in_a_transaction_sees_what_that_has_done(play: Any, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        users = await filled(db, queries, [0])
        async with db.transaction() as tx:
            await tx.run(queries.user_preferences.create(user_id=users[0].id))
            ((_, own),) = await tx.preload(users, queries.user_preferences.by_user_ids)
            assert len(own) == 1

    play(story)


def test_one_child_takes_the_place_of_the_list_and_a_second_is_an_error(
    play: Any, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        by_user_ids = queries.user_preferences.by_user_ids
        users = [person(user) for user in await filled(db, queries, [1, 0])]
        with_one = await db.preload(users, by_user_ids, into="newest", single=True)
        assert [one.newest and one.newest.user_id for one in with_one] == [users[0].id, None]
        await db.run(queries.user_preferences.create(user_id=users[0].id))
        with pytest.raises(rx.TooManyRowsError, match="one child was expected for each id"):
            await db.preload(users, by_user_ids, single=True)

    play(story)


def test_without_parents_or_keys_nothing_is_sent(play: Any, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        by_user_ids = queries.user_preferences.by_user_ids
        nobody = Person(None, "N")  # type: ignore[arg-type]
        with db.watch_queries() as watched:
            assert await db.preload([], by_user_ids) == []
            assert await db.preload([nobody], by_user_ids) == [(nobody, [])]
        assert watched.counts == {}

    play(story)


def test_a_name_that_is_not_there_is_told_with_those_that_are(
    play: Any, queries: rx.Queries, write: Any
) -> None:
    both = write(
        """\
        -- name: of :many -> UserPreferences
        select id, user_id, theme, notifications_enabled, inserted_at, updated_at
        from user_preferences where user_id = any(:user_ids) and theme = any(:themes);
        """
    ).of

    async def story(db: Any) -> None:
        users = await filled(db, queries, [1])
        by_user_ids = queries.user_preferences.by_user_ids
        for options, told in (
            ({"parent_key": "idd"}, "parent_key='idd' is no field of User; did you mean 'id'"),
            (
                {"child_key": "user"},
                "child_key='user' is no field of UserPreferences; did you mean",
            ),
            ({"into": "prefs"}, "into='prefs' is no field of User: it has id, email"),
            ({"keys_parameter": "ids"}, "user_ids is missing; ids is not an argument"),
            ({"user_ids": [1]}, "the query has no parameter for the keys"),
        ):
            with pytest.raises(rx.errors.ParameterError, match=told):
                await db.preload(users, by_user_ids, **options)
        with pytest.raises(rx.errors.ParameterError, match="say which parameter takes the keys"):
            await db.preload(users, both)
        assert await db.preload(users, both, themes=[]) == [(users[0], [])]
        with pytest.raises(rx.errors.QueryKindError, match=r"preload\(\) takes a :many"):
            await db.preload(users, queries.users.get)
        with pytest.raises(TypeError, match="a list of records, not a single User"):
            await db.preload(users[0], by_user_ids)

    play(story)
