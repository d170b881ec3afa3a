"""Opening and closing a database, and what is refused there."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from raxol_sql import embedded
    from tests.engine.conftest import Play


async def nothing(db: Any) -> None:
    """A story in which nothing happens."""


@pytest.fixture
def locked_role(server: embedded.Server, side: Any, until: Any) -> Iterator[str]:
    """A role that needs a password, on a server where the others need none."""
    hba = server.data / "pg_hba.conf"
    before = hba.read_text()

    def write(text: str, rules: int) -> None:
        hba.write_text(text)
        side.execute("select pg_reload_conf()")
        count = "select count(*) from pg_hba_file_rules where user_name = '{locked}'"
        until(lambda: side.execute(count).fetchone() == (rules,))
        # The file is read anew by the postmaster, a moment later: until it refuses.
        until(lambda: refuses() == bool(rules))

    def refuses() -> bool:
        try:
            psycopg.connect(make_conninfo(server.conninfo(), user="locked")).close()
        except psycopg.OperationalError:
            return True
        return False

    side.execute("create role locked login superuser password 'right'")
    try:
        write("local all locked scram-sha-256\n" + before, 1)
        yield "locked"
    finally:
        write(before, 0)
        side.execute("drop role locked")


def refused_soon(play: Play, error: type[Exception], match: str, **how: Any) -> None:
    begin = time.monotonic()
    with pytest.raises(error, match=match):
        play(nothing, how.pop("conninfo", None), timeout=15_000, **how)
    assert time.monotonic() - begin < 5


def test_an_address_where_nobody_listens_is_the_drivers_error_at_once(play: Play) -> None:
    refused_soon(play, psycopg.OperationalError, "refused", hostname="127.0.0.1", port=1)
    refused_soon(play, psycopg.OperationalError, "No such file", hostname="/nonexistent")


def test_a_wrong_name_is_the_drivers_error_at_once(play: Play) -> None:
    refused_soon(play, psycopg.OperationalError, '"nosuch" does not exist', database="nosuch")
    refused_soon(play, psycopg.OperationalError, '"nobody" does not exist', username="nobody")


def test_a_wrong_password_is_the_drivers_error_at_once_and_not_shown(
    play: Play, locked_role: str, watch: Any
) -> None:
    with (
        watch.at_most(5),
        pytest.raises(psycopg.OperationalError, match="password authentication") as caught,
    ):
        play(nothing, username=locked_role, password="hunter2")
    assert "hunter2" not in str(caught.value)
    play(nothing, username=locked_role, password="right")


def test_a_role_with_other_string_literals_is_refused(play: Play, side: Any, until: Any) -> None:
    side.execute("drop role if exists loose; create role loose login superuser")
    side.execute("alter role loose set standard_conforming_strings = off")
    try:
        refused_soon(play, rx.errors.ConfigError, "standard_conforming_strings", username="loose")
        connected = "select count(*) from pg_stat_activity where usename = 'loose'"
        until(lambda: side.execute(connected).fetchone() == (0,))
        side.execute("alter role loose reset standard_conforming_strings")
        play(nothing, username="loose")
    finally:
        side.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'loose'"
        )
        side.execute("drop role loose")


def test_a_key_that_does_not_exist_is_refused(play: Play) -> None:
    refused_soon(play, rx.errors.ConfigError, "unknown key 'pool_sice'; did you mean", pool_sice=1)


def test_an_address_is_a_url_or_parts_of_which_parts_are_stronger(
    play: Play, write: Callable[..., Any]
) -> None:
    q = write("-- name: where :one -> scalar\nselect current_database()")
    given = conninfo_to_dict(play.conninfo)
    host, port = str(given["host"]), str(given["port"])
    url = f"postgresql://postgres@/raxol_engine?host={host}&port={port}"
    parts = {"hostname": host, "port": port, "username": "postgres", "database": "raxol_engine"}

    async def where(db: Any) -> Any:
        return await db.run(q.where())

    assert play(where, url) == "raxol_engine"
    assert play(where, url, database="postgres") == "postgres"

    async def by_parts() -> Any:
        if play.colour == "asyncio":
            async with rx.AsyncDatabase.open(**parts) as db:
                return await db.run(q.where())
        with rx.Database.open(**parts) as db:
            return db.run(q.where())

    assert asyncio.run(by_parts()) == "raxol_engine"


def test_connections_are_named_for_the_servers_views(play: Play, write: Any) -> None:
    q = write("-- name: me :one -> scalar\nselect current_setting('application_name')")

    async def me(db: Any) -> Any:
        return await db.run(q.me())

    assert play(me) == "raxol_sql"
    assert play(me, play.conninfo + " application_name=mine") == "mine"


def test_closing_twice_is_once_and_after_it_nothing_runs(
    play: Play, queries: rx.Queries, collect: Any, side: Any, until: Any
) -> None:
    count = queries.users.count()
    mine = (
        "select count(*) from pg_stat_activity "
        "where application_name = 'raxol_sql' and datname = current_database()"
    )

    async def story(db: Any) -> None:
        assert await db.run(count) == 0
        await db.close()
        await db.close()
        for use in (
            lambda: db.run(count),
            lambda: db.run_many(queries.users.create, []),
            lambda: db.copy(queries.users.load, []),
            lambda: collect(db.stream(queries.users.all())),
            lambda: db.transaction().__aenter__(),
        ):
            with pytest.raises(psycopg_pool.PoolClosed, match="closed"):
                await use()
        until(lambda: side.execute(mine).fetchone() == (0,))

    play(story)


def test_what_is_open_when_the_database_closes_comes_to_its_end(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(queries.users.create(email="a@b.de", name="Ann", age=1))
            await db.close()
            assert await tx.run(queries.users.count()) == 1

    async def count(db: Any) -> Any:
        return await db.run(queries.users.count())

    play(story)
    assert play(count) == 1


def test_an_asyncio_database_that_was_not_awaited_says_so(
    open_async: Callable[[], rx.AsyncDatabase], queries: rx.Queries
) -> None:
    async def story() -> None:
        with pytest.raises(psycopg_pool.PoolClosed, match=r"is not open: use Database\.open"):
            await open_async().run(queries.users.count())

    asyncio.run(story())


def test_an_asyncio_database_is_awaited_or_entered(
    open_async: Callable[[], rx.AsyncDatabase], queries: rx.Queries
) -> None:
    async def story() -> None:
        db = await open_async()
        try:
            assert await db.run(queries.users.count()) == 0
            async with db:  # entering an open one keeps it
                assert await db.run(queries.users.count()) == 0
        finally:
            await db.close()

    asyncio.run(story())


def test_the_repr_names_the_database_and_hides_the_password(accounts_database: str) -> None:
    with rx.Database.open(accounts_database, password="hunter2") as db:
        assert repr(db).startswith("<Database raxol_engine on ")
        assert "hunter2" not in repr(db) + repr(db.config)


def test_opening_at_the_same_moment_opens_one_pool(accounts_database: str, side: Any) -> None:
    async def main() -> None:
        db = rx.AsyncDatabase.open(accounts_database, pool_size=2)
        await asyncio.gather(*(db.__aenter__() for _ in range(5)))
        await db.close()

    asyncio.run(main())


def test_names_of_columns_are_read_whatever_encoding_the_client_asks_for(
    accounts_database: str, write: Any
) -> None:
    q = write("""-- name: odd :one\nselect 1 as größe""")

    with rx.Database.open(make_conninfo(accounts_database, client_encoding="latin1")) as db:
        assert db.run(q.odd()).größe == 1


def test_an_error_before_close_ends_the_program_and_does_not_hang(
    accounts_database: str, tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import asyncio, sys\n"
        "import raxol_sql as rx\n"
        "async def main():\n"
        "    global db\n"
        "    db = await rx.AsyncDatabase.open(sys.argv[1])\n"
        "    raise ValueError('my own')\n"
        "asyncio.run(main())\n"
    )

    done = subprocess.run(
        [sys.executable, program, accounts_database],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "ValueError: my own"
