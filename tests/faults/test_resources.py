"""What the server runs out of is said once, and is not asked for again and again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from raxol_sql.failures import Category, Effect, Phase, Verdict, classify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.faults.conftest import Play, Runs

SQL = """\
    -- name: fill :affected
    insert into kept select repeat(md5(n::text), 60) || {count} from generate_series(1, :n) as n;
    -- name: fill_again :affected
    -- @idempotent
    insert into kept select repeat(md5(n::text), 60) || {count} from generate_series(1, :n) as n;
    -- name: fill_one :affected
    insert into kept select repeat(md5(n::text), 60) || {count} from generate_series(1, :n) as n;
    -- name: load :copy
    copy kept from stdin;
    -- name: sort :one -> scalar
    with run as materialized (select {count} as number)
    select max(b) from (
        select number + n as b from run, generate_series(1, :n) as n
        order by md5(n::text), random() offset 1
    ) as sorted;
    -- name: sort_again :one -> scalar
    -- @idempotent
    with run as materialized (select {count} as number)
    select max(b) from (
        select number + n as b from run, generate_series(1, :n) as n
        order by md5(n::text), random() offset 1
    ) as sorted;
    -- name: pid :one -> scalar
    select pg_backend_pid();
"""
# In kilobytes: what there is room for at first, and what needs more than that.
ENOUGH = 65_536
MUCH = 4_000
SPILL = 20_000


@pytest.fixture
def tablespace(small_disk: Path, side: psycopg.Connection[Any], until: Any) -> Iterator[str]:
    """A tablespace on that disk."""
    name = "small_disk"
    side.execute(f"create tablespace {name} location '{small_disk}'")
    yield name
    side.execute("drop table if exists kept")
    ends = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
    side.execute(f"{ends} and datname = current_database()")

    def is_dropped() -> bool:
        try:
            side.execute(f"drop tablespace {name}")
        except psycopg.errors.ObjectNotInPrerequisiteState:
            return False
        return True

    until(is_dropped)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", f"remount,size={ENOUGH}k", disk], check=True, timeout=10)


async def run(db: Any, q: Any) -> Any:
    return await db.run(q.fill(n=MUCH))


async def run_idempotent(db: Any, q: Any) -> Any:
    return await db.run(q.fill_again(n=MUCH))


async def run_many(db: Any, q: Any) -> Any:
    return sum(await db.run_many(q.fill_one, [{"n": MUCH}]))


async def run_transaction(db: Any, q: Any) -> Any:
    async def work(tx: Any) -> Any:
        return await tx.run(q.fill(n=MUCH))

    return await db.run_transaction(work)


@pytest.mark.parametrize("verb", [run, run_idempotent, run_many, run_transaction])
def test_a_full_disk_is_said_at_once_nothing_is_hammered_and_room_is_all_it_takes(
    play: Play,
    write: Any,
    side: psycopg.Connection[Any],
    runs: Runs,
    tablespace: str,
    small_disk: Path,
    verb: Callable[[Any, Any], Awaitable[Any]],
    watch: Any,
) -> None:
    side.execute(f"create table kept (a text) tablespace {tablespace}")
    q = write(SQL.format(count=runs.count))

    async def story(db: Any) -> None:
        pid = await db.run(q.pid())
        with watch.at_most(5), pytest.raises(psycopg.errors.DiskFull) as caught:
            await verb(db, q)

        assert runs.number == 1
        assert side.execute("select count(*) from kept").fetchone() == (0,)
        assert any("in query q.fill" in note for note in caught.value.__notes__)
        failure = classify(caught.value, Phase.SENT)
        assert (failure.sqlstate, failure.category) == ("53100", Category.RESOURCE)
        assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.NEVER)

        enlarge(small_disk)
        runs.forget()
        assert await verb(db, q) == MUCH
        assert runs.number == 1
        assert side.execute("select count(*) from kept").fetchone() == (MUCH,)
        assert await db.run(q.pid()) == pid

    play(story, pool_size=1)


def test_a_disk_that_fills_up_in_the_middle_of_a_copy_leaves_no_row_of_it(
    play: Play, write: Any, side: psycopg.Connection[Any], tablespace: str, small_disk: Path
) -> None:
    side.execute(f"create table kept (a text) tablespace {tablespace}")
    q = write(SQL.format(count="1"))
    rows = [(f"{number:>6}" * 300,) for number in range(MUCH)]

    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.DiskFull):
            await db.copy(q.load, rows)
        assert side.execute("select count(*) from kept").fetchone() == (0,)

        enlarge(small_disk)
        assert await db.copy(q.load, rows) == MUCH
        assert side.execute("select count(*) from kept").fetchone() == (MUCH,)

    play(story, pool_size=1)


async def sort(db: Any, q: Any) -> Any:
    return await db.run(q.sort(n=SPILL))


async def sort_idempotent(db: Any, q: Any) -> Any:
    return await db.run(q.sort_again(n=SPILL))


async def sort_many(db: Any, q: Any) -> Any:
    return await db.run_many(q.sort, [{"n": SPILL}])


async def sort_in_transact(db: Any, q: Any) -> Any:
    async def work(tx: Any) -> Any:
        return await tx.run(q.sort(n=SPILL))

    return await db.run_transaction(work)


@pytest.mark.parametrize("verb", [sort, sort_idempotent, sort_many, sort_in_transact])
def test_a_query_that_needs_more_temporary_files_than_it_may_have_is_run_once(
    play: Play,
    write: Any,
    side: psycopg.Connection[Any],
    runs: Runs,
    verb: Callable[[Any, Any], Awaitable[Any]],
) -> None:
    name = side.info.dbname
    side.execute(f"alter database {name} set temp_file_limit = '64kB'")
    side.execute(f"alter database {name} set work_mem = '64kB'")
    q = write(SQL.format(count=runs.count))

    async def story(db: Any) -> None:
        pid = await db.run(q.pid())

        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded) as caught:
            await verb(db, q)

        assert runs.number == 1
        failure = classify(caught.value, Phase.SENT)
        assert (failure.sqlstate, failure.category) == ("53400", Category.LIMIT)
        assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.NEVER)
        assert await db.run(q.pid()) == pid

    play(story, pool_size=1)
