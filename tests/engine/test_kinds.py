"""What running a query of each kind gives, in both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import Account, AccountPreferences, User

if TYPE_CHECKING:
    from tests.engine.conftest import Play


def test_one_gives_the_row(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        user = await db.run(queries.users.create(email="a@b.de", name="Ann", age=30))

        assert type(user) is User
        assert (user.id, user.email, user.name, user.age, user.active) == (
            *(1, "a@b.de", "Ann", 30, True),
        )
        assert user.inserted_at.tzinfo is not None

    play(story)


def test_one_without_a_row_is_an_error_that_names_the_query(play: Play, write: Any) -> None:
    q = write("-- name: gone :one\nselect 1 as n where false")

    async def story(db: Any) -> None:
        with pytest.raises(rx.NoRowsError, match="expected exactly one row, got none") as caught:
            await db.run(q.gone())
        assert (caught.value.query, caught.value.location) == ("q.gone", q.gone.location)
        assert isinstance(caught.value, LookupError)

    play(story)


@pytest.mark.parametrize(
    ("kind", "promise"), [("one", "exactly one row"), ("maybe", "at most one row")]
)
def test_more_rows_than_promised_are_an_error_with_both_counts(
    play: Play, write: Any, kind: str, promise: str
) -> None:
    q = write(f"-- name: crowd :{kind}\nselect n from generate_series(1, :n) as n")

    async def story(db: Any) -> None:
        with pytest.raises(rx.TooManyRowsError, match=f"q.crowd .*expected {promise}, got 3"):
            await db.run(q.crowd(n=3))
        assert (await db.run(q.crowd(n=1))).n == 1

    play(story)


def test_maybe_gives_the_row_or_none(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        created = await db.run(queries.users.create(email="a@b.de", name="Ann", age=None))

        assert await db.run(queries.users.get(id=created.id)) == created
        assert await db.run(queries.users.get(id=created.id + 1)) is None

    play(story)


def test_many_gives_a_list_in_the_order_of_the_server(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        assert await db.run(queries.users.all()) == []
        made = [await db.run(queries.users.create(email=f"{n}@b.de", name=n, age=1)) for n in "cab"]
        assert await db.run(queries.users.all()) == made

    play(story)


def test_affected_gives_the_number_of_rows_changed(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        for age in (10, 20, 30):
            await db.run(queries.users.create(email=f"{age}@b.de", name="x", age=age))

        assert await db.run(queries.users.deactivate_older_than(age=15)) == 2
        assert await db.run(queries.users.deactivate_older_than(age=15)) == 0

    play(story)


def test_exec_gives_none_also_where_the_statement_has_rows(play: Play, write: Any) -> None:
    q = write("-- name: go :exec\nselect 1;\n-- name: note :exec\ncomment on table users is null")

    async def story(db: Any) -> None:
        assert await db.run(q.go()) is None
        assert await db.run(q.note()) is None

    play(story)


def test_a_scalar_is_the_value_of_the_single_column(play: Play, write: Any) -> None:
    q = write("""\
        -- name: one :one -> scalar
        select :x::int;
        -- name: maybe :maybe -> scalar
        select n from generate_series(1, :n) as n;
        -- name: many :many -> scalar
        select n from generate_series(1, 3) as n;
        -- name: two :one -> scalar
        select 1 as a, 2 as b;
    """)

    async def story(db: Any) -> None:
        assert await db.run(q.one(x=7)) == 7
        assert await db.run(q.one(x=None)) is None
        assert await db.run(q.maybe(n=0)) is None
        assert await db.run(q.many()) == [1, 2, 3]
        with pytest.raises(rx.errors.RecordError, match="one column, and this gave 'a', 'b'"):
            await db.run(q.two())

    play(story)


def test_a_row_without_a_record_is_a_frozen_class_named_after_the_query(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        first, second = [await db.run(queries.users.ages()) for _ in range(2)]

        assert type(first) is type(second)
        assert type(first).__name__ == "AgesRow"
        assert [field.name for field in attrs.fields(type(first))] == [
            *("users", "known", "youngest", "oldest", "mean"),
        ]
        assert (first.users, first.youngest) == (0, None)
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            first.users = 1

    play(story)


def test_dotted_columns_become_a_record_in_the_record(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        user = await db.run(queries.users.create(email="a@b.de", name="Ann", age=1))
        overview = queries.reports.account.overview(id=user.id)

        assert await db.run(overview) == Account(user.id, "a@b.de", "Ann", None)
        await db.run(queries.user_preferences.create(user_id=user.id, theme="dark"))
        assert await db.run(overview) == Account(
            user.id, "a@b.de", "Ann", AccountPreferences("dark", True)
        )

    play(story)


def test_columns_that_do_not_fit_the_record_are_an_error(play: Play, write: Any) -> None:
    q = write("-- name: some :many -> User\nselect id, email as mail from users")

    async def story(db: Any) -> None:
        with pytest.raises(
            rx.errors.RecordError, match=r"without a field in User: 'mail'.*'email'"
        ):
            await db.run(q.some())

    play(story)


def test_a_null_against_not_null_is_an_error(play: Play, write: Any) -> None:
    q = write("-- name: get :one\n-- @not-null n\nselect :n::int as n")

    async def story(db: Any) -> None:
        assert (await db.run(q.get(n=1))).n == 1
        with pytest.raises(rx.errors.RecordError, match="the column 'n' is NULL"):
            await db.run(q.get(n=None))

    play(story)


def test_optional_blocks_and_choices_change_the_statement(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        create, search = queries.users.create, queries.users.search
        for name, age in (("Cid", 50), ("Ann", 20), ("Bob", None)):
            await db.run(create(email=f"{name}@b.de", name=name, age=age))

        async def names(**given: Any) -> list[str]:
            return [user.name for user in await db.run(search(limit=10, **given))]

        assert await names() == ["Cid", "Ann", "Bob"]
        assert await names(sort="name") == ["Ann", "Bob", "Cid"]
        assert await names(sort="newest") == ["Bob", "Ann", "Cid"]
        assert await names(min_age=30) == ["Cid"]
        assert await names(min_age=None) == []  # given, and no age is above NULL
        assert await names(name="b", only_active=True) == ["Bob"]
        assert await names(ids=[1, 3], sort="name") == ["Bob", "Cid"]
        assert await names(ids=[]) == []

    play(story)


def test_what_is_left_out_of_an_insert_takes_the_default(play: Play, queries: rx.Queries) -> None:
    async def story(db: Any) -> None:
        user = await db.run(queries.users.create(email="a@b.de", name="Ann", age=1))
        create = queries.user_preferences.create

        left_out = await db.run(create(user_id=user.id))
        assert (left_out.theme, left_out.notifications_enabled) == (None, True)
        given = await db.run(create(user_id=user.id, notifications_enabled=False, theme="x"))
        assert (given.theme, given.notifications_enabled) == ("x", False)

    play(story)


def test_what_is_no_called_query_is_refused_before_anything_is_sent(
    play: Play, queries: rx.Queries, relay: Any
) -> None:
    wrong: list[tuple[Any, type[Exception], str]] = [
        (
            queries.users.get,
            rx.errors.QueryKindError,
            r"run\(\) expects a bound query: call it first, as in get\(id\)",
        ),
        (queries.users.load(), rx.errors.QueryKindError, r"a :copy query is run by copy\(\)"),
        ("select 1", TypeError, r"run\(\) expects a bound query, such as"),
        (None, TypeError, "not NoneType"),
    ]

    async def story(db: Any) -> None:
        await db.run(queries.users.count())
        sent = relay.round_trips
        for bound, error, message in wrong:
            with pytest.raises(error, match=message):
                await db.run(bound)
        assert relay.round_trips == sent
        await db.run(queries.users.count())
        assert relay.round_trips > sent

    play(story, relay.conninfo, pool_size=1)


def test_an_error_of_the_driver_passes_with_one_note_and_no_value(
    play: Play, queries: rx.Queries
) -> None:
    create = queries.users.create(email="secret@b.de", name="Ann", age=1)

    async def story(db: Any) -> None:
        await db.run(create)
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await db.run(create)

        (note,) = caught.value.__notes__
        assert note == f"in query users.create ({queries.users.create.location})"
        assert "users.sql:" in note
        assert await db.run(queries.users.count()) == 1

    play(story, pool_size=1)


def test_an_error_inside_of_a_transaction_carries_one_note_too(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.CheckViolation) as caught:
            async with db.transaction() as tx, tx.transaction() as inner:
                await inner.run(queries.users.create(email="a@b.de", name="Ann", age=-1))
        assert len(caught.value.__notes__) == 1
        assert await db.run(queries.users.count()) == 0

    play(story, pool_size=1)


def test_a_bound_query_runs_again_and_on_another_database(play: Play, queries: rx.Queries) -> None:
    bound = queries.users.count()

    async def story(db: Any) -> None:
        for _ in range(7):  # the driver prepares it after five
            assert await db.run(bound) == 0

    play(story)
    play(story)


DEFERRED = """\
    -- name: make :exec
    create table deferred (a int constraint once unique deferrable initially deferred);
    -- name: unmake :exec
    drop table deferred;
    -- name: add :affected
    insert into deferred values (:a), (:a);
    -- name: add_quickly :affected
    -- @timeout 5s
    insert into deferred values (:a), (:a);
    -- name: count :one -> scalar
    select count(*) from deferred;
"""


def test_what_fails_only_when_it_is_committed_is_an_error(play: Play, write: Any) -> None:
    q = write(DEFERRED)

    async def story(db: Any) -> None:
        await db.run(q.make())
        try:
            for add in (q.add, q.add_quickly):
                with pytest.raises(psycopg.errors.UniqueViolation) as caught:
                    await db.run(add(a=1))
                assert caught.value.diag.constraint_name == "once"
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await db.run_many(add, [{"a": 1}, {"a": 2}])
                with pytest.raises(psycopg.errors.UniqueViolation):
                    await db.run(rx.Multi().add("a", add(a=1)))
                with pytest.raises(psycopg.errors.UniqueViolation):
                    async with db.transaction() as tx:
                        await tx.run(add(a=1))
            assert await db.run(q.count()) == 0
        finally:
            await db.run(q.unmake())

    play(story, pool_size=1)
