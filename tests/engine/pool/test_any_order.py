"""Whatever happens to a pool in whatever order: answers are right, and nothing is lost."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.engine.conftest import Play

SIZE = 3
LOCKS = """\
    select count(*) from pg_locks join pg_database on pg_database.oid = pg_locks.database
    where locktype = 'advisory' and datname = current_database()
"""
steps = st.lists(
    st.sampled_from(["run", "run", "write", "begin", "end", "kill", "kill one", "drain", "leave"]),
    min_size=3,
    max_size=14,
)


def test_any_order_of_calls_kills_and_drains_gives_right_answers_and_leaks_nothing(
    play: Play, q: Any, write: Any, notes: Any, side: Any, backends: Any, end_all: Any, watch: Any
) -> None:
    """
    The law: who is answered gets their own answer; a write that was acknowledged is there, once;
    there are never more connections than the pool may have; and when it is over all of them can
    be had, clean.
    """
    own = write("-- name: leave :one -> scalar\nselect pg_advisory_lock(:n)::text")

    @settings(max_examples=15)
    @given(steps)
    def holds(steps: list[str]) -> None:
        side.execute("truncate pool_notes")
        written: list[int] = []

        async def story(db: Any) -> None:
            async with AsyncExitStack() as opened:
                blocks: list[tuple[Any, int]] = []

                async def end(block: Any, n: int) -> None:
                    try:
                        await block.__aexit__(None, None, None)
                        written.append(n)
                    except psycopg.OperationalError:
                        pass  # it was killed meanwhile, and so it has not happened

                for n, step in enumerate(steps):
                    full = len(blocks) == SIZE
                    if step == "begin" and not full:
                        block = db.transaction()
                        tx = await block.__aenter__()
                        assert await tx.run(q.put(n=n)) == 1
                        blocks.append((block, n))
                    elif step == "end" and blocks:
                        await end(*blocks.pop(0))
                    elif step == "kill":
                        end_all()
                    elif step == "kill one":
                        end_all(1)
                    elif step == "drain":
                        await getattr(db, "verbs", db)._pool.drain()
                    elif full:
                        continue  # whoever asks now would wait for themselves
                    elif step == "write":
                        assert await db.run(q.put(n=n)) == 1
                        written.append(n)
                    elif step == "leave":
                        await db.run(own.leave(n=n))
                    else:
                        assert await db.run(q.echo(n=n)) == n
                    assert len(backends()) <= SIZE
                while blocks:
                    await end(*blocks.pop())
                with watch.at_most(2):
                    for n in range(SIZE):
                        tx = await opened.enter_async_context(db.transaction())
                        assert await tx.run(q.echo(n=n)) == n
                assert len(backends()) == SIZE
                assert side.execute(LOCKS).fetchone() == (0,)

        play(story, pool_size=SIZE, pool_min_size=1, timeout=5000, retry_interval=20)
        assert notes() == sorted(written)

    holds()
