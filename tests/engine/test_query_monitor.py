"""What runs again and again is seen, and what was written on its own."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import raxol_sql as rx
from raxol_sql.testing import assert_no_repeats
from raxol_sql.text import writes


def run_each(db: rx.Database, bounds: list[rx.BoundQuery[Any]]) -> None:
    for bound in bounds:
        db.run(bound)


ANN = {"email": "ann@b.de", "name": "Ann", "age": 34}


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """The database of these tests, open."""
    with rx.Database.open(accounts_database) as database:
        yield database


def test_a_query_that_runs_again_and_again_is_warned_of_where_the_block_stands(
    db: rx.Database, queries: rx.Queries
) -> None:
    with (
        pytest.warns(rx.errors.RepeatedQueryWarning) as caught,
        db.watch_queries(max_repeats=3) as watched,
    ):
        run_each(db, [queries.users.get(id=n) for n in range(4)] + [queries.users.count()])
    (warning,) = caught
    assert str(warning.message) == (
        "users.get ran 4 times in one block: read all rows with one query, for example with "
        "preload()"
    )
    assert warning.filename == __file__
    assert watched.counts == {"users.get": 4, "users.count": 1}
    assert watched.repeated == {"users.get": 4}


def test_what_shares_a_round_trip_is_no_repetition(db: rx.Database, queries: rx.Queries) -> None:
    with db.watch_queries(max_repeats=1) as watched:
        db.run_many(queries.users.create, [{**ANN, "email": f"{n}@b.de"} for n in range(5)])
        db.run_all([queries.users.get(id=n) for n in range(5)])
        db.run(rx.Multi().add("a", queries.users.count()).add("b", queries.users.count()))
    assert watched.counts == {}


def test_what_runs_in_a_transaction_counts_and_outside_of_the_block_nothing_does(
    play: Any, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        with db.watch_queries(max_repeats=2) as outer:
            async with db.transaction() as tx:
                await tx.run(queries.users.count())
                with db.watch_queries(max_repeats=2) as inner:
                    await tx.run(queries.users.count())
        await db.run(queries.users.count())
        assert (outer.counts, inner.counts) == ({"users.count": 2}, {"users.count": 1})

    play(story)


def test_a_scope_is_of_its_thread_and_of_the_tasks_that_it_starts(
    db: rx.Database, accounts_database: str, queries: rx.Queries
) -> None:
    with db.watch_queries() as watched:
        thread = threading.Thread(target=db.run, args=[queries.users.count()])
        thread.start()
        thread.join()
    assert watched.counts == {}

    async def story() -> Any:
        async with rx.AsyncDatabase.open(accounts_database) as adb:
            with adb.watch_queries() as mine:
                await asyncio.gather(*(adb.run(queries.users.count()) for _ in range(3)))
            return mine.counts

    assert asyncio.run(story()) == {"users.count": 3}


def test_an_error_that_ends_the_block_is_all_that_is_heard(
    db: rx.Database, queries: rx.Queries
) -> None:
    with pytest.raises(ZeroDivisionError), db.watch_queries(max_repeats=1):  # noqa: PT012
        db.run(queries.users.count())
        db.run(queries.users.count())
        raise ZeroDivisionError


def test_writes_that_are_each_on_their_own_are_warned_of_where_that_is_asked_for(
    db: rx.Database, queries: rx.Queries
) -> None:
    def write_twice() -> None:
        db.run(queries.users.create(**{**ANN, "email": f"{threading.get_native_id()}@b.de"}))
        db.run(queries.users.deactivate_older_than(age=30))
        db.run(queries.users.clear())

    told = r"users.create, users.deactivate_older_than wrote rows in separate transactions"
    with (
        pytest.warns(rx.errors.LoneWritesWarning, match=told),
        db.watch_queries(warn_lone_writes=True) as watched,
    ):
        write_twice()
    assert watched.lone_writes == ("users.create", "users.deactivate_older_than")
    with db.watch_queries():
        write_twice()
    with db.watch_queries(warn_lone_writes=True), db.transaction() as tx:
        tx.run(queries.users.create(**ANN))
        tx.run(queries.users.deactivate_older_than(age=30))


def test_a_scope_is_used_once_and_its_limit_is_a_number_of_runs(db: rx.Database) -> None:
    with db.watch_queries() as watched:
        pass
    with pytest.raises(RuntimeError, match="entered only once"), watched:
        pass
    with pytest.raises(ValueError, match="1 or more"):
        db.watch_queries(max_repeats=0)


def test_assert_no_repeats_fails_a_test_with_what_ran_how_often(
    db: rx.Database, queries: rx.Queries
) -> None:
    with assert_no_repeats(db):
        db.run(queries.users.count())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with (
            pytest.raises(AssertionError, match=r"users\.get ran 2 times, more than max_repeats=1"),
            assert_no_repeats(db),
        ):
            run_each(db, [queries.users.get(id=1), queries.users.get(id=2)])
    with pytest.raises(ZeroDivisionError), assert_no_repeats(db):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("text", "is_write"),
    [
        ("select 1", False),
        ("/* update */ insert into t values ($1)", True),
        ("DELETE from t", True),
        ("merge into t using s on true when matched then delete", True),
        ("with x as (select 'update') select * from x where a = $1", False),
        ("with x as (select 1 from t for update) select 1", False),
        ("with x as (select 1 from t for no key update) select 1", False),
        ("with x as (update t set a = $1 returning a) select a from x", True),
        ("with x as (select 1) insert into t select * from x", True),
        ("values (1)", False),
    ],
)
def test_a_statement_writes_where_its_text_says_so(text: str, is_write: bool) -> None:
    assert writes(text) is is_write
