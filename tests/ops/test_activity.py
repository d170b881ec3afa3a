"""What a real server does at a moment, and what it counts between two of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta

import attrs
import psycopg
import pytest
from psycopg import sql

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.ops.activity.activity import OWN, Moment, Pool, look, sample
from raxol_sql.ops.activity.naming import Label, Names
from raxol_sql.ops.activity.rates import rates
from raxol_sql.testing import FaultServer


@pytest.fixture
def watching(accounts_database: str) -> Iterator[rx.Database]:
    """A database of the watcher's own, with one connection."""
    with rx.Database.open(accounts_database, pool_size=1, pool_min_size=1) as database:
        yield database


@pytest.fixture
def names(queries: rx.Queries) -> Names:
    return Names((queries[name] for name in queries), own=OWN)


@pytest.fixture
def connect(accounts_database: str) -> Iterator[Callable[..., psycopg.Connection]]:
    """Opens sessions, which are closed in the end."""
    opened: list[psycopg.Connection] = []

    def connect(application: str = "", **options: object) -> psycopg.Connection:
        opened.append(
            psycopg.connect(
                accounts_database,
                application_name=application,
                **options,  # type: ignore[arg-type]
            )
        )
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture
def in_background(
    connect: Callable[..., psycopg.Connection],
) -> Iterator[Callable[[str], psycopg.Connection]]:
    """Runs a statement in a session of its own, which is cancelled in the end."""
    running: list[tuple[threading.Thread, psycopg.Connection]] = []

    def run(connection: psycopg.Connection, statement: str) -> None:
        try:
            connection.execute(statement)
        except psycopg.Error:
            connection.close()

    def start(statement: str, application: str = "background") -> psycopg.Connection:
        connection = connect(application, autocommit=True)
        thread = threading.Thread(target=run, args=(connection, statement))
        thread.start()
        running.append((thread, connection))
        return connection

    yield start
    for thread, connection in running:
        connection.cancel_safe()
        thread.join(10)


def until(seen: Callable[[], Moment], condition: Callable[[Moment], bool]) -> Moment:
    """The first moment that is as expected."""
    deadline = time.monotonic() + 10
    while not condition(moment := seen()):
        assert time.monotonic() < deadline, f"never so: {moment}"
        time.sleep(0.02)
    return moment


def test_a_moment_tells_of_the_server_and_the_database(watching: rx.Database, names: Names) -> None:
    moment = look(watching, names)
    server = moment.server
    ((version, name, size),) = watching_rows(
        watching,
        "select current_setting('server_version'), current_database(),"
        " pg_database_size(current_database())",
    )
    assert (server.version, server.database) == (version.split()[0], name)
    assert abs(moment.size - size) < 1_000_000 if moment.size else False
    assert timedelta() < server.at - server.started_at < timedelta(days=1)
    assert 1 <= server.connections < server.usable < 1000
    assert not server.is_standby
    assert server.sees_all
    assert (server.behind, server.standbys) == (None, 0)
    # Of itself it tells nothing.
    assert not any(
        name in one.query.text for one in moment.sessions for name in ("activity", "pg_")
    )


def watching_rows(database: rx.Database, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database.config.conninfo()) as connection:
        return connection.execute(statement).fetchall()


def test_the_size_is_not_asked_for_again_within_a_minute(
    watching: rx.Database, names: Names
) -> None:
    first = look(watching, names)
    again = look(watching, names, first)
    assert (again.sized_at, again.size) == (first.sized_at, first.size)
    old = attrs.evolve(first, sized_at=first.sized_at - timedelta(minutes=2))
    assert look(watching, names, old).sized_at > first.sized_at
    unknown = attrs.evolve(old, size=None)
    assert look(watching, names, unknown).size is None


def test_a_session_that_waits_for_a_table_is_shown_with_the_one_that_has_it(
    watching: rx.Database,
    names: Names,
    connect: Callable[..., psycopg.Connection],
    in_background: Callable[[str], psycopg.Connection],
) -> None:
    holder = connect("holder")
    holder.execute("lock table users in access exclusive mode")
    waiter = in_background("select name from users where email = 'hunter2'")
    moment = until(lambda: look(watching, names), lambda moment: bool(moment.waits))
    (wait,) = moment.waits
    assert wait.pid == waiter.info.backend_pid
    assert wait.blockers == (holder.info.backend_pid,)
    assert (wait.mode, wait.kind, wait.relation) == ("AccessShareLock", "relation", "users")
    assert wait.application == "background"
    assert 0 <= (wait.age or -1) < 10
    assert wait.query == Label("select name from users where email = ?")
    states = {one.pid: one.state for one in moment.sessions}
    assert states[wait.pid] == "waiting"
    assert states[holder.info.backend_pid] == "idle in transaction"
    holder.rollback()
    assert until(lambda: look(watching, names), lambda moment: not moment.waits).waits == ()


def test_a_session_that_waits_for_a_row_is_shown_with_the_table_of_the_row(
    watching: rx.Database,
    names: Names,
    connect: Callable[..., psycopg.Connection],
    in_background: Callable[[str], psycopg.Connection],
) -> None:
    first = connect(autocommit=True)
    first.execute("insert into users (email, name, age) values ('a@x.org', 'A', 30)")
    holder = connect("holder")
    holder.execute("update users set age = 31")
    waiter = in_background("update users set age = 32 where name = 'A'")
    moment = until(lambda: look(watching, names), lambda moment: bool(moment.waits))
    (wait,) = moment.waits
    assert (wait.pid, wait.blockers) == (waiter.info.backend_pid, (holder.info.backend_pid,))
    assert (wait.kind, wait.relation) == ("transactionid", "users")


def test_a_session_that_is_idle_in_a_transaction_is_shown_with_its_age_and_without_values(
    watching: rx.Database, names: Names, connect: Callable[..., psycopg.Connection]
) -> None:
    session = connect("forgotten")
    session.execute("select name from users where name = 'hunter2'")
    pid = session.info.backend_pid
    moment = until(
        lambda: look(watching, names),
        lambda moment: any(one.pid == pid and one.state != "active" for one in moment.sessions),
    )
    (found,) = [one for one in moment.sessions if one.pid == pid]
    assert (found.state, found.application, found.is_client) == (
        "idle in transaction",
        "forgotten",
        True,
    )
    assert not found.is_running
    assert 0 <= (found.state_age or -1) <= (found.transaction_age or -1) < 10
    assert found.query == Label("select name from users where name = ?")
    (pool,) = [one for one in moment.pools if one.application == "forgotten"]
    assert pool == Pool("forgotten", total=1, active=0, waiting=0, in_transaction=1, idle=0)


def test_a_session_that_is_idle_is_counted_and_not_listed(
    watching: rx.Database, names: Names, connect: Callable[..., psycopg.Connection]
) -> None:
    pids = [connect("resting", autocommit=True).info.backend_pid for _ in range(3)]
    resting = Pool("resting", total=3, active=0, waiting=0, in_transaction=0, idle=3)
    moment = until(lambda: look(watching, names), lambda moment: resting in moment.pools)
    assert not {one.pid for one in moment.sessions} & {*pids}


def test_a_query_of_the_project_and_one_with_a_tag_are_called_by_their_names(
    watching: rx.Database,
    names: Names,
    connect: Callable[..., psycopg.Connection],
    in_background: Callable[[str], psycopg.Connection],
    queries: rx.Queries,
) -> None:
    in_background("select pg_sleep(30) /*query='reports.slow'*/")
    connect("reader").execute(queries.users.count().statement.text)
    labels = {Label("reports.slow", is_name=True), Label("users.count", is_name=True)}
    moment = until(
        lambda: look(watching, names),
        lambda moment: labels <= {one.query for one in moment.sessions},
    )
    assert Label("reports.slow", is_name=True) in sample(watching, names)
    # Only one of them is at work.
    done = rates(moment, look(watching, names), [sample(watching, names)] * 3)
    (found,) = [one for one in done.queries if one.label.text == "reports.slow"]
    assert (found.running, found.per_second, found.mean_ms) == (1.0, None, None)
    assert "users.count" not in [one.label.text for one in done.queries]


def test_commits_between_two_moments_are_counted_and_looking_is_not(
    watching: rx.Database, names: Names, accounts_database: str
) -> None:
    before = look(watching, names)
    with closing(psycopg.connect(accounts_database)) as session:
        for _ in range(10):
            session.execute("select 1")
            session.commit()
        session.execute("select 1")
        session.rollback()
    # The statistics of a session come at its end at the latest, a little after it.
    after = until(
        lambda: look(watching, names),
        lambda moment: (
            moment.server.commits >= before.server.commits + 10
            and moment.server.rollbacks > before.server.rollbacks
        ),
    )
    done = rates(before, after)
    assert done.commits is not None
    assert done.rollbacks is not None
    # The first look may be counted only now, and each that was taken meanwhile.
    looks = after.server.commits - before.server.commits - 10
    assert 9 <= done.commits * done.seconds <= 10 + looks
    assert done.rollbacks * done.seconds == pytest.approx(1)
    assert done.deadlocks == 0


def test_without_the_extension_it_is_said_and_nothing_is_counted(
    watching: rx.Database, names: Names
) -> None:
    before = look(watching, names)
    assert before.server.without_statements == "pg_stat_statements is not installed"
    assert not before.statements
    assert rates(before, look(watching, names, before)).queries == ()


@pytest.mark.faults
def test_an_extension_that_the_server_has_not_loaded_is_said_to_be_that(names: Names) -> None:
    with FaultServer({"shared_preload_libraries": "auto_explain"}) as server:
        server.ask("create extension pg_stat_statements")
        with rx.Database.open(server.conninfo(), pool_size=1) as watching:
            said = look(watching, names).server.without_statements
    assert said == "pg_stat_statements is not in shared_preload_libraries"


def test_a_role_without_rights_sees_counts_and_no_text_of_others(
    accounts_database: str, names: Names, connect: Callable[..., psycopg.Connection]
) -> None:
    admin = connect("admin", autocommit=True)
    admin.execute("create role raxol_poor login")
    try:
        connect("other").execute("select 'hunter2'")
        with rx.Database.open(accounts_database, username="raxol_poor", pool_size=1) as poor:
            moment = look(poor, names)
        assert moment.sessions == ()
        assert not moment.server.sees_all
        (pool,) = [one for one in moment.pools if one.application == "other"]
        assert (pool.total, pool.active, pool.in_transaction, pool.idle) == (1, 0, 0, 0)
        assert moment.size is not None
    finally:
        admin.execute("drop role raxol_poor")


@pytest.fixture
def counted(accounts_database: str) -> str:
    """A database with the repository's tables, and with the extension in a schema of its own."""
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        connection.execute('create schema "Odd One"')
        connection.execute('create extension pg_stat_statements schema "Odd One"')
    return accounts_database


def test_queries_are_counted_by_name_with_all_their_statements(
    counted: str, names: Names, queries: rx.Queries
) -> None:
    watcher = rx.Database.open(counted, pool_size=1)
    with watcher as watching, rx.Database.open(counted) as service:
        before = look(watching, names)
        assert before.server.without_statements is None
        for number in range(7):
            service.run(queries.users.get(id=number))
        service.run(queries.users.search(limit=5))
        service.run(queries.users.search(limit=5, name="hunter2"))
        with psycopg.connect(counted, autocommit=True) as other:
            other.execute("select pg_sleep(0.05), 'hunter2' /*query='reports.slow'*/")
            other.execute("alter role postgres password 'hunter2'")
        after = look(watching, names, before)
        done = rates(before, after)
    found = {one.label.text: one for one in done.queries}
    assert found["users.get"].per_second == pytest.approx(7 / done.seconds)
    assert found["users.search"].per_second == pytest.approx(2 / done.seconds)
    slow = done.queries[0]
    assert (slow.label, slow.running) == (Label("reports.slow", is_name=True), None)
    assert 50 <= (slow.mean_ms or 0) < 5000
    assert sum(one.share for one in done.queries) == pytest.approx(1)
    assert "hunter2" not in repr(done)
    assert not [text for text in found if "activity" in text or "pg_stat" in text]


def test_what_looking_costs_is_not_among_the_queries(counted: str, names: Names) -> None:
    with psycopg.connect(counted, autocommit=True) as connection:
        connection.execute(
            sql.SQL('alter database {} set search_path = "Odd One", public').format(
                sql.Identifier(connection.info.dbname)
            )
        )
    with rx.Database.open(counted, pool_size=1) as watching:
        before = look(watching, names)
        for _ in range(3):
            after = look(watching, names, before)
            assert rates(before, after).queries == ()
            before = after


def test_a_text_that_cannot_be_read_hides_nothing_else(
    counted: str, names: Names, server: embedded.Server
) -> None:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(
            "create database raxol_bytes encoding 'SQL_ASCII' locale 'C' template template0"
        )
        try:
            with rx.Database.open(counted) as db:
                before = look(db, names)
                with psycopg.connect(server.conninfo("raxol_bytes"), autocommit=True) as odd:
                    odd.execute("set client_encoding = 'SQL_ASCII'")
                    odd.execute(b'select 1 as "bad\xe9\xff"')
                with db.connection() as lent:
                    lent.execute("select count(*) from users where age > 40")

                after = until(lambda: look(db, names, before), lambda moment: bool(moment.labels))
        finally:
            connection.execute("drop database raxol_bytes with (force)")
            with psycopg.connect(counted, autocommit=True) as own:
                (schema,) = own.execute(
                    "select extnamespace::regnamespace::text from pg_extension "
                    "where extname = 'pg_stat_statements'"
                ).fetchone() or ("public",)
                own.execute(f"select {schema}.pg_stat_statements_reset()".encode())

    assert after.sessions is not None
    assert any("cannot be read" in label.text for label in after.labels.values())
