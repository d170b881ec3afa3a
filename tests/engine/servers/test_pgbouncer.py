"""Refusals and standbys behind a real PgBouncer, old and new, and its statement mode."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from tests.engine.servers.test_refused_functions import LOGGER, REFUSED, every_verb

if TYPE_CHECKING:
    from tests.engine.conftest import Play

PROGRAMS = ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer"]
programs = pytest.mark.parametrize("program", PROGRAMS, ids=["old", "new"])
# The old one keeps no prepared statements, and the new one only if it is told to.
PREPARE = False


@programs
def test_every_verb_works_behind_a_pooler_where_everything_is_refused(
    play: Play,
    q: Any,
    primary: Any,
    pgbouncer: Any,
    revoke: Any,
    program: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(db: Any) -> None:
        await every_verb(db, q)

    revoke(*REFUSED)
    with caplog.at_level(logging.WARNING, LOGGER):
        play(story, pgbouncer(program, primary), prepare=PREPARE, pool_size=3)
    assert len([one for one in caplog.records if one.name == LOGGER]) == 1


@programs
def test_a_standby_behind_a_pooler_is_read_and_not_written(
    play: Play, q: Any, primary: Any, standby: Any, pgbouncer: Any, program: str
) -> None:
    async def read(tx: Any) -> int:
        count: int = await tx.run(q.count())
        return count

    async def story(db: Any) -> None:
        assert await db.run_transaction(read) == 0
        assert await db.run(rx.Multi().add("a", q.count())) == {"a": 0}
        assert await db.run_many(q.count, [{}, {}]) == [0, 0]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await db.run(q.put(n=1))
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await db.run(rx.Multi().add("a", q.put(n=1)))

    standby.catch_up()
    # A wait of that length before another attempt would end the test by its deadline.
    options = {"retry_interval": 60_000, "retry_jitter": False, "prepare": PREPARE}
    play(story, pgbouncer(program, standby), **options)


@programs
def test_in_statement_mode_single_statements_run(
    play: Play, q: Any, primary: Any, notes: Any, pgbouncer: Any, program: str
) -> None:
    """A transaction is refused there, and PgBouncer says so."""

    async def story(db: Any) -> None:
        for n in range(3):
            assert await db.run(q.put(n=n)) == 1
        assert await db.run(q.all()) == [0, 1, 2]
        with pytest.raises(psycopg.Error, match="not allowed in statement pooling mode"):
            await db.run_transaction(lambda tx: tx.run(q.count()))
        assert await db.run(q.count()) == 3

    play(story, pgbouncer(program, primary, "statement"), prepare=PREPARE, timeout=3000)
    assert notes() == [0, 1, 2]
