"""Time limits that the server keeps: whose they were, and what is left of the work."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.failures import Category, Effect, Phase, classify

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Play, Relay

LIMITED = """\
    -- name: stand_briefly :exec
    -- @timeout 150ms
    select pg_advisory_xact_lock(77);
    -- name: stand_longer :exec
    -- @timeout 600ms
    select pg_advisory_xact_lock(77);
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: limit_to :exec
    select set_config('statement_timeout', :limit, true);
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: work_in_parts :exec
    -- @timeout 600ms
    do $$ begin
        insert into marks (n) values (1);
        commit;
        perform pg_advisory_xact_lock(77);
    end $$;
"""


@pytest.fixture
def limited(write: Any) -> Any:
    """Queries with a limit of their own."""
    return write(LIMITED)


async def overdue(work: Any) -> rx.DeadlineExceededError:
    """
    The error of work that one of our limits ends; both types that a caller may catch fit it.

    The server's limit and the deadline of the call race. Which was first depends on the machine
    where they are close, and the error says it.
    """
    with pytest.raises(TimeoutError) as caught:
        await work
    error = caught.value
    assert isinstance(error, rx.DeadlineExceededError)
    assert isinstance(error, psycopg.errors.QueryCanceled)
    assert is_from_the_server(error) == (error.ended_by == "server")
    # Only a client that stops waiting may have to close the connection, and then it cannot know.
    known = ["rolled back"] if error.ended_by == "server" else ["rolled back", "unknown"]
    assert error.effect in known
    assert error.sqlstate == "57014"
    return error


def is_from_the_server(error: BaseException) -> bool:
    """Whether the cause is the driver's own error for the server's answer."""
    cause = error.__cause__
    return type(cause) is psycopg.errors.QueryCanceled and cause.diag.sqlstate == "57014"


def milliseconds(limit: str) -> int:
    assert limit.endswith("ms"), limit
    return int(limit.removesuffix("ms"))


def test_what_the_configured_limit_ends_is_a_deadline_and_keeps_its_connection(
    play: Play, q: Any, standing: Any, marks: Any, ours: Any, until: Any, watch: Any
) -> None:
    # The call's own deadline is 150 ms after that of one statement, and work of several statements
    # on a busy machine may reach it first: the error says which of the two it was.
    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with watch.at_most(0.7, at_least=0.11):
            error = await overdue(standing(db, q))
        if error.ended_by == "server":
            assert await db.run(q.pid()) == before
            assert ours() == [before]
        elif error.effect == "unknown":
            until(lambda: before not in ours())
        assert marks() == []
        assert await db.run(q.limit_now()) == "120ms"
        assert ours(busy=True) == []

    play(story, pool_size=1, timeout=120)


def by_run(db: Any, limited: Any) -> Any:
    return db.run(limited.stand_briefly())


def by_run_many(db: Any, limited: Any) -> Any:
    return db.run_many(limited.stand_briefly, [{}, {}])


def by_run_all(db: Any, limited: Any) -> Any:
    return db.run_all([limited.pid(), limited.stand_briefly(), limited.stand_longer()])


def by_multi(db: Any, limited: Any) -> Any:
    steps = rx.Multi().add("pid", limited.pid()).add("mark", limited.add(n=1))
    return db.run(steps.add("stand", limited.stand_briefly()).add("last", limited.stand_longer()))


async def by_transaction(db: Any, limited: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(limited.add(n=1))
        await tx.run(limited.stand_briefly())


async def by_run_transaction(db: Any, limited: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(limited.stand_briefly())

    await db.run_transaction(work)


VERBS = [by_run, by_run_many, by_run_all, by_multi, by_transaction, by_run_transaction]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.usefixtures("barrier")
def test_what_a_limit_of_the_query_ends_is_a_deadline_although_the_call_has_more_time(
    play: Play, q: Any, limited: Any, marks: Any, watch: Any, verb: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with watch.at_most(1.5, at_least=0.14):
            error = await overdue(verb(db, limited))
        assert error.ended_by == "server"
        assert "query q.stand_briefly" in "".join(error.__notes__)
        assert marks() == []
        assert await db.run(q.pid()) == before
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


def test_what_somebody_else_cancels_is_no_deadline(
    play: Play, q: Any, standing: Any, side: Any, until: Any, ours: Any, marks: Any
) -> None:
    (other,) = (psycopg.connect(side.info.dsn, autocommit=True),)

    def cancel() -> None:
        waiting = "select pid from pg_locks where locktype = 'advisory' and not granted"
        ((pid,),) = until(lambda: other.execute(waiting).fetchall())
        other.execute("select pg_cancel_backend(%s)", [pid])

    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        thread = threading.Thread(target=cancel)
        thread.start()
        try:
            with pytest.raises(psycopg.errors.QueryCanceled) as caught:
                await standing(db, q)
        finally:
            thread.join()
        assert type(caught.value) is psycopg.errors.QueryCanceled
        assert not isinstance(caught.value, TimeoutError)
        assert marks() == []
        assert await db.run(q.pid()) == before
        assert ours(busy=True) == []

    with other:
        play(story, pool_size=1)


@pytest.mark.usefixtures("barrier")
def test_a_limit_that_the_caller_has_set_is_the_callers(play: Play, q: Any, limited: Any) -> None:
    async def impatient(tx: Any) -> None:
        await tx.run(limited.limit_to(limit="100"))
        await tx.run(q.stand())

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.QueryCanceled) as caught:
            await db.run_transaction(impatient)
        assert type(caught.value) is psycopg.errors.QueryCanceled
        assert await db.run(q.limit_now()) == "15s"

    play(story, pool_size=1)


@pytest.mark.usefixtures("barrier")
def test_a_statement_that_is_ended_by_its_limit_costs_one_round_trip_and_no_connection(
    play: Play, q: Any, limited: Any, relay: Relay
) -> None:
    async def story(db: Any) -> list[int]:
        needed = []
        for bound in (q.stand(), limited.stand_briefly()):
            for _ in range(5):
                first = await overdue(db.run(bound))  # prepares the statement
                trips = relay.round_trips
                second = await overdue(db.run(bound))
                if first.ended_by == second.ended_by == "server":
                    break
            needed.append(relay.round_trips - trips)
        return needed

    assert play(story, relay.conninfo, pool_size=1, pool_min_size=0, timeout=200) == [1, 1]


@pytest.mark.usefixtures("barrier")
def test_it_is_tried_once(play: Play, q: Any) -> None:
    calls = []

    async def work(tx: Any) -> None:
        calls.append(1)
        await tx.run(q.stand())

    async def story(db: Any) -> None:
        error = await overdue(db.run_transaction(work, timeout=300))
        failure = classify(error, Phase.IN_TRANSACTION)
        assert (failure.category, failure.effect) == (Category.TIMEOUT, Effect.ROLLED_BACK)
        assert await db.run(q.one()) == 1

    play(story, pool_size=1)
    assert calls == [1]


@pytest.fixture
def slow_commit(side: Any, barrier: Any) -> None:
    """Has a COMMIT stand still after marks were made; no limit of the server is for that."""
    side.execute(
        "create or replace function hold_up() returns trigger language plpgsql as "
        "$$ begin perform pg_advisory_xact_lock(77); return null; end $$; "
        "create constraint trigger hold_up after insert on marks deferrable initially deferred "
        "for each row execute function hold_up()"
    )


@pytest.mark.usefixtures("slow_commit")
def test_a_commit_that_takes_too_long_is_left_alone_and_its_outcome_can_be_asked_for(
    play: Play, q: Any, side: Any, marks: Any, ours: Any, until: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with (
            watch.at_most(0.9, at_least=0.29),
            pytest.raises(rx.OutcomeUnknownError) as caught,
        ):
            await db.run_transaction(lambda tx: tx.run(q.add(n=1)), timeout=300)
        assert isinstance(caught.value.__cause__, rx.DeadlineExceededError)
        assert caught.value.__cause__.effect == "unknown"
        assert caught.value.token is not None
        assert marks() == []
        assert await db.run(q.pid()) != before

        side.execute("select pg_advisory_unlock_all()")
        assert await db.resolve(caught.value.token) is Effect.COMMITTED
        assert marks() == [1]
        until(lambda: before not in ours())

    play(story, pool_size=1)


@pytest.mark.usefixtures("slow_commit")
def test_a_statement_whose_own_commit_takes_too_long_is_taken_back(
    play: Play, q: Any, marks: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with watch.at_most(0.9, at_least=0.29):
            await overdue(db.run(q.add(n=1)))
        assert marks() == []
        assert await db.run(q.pid()) == before

    play(story, pool_size=1, timeout=300)


@pytest.mark.usefixtures("barrier")
def test_of_what_may_have_committed_in_parts_it_is_not_said_that_all_was_taken_back(
    play: Play, limited: Any, marks: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.DeadlineExceededError) as caught:
            await db.run(limited.work_in_parts())
        assert marks() == [1]
        assert caught.value.effect == "unknown"

    play(story, pool_size=1)


def test_who_waited_for_a_connection_has_less_for_the_server(
    accounts_database: str, q: Any, until: Any, ours: Any
) -> None:
    with rx.Database.open(accounts_database, pool_size=1, timeout=1950) as db:
        holding, over = threading.Event(), threading.Event()

        def hold() -> None:
            with db.transaction() as tx:
                tx.run(q.one())
                holding.set()
                until(lambda: db.pool_status().waiting)
                time.sleep(0.4)
                over.set()

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            assert holding.wait(5)
            begun = time.monotonic()
            left = milliseconds(db.run(q.limit_now()))
            waited = (time.monotonic() - begun) * 1000
        finally:
            thread.join()
        assert over.is_set()
        assert 1950 - waited - 1 <= left <= 1950 - 400
        assert db.run(q.limit_now()) == "1950ms"


def test_a_task_that_waited_for_a_connection_is_ended_in_its_time_by_the_server(
    runner: asyncio.Runner, accounts_database: str, q: Any, barrier: Any, watch: Any
) -> None:
    async def story() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_size=1, timeout=800) as db:
            held = asyncio.Event()

            async def hold() -> None:
                async with db.transaction() as tx:
                    before.append(await tx.run(q.pid()))
                    held.set()
                    await asyncio.sleep(0.4)

            before: list[int] = []
            task = asyncio.create_task(hold())
            await held.wait()
            with watch.at_most(1.3, at_least=0.75):
                error = await overdue(db.run(q.stand()))
            await task
            if error.ended_by == "server":
                assert await db.run(q.pid()) == before[0]

    runner.run(story())


@pytest.mark.usefixtures("barrier")
def test_in_a_transaction_with_an_end_the_server_stops_before_that(
    play: Play, q: Any, marks: Any, watch: Any
) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        await tx.run(q.sleep(seconds=0.2))
        told.append(milliseconds(await tx.run(q.limit_now())))
        await tx.run(q.stand())

    async def story(db: Any) -> None:
        before = await db.run(q.pid())
        with watch.at_most(1.0, at_least=0.45):
            error = await overdue(db.run_transaction(work, timeout=500))
        assert marks() == []
        if error.ended_by == "server":
            assert await db.run(q.pid()) == before

    told: list[int] = []
    play(story, pool_size=1)
    # What was left of the 500 after the 200, and no more.
    assert all(limit <= 300 for limit in told)


def test_a_statement_that_is_ended_again_and_again_keeps_one_connection(
    play: Play, q: Any, barrier: Callable[[], None]
) -> None:
    async def story(db: Any) -> None:
        pids = {await db.run(q.pid())}
        for _ in range(12):
            error = await overdue(db.run(q.stand()))
            pid = await db.run(q.pid())
            assert error.ended_by == "client" or pid in pids
            pids.add(pid)

    play(story, pool_size=1, timeout=60)
