"""A retried transaction is one operation, and an expected refusal is no failure."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User
from raxol_sql.telemetry import QueryEvent

if TYPE_CHECKING:
    from tests.engine.conftest import Play

TASKS, TIMES = 8, 12
TEXT = """\
    -- name: read :one -> scalar
    select n from hot where id = 1;
    -- name: write :affected
    update hot set n = :n where id = 1;
    -- name: fail_as :exec
    select fail_as(:state);
    -- name: odd :exec
    select 1 / :n::int;
"""


@pytest.fixture
def hot(side: Any, write: Any) -> Iterator[Any]:
    """Queries of one row that every transaction wants."""
    side.execute("create table hot (id int primary key, n int not null)")
    side.execute("insert into hot values (1, 0)")
    side.execute(
        "create or replace function fail_as(state text) returns void language plpgsql as "
        "$$ begin raise exception using errcode = state; end $$"
    )
    yield write(TEXT)
    side.execute("drop table hot")
    side.execute("drop function fail_as")


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """The lines of the query log, as they come."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("raxol_sql.queries"), Keep()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield records
    logger.removeHandler(handler)
    logger.setLevel(before)


POLICY = rx.RetryPolicy(attempts=1000)


def told(db: Any) -> list[QueryEvent]:
    events: list[QueryEvent] = []
    db.subscribe(events.append)
    return events


def errors_of(records: list[logging.LogRecord]) -> list[str]:
    return [one.getMessage() for one in records if one.levelno >= logging.ERROR]


def check_hot(db: Any, n: int, records: list[logging.LogRecord]) -> None:
    db.disable_query_logging()
    queries = db.metrics().queries
    assert n == TASKS * TIMES
    assert {name: one.failed for name, one in queries.items()} == dict.fromkeys(queries, 0)
    assert queries["run_transaction"].calls == TASKS * TIMES
    assert queries["run_transaction"].retries > 0
    assert queries["q.write"].retries == 0
    assert errors_of(records) == []


def test_threads_that_retry_on_one_row_report_retries_of_transactions_and_no_error(
    accounts_database: str, hot: Any, logged: list[logging.LogRecord]
) -> None:
    def work(tx: Any) -> None:
        tx.run(hot.write(n=tx.run(hot.read()) + 1))

    with rx.Database.open(accounts_database, pool_size=TASKS, timeout=60_000) as db:
        db.enable_query_logging()

        def repeat() -> None:
            for _ in range(TIMES):
                db.run_transaction(work, isolation="serializable", retry=POLICY)

        threads = [threading.Thread(target=repeat) for _ in range(TASKS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check_hot(db, db.run(hot.read()), logged)


def test_tasks_that_retry_on_one_row_report_retries_of_transactions_and_no_error(
    accounts_database: str, hot: Any, logged: list[logging.LogRecord]
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(hot.write(n=await tx.run(hot.read()) + 1))

    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=TASKS, timeout=60_000) as db:
            db.enable_query_logging()

            async def repeat() -> None:
                for _ in range(TIMES):
                    await db.run_transaction(work, isolation="serializable", retry=POLICY)

            await asyncio.gather(*(repeat() for _ in range(TASKS)))
            check_hot(db, await db.run(hot.read()), logged)

    asyncio.run(story())


def test_a_transaction_is_one_event_over_all_attempts(play: Play, hot: Any) -> None:
    calls: list[int] = []

    async def work(tx: Any) -> None:
        calls.append(1)
        if len(calls) < 3:
            await tx.run(hot.fail_as(state="40001"))

    async def story(db: Any) -> list[QueryEvent]:
        events = told(db)
        await db.run_transaction(work)
        return events

    events = play(story)

    (whole,) = [one for one in events if one.name == "run_transaction"]
    assert (whole.operation, whole.attempts, whole.outcome) == ("transaction", 3, "ok")
    assert whole.paused_ms > 0
    assert events[-1] == whole
    assert [one for one in events if one.error] == []
    assert "q.fail_as" not in {one.name for one in events}


@pytest.mark.parametrize("how", ["run", "run_many", "run_all", "multi"])
def test_an_outdated_statement_counts_as_no_further_attempt(
    play: Play, hot: Any, write: Any, side: psycopg.Connection[Any], how: str
) -> None:
    q = write("""
        -- name: read :many -> scalar
        select n from hot;
        -- name: write :one -> scalar
        update hot set n = :n where id = 1 returning n;
    """)

    async def call(db: Any) -> None:
        if how == "run":
            assert await db.run(q.write(n=1), commit_check="xid") == 1
        elif how == "run_many":
            assert await db.run_many(q.write, [{"n": 1}]) == [1]
        elif how == "run_all":
            assert await db.run_all([q.read(), q.read()]) == [[1], [1]]
        else:
            assert await db.run(rx.Multi().add("set", q.write(n=1))) == {"set": 1}

    async def story(db: Any) -> list[QueryEvent]:
        await db.run(q.write(n=1))
        await call(db)
        await call(db)
        side.execute("alter table hot alter n type bigint")
        events = told(db)
        await call(db)
        return events

    (event,) = play(story, pool_size=1)

    assert (event.operation, event.attempts, event.outcome) == (how, 1, "ok")
    assert event.paused_ms == 0


def test_what_fails_in_the_last_attempt_is_reported_with_the_transaction(
    play: Play, hot: Any
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(hot.fail_as(state="40001"))

    async def story(db: Any) -> list[QueryEvent]:
        events = told(db)
        with pytest.raises(psycopg.errors.SerializationFailure):
            await db.run_transaction(work, retry=rx.RetryPolicy(attempts=3))
        return events

    found = [(one.name, one.error, one.attempts) for one in play(story) if one.error]

    assert found == [("q.fail_as", "40001", 1), ("run_transaction", "40001", 3)]


def test_an_error_that_the_function_catches_is_reported_when_the_transaction_ends(
    play: Play, hot: Any
) -> None:
    async def work(tx: Any) -> None:
        with pytest.raises(psycopg.errors.DivisionByZero):
            async with tx.transaction() as inner:
                await inner.run(hot.odd(n=0))

    async def story(db: Any) -> list[QueryEvent]:
        events = told(db)
        await db.run_transaction(work)
        return events

    found = [(one.name, one.error) for one in play(story) if one.error]

    assert found == [("q.odd", "22012")]


def test_a_function_that_rolls_back_with_an_error_of_its_own_failed_nothing(
    play: Play, hot: Any
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(hot.read())
        raise LookupError("the caller's own")

    async def story(db: Any) -> list[QueryEvent]:
        events = told(db)
        with pytest.raises(LookupError):
            await db.run_transaction(work)
        return events

    assert [(one.name, one.error) for one in play(story)] == [
        *(("begin", None), ("q.read", None), ("rollback", None), ("run_transaction", None)),
    ]


def test_what_ends_after_its_attempt_is_reported_as_it_is(accounts_database: str, hot: Any) -> None:
    kept: list[Any] = []

    with rx.Database.open(accounts_database, pool_size=1) as db:
        events = told(db)
        db.run_transaction(kept.append)
        with pytest.raises(rx.errors.TransactionError):
            kept[0].run(hot.read())

    assert [(one.name, one.error) for one in events if one.error] == [
        ("q.read", "TransactionError")
    ]


ANN = {"email": "ann@example.org", "name": "Ann"}
WAYS = {
    "create": lambda repo: repo.create(User, ANN),
    "multi": lambda repo: repo.run(repo.multi().create("one", User, ANN)),
    "insert_all": lambda repo: repo.insert_all(User, [ANN]),
    "run_transaction": lambda repo: repo.run_transaction(lambda inner: inner.create(User, ANN)),
}


def check_refusal(db: Any, logged: list[logging.LogRecord], error: Any) -> None:
    db.disable_query_logging()
    assert [*error.errors] == ["email"]
    assert errors_of(logged) == []
    assert sum(one.failed for one in db.metrics().queries.values()) == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_duplicate_that_becomes_an_error_of_a_field_is_no_failure(
    accounts_database: str, queries: rx.Queries, logged: list[logging.LogRecord], way: str
) -> None:
    with rx.Database.open(accounts_database, pool_size=1) as db:
        repo = rx.Repo(db, queries)
        repo.create(User, ANN)
        db.enable_query_logging()
        with pytest.raises(rx.InvalidChangesetError) as caught:
            WAYS[way](repo)
        check_refusal(db, logged, caught.value)


@pytest.mark.parametrize("way", WAYS)
def test_a_duplicate_that_becomes_an_error_of_a_field_is_no_failure_with_asyncio(
    accounts_database: str, queries: rx.Queries, logged: list[logging.LogRecord], way: str
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1) as db:
            repo = rx.AsyncRepo(db, queries)
            await repo.create(User, ANN)
            db.enable_query_logging()
            with pytest.raises(rx.InvalidChangesetError) as caught:
                await WAYS[way](repo)
            check_refusal(db, logged, caught.value)

    asyncio.run(story())


def test_a_violation_that_no_changeset_declares_is_still_a_failure(
    accounts_database: str, queries: rx.Queries, logged: list[logging.LogRecord]
) -> None:
    with rx.Database.open(accounts_database, pool_size=1) as db:
        bound = queries.users.create(**ANN, age=None)
        db.run(bound)
        db.enable_query_logging()
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.run(bound)
        db.disable_query_logging()
        assert db.metrics().queries["users.create"].failed == 1
    assert len(errors_of(logged)) == 1
