"""A line is cut at exactly the message that was named, and the server has done what it was told."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raxol_sql.testing import COMMIT, FaultProxy, to_client, to_server

LOST = (psycopg.OperationalError,)


def notes(side: psycopg.Connection[Any]) -> list[int]:
    return [n for (n,) in side.execute("select n from notes order by n")]


def in_a_block(connection: psycopg.Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("insert into notes values (1)")


def in_one_flight(connection: psycopg.Connection[Any]) -> None:
    with connection.pipeline():
        for text in ("begin", "insert into notes values (1)", "commit"):
            connection.execute(text)


def in_one_query(connection: psycopg.Connection[Any]) -> None:
    connection.execute("begin; insert into notes values (1); COMMIT")


def written_differently(connection: psycopg.Connection[Any]) -> None:
    connection.execute("begin")
    connection.execute("insert into notes values (1)")
    connection.execute("  End Transaction")


WAYS = [in_a_block, in_one_flight, in_one_query, written_differently]


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("way", WAYS)
def test_a_commit_that_was_never_delivered_has_not_happened(
    proxy: FaultProxy, side: psycopg.Connection[Any], way: Any, how: Any
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.commit_lost(how=how)
        with pytest.raises(LOST):
            way(connection)

    # Its session is gone as well, so that nothing is locked and nothing comes late.
    side.execute("do $$ begin lock table notes nowait; end $$")
    assert notes(side) == []
    assert fired.is_set()
    assert fired.is_settled


@pytest.mark.parametrize("how", ["cut", "reset"])
@pytest.mark.parametrize("way", WAYS)
def test_a_commit_whose_answer_is_lost_has_happened(
    proxy: FaultProxy, side: psycopg.Connection[Any], way: Any, how: Any
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.commit_answer_lost(how=how)
        with pytest.raises(LOST):
            way(connection)

    assert notes(side) == [1]
    assert fired.wait(0).sql.strip().lower().endswith((b"commit", b"end transaction"))
    assert fired.is_settled


def test_what_came_before_a_lost_answer_is_answered(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        proxy.commit_answer_lost()
        row = connection.cursor()

        def run() -> None:
            with connection.pipeline():
                connection.execute("begin")
                row.execute("insert into notes values (1) returning n")
                connection.execute("commit")

        with pytest.raises(LOST):
            run()
        assert row.fetchone() == (1,)
    assert notes(side) == [1]


def test_a_cut_happens_once(proxy: FaultProxy, side: psycopg.Connection[Any]) -> None:
    proxy.commit_lost()
    for _ in range(2):
        with psycopg.connect(proxy.conninfo) as connection:
            try:
                in_a_block(connection)
            except psycopg.OperationalError:
                continue

    assert notes(side) == [1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(st.integers(1, 6), st.sampled_from(["before", "after"]), st.integers(1, 30))
def test_of_many_commits_it_is_the_nth_over_all_connections(
    proxy: FaultProxy, side: psycopg.Connection[Any], nth: int, when: Any, size: int
) -> None:
    side.execute("truncate notes")
    proxy.slice(size)
    fired = proxy.cut_at(COMMIT, when=when, nth=nth)
    with (
        psycopg.connect(proxy.conninfo, autocommit=True) as one,
        psycopg.connect(proxy.conninfo, autocommit=True) as two,
    ):
        for number in range(1, nth):
            in_a_block(two if number % 2 else one)
        assert not fired.is_set()
        with pytest.raises(LOST):
            in_a_block(one)

        in_a_block(two)
    assert len(notes(side)) == nth + (when == "after")


@pytest.mark.parametrize(("when", "rows"), [("before", 2), ("after", 3)])
def test_a_result_is_cut_at_a_row(proxy: FaultProxy, when: Any, rows: int) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        fired = proxy.cut_at(to_client(b"D"), when=when, nth=3)
        stream = connection.cursor().stream("select generate_series(1, 10)")
        seen: list[object] = []
        with pytest.raises(LOST):
            seen.extend(stream)

    assert len(seen) == rows
    assert fired.wait().payload.endswith(b"3")


def test_an_answer_is_cut_at_its_tag_and_the_statement_has_happened(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(to_client(b"C", contains=b"insert"))
        connection.execute("select 1")
        with pytest.raises(LOST):
            connection.execute("insert into notes values (%s)", [7])

    assert notes(side) == [7]
    assert fired.wait().payload == b"INSERT 0 1\0"


@pytest.mark.parametrize(("kind", "expected"), [(b"B", []), (b"E", []), (b"S", [])])
def test_what_is_not_ended_by_a_sync_does_not_stay(
    proxy: FaultProxy, side: psycopg.Connection[Any], kind: bytes, expected: list[int]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(
            to_server(kind, where=lambda message: kind == b"S" or b"7" not in message.sql)
        )
        with pytest.raises(LOST):
            connection.execute("insert into notes values (%s)", [7])

    assert notes(side) == expected
    assert fired.is_settled


def test_a_sync_that_was_delivered_ends_what_came_before_it(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        proxy.cut_at(to_server(b"S"), when="after")
        with pytest.raises(LOST):
            connection.execute("insert into notes values (%s)", [7])

    assert notes(side) == [7]


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", [1, 2])])
def test_a_copy_is_cut_at_its_end(
    proxy: FaultProxy, side: psycopg.Connection[Any], when: Any, expected: list[int]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(to_server(b"c"), when=when)
        with pytest.raises(LOST), connection.cursor().copy("copy notes from stdin") as copy:
            copy.write("1\n2\n")

    assert notes(side) == expected
    assert fired.is_settled


def test_a_copy_is_cut_in_its_middle(proxy: FaultProxy, side: psycopg.Connection[Any]) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(to_server(b"d"), when="after")
        with pytest.raises(LOST), connection.cursor().copy("copy notes from stdin") as copy:
            copy.write("1\n2\n")

    assert notes(side) == []
    assert fired.is_set()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_is_cut_while_it_begins(proxy: FaultProxy, when: Any) -> None:
    fired = proxy.cut_at(to_server(b"StartupMessage"), when=when)

    with pytest.raises(LOST):
        psycopg.connect(proxy.conninfo)
    assert fired.is_set()
    psycopg.connect(proxy.conninfo).close()


@pytest.mark.parametrize(("when", "inside"), [("before", []), ("after", [1])])
def test_a_frozen_line_goes_on_where_it_was_when_it_is_healed(
    proxy: FaultProxy, side: psycopg.Connection[Any], when: Any, inside: list[int]
) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        fired = proxy.cut_at(COMMIT, when=when, how="freeze")
        done = threading.Event()

        def commit() -> None:
            in_a_block(connection)
            done.set()

        thread = threading.Thread(target=commit)
        thread.start()
        fired.wait()
        assert not done.wait(0.2)
        assert notes(side) == inside

        proxy.heal()
        thread.join(5)
        assert notes(side) == [1]
        assert connection.execute("select 2").fetchone() == (2,)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_result_that_is_frozen_at_a_row_comes_whole_when_it_is_healed(
    proxy: FaultProxy, when: Any
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(to_client(b"D"), when=when, nth=500, how="freeze")
        timer = threading.Timer(0.1, lambda: fired.wait() and proxy.heal())
        timer.start()

        rows = connection.execute("select generate_series(1, 1000)").fetchall()

        assert rows == [(n,) for n in range(1, 1001)]
        assert connection.execute("select 1").fetchone() == (1,)
        timer.join()


def test_a_frozen_line_can_be_cut(proxy: FaultProxy, side: psycopg.Connection[Any]) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        fired = proxy.commit_answer_lost(how="freeze")
        threading.Thread(target=lambda: fired.wait() and proxy.cut()).start()
        with pytest.raises(LOST):
            in_a_block(connection)

    assert notes(side) == [1]


def test_a_server_that_cannot_answer_is_not_waited_for_without_end(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        fired = proxy.cut_at(to_server(b"Q", contains=b"SLEEP"), when="after", patience=0.2)
        start = time.monotonic()
        with pytest.raises(LOST):
            connection.execute("select pg_sleep(20)")

    assert time.monotonic() - start < 10
    assert fired.is_set()
    assert not fired.is_settled
    side.execute("select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'sleep\\('")


def test_what_is_healed_is_not_armed_any_more(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    fired = proxy.commit_lost()
    proxy.heal()
    with psycopg.connect(proxy.conninfo) as connection:
        in_a_block(connection)

    assert notes(side) == [1]
    with pytest.raises(TimeoutError, match="no such message"):
        fired.wait(0.05)


def test_a_condition_that_fails_is_told_to_whoever_waits(proxy: FaultProxy) -> None:
    fired = proxy.cut_at(to_server(b"Q", where=lambda message: 1 // 0 > 0))
    with psycopg.connect(proxy.conninfo) as connection:
        assert connection.execute("select 1").fetchone() == (1,)

    with pytest.raises(ZeroDivisionError):
        fired.wait()


@pytest.mark.parametrize("side_of", [to_server, to_client])
def test_a_type_that_there_is_not_is_refused(side_of: Any) -> None:
    with pytest.raises(ValueError, match="no message of the type"):
        side_of(b"?")


@pytest.mark.parametrize("wrong", [{"when": "during"}, {"how": "gently"}, {"nth": 0}])
def test_a_cut_that_there_is_not_is_refused(proxy: FaultProxy, wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        proxy.cut_at(COMMIT, **wrong)


def test_asyncio_code_is_cut_as_well(proxy: FaultProxy, side: psycopg.Connection[Any]) -> None:
    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(proxy.conninfo) as connection:
            proxy.commit_answer_lost()
            await connection.execute("insert into notes values (1)")
            await connection.commit()

    with pytest.raises(LOST):
        asyncio.run(story())
    assert notes(side) == [1]
