"""Ctrl-C, alarms, and exceptions that another thread injects, in the middle of blocking calls."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTE = "the COMMIT had been sent; the transaction: "

SQL = """\
    -- name: long_nap :exec
    select pg_sleep(0.03);
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: add_napping :exec
    with nap as materialized (select pg_sleep(0.004))
    insert into marks (n) select :n from nap;
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: one :one -> scalar
    select 1;
    -- name: sleep :exec
    select pg_sleep(:seconds);
"""


class Alarm(Exception):  # noqa: N818 (it is no error)
    """What the handler of an alarm raises, as those of task queues do when a job takes too long."""


class Injected(Exception):  # noqa: N818 (it is no error)
    """What one thread injects into another."""


@pytest.fixture
def slow(write: Any) -> Any:
    """Queries that wait at the server for a moment."""
    return write(SQL)


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
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(kind, before)


def by_long_transaction(db: rx.Database, q: Any) -> None:
    with db.transaction() as tx, tx.transaction() as inner:
        inner.run(q.add(n=1))
        inner.run(q.long_nap())


def by_long_transact(db: rx.Database, q: Any) -> None:
    def work(tx: Any) -> None:
        tx.run(q.add(n=1))
        tx.run(q.long_nap())

    db.run_transaction(work)


def by_long_batch(db: rx.Database, q: Any) -> None:
    db.run_many(q.add_napping, [{"n": 1}] * 8)


def by_long_run(db: rx.Database, q: Any) -> None:
    db.run(q.long_nap())


LONG_VERBS = [by_long_run, by_long_transaction, by_long_transact, by_long_batch]


def commit_note(error: BaseException) -> str | None:
    notes = [note for note in getattr(error, "__notes__", ()) if note.startswith(NOTE)]
    assert len(notes) <= 1
    return notes[0].removeprefix(NOTE) if notes else None


def validate_commit_check(verb: Any, error: BaseException, marks: list[int]) -> None:
    """What an interruption says of a COMMIT that was sent is what the table says."""
    said = commit_note(error)
    if said is not None:
        assert said != "unknown"
        assert (said == "committed") == bool(marks), (said, marks)
    elif verb is not by_long_run:
        assert marks == []


def raise_alarm(*_: object) -> None:
    raise Alarm


def raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("verb", LONG_VERBS)
@pytest.mark.parametrize("way", ["ctrl-c", "alarm"])
def test_while_the_server_is_waited_for_an_interruption_comes_out_and_tells_the_outcome(
    small: rx.Database, slow: Any, side: Any, marks: Any, ours: Any, until: Any, verb: Any, way: str
) -> None:
    kind, raised, handler = {
        "ctrl-c": (signal.SIGINT, KeyboardInterrupt, raise_interrupt),
        "alarm": (signal.SIGALRM, Alarm, raise_alarm),
    }[way]
    main = threading.main_thread().ident
    assert main is not None
    activity = "select wait_event = 'PgSleep' from pg_stat_activity where pid = {}"

    def press(pid: int, after: float) -> None:
        until(lambda: over.is_set() or side.execute(activity.format(pid)).fetchone() == (True,))
        time.sleep(after)
        if side.execute(activity.format(pid)).fetchone() == (True,):
            sent.append(time.monotonic())
            signal.pthread_kill(main, kind)

    sent: list[float] = []
    over = threading.Event()
    for round in range(8):
        side.execute("truncate marks")
        pid = small.run(slow.pid())
        sent.clear()
        over.clear()
        thread = threading.Thread(target=press, args=[pid, round * 0.002])
        with handled(kind, handler):
            thread.start()
            try:
                verb(small, slow)
                over.set()
                thread.join()
            except raised as error:
                assert time.monotonic() - sent[0] < 10
                # A signal that is delivered after the call interrupts the test alone.
                if not over.is_set():
                    validate_commit_check(verb, error, marks())
            finally:
                over.set()
                thread.join()
        until(lambda: not ours(busy=True))
        assert small.run(slow.one()) == 1
        assert len(ours()) == 1


def test_an_alarm_while_the_commit_is_on_its_way_does_not_stop_it(
    small: rx.Database, slow: Any, side: Any, marks: Any, until: Any
) -> None:
    side.execute(
        "create or replace function hold_up() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(0.15); return null; end $$; "
        "create constraint trigger hold_up after insert on marks deferrable initially deferred "
        "for each row execute function hold_up()"
    )
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        # It stands in the COMMIT.
        until(
            lambda: side.execute(
                "select 1 from pg_stat_activity where wait_event = 'PgSleep' "
                "and datname = current_database() and query = 'commit'"
            ).fetchone()
        )
        signal.pthread_kill(main, signal.SIGINT)

    for _ in range(3):
        side.execute("truncate marks")
        thread = threading.Thread(target=press)
        with handled(signal.SIGINT, raise_interrupt):
            thread.start()
            begun = time.monotonic()
            try:
                with pytest.raises(KeyboardInterrupt) as caught:
                    small.run_transaction(lambda tx: tx.run(slow.add(n=1)))
            finally:
                thread.join()
        assert time.monotonic() - begun < 10
        assert commit_note(caught.value) == "committed"
        assert marks() == [1]
        assert small.run(slow.one()) == 1


def inject(thread: threading.Thread) -> None:
    assert thread.ident is not None
    set_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_exc(ctypes.c_ulong(thread.ident), ctypes.py_object(Injected))


def test_what_is_injected_into_a_thread_that_waits_comes_out_with_the_answer(
    small: rx.Database, slow: Any, until: Any, ours: Any, marks: Any
) -> None:
    # The wait is not Python's to interrupt: it ends with the answer, or at the deadline.
    for verb in (
        lambda: small.run(slow.sleep(seconds=0.15)),
        lambda: by_long_transact(small, slow),
    ):
        caught: list[BaseException] = []

        def work(verb: Any = verb, caught: list[BaseException] = caught) -> None:
            try:
                verb()
            except Injected as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: ours(busy=True))
        inject(thread)
        thread.join(5)
        assert not thread.is_alive()
        assert [type(each) for each in caught] == [Injected]
        until(lambda: not ours(busy=True))
        assert marks() == []
        assert small.run(slow.one()) == 1
        assert len(ours()) == 1


def test_the_finalizers_of_an_interrupted_block_see_the_interruption(
    small: rx.Database, slow: Any, marks: Any, interrupt_after: Callable[[float], Any]
) -> None:
    seen = []

    def work(tx: Any) -> None:
        tx.run(slow.add(n=1))
        try:
            with interrupt_after(0.05):
                tx.run(slow.sleep(seconds=5))
        except BaseException as error:
            seen.append(type(error))
            raise

    with pytest.raises(Alarm):
        small.run_transaction(work)
    assert seen == [Alarm]
    assert marks() == []
    assert small.run(slow.one()) == 1


@pytest.fixture
def interrupt_after() -> Callable[[float], Any]:
    """Has an alarm ring so many seconds after a block begins."""

    @contextmanager
    def block(seconds: float) -> Iterator[None]:
        with handled(signal.SIGALRM, raise_alarm):
            signal.setitimer(signal.ITIMER_REAL, seconds)
            yield

    return block
