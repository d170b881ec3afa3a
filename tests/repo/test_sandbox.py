"""A test in a sandbox leaves nothing behind, and sees what a COMMIT would have said."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import async_sandbox, sandbox


@pytest.fixture
def side(accounts_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection beside the database of the sandbox."""
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """A database with the repository's tables."""
    with rx.Database.open(accounts_database) as database:
        yield database


def count(side: psycopg.Connection[Any]) -> Any:
    return side.execute("select count(*) from users").fetchone()


ANN = {"email": "a@b.de", "name": "A", "age": 1}


def test_a_test_in_a_sandbox_leaves_nothing_behind_however_often_it_runs(
    db: rx.Database, queries: rx.Queries, side: psycopg.Connection[Any]
) -> None:
    for _ in range(2):
        with sandbox(db) as tx:
            tx.run(queries.users.create(**ANN))
            with tx.transaction() as inner:
                inner.run(queries.users.create(**{**ANN, "email": "b@b.de"}))
            assert tx.run(queries.users.count()) == 2
        assert count(side) == (0,)


def test_an_error_of_the_test_comes_out_and_leaves_nothing_behind(
    db: rx.Database, queries: rx.Queries, side: psycopg.Connection[Any]
) -> None:
    with pytest.raises(ZeroDivisionError), sandbox(db) as tx:  # noqa: PT012
        tx.run(queries.users.create(**ANN))
        raise ZeroDivisionError
    assert count(side) == (0,)


def test_a_deferred_constraint_is_checked_before_the_end(
    db: rx.Database, queries: rx.Queries, side: psycopg.Connection[Any]
) -> None:
    side.execute(
        "alter table users add constraint one_name unique (name) deferrable initially deferred"
    )
    with pytest.raises(psycopg.errors.UniqueViolation), sandbox(db) as tx:  # noqa: PT012
        tx.run(queries.users.create(**ANN))
        tx.run(queries.users.create(**{**ANN, "email": "b@b.de"}))
    assert count(side) == (0,)


def test_a_sandbox_of_asyncio_leaves_nothing_behind_either(
    accounts_database: str, queries: rx.Queries, side: psycopg.Connection[Any]
) -> None:
    async def story() -> None:
        async with (
            await rx.AsyncDatabase.open(accounts_database) as db,
            async_sandbox(db) as tx,
        ):
            await tx.run(queries.users.create(**ANN))
            assert await tx.run(queries.users.count()) == 1

    asyncio.run(story())
    assert count(side) == (0,)


def test_several_calls_share_one_connection_in_a_transaction(
    db: rx.Database, queries: rx.Queries, side: psycopg.Connection[Any]
) -> None:
    with sandbox(db) as tx:
        for _ in range(5):
            tx.run(queries.users.count())
        row = side.execute(
            "select count(*) from pg_stat_activity "
            "where datname = current_database() and state = 'idle in transaction'"
        ).fetchone()
        assert row == (1,)
