"""Signals that come in the middle of a blocking call."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SQL = """\
    -- name: echo :one -> scalar
    select :n::int;
    -- name: sleep :exec
    select pg_sleep(30);
    -- name: nap :one -> scalar
    select :n::int from pg_sleep(0.1);
    -- name: rows :many -> scalar
    select n from generate_series(1, 3000) as n where n % 1000 > 0 or pg_sleep(0.04) is not null;
    -- name: out :copy
    copy (select n, repeat('x', 100) from generate_series(1, 3000) as n
    where n % 1000 > 0 or pg_sleep(0.04) is not null) to stdout;
    -- name: endless_out :copy
    copy (select n from generate_series(1, 9) as n where n < 5 or pg_sleep(30) is not null)
    to stdout;
"""
BUSY = """\
    select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'raxol_sql' and state <> 'idle'
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


@pytest.fixture
def busy(side: Any) -> Callable[[], bool]:
    """Whether a connection of the database is at work, or in a transaction."""
    return lambda: side.execute(BUSY).fetchone()[0] > 0


@pytest.fixture
def small(accounts_database: str) -> Iterator[rx.Database]:
    with rx.Database.open(accounts_database, pool_size=1, timeout=5000) as small:
        yield small


@contextmanager
def handled(kind: signal.Signals, handler: Any) -> Iterator[None]:
    before = signal.signal(kind, handler)
    try:
        yield
    finally:
        signal.signal(kind, before)


def main_thread() -> int:
    ident = threading.main_thread().ident
    assert ident is not None
    return ident


def slow_rows() -> Iterator[Any]:
    yield ("a@b.de", "Ann", 1)
    time.sleep(30)


def in_transaction(db: rx.Database, queries: rx.Queries, q: Any) -> None:
    with db.transaction() as tx, tx.transaction() as inner:
        inner.run(queries.users.create(email="a@b.de", name="Ann", age=1))
        inner.run(q.sleep())


ENDLESS = {
    "run": lambda db, queries, q: db.run(q.sleep()),
    "run_many": lambda db, queries, q: db.run_many(q.sleep, [{}, {}]),
    "run_all": lambda db, queries, q: db.run_all([q.echo(n=1), q.sleep(), q.echo(n=2)]),
    "multi": lambda db, queries, q: db.run(
        rx.Multi().add("sleep", q.sleep()).add("then", lambda done: q.echo(n=1))
    ),
    "copy in": lambda db, queries, q: db.copy(queries.users.load, slow_rows()),
    "copy out": lambda db, queries, q: db.copy(q.endless_out),
    "transaction": in_transaction,
}


@pytest.mark.parametrize("work", ENDLESS.values(), ids=ENDLESS.keys())
def test_ctrl_c_comes_out_within_a_second_and_ends_the_work_on_the_server(
    small: rx.Database,
    queries: rx.Queries,
    q: Any,
    busy: Any,
    until: Any,
    work: Any,
    watch: Any,
) -> None:
    pressed = []

    def press() -> None:
        until(busy)
        pressed.append(time.monotonic())
        signal.pthread_kill(main_thread(), signal.SIGINT)

    thread = threading.Thread(target=press)
    with handled(signal.SIGINT, signal.default_int_handler):
        thread.start()
        try:
            with watch.at_most(20), pytest.raises(KeyboardInterrupt):
                work(small, queries, q)
            after = time.monotonic() - pressed[0]
        finally:
            thread.join()

    assert after < 1 + watch.allowance
    until(lambda: not busy())
    assert [small.run(q.echo(n=n)) for n in range(3)] == [0, 1, 2]
    assert small.run(queries.users.count()) == 0


def whole_transaction(db: rx.Database, queries: rx.Queries, q: Any) -> Any:
    with db.transaction() as tx:
        return tx.run(q.nap(n=1))


# A blocking call, and what it gives.
WORK = {
    "run": (lambda db, queries, q: db.run(q.nap(n=1)), 1),
    "rows": (lambda db, queries, q: len(db.run(q.rows())), 3000),
    "run_many": (lambda db, queries, q: db.run_many(q.nap, [{"n": 1}, {"n": 2}]), [1, 2]),
    "run_all": (lambda db, queries, q: db.run_all([q.nap(n=1), q.echo(n=2)]), [1, 2]),
    "multi": (
        lambda db, queries, q: db.run(
            rx.Multi().add("a", q.nap(n=1)).add("b", lambda done: q.nap(n=done["a"] + 1))
        ),
        {"a": 1, "b": 2},
    ),
    "stream": (lambda db, queries, q: len(list(db.stream(q.rows(), batch=700))), 3000),
    "copy out": (lambda db, queries, q: len(db.copy(q.out)), 3000),
    "transaction": (whole_transaction, 1),
}


@pytest.mark.parametrize(("work", "gives"), WORK.values(), ids=WORK.keys())
def test_a_signal_whose_handler_does_not_raise_disturbs_nothing(
    small: rx.Database, queries: rx.Queries, q: Any, work: Any, gives: Any
) -> None:
    came = []
    over = threading.Event()

    def send() -> None:
        while not over.wait(0.005):
            signal.pthread_kill(main_thread(), signal.SIGUSR1)

    thread = threading.Thread(target=send)
    with handled(signal.SIGUSR1, lambda *_: came.append(1)):
        thread.start()
        try:
            assert work(small, queries, q) == gives
        finally:
            over.set()
            thread.join()
    assert came


class Impatience(Exception):  # noqa: N818 (it is no error)
    """What the handler of an alarm raises."""


@pytest.mark.parametrize(("work", "gives"), WORK.values(), ids=WORK.keys())
def test_a_handler_that_raises_at_any_moment_of_the_work_leaves_the_connection_usable(
    small: rx.Database,
    queries: rx.Queries,
    q: Any,
    busy: Any,
    until: Any,
    work: Any,
    gives: Any,
) -> None:
    def raise_(*_: object) -> None:
        raise Impatience

    def send(after: float) -> None:
        until(busy)
        time.sleep(after)
        signal.pthread_kill(main_thread(), signal.SIGUSR1)

    for turn in range(4):
        thread = threading.Thread(target=send, args=[turn * 0.015])
        with handled(signal.SIGUSR1, raise_):
            thread.start()
            try:
                assert work(small, queries, q) == gives
                thread.join()  # the signal may come as late as here
            except Impatience:
                pass
            finally:
                thread.join()
        until(lambda: not busy())
        assert [small.run(q.echo(n=n)) for n in range(3)] == [0, 1, 2]
