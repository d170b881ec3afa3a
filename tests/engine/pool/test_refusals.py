"""A server that does not let in: what is for good is told at once, what passes is waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.failures import Category, Phase, Verdict, classify
from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Play

SECRET = "hunter2-is-secret"


# Where most of the time is spent waiting, the other colour does so in the deep run only.
mostly_asyncio = pytest.mark.parametrize(
    "play", ["asyncio", pytest.param("blocking", marks=pytest.mark.deep)], indirect=True
)


@pytest.fixture
def gate(spare: Any) -> Iterator[FaultProxy]:
    """A proxy in front of the server whose roles are let in or not, which counts who comes."""
    with FaultProxy(spare.conninfo) as gate:
        yield gate


def refused(play: Play, conninfo: str, **options: Any) -> psycopg.Error:
    """What `open` raises, long before the time of a call is over."""

    async def story(db: Any) -> None:
        raise AssertionError("it cannot be open")

    since = time.monotonic()
    with pytest.raises(psycopg.OperationalError) as caught:
        play(story, conninfo, **options)
    assert time.monotonic() - since < 10
    return caught.value


REFUSALS = {
    "wrong password": ({"user": "locked", "password": SECRET}, "28P01", "authentication", 1),
    "role missing": ({"user": "nobody"}, "28000", "authentication", 1),
    "database missing": ({"dbname": "nowhere"}, "3D000", "configuration", 1),
    "rejected by pg_hba.conf": ({"user": "rejected"}, "28000", "authentication", 1),
    # A server that is being shut down breaks TLS off, too, so one is not enough.
    "TLS required": ({"sslmode": "require"}, None, "authentication", 2),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_for_good_is_told_at_once_and_asked_for_once(
    play: Play, gate: FaultProxy, caplog: pytest.LogCaptureFixture, case: str
) -> None:
    parameters, sqlstate, category, attempts = REFUSALS[case]
    caplog.set_level(logging.DEBUG)
    before = gate.accepted

    error = refused(play, make_conninfo(gate.conninfo, **parameters))

    failure = classify(error, Phase.ACQUIRE)
    assert error.sqlstate == failure.sqlstate == sqlstate
    assert (failure.category.value, failure.verdict) == (category, Verdict.NEVER)
    assert gate.accepted - before <= attempts
    assert SECRET not in f"{error}{error!r}{getattr(error, '__notes__', '')}{caplog.text}"


def test_a_password_that_is_missing_is_told_at_once(
    play: Play, spare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = refused(play, make_conninfo(spare.conninfo, user="locked"), password="")
    failure = classify(error, Phase.ACQUIRE)
    assert (failure.category, failure.verdict) == (Category.AUTHENTICATION, Verdict.NEVER)


def said_by_a_server(code: str, severity: str, message: bytes) -> bytes:
    """The last words of a server that does not let in."""
    fields = [b"S" + severity.encode(), b"VFATAL", b"C" + code.encode(), b"M" + message, b""]
    body = b"\0".join(fields) + b"\0"
    return b"E" + (len(body) + 4).to_bytes(4) + body


@pytest.mark.parametrize(
    "message",
    ["пользователь не прошёл проверку подлинности".encode(), "échec".encode("latin1"), b""],
    ids=["Russian", "no UTF-8", "no words"],
)
@pytest.mark.parametrize(
    ("code", "category", "verdict"),
    [
        ("28P01", Category.AUTHENTICATION, Verdict.NEVER),
        ("3D000", Category.CONFIGURATION, Verdict.NEVER),
        ("53300", Category.RESOURCE, Verdict.ACQUIRE),
        ("57P03", Category.STARTUP, Verdict.ACQUIRE),
    ],
)
def test_a_refusal_is_understood_in_any_language(
    door: Any, code: str, category: Category, verdict: Verdict, message: bytes
) -> None:
    door.answer = said_by_a_server(code, "ВАЖНО", message)

    with pytest.raises(psycopg.OperationalError) as caught:
        rx.Database.open(door.conninfo)

    failure = classify(caught.value, Phase.ACQUIRE)

    assert (failure.sqlstate, failure.category, failure.verdict) == (code, category, verdict)


def test_a_refusal_for_good_is_told_to_all_who_wait_at_once(
    play: Play, q: Any, begin: Any, gate: FaultProxy, door: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        gate.redirect(door.conninfo)
        gate.reset()
        calls = [begin(db.run, q.echo(n=n)) for n in range(20)]
        await asyncio.sleep(0.3)  # nobody is let in, and that may pass
        assert not any(call.done() for call in calls)
        door.answer = said_by_a_server("28P01", "FATAL", b"no")
        attempts = len(door.came)
        with watch.at_most(1.5):
            errors = await asyncio.gather(*calls, return_exceptions=True)
        assert {getattr(error, "sqlstate", None) for error in errors} == {"28P01"}
        assert len({id(error) for error in errors}) == 20
        assert len(door.came) - attempts <= 6

    play(story, gate.conninfo, pool_size=4)


@mostly_asyncio
def test_an_old_refusal_is_told_to_nobody_once_the_cause_is_mended(
    play: Play, q: Any, begin: Any, spare: Any
) -> None:
    async def story(db: Any) -> None:
        spare.side("alter role locked password 'other'")
        spare.side(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'locked'"
        )
        calls = [begin(db.run, q.echo(n=n)) for n in range(6)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert getattr(error, "sqlstate", None) == "28P01"
        spare.side("alter role locked password 'right'")
        await asyncio.sleep(0.6)  # for half a second it may still be told
        assert [await db.run(q.echo(n=n)) for n in range(8)] == [*range(8)]

    try:
        play(
            story,
            make_conninfo(spare.conninfo, user="locked", password="right"),
            pool_size=5,
            pool_min_size=5,
        )
    finally:
        spare.side("alter role locked password 'right'")


def test_sessions_outlive_a_change_of_the_password_and_new_ones_are_refused(
    play: Play, q: Any, begin: Any, spare: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.echo(n=1)) == 1
        spare.side("alter role locked password 'other'")
        assert await db.run(q.echo(n=2)) == 2
        async with db.transaction() as tx:
            assert await tx.run(q.echo(n=3)) == 3
            since = time.monotonic()
            with pytest.raises(psycopg.errors.OperationalError) as caught:
                await db.run(q.echo(n=4))
            assert (caught.value.sqlstate, time.monotonic() - since < 10) == ("28P01", True)
            assert await tx.run(q.echo(n=5)) == 5
        assert await db.run(q.echo(n=6)) == 6

    try:
        play(
            story,
            make_conninfo(spare.conninfo, user="locked", password="right"),
            pool_size=2,
            pool_min_size=1,
        )
    finally:
        spare.side("alter role locked password 'right'")


def test_a_place_at_a_full_server_is_waited_for_and_taken_soon(
    play: Play, q: Any, begin: Any, spare: Any, watch: Any
) -> None:
    # Either limit says the same: each colour meets one of them.
    is_of_role = play.colour == "asyncio"

    async def story(db: Any) -> None:
        with ExitStack() as others:
            room = 1 if is_of_role else 11
            for _ in range(room):
                others.enter_context(psycopg.connect(conninfo))
            async with db.transaction() as tx:
                assert await tx.run(q.echo(n=1)) == 1
                with (
                    watch.at_most(4.5, at_least=1.9),
                    pytest.raises(psycopg.OperationalError) as caught,
                ):
                    await db.run(q.echo(n=2))
                failure = classify(caught.value, Phase.ACQUIRE)
                assert (failure.sqlstate, failure.verdict) == ("53300", Verdict.ACQUIRE)
                assert "too many c" in str(caught.value)
                assert any("no connection was" in note for note in caught.value.__notes__)
                waiting = begin(db.run, q.echo(n=3))
                await asyncio.sleep(0.1)
                assert not waiting.done()
                others.close()
                with watch.at_most(1.8):
                    assert await waiting == 3

    conninfo = spare.conninfo
    if is_of_role:
        conninfo = make_conninfo(conninfo, user="narrow")
    play(story, conninfo, pool_size=2, pool_min_size=1, timeout=2000)


def test_no_secret_is_told_by_anything_while_the_server_refuses(
    play: Play, q: Any, begin: Any, spare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[str] = []

    async def story(db: Any) -> None:
        told.append(repr(db))
        spare.side("alter role locked password 'other'")
        async with db.transaction() as tx:
            told.append(repr(tx))
            for error in await asyncio.gather(
                *(begin(db.run, q.echo(n=n)) for n in range(3)), return_exceptions=True
            ):
                assert isinstance(error, psycopg.OperationalError)
                told.extend([str(error), repr(error), *error.__notes__, repr(vars(error))])
        pool = (db.verbs if play.colour == "blocking" else db)._pool
        keeper = pool._keeper
        told.extend(map(repr, [pool, pool._dial, keeper, *keeper.checkouts, *keeper._pool._pool]))

    spare.side(f"alter role locked password '{SECRET}'")
    try:
        play(
            story,
            make_conninfo(spare.conninfo, user="locked", password=SECRET),
            pool_size=4,
            pool_min_size=1,
        )
    finally:
        spare.side("alter role locked password 'right'")
    assert told
    assert "raxol_sql.pool" in {record.name for record in caplog.records}
    assert SECRET not in "".join([*told, caplog.text])


@mostly_asyncio
def test_the_server_that_is_starting_up_is_named_by_its_sqlstate(
    play: Play, door: Any, gate: FaultProxy, q: Any
) -> None:
    door.answer = said_by_a_server("57P03", "FATAL", b"the database system is starting up")

    async def story(db: Any) -> None:
        gate.redirect(door.conninfo)
        gate.reset()
        with pytest.raises(psycopg.OperationalError, match="starting up") as caught:
            await db.run(q.echo(n=1))
        assert caught.value.sqlstate == "57P03"
        assert 2 <= len(door.came) <= 12

    play(story, gate.conninfo, pool_size=2, pool_min_size=1, timeout=500)


def test_a_server_whose_literals_changed_meanwhile_is_not_used(
    accounts_database: str, side: Any, end_all: Any, q: Any
) -> None:
    side.execute("drop role if exists loose; create role loose login superuser")
    try:
        with rx.Database.open(make_conninfo(accounts_database, user="loose")) as db:
            assert db.run(q.echo(n=1)) == 1
            side.execute("alter role loose set standard_conforming_strings = off")
            end_all()
            with pytest.raises(rx.errors.ConfigError, match="standard_conforming_strings is off"):
                db.run(q.echo(n=2))
            side.execute("alter role loose reset standard_conforming_strings")
            time.sleep(0.6)
            assert db.run(q.echo(n=3)) == 3
    finally:
        end_all()
        side.execute("drop role loose")


def test_a_limit_of_the_role_that_ends_the_set_up_of_a_connection_is_no_refusal_for_good(
    accounts_database: str, side: psycopg.Connection[Any], q: Any
) -> None:
    """A busy server may exceed it once, and keep it the next time."""
    role, refused = "limited_in_set_up", []
    side.execute(f"create role {role} login superuser")
    try:
        side.execute(f"alter role {role} set statement_timeout = '1ms'")
        conninfo = make_conninfo(accounts_database, user=role)
        for n in range(15):
            try:
                with rx.Database.open(conninfo, pool_size=1) as db:
                    assert db.run(q.echo(n=n)) == n
            except psycopg.OperationalError as error:
                refused.append(error)
        assert all("cancelled the set-up of the connection" in str(error) for error in refused)
        verdicts = {classify(error, Phase.ACQUIRE).verdict for error in refused}
        assert verdicts <= {Verdict.ACQUIRE}
    finally:
        side.execute(f"drop role {role}")
