"""A proxy without a fault is not noticed by anybody."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import FaultProxy

LINES = "select n || repeat('x', n % 100) from generate_series(1, 50000) as n"


def copied_out(connection: psycopg.Connection[Any], query: str) -> bytes:
    with connection.cursor().copy(f"copy ({query}) to stdout") as copy:
        return b"".join(bytes(piece) for piece in copy)


def test_megabytes_are_copied_out_and_in_again_as_they_are(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    side.execute("drop table if exists copied; create table copied (line text)")
    with psycopg.connect(proxy.conninfo) as connection:
        out = copied_out(connection, LINES)
        with connection.cursor().copy("copy copied from stdin") as copy:
            copy.write(out)
        connection.commit()

    assert len(out) > 2_000_000
    assert out == copied_out(side, LINES)
    # The server may have put a line on a page with others.
    assert sorted(out.split()) == sorted(copied_out(side, "select line from copied").split())


def test_a_message_of_many_megabytes_passes(proxy: FaultProxy) -> None:
    text = "x" * 20_000_000
    with psycopg.connect(proxy.conninfo) as connection:
        assert connection.execute("select %s::text", [text]).fetchone() == (text,)


def test_a_pipeline_with_an_error_in_it_is_answered_as_without_a_proxy(
    proxy: FaultProxy, database: str
) -> None:
    def story(conninfo: str) -> list[object]:
        seen: list[object] = []
        with psycopg.connect(conninfo, autocommit=True) as connection:
            for number in (2, 1, 0):
                try:
                    with connection.pipeline():
                        cursors = [
                            connection.execute("select 4 / %s::int", [n]) for n in (1, number)
                        ]
                    seen += [cursor.fetchone() for cursor in cursors]
                except psycopg.Error as error:
                    seen.append(error.sqlstate)
        return seen

    assert story(proxy.conninfo) == story(database) == [(4,), (2,), (4,), (4,), "22012"]


@pytest.mark.parametrize("size", [1, 7])
def test_any_slices_make_the_same_answers(proxy: FaultProxy, size: int) -> None:
    proxy.slice(size)

    with psycopg.connect(proxy.conninfo) as connection:
        assert len(copied_out(connection, "select generate_series(1, 500)")) == 1892
        with connection.pipeline():
            cursors = [connection.execute("select %s::int", [n]) for n in range(20)]
        assert [cursor.fetchone() for cursor in cursors] == [(n,) for n in range(20)]


def test_a_query_can_be_cancelled_through_it(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        threading.Timer(0.1, connection.cancel_safe).start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("select pg_sleep(30)")

        assert connection.execute("select 1").fetchone() == (1,)
    assert proxy.passed.to_server[b"CancelRequest"] == 1


def test_notifications_and_errors_of_a_server_that_ends_a_session_pass(
    proxy: FaultProxy, side: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(proxy.conninfo, autocommit=True) as connection:
        connection.execute("listen news")
        side.execute("notify news, 'hello'")
        assert [one.payload for one in connection.notifies(timeout=5, stop_after=1)] == ["hello"]

        side.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
        with pytest.raises(psycopg.errors.AdminShutdown):
            connection.execute("select 1")


def test_a_client_that_asks_for_encryption_is_told_what_the_server_says(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo, sslmode="prefer", gssencmode="disable") as connection:
        assert connection.execute("select 1").fetchone() == (1,)

    assert proxy.passed.to_server[b"SSLRequest"] == 1


def test_many_connections_of_blocking_and_asyncio_code_pass_at_once(proxy: FaultProxy) -> None:
    async def ask(number: int) -> object:
        async with await psycopg.AsyncConnection.connect(proxy.conninfo) as connection:
            return await (await connection.execute("select %s::int", [number])).fetchone()

    async def ask_all() -> list[object]:
        return [*await asyncio.gather(*(ask(number) for number in range(20)))]

    with psycopg.connect(proxy.conninfo) as connection:
        assert asyncio.run(ask_all()) == [(number,) for number in range(20)]
        assert connection.execute("select 1").fetchone() == (1,)
        assert proxy.connections >= 1
    assert proxy.accepted == 21


def test_a_database_of_this_library_works_through_it(proxy: FaultProxy) -> None:
    with rx.Database.open(proxy.conninfo) as db, db.transaction():
        pass

    assert proxy.passed.to_server[b"StartupMessage"] >= 1


def test_what_has_passed_is_counted_by_type(proxy: FaultProxy) -> None:
    with psycopg.connect(proxy.conninfo) as connection:
        connection.execute("select generate_series(1, 10)")
        connection.execute("select %s::int", [1])
        connection.commit()
        passed = proxy.passed

    # BEGIN, the query without parameters, and COMMIT.
    assert passed.to_server == {
        b"StartupMessage": 1,
        b"Q": 3,
        b"P": 1,
        b"B": 1,
        b"D": 1,
        b"E": 1,
        b"S": 1,
    }
    assert passed.to_client[b"D"] == 11
    assert passed.to_client[b"C"] == 4
    assert passed.to_client[b"Z"] == 5


def test_a_user_a_database_and_options_are_those_of_the_target(database: str) -> None:
    with (
        FaultProxy(
            f"{database} application_name=here options='-c statement_timeout=1234'"
        ) as proxy,
        psycopg.connect(proxy.conninfo) as connection,
    ):
        settings = "select current_user, current_setting('statement_timeout'), application_name "
        settings += "from pg_stat_activity where pid = pg_backend_pid()"
        assert connection.execute(settings).fetchone() == ("postgres", "1234ms", "here")
        assert f"dbname={connection.info.dbname}" in database
