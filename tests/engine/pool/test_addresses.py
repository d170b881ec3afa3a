"""Where the server is: names that move or fail, several hosts, and servers that change roles."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql.failures import Category, Phase, Verdict, classify
from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Play

NAME = "db.raxol.test"


# Where most of the time is spent waiting, the other colour does so in the deep run only.
mostly_asyncio = pytest.mark.parametrize(
    "play", ["asyncio", pytest.param("blocking", marks=pytest.mark.deep)], indirect=True
)


class Names:
    """Stands for the system's resolver, as far as one name is concerned: here it can fail."""

    def __init__(self, real: Callable[..., Any]) -> None:
        self.addresses: list[str] = ["127.0.0.1"]
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()
        self._real = real

    def look_up(self, host: Any, port: Any, *given: Any, **named: Any) -> Any:
        if host not in (NAME, NAME.encode()):
            return self._real(host, port, *given, **named)
        self.asked += 1
        self.answers.wait(10)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [found for each in self.addresses for found in self._real(each, port, *given)[:1]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names = Names(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.answers.set()


def named(proxy: FaultProxy) -> str:
    """The proxy's address, by the name."""
    parameters = conninfo_to_dict(proxy.conninfo) | {"host": NAME}
    del parameters["hostaddr"]
    return make_conninfo("", **parameters)


def test_a_name_that_does_not_exist_is_the_drivers_error_at_once(play: Play, watch: Any) -> None:
    async def story(db: Any) -> None:
        raise AssertionError("it cannot be open")

    # the system's resolver has its own time
    with (
        watch.at_most(15),
        pytest.raises(psycopg.OperationalError, match="failed to resolve host") as caught,
    ):
        play(story, "", hostname="nosuch.invalid", timeout=20_000)
    failure = classify(caught.value, Phase.ACQUIRE)
    assert (failure.category, failure.verdict) == (Category.CONNECTION, Verdict.ACQUIRE)


@mostly_asyncio
def test_a_name_that_fails_for_a_while_is_asked_for_until_it_is_answered(
    play: Play, q: Any, begin: Any, proxy: FaultProxy, names: Names, watch: Any
) -> None:
    async def story(db: Any) -> None:
        names.addresses = []
        proxy.reset()
        call = begin(db.run, q.echo(n=1))
        await asyncio.sleep(0.5)
        assert names.asked >= 3
        assert not call.done()
        names.addresses = ["127.0.0.1"]
        with watch.at_most(1):
            assert await call == 1

    play(story, named(proxy), pool_size=1, pool_min_size=1)


@mostly_asyncio
def test_a_name_that_moved_is_followed_by_the_next_connection(
    play: Play, q: Any, make_door: Any, proxy: FaultProxy, names: Names, backends: Any, soon: Any
) -> None:
    gone = make_door("127.0.0.2", proxy.port)

    async def story(db: Any) -> None:
        assert await db.run(q.echo(n=1)) == 1
        names.addresses = ["127.0.0.2"]
        proxy.reset()
        with pytest.raises(psycopg.OperationalError, match="server closed the connection"):
            await db.run(q.echo(n=2))
        assert gone.came
        names.addresses = ["127.0.0.1"]
        assert await db.run(q.echo(n=3)) == 3
        # Those who are connected stay, until the pool is drained.
        names.addresses = ["127.0.0.2", "127.0.0.1"]
        before = backends()
        assert await db.run(q.echo(n=4)) == 4
        assert backends() == before
        await pool_of(db).drain()
        assert await db.run(q.echo(n=5)) == 5
        await soon(lambda: not {*before} & {*backends()})

    play(story, named(proxy), pool_size=1, pool_min_size=1, timeout=600)


def pool_of(db: Any) -> Any:
    return getattr(db, "verbs", db)._pool


@mostly_asyncio
def test_a_resolver_that_hangs_holds_nobody_for_longer_than_their_time(
    play: Play, q: Any, proxy: FaultProxy, names: Names, watch: Any
) -> None:
    async def story(db: Any) -> None:
        names.answers.clear()
        proxy.reset()
        with (
            watch.at_most(1.5),
            pytest.raises(psycopg.errors.ConnectionTimeout, match="has not responded yet"),
        ):
            await db.run(q.echo(n=1))
        names.answers.set()
        assert await db.run(q.echo(n=2)) == 2

    play(story, named(proxy), pool_size=1, pool_min_size=1, timeout=500)


def both(first: str, second: str, **more: str) -> str:
    """The address of two servers, of which the first is asked first."""
    one, other = conninfo_to_dict(first), conninfo_to_dict(second)
    hosts = {key: f"{one[key]},{other[key]}" for key in ("host", "port")}
    kept = {"user": "postgres", "dbname": str(other["dbname"]), "gssencmode": "disable"}
    return make_conninfo("", **{**kept, **hosts, **more})


def test_of_two_hosts_the_second_is_used_if_the_first_is_shut(
    play: Play, q: Any, door: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.echo(n=1)) == 1

    with watch.at_most(1):
        play(story, both(door.conninfo, play.conninfo), pool_size=1)
    assert door.came


def test_of_two_hosts_one_that_says_nothing_takes_no_more_than_its_part_of_the_time(
    accounts_database: str, door: Any, watch: Any
) -> None:
    door.answer = None
    with watch.at_most(3.5, at_least=1.9):
        rx.Database.open(
            both(door.conninfo, accounts_database), pool_size=1, pool_min_size=0, timeout=4000
        ).close()


def count_at(server: Any) -> int:
    ((count,),) = server.side("select count(*) from pool_notes")
    return int(count)


def test_of_two_hosts_the_other_takes_over_under_a_pool(
    play: Play, q: Any, spare: Any, another: Any, watch: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1
        first.refuse()
        first.reset()
        with watch.at_most(1):
            assert await db.run(q.put(n=2)) == 1

    with FaultProxy(spare.conninfo) as first, FaultProxy(another.conninfo) as second:
        conninfo = both(first.conninfo, second.conninfo, sslmode="disable")
        play(story, conninfo, pool_size=2)
    assert (count_at(spare), count_at(another)) == (1, 1)


def guests(server: Any) -> int:
    """How many connections of databases under test are at a server."""
    ((count,),) = server.side(
        "select count(*) from pg_stat_activity where application_name = 'raxol_sql'"
    )
    return int(count)


def test_a_pool_at_a_server_that_became_a_standby_moves_as_a_whole_to_the_new_primary(
    play: Play, q: Any, begin: Any, spare: Any, another: Any, soon: Any, watch: Any
) -> None:
    another.demote()

    async def write(tx: Any) -> Any:
        await tx.run(q.put(n=3))
        return await tx.run(q.count())

    async def story(db: Any) -> None:
        assert [await each for each in [begin(db.run, q.nap(n=n, seconds=0.1)) for n in range(4)]]
        await soon(lambda: guests(another) == 4)
        address.redirect(spare.conninfo)
        # They are connected all the same, and can read.
        assert await db.run(q.count()) == 0
        assert guests(spare) == 0
        with watch.at_most(3):
            assert await db.run(q.put(n=2)) == 1
        assert await db.run_transaction(write) == 2
        await soon(lambda: guests(another) == 0)

    with FaultProxy(another.conninfo) as address:
        # The wait before a second attempt is drawn from below this.
        play(story, address.conninfo, pool_size=4, pool_min_size=4, retry_interval=500)
    assert (count_at(spare), count_at(another)) == (2, 0)


@mostly_asyncio
def test_target_session_attrs_finds_the_server_of_the_right_role(
    play: Play, q: Any, spare: Any, another: Any, watch: Any
) -> None:
    another.demote()

    async def write(db: Any) -> None:
        assert await db.run(q.put(n=1)) == 1

    async def read(db: Any) -> None:
        assert await db.run(q.count()) == 0
        with watch.at_most(3), pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await db.run(q.put(n=1))

    at = both(another.conninfo, spare.conninfo)
    for attrs in ("read-write", "primary"):
        play(write, at + f" target_session_attrs={attrs}", pool_size=1)
    turned = both(spare.conninfo, another.conninfo)
    for attrs in ("standby", "read-only", "prefer-standby"):
        play(
            read,
            turned + f" target_session_attrs={attrs}",
            pool_size=1,
            retry_interval=10,
            max_retries=2,
        )
    assert (count_at(spare), count_at(another)) == (2, 0)


@mostly_asyncio
def test_while_no_host_has_the_right_role_it_is_waited_for(
    play: Play, q: Any, begin: Any, another: Any, spare: Any, watch: Any
) -> None:
    """As between the end of a primary and the promotion of another."""
    another.demote()

    async def story(db: Any) -> None:
        address.redirect(another.conninfo)
        address.reset()
        call = begin(db.run, q.put(n=1))
        await asyncio.sleep(0.5)
        assert not call.done()
        another.side("select pg_promote()")
        with watch.at_most(2):
            assert await call == 1

    with FaultProxy(spare.conninfo) as address:
        play(story, address.conninfo + " target_session_attrs=read-write", pool_size=2)
    assert (count_at(spare), count_at(another)) == (0, 1)
