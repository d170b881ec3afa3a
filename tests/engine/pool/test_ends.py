"""The ends of a program and of an event loop, and a process that has no more files to open."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable

ENDS = {
    "without close": "",
    "without any reference": "del db; gc.collect()",
    "in the middle of a transaction": "tx = db.transaction(); tx.__enter__(); tx.run(q.echo(n=2))",
    "with a thread in a call": (
        "threading.Thread(target=db.run, args=(q.doze(n=1, seconds=9),), daemon=True).start();"
        "time.sleep(0.1)"
    ),
    "with close at exit": "import atexit; atexit.register(db.close)",
}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_ends_in_any_way_ends_at_once_and_leaves_nothing(
    program: Any,
    accounts_database: str,
    backends: Any,
    end_all: Any,
    until: Any,
    end: str,
    watch: Any,
) -> None:
    text = f"""\
        db = rx.Database.open(sys.argv[1], pool_size=4, pool_min_size=2)
        print(db.run(q.echo(n=1)), flush=True)
        {ENDS[end]}
    """
    with watch.at_most(6):
        assert program(text, accounts_database) == ["1"]
    if "thread" in end:
        end_all()  # the server sees that its client has gone when it answers, nine seconds later
    until(lambda: not backends())


def test_a_program_that_ends_in_an_outage_ends_at_once(
    program: Any, accounts_database: str
) -> None:
    text = """\
        from raxol_sql.testing import FaultProxy
        proxy = FaultProxy(sys.argv[1]).__enter__()
        db = rx.Database.open(proxy.conninfo, pool_size=4, pool_min_size=2, timeout=500)
        proxy.accept_and_be_silent()
        proxy.reset()
        try:
            db.run(q.echo(n=1))
        except psycopg.OperationalError:
            since = time.monotonic()
            db.close()
            print(time.monotonic() - since < 2)
    """
    assert program(text, accounts_database) == ["True"]


def test_a_database_that_nobody_has_any_more_leaves_no_connection_behind(
    accounts_database: str, q: Any, backends: Any, until: Any
) -> None:
    db = rx.Database.open(accounts_database, pool_size=3, pool_min_size=3)
    assert db.run(q.echo(n=1)) == 1
    assert len(backends()) == 3
    del db
    gc.collect()
    until(lambda: not backends())


@pytest.mark.parametrize("first_ends", [True, False])
def test_a_database_of_another_event_loop_says_so(
    open_async: Callable[[], rx.AsyncDatabase], q: Any, first_ends: bool
) -> None:
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:

        async def opened() -> rx.AsyncDatabase:
            db = await open_async()
            assert await db.run(q.echo(n=1)) == 1
            return db

        async def used(db: rx.AsyncDatabase) -> None:
            for _ in range(2):
                with pytest.raises(RuntimeError, match="opened in another event loop"):
                    await db.run(q.echo(n=2))
                with pytest.raises(RuntimeError, match="opened in another event loop"):
                    async with db.transaction():
                        pass

        db = first.run_until_complete(opened())
        second.run_until_complete(used(db))
        assert first.run_until_complete(db.run(q.echo(n=3))) == 3
        first.run_until_complete(db.close())
        if first_ends:
            first.close()
        second.run_until_complete(used_closed(db, q))
    finally:
        first.close()
        second.close()


async def used_closed(db: rx.AsyncDatabase, q: Any) -> None:
    with pytest.raises(Exception, match=r"closed|opened in another event loop"):
        await db.run(q.echo(n=4))


@pytest.mark.parametrize("colour", ["blocking", pytest.param("asyncio", marks=pytest.mark.deep)])
def test_a_process_without_files_to_open_waits_for_one_and_leaks_none(
    program: Any, accounts_database: str, colour: str
) -> None:
    text = """\
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        def used():
            return len(os.listdir("/proc/self/fd"))
        def fill():
            taken = []
            try:
                while True:
                    taken.append(os.dup(0))
            except OSError:
                return taken
        def free(taken):
            for file in taken:
                os.close(file)
        def told(error):
            note = "no connection was established within "
            assert isinstance(error, psycopg.OperationalError), repr(error)
            assert any(note in one for one in error.__notes__), error.__notes__
    """
    blocking = """\
        with rx.Database.open(sys.argv[1], pool_size=3, pool_min_size=1, timeout=2000) as db:
            with db.transaction() as tx, db.transaction() as other:
                pass
            before = used()
            with db.transaction() as tx, db.transaction() as other:
                taken = fill()
                for _ in range(2):
                    try:
                        db.run(q.echo(n=1))
                    except Exception as error:
                        told(error)
                    free([taken.pop()])
                assert tx.run(q.echo(n=2)) == 2
                free(taken)
                assert db.run(q.echo(n=3)) == 3
            print(used() - before)
    """
    asynchronous = """\
        async def main():
            async with rx.AsyncDatabase.open(
                sys.argv[1], pool_size=3, pool_min_size=1, timeout=2000
            ) as db:
                async with db.transaction(), db.transaction():
                    pass
                before = used()
                async with db.transaction() as tx, db.transaction():
                    taken = fill()
                    for _ in range(2):
                        try:
                            await db.run(q.echo(n=1))
                        except Exception as error:
                            told(error)
                        free([taken.pop()])
                    assert await tx.run(q.echo(n=2)) == 2
                    free(taken)
                    assert await db.run(q.echo(n=3)) == 3
                print(used() - before)
        asyncio.run(main())
    """
    # One is the connection that the last call, or one before it, has made.
    body = blocking if colour == "blocking" else asynchronous
    assert program(f"{text.rstrip()}\n{body}", accounts_database) == ["1"]
