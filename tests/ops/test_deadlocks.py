"""Who waits for whom, and how many deadlocks there were."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.ops.locks.baseline import read_baseline, write_baseline
from raxol_sql.ops.locks.blocked import Blocked, Session, blocked, tree
from raxol_sql.ops.locks.deadlocks import DeadlockCount, Growth, deadlocks, growth
from raxol_sql.ops.locks.ending import end_blocker
from raxol_sql.testing import FaultServer

PATIENCE = 60.0
NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
COUNT = DeadlockCount(7 * 10**18, 16384, "mine", 3, NOW)


def until(found: Callable[[], Any]) -> Any:
    """What ``found`` gives as soon as it is something."""
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < end, "it has not come in time"
        time.sleep(0.02)
    return value


@pytest.fixture
def store(database: str) -> Iterator[rx.Database]:
    """The test's own database, with two rows in one table."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create table notes (id int primary key, body text)")
        connection.execute("insert into notes values (1, 'a'), (2, 'b')")
    with rx.Database.open(database, pool_size=1) as opened:
        yield opened


@contextmanager
def waiting(database: str, statement: str, name: str = "waiter") -> Iterator[int]:
    """The pid of a session that runs a statement in a thread; its end is waited for."""
    with psycopg.connect(database, application_name=name) as connection:

        def run() -> None:
            try:
                connection.execute(statement)  # type: ignore[arg-type]
                connection.commit()
            except psycopg.errors.DeadlockDetected:
                connection.rollback()

        thread = Thread(target=run)
        thread.start()
        try:
            yield connection.info.backend_pid
        finally:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@contextmanager
def holding(database: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """A transaction in which a statement was run, which is rolled back."""
    with psycopg.connect(database, application_name="holder") as holder:
        holder.execute(statement)  # type: ignore[arg-type]
        yield holder
        if not holder.closed:
            holder.rollback()


def test_nobody_waits_where_nothing_is_locked(store: rx.Database) -> None:
    assert blocked(store) == ()


def test_a_wait_for_a_table_is_seen_with_both_sessions_and_no_value_of_their_statements(
    store: rx.Database, database: str
) -> None:
    lock = "lock table notes; select 'secret'"
    with (
        holding(database, lock) as holder,
        waiting(database, "select *\nfrom notes\nwhere body = 'secret' and id = 4711") as pid,
    ):
        (one,) = until(lambda: blocked(store))
        ((more,),) = until(lambda: [(each.seconds,) for each in blocked(store) if each.seconds])
        assert blocked(store, pid) != ()
        assert blocked(store, (holder_pid := holder.info.backend_pid)) == ()
        holder.rollback()
    (by,) = one.by
    assert (one.session.pid, by.pid) == (pid, holder_pid)
    assert (one.kind, one.mode, one.relation) == ("relation", "AccessShareLock", "notes")
    assert (one.session.application, by.application) == ("waiter", "holder")
    assert (by.user, by.state) == ("postgres", "idle in transaction")
    assert by.database == store.config.database
    assert one.session.statement == "select * from notes where body = ? and id = ?"
    assert by.statement == "lock table notes; select ?"
    assert by.transaction_seconds is not None
    assert 0 < more < PATIENCE
    assert "secret" not in repr(one)


def test_a_wait_for_a_row_names_its_table(store: rx.Database, database: str) -> None:
    update = "update notes set body = 'c' where id = 1"
    with holding(database, update) as holder, waiting(database, update):
        (one,) = until(lambda: blocked(store))
        holder.rollback()
    assert (one.kind, one.relation, one.mode) == ("transactionid", "notes", "ShareLock")


@pytest.mark.faults
def test_a_prepared_transaction_in_the_way_has_the_pid_0() -> None:
    with FaultServer({"max_prepared_transactions": 1}) as server:
        server.ask("create table notes (id int)")
        with (
            rx.Database.open(server.conninfo(), pool_size=1) as store,
            psycopg.connect(server.conninfo(), autocommit=True) as connection,
        ):
            connection.execute("begin; lock table notes; prepare transaction 'held'")
            with waiting(server.conninfo(), "select * from notes"):
                (one,) = until(lambda: blocked(store))
                connection.execute("rollback prepared 'held'")
    assert [by.pid for by in one.by] == [0]
    assert "pg_prepared_xacts" in str(one.by[0])


def test_a_role_that_may_see_nothing_of_others_sees_who_waits_for_whom(
    store: rx.Database, database: str
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("create role onlooker login")
        try:
            poor = make_conninfo(database, user="onlooker")
            with (
                rx.Database.open(poor, pool_size=1) as seeing,
                holding(database, "lock table notes") as holder,
                waiting(database, "select * from notes") as pid,
            ):
                (one,) = until(lambda: blocked(seeing))
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    end_blocker(seeing, one.by[0])
                holder_pid = holder.info.backend_pid
                holder.rollback()
        finally:
            connection.execute("drop role onlooker")
    assert (one.session.pid, one.by[0].pid) == (pid, holder_pid)
    assert (one.by[0].application, one.by[0].statement, one.by[0].state) == ("holder", "", None)


def test_a_deadlock_is_counted_once(store: rx.Database, database: str) -> None:
    before = deadlocks(store)
    assert (before.name, before.deadlocks) == (store.config.database, 0)
    provoke(database)
    after = until(lambda: (now := deadlocks(store)).deadlocks and now)
    assert growth(before, after) == Growth(1)


def provoke(database: str) -> None:
    """A deadlock of two sessions, by locks on rows in opposite order."""
    update = "update notes set body = body where id = {}"
    second = f"set local deadlock_timeout = '50ms'; {update.format(2)}; "
    with psycopg.connect(database) as first:
        first.execute("set local deadlock_timeout = '10s'")
        first.execute(update.format(1))
        gate = f"{second} select pg_advisory_lock_shared(1); {update.format(1)}"
        with psycopg.connect(database, autocommit=True) as keeper:
            keeper.execute("select pg_advisory_lock(1)")
            with waiting(database, gate):
                until(lambda: keeper.execute(
                    "select 1 from pg_locks where locktype = 'advisory' and not granted"
                ).fetchone())  # fmt: skip
                keeper.execute("select pg_advisory_unlock(1)")
                first.execute(update.format(2))
        first.rollback()


def test_whoever_is_in_the_way_is_ended_and_nobody_else(store: rx.Database, database: str) -> None:
    with psycopg.connect(database, application_name="other") as other:
        other.execute("select 1")
        with psycopg.connect(database, application_name="holder") as holder:
            holder.execute("lock table notes")
            with waiting(database, "select * from notes") as pid:
                (one,) = until(lambda: blocked(store))
                wrong = attrs.evolve(one.by[0], started=NOW)
                assert end_blocker(store, one.session) is None
                assert end_blocker(store, wrong) is None
                assert end_blocker(store, one.by[0]) is True
                until(lambda: not blocked(store, pid))
            with pytest.raises(psycopg.OperationalError):
                holder.execute("select 1")
        assert end_blocker(store, one.by[0]) is None
        assert other.execute("select 2").fetchone() == (2,)


def session(pid: int) -> Session:
    return Session(pid, "", "me", "mine", "client backend", NOW, "active", "", 1.0)


def waits(pid: int, *by: int) -> Blocked:
    return Blocked(session(pid), tuple(map(session, by)), "relation", "ShareLock", "notes", 1.0)


@pytest.mark.parametrize(
    ("found", "drawn"),
    [
        ([], []),
        ([waits(2, 1)], [(0, 1), (1, 2)]),
        ([waits(1, 2), waits(2, 3)], [(0, 3), (1, 2), (2, 1)]),
        ([waits(2, 1), waits(3, 1, 2), waits(4, 1, 2, 3)], [(0, 1), (1, 2), (1, 3), (1, 4)]),
        ([waits(2, 3), waits(3, 2)], [(0, 2), (1, 3)]),
        ([waits(2, 3), waits(3, 2), waits(4, 2), waits(9, 8)],
         [(0, 8), (1, 9), (0, 2), (1, 3), (1, 4)]),
        ([waits(2, 2)], [(0, 2)]),
    ],
)  # fmt: skip
def test_the_tree_has_those_in_the_way_above_those_that_wait(
    found: list[Blocked], drawn: list[tuple[int, int]]
) -> None:
    assert [(one.depth, one.session.pid) for one in tree(found)] == drawn


@given(st.dictionaries(st.integers(1, 9), st.sets(st.integers(1, 12), min_size=1)))
def test_everybody_is_in_the_tree_once_and_below_one_that_is_in_the_way(
    found: dict[int, set[int]],
) -> None:
    branches = tree(waits(pid, *by) for pid, by in found.items())
    pids = [one.session.pid for one in branches]
    assert sorted(pids) == sorted({*found}.union(*found.values()))
    above: list[int] = []
    for one in branches:
        assert one.depth <= len(above)
        del above[one.depth :]
        assert not above or above[-1] in found[one.session.pid]
        assert (one.blocked is not None) == (one.session.pid in found)
        above.append(one.session.pid)


@pytest.mark.parametrize(
    ("before", "after", "new", "note"),
    [
        (None, COUNT, None, "begins here"),
        (COUNT, COUNT, 0, ""),
        (COUNT, attrs.evolve(COUNT, deadlocks=5), 2, ""),
        (COUNT, attrs.evolve(COUNT, name="renamed"), 0, ""),
        (COUNT, attrs.evolve(COUNT, deadlocks=2), 2, "was reset"),
        (COUNT, attrs.evolve(COUNT, deadlocks=4, since=None), 4, "was reset"),
        (COUNT, attrs.evolve(COUNT, oid=1), None, "another database, mine"),
        (COUNT, attrs.evolve(COUNT, system_identifier=1), None, "another database, mine"),
    ],
)
def test_what_is_new_is_told_only_where_it_is_known(
    before: DeadlockCount | None, after: DeadlockCount, new: int | None, note: str
) -> None:
    grown = growth(before, after)
    assert (grown.new, note in grown.note) == (new, True)
    assert bool(grown.note) == bool(note)


@given(
    st.builds(
        DeadlockCount,
        st.integers(-(2**63), 2**63 - 1),
        st.integers(0, 2**32 - 1),
        st.text(st.characters(codec="utf-8"), max_size=63),
        st.integers(0, 2**63 - 1),
        st.none() | st.datetimes(timezones=st.just(UTC)),
    )
)
def test_a_count_that_was_kept_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, count: DeadlockCount
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept.json"
    write_baseline(path, count)
    assert read_baseline(path) == count


def test_there_is_no_count_before_the_first_one_and_nothing_else_is_left_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "kept.json"
    assert read_baseline(path) is None
    write_baseline(path, COUNT)
    write_baseline(path, COUNT)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "1", '{"format": "raxol_sql deadlocks 1"}', '{"format": "other", "a": 1}',
     '{"format": "raxol_sql deadlocks 1", "since": 1, "oid": 1, "name": "a", "deadlocks": 1, '
     '"system_identifier": 1}',
     '{"format": "raxol_sql deadlocks 1", "since": null, "oid": 1, "name": "a", "deadlocks": "1", '
     '"system_identifier": 1}'],
)  # fmt: skip
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kept.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="holds no count of deadlocks"):
        read_baseline(path)
    assert path.read_text() == text
