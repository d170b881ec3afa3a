"""Roles that may not call what a connection asks for: everything runs, and less is promised."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.failures import ServerEpoch

if TYPE_CHECKING:
    from tests.engine.conftest import Play

OUTCOME, ACROSS = 'commit_check="xid"', 'commit_check="xid" across a restart of the server'
POOLER, STANDBY = "detection of a pooler", "detection of a standby"
LIMITS = "time limits on the server"
# What is revoked, and what cannot be promised then.
REFUSED = {
    "execute on function pg_control_checkpoint()": ACROSS,
    "execute on function pg_control_system()": OUTCOME,
    "execute on function pg_current_wal_lsn()": OUTCOME,
    "execute on function pg_walfile_name(pg_lsn)": OUTCOME,
    "execute on function pg_postmaster_start_time()": OUTCOME,
    "execute on function pg_current_xact_id()": OUTCOME,
    "select on pg_stat_bgwriter": OUTCOME,
    "execute on function pg_xact_status(xid8)": OUTCOME,
    "execute on function pg_current_snapshot()": OUTCOME,
    "execute on function pg_snapshot_xmax(pg_snapshot)": OUTCOME,
    "execute on function pg_is_in_recovery()": STANDBY,
    "execute on function pg_backend_pid()": POOLER,
    "execute on function current_setting(text)": LIMITS,
    "execute on function set_config(text, text, boolean)": LIMITS,
}
LOGGER = "raxol_sql.server"


async def every_verb(db: Any, q: Any) -> None:
    """Runs each verb, with each way of telling outcomes."""

    async def write(tx: Any) -> None:
        await tx.run(q.put(n=1))
        assert await tx.run(q.count()) >= 1

    await db.run(q.put(n=1))
    for outcome in ("xid", "marker", "none"):
        assert await db.run(q.put(n=2), commit_check=outcome) == 1
        await db.run_transaction(write, commit_check=outcome)
        await db.run(rx.Multi(commit_check=outcome).add("put", q.put(n=3)).add("count", q.count()))
    async with db.transaction(commit_check="xid") as tx:
        await tx.run(q.put(n=4))
    assert await db.run_many(q.put, [{"n": 5}, {"n": 6}]) == [1, 1]
    assert len(await db.run_all([q.count(), q.all()])) == 2
    assert [row async for row in db.stream(q.all())]
    assert await db.copy(q.load, [(7,), (8,)]) == 2
    assert await db.run(q.count()) == 15


def check_every_verb(
    play: Play, q: Any, line: Any, revoked: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    async def story(db: Any) -> None:
        await every_verb(db, q)
        await db.recycle()
        assert await db.run(q.count()) == 15
        lost = (await db.health()).lost_promises
        assert {one.promise for one in lost} == {REFUSED[each] for each in revoked}
        # What is to be granted is what was revoked, word for word.
        remedies = {one.remedy for one in lost}
        assert remedies == {f"in database postgres: grant {each} to app" for each in revoked}

    with caplog.at_level(logging.WARNING, LOGGER):
        play(story, line.conninfo, pool_size=3, pool_min_size=3)

    warnings = [one for one in caplog.records if one.name == LOGGER]
    assert len(warnings) == 1
    assert all(REFUSED[each] in warnings[0].getMessage() for each in revoked)


@pytest.mark.parametrize("privilege", REFUSED)
def test_every_verb_works_and_one_warning_says_what_is_not_promised(
    play: Play, q: Any, line: Any, revoke: Any, privilege: str, caplog: pytest.LogCaptureFixture
) -> None:
    revoke(privilege)
    check_every_verb(play, q, line, [privilege], caplog)


def test_every_verb_works_where_everything_is_refused(
    play: Play, q: Any, line: Any, revoke: Any, caplog: pytest.LogCaptureFixture
) -> None:
    revoke(*REFUSED)
    check_every_verb(play, q, line, [*REFUSED], caplog)


def test_on_an_ordinary_server_nothing_is_lost_and_nothing_is_logged(
    play: Play, q: Any, line: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(db: Any) -> None:
        await every_verb(db, q)
        assert (await db.health()).lost_promises == ()

    with caplog.at_level(logging.WARNING, LOGGER):
        play(story, line.conninfo)

    assert [one for one in caplog.records if one.name == LOGGER] == []


@pytest.mark.parametrize("lost", ["commit_lost", "commit_answer_lost"])
@pytest.mark.parametrize("outcome", ["marker", "xid"])
def test_a_marker_row_settles_a_lost_commit_where_no_id_can_be_asked(
    play: Play, q: Any, line: Any, notes: Any, revoke: Any, lost: str, outcome: str
) -> None:
    """Asked for by name, or in place of the id."""

    async def write(tx: Any) -> None:
        await tx.run(q.put(n=1))

    async def story(db: Any) -> None:
        await db.run(q.count())
        fired = getattr(line, lost)()
        await db.run_transaction(write, commit_check=outcome)
        assert fired.is_set()

    revoke(*REFUSED)
    play(story, line.conninfo, retry_interval=0)
    assert notes() == [1]


def test_without_a_table_of_marker_rows_a_lost_commit_is_unknown(
    play: Play, q: Any, primary: Any, line: Any, revoke: Any
) -> None:
    async def write(tx: Any) -> None:
        await tx.run(q.put(n=1))

    async def story(db: Any) -> None:
        await db.run(q.count())
        (lost,) = (await db.health()).lost_promises
        assert lost.instead.startswith('commit_check="none"')
        line.commit_answer_lost()
        with pytest.raises(rx.OutcomeUnknownError):
            await db.run_transaction(write)

    revoke("execute on function pg_current_xact_id()")
    primary.ask("alter table raxol_outcomes rename to others")
    try:
        play(story, line.conninfo)
    finally:
        primary.ask("alter table others rename to raxol_outcomes")


def test_what_is_granted_later_is_promised_after_a_restart(
    play: Play, q: Any, primary: Any, line: Any, revoke: Any
) -> None:
    async def story(db: Any) -> None:
        assert (await db.health()).lost_promises
        primary.ask("grant execute on function pg_current_xact_id() to public")
        await db.recycle()
        assert not (await db.health()).lost_promises
        line.commit_answer_lost()
        assert await db.run(q.put(n=1), commit_check="xid") == 1

    revoke("execute on function pg_current_xact_id()")
    with pytest.raises(rx.errors.CommittedResultLostError):
        play(story, line.conninfo)


def test_the_client_holds_a_limit_that_the_server_cannot_be_given(
    play: Play, q: Any, line: Any, revoke: Any
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.DeadlineExceededError):
            await db.run(q.nap())
        assert await db.run(q.count()) == 0

    revoke("execute on function set_config(text, text, boolean)")
    play(story, line.conninfo, pool_size=1)


def test_a_token_cannot_be_resolved_by_a_role_that_may_not_ask(
    play: Play, line: Any, revoke: Any
) -> None:
    async def story(db: Any) -> None:
        before = line.accepted
        token = rx.OutcomeToken(ServerEpoch("1", "00000001", "then"), 700)
        assert await db.resolve(token) is rx.failures.Effect.UNKNOWN
        # It does not look for a server that allows more until the time is over.
        assert line.accepted == before

    revoke("execute on function pg_xact_status(xid8)")
    play(story, line.conninfo)


def test_what_is_revoked_while_a_database_is_open_costs_one_call_for_each_connection(
    play: Play, q: Any, line: Any, revoke: Any
) -> None:
    async def write(tx: Any) -> None:
        await tx.run(q.put(n=1))

    async def story(db: Any) -> None:
        await db.run_transaction(write)
        revoke("execute on function pg_current_xact_id()")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await db.run_transaction(write)
        await db.run_transaction(write)
        await db.run(rx.Multi().add("put", q.put(n=2)))
        assert await db.run(q.count()) == 3

    play(story, line.conninfo, pool_size=1)
