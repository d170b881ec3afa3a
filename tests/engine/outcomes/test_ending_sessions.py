"""To ask for an outcome ends the session of the transaction itself, and no other one."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.failures import Backend, ServerEpoch
from raxol_sql.testing import COMMIT

if TYPE_CHECKING:
    from tests.engine.conftest import Play

XID = "select pg_current_xact_id()::text::bigint"
BACKEND = """
    select pid, (extract(epoch from backend_start) * 1000000)::bigint
    from pg_stat_get_activity(pg_backend_pid())
"""


@pytest.fixture
def idle(accounts_database: str) -> Any:
    """A session of another program, idle in a transaction that has written."""
    with psycopg.connect(accounts_database) as connection:
        connection.execute("insert into marks values (42)")
        yield connection
        connection.close()


def alive(connection: psycopg.Connection[Any]) -> bool:
    connection.execute("select 1")
    return True


async def lost_token(db: Any, proxy: Any, q: Any, outcome: str) -> rx.OutcomeToken:
    """The token of a transaction whose COMMIT never arrived."""
    proxy.cut_at(COMMIT)
    proxy.refuse()
    with pytest.raises(rx.OutcomeUnknownError) as caught:
        await db.run_transaction(lambda tx: tx.run(q.add(n=1)), timeout=300, commit_check=outcome)
    proxy.heal()
    return rx.OutcomeToken.from_json(caught.value.token.to_json())


def of(connection: psycopg.Connection[Any]) -> tuple[int, Backend]:
    (xid,) = connection.execute(XID).fetchone() or (0,)
    pid, started = connection.execute(BACKEND).fetchone() or (0, 0)
    return xid, Backend(pid, started)


def test_a_token_names_the_session_of_its_transaction(play: Play, q: Any, proxy: Any) -> None:
    async def story(db: Any) -> rx.OutcomeToken:
        return await lost_token(db, proxy, q, "xid")

    token = play(story, proxy.conninfo, pool_size=1)
    assert token.backend is not None
    assert token.backend.pid > 0


def test_a_token_whose_id_is_that_of_an_idle_session_never_ends_it(
    play: Play, q: Any, proxy: Any, idle: Any
) -> None:
    xid, backend = of(idle)

    async def story(db: Any) -> None:
        token = await lost_token(db, proxy, q, "xid")
        younger = attrs.evolve(backend, started=backend.started + 1)
        for changed in (token.backend, younger, None):
            given = attrs.evolve(token, xid=xid, backend=changed)
            assert await db.resolve(given) is rx.failures.Effect.UNKNOWN
            assert alive(idle)

    play(story, proxy.conninfo, pool_size=1, timeout=700)


def test_a_token_of_an_open_key_never_ends_a_session_that_it_does_not_name(
    play: Play, q: Any, proxy: Any, idle: Any
) -> None:
    xid, _ = of(idle)
    key = uuid.uuid4()
    idle.execute("insert into raxol_outcomes (key) values (%s)", [key])

    async def story(db: Any) -> None:
        token = await lost_token(db, proxy, q, "marker")
        given = attrs.evolve(token, xid=xid, key=key)
        assert await db.resolve(given) is rx.failures.Effect.UNKNOWN
        assert alive(idle)

    play(story, proxy.conninfo, pool_size=1, timeout=900)


def test_a_session_that_its_token_names_is_ended_and_the_outcome_known(
    play: Play, q: Any, proxy: Any, idle: Any
) -> None:
    xid, backend = of(idle)

    async def story(db: Any) -> None:
        token = await lost_token(db, proxy, q, "xid")
        given = attrs.evolve(token, xid=xid, backend=backend)
        assert await db.resolve(given) is rx.failures.Effect.ROLLED_BACK

    play(story, proxy.conninfo, pool_size=1)
    with pytest.raises(psycopg.OperationalError):
        idle.execute("select 1")


@pytest.mark.parametrize(
    "other",
    [
        ServerEpoch("1", "00000001", "another cluster"),
        ServerEpoch("", "", ""),
    ],
)
def test_a_token_of_another_cluster_is_unknown_and_ends_nothing(
    play: Play, q: Any, proxy: Any, idle: Any, other: ServerEpoch
) -> None:
    xid, backend = of(idle)

    async def story(db: Any) -> None:
        given = rx.OutcomeToken(other, xid, backend=backend)
        assert await db.resolve(given) is rx.failures.Effect.UNKNOWN
        assert alive(idle)

    play(story, proxy.conninfo, pool_size=1)


def test_a_role_that_may_not_ask_for_its_session_is_served_and_ends_none(
    play: Play, q: Any, side: Any, proxy: Any
) -> None:
    # It is a view of the server's that everybody may read, unless somebody has revoked it.
    function = "pg_stat_get_activity(int)"
    side.execute(f"revoke execute on function {function} from public")
    side.execute("create role lesser login password 'lesser'")
    side.execute("grant select, insert on marks to lesser")
    try:

        async def story(db: Any) -> None:
            assert (await lost_token(db, proxy, q, "xid")).backend is None

        address = psycopg.conninfo.make_conninfo(proxy.conninfo, user="lesser", password="lesser")
        play(story, address, pool_size=1)
    finally:
        side.execute(f"grant execute on function {function} to public")
        side.execute("drop owned by lesser")
        side.execute("drop role lesser")


@pytest.mark.parametrize("given", [None, "{}", 7])
def test_what_is_no_token_is_refused_with_what_to_look_at(play: Play, given: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match=r"takes an OutcomeToken.*see its message"):
            await db.resolve(given)

    play(story)
