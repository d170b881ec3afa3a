"""Every verb in both colours, and callers that are interrupted: by a tracer, and by signals."""

from __future__ import annotations

import gc
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import raxol_sql as rx
from raxol_sql.engine.core.concurrency import run_sync

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = rx.__path__[0]


class Interrupted(Exception):  # noqa: N818 (it is no error)
    """What a signal handler raises."""


async def by_run(db: Any, q: Any) -> None:
    assert await db.run(q.one()) == 1


async def by_run_that_naps(db: Any, q: Any) -> None:
    assert await db.run(q.nap()) == 1


async def by_run_with_an_id(db: Any, q: Any) -> None:
    await db.run(q.add(n=1), commit_check="xid")


async def by_run_with_a_marker(db: Any, q: Any) -> None:
    await db.run(q.add(n=1), commit_check="marker")


async def by_run_many(db: Any, q: Any) -> None:
    await db.run_many(q.add, [{"n": n} for n in range(3)])


async def by_run_all(db: Any, q: Any) -> None:
    assert await db.run_all([q.one(), q.nap()]) == [1, 1]


async def by_multi(db: Any, q: Any) -> None:
    await db.run(rx.Multi().add("a", q.one()).add("b", lambda done: q.add(n=done["a"])))


async def by_copy_out(db: Any, q: Any) -> None:
    assert len(await db.copy(q.out)) == 40


async def by_copy_in(db: Any, q: Any) -> None:
    assert await db.copy(q.load, [(1,), (2,)]) == 2


async def by_health(db: Any, q: Any) -> None:
    await db.health(timeout=2000)


async def by_stream(db: Any, q: Any) -> None:
    assert [n async for n in db.stream(q.rows(), batch=10)] == [*range(1, 41)]


async def by_run_transaction(db: Any, q: Any) -> None:
    async def work(tx: Any) -> None:
        await tx.run(q.add(n=1))
        await tx.run(q.nap())

    await db.run_transaction(work)


async def by_transaction(db: Any, q: Any) -> None:
    async with db.transaction() as tx:
        await tx.run(q.add(n=1))
        async with tx.transaction() as inner:
            await inner.run(q.one())


async def by_connection(db: Any, q: Any) -> None:
    async with db.connection() as connection:
        await connection.execute("select 1")


VERBS = [
    *(by_run, by_run_that_naps, by_run_with_an_id, by_run_with_a_marker, by_run_many),
    *(by_run_all, by_multi, by_copy_out, by_copy_in, by_health),
    *(by_stream, by_run_transaction, by_transaction, by_connection),
]


def stream(db: rx.Database, q: Any) -> None:
    assert list(db.stream(q.rows(), batch=10)) == [*range(1, 41)]


def run_transaction(db: rx.Database, q: Any) -> None:
    def work(tx: Any) -> None:
        tx.run(q.add(n=1))
        tx.run(q.nap())

    db.run_transaction(work)


def transaction(db: rx.Database, q: Any) -> None:
    with db.transaction() as tx:
        tx.run(q.add(n=1))
        with tx.transaction() as inner:
            inner.run(q.one())


def connection(db: rx.Database, q: Any) -> None:
    with db.connection() as connection:
        connection.execute("select 1")


def figures(db: rx.Database, q: Any) -> None:
    db.pool_status()
    db.metrics()


class Direct:
    """A blocking database whose calls are given as coroutines that never suspend."""

    def __init__(self, db: rx.Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._db, name)

        async def call(*given: Any, **named: Any) -> Any:
            return method(*given, **named)

        return call


BLOCKING = [
    *(lambda db, q, verb=verb: run_sync(verb(Direct(db), q)) for verb in VERBS[:10]),
    *(stream, run_transaction, transaction, connection, figures),
]
NAMES = [
    *(verb.__name__ for verb in VERBS[:10]),
    "stream",
    "run_transaction",
    "transaction",
    "connection",
]


class Tracer:
    """Raises at one bytecode that a thread runs of this package, or of a part; counts them."""

    def __init__(self, at: int, within: str = PACKAGE) -> None:
        self.at = at
        self.count = 0
        self._within = within

    def __call__(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(self._within):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "opcode":
            self.count += 1
            if self.count == self.at:
                raise Interrupted
        return self

    def run(self, work: Callable[[], object]) -> bool:
        """Whether it was raised, and came out."""
        # Python reports an exception in a coroutine that is collected, and raises none. What an
        # earlier call left in circles is not to be collected in the middle of this one.
        gc.collect()
        gc.disable()
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except Interrupted:
            return True
        finally:
            sys.settrace(before)
            gc.enable()
        return False


def interrupt_at_bytecodes(*given: Any) -> int:
    """
    Interrupts a call many times, and gives how often.

    In a thread of its own: where a tracer raises at the end of an ``except``, Python goes on to
    take the exception that was handled there for the one that the thread handles.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_interrupt_at_bytecodes, *given).result()


def _interrupt_at_bytecodes(
    db: rx.Database, q: Any, verb: Any, stride: int, within: str = PACKAGE
) -> int:
    def work() -> None:
        verb(db, q)

    work()
    gc.freeze()  # so that only what comes from now on is looked through each time
    counting = Tracer(0, within)
    assert not counting.run(work)
    numbers = range(random.randrange(1, stride + 1), counting.count, stride)
    raised = 0
    for number in numbers:
        began = time.monotonic()
        tracer = Tracer(number, within)
        is_raised = tracer.run(work)
        # It takes another way where others came first, and then may be over before.
        assert is_raised or tracer.count < number, "the interruption did not come out"
        assert time.monotonic() - began < db.config.timeout / 1000 + 0.65
        raised += is_raised
    gc.unfreeze()
    return raised


def raise_interruption(*_: object) -> None:
    raise Interrupted


def interrupt_at_random(db: rx.Database, q: Any, count: int, seed: int) -> None:
    """So many calls end by an exception of a signal handler, which comes at a random time."""
    choice = random.Random(seed)
    interrupted = 0
    before = signal.signal(signal.SIGALRM, raise_interruption)
    try:
        while interrupted < count:
            verb = choice.choice(BLOCKING)
            began = time.monotonic()
            try:
                # The timer rings once: what comes here may come at the end as well.
                try:
                    signal.setitimer(signal.ITIMER_REAL, choice.uniform(0.0001, 0.003))
                    verb(db, q)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except Interrupted:
                interrupted += 1
            assert time.monotonic() - began < db.config.timeout / 1000 + 0.65
    finally:
        signal.signal(signal.SIGALRM, before)
