"""The whole way to servers that let one in: healthy, embedded or behind a pooler."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.config import Config, Conninfo
from raxol_sql.ops.finding import Status
from raxol_sql.ops.network.reaching import reach
from tests.ops.network.conftest import SECRET, by_name, failing, statuses, until, walk


@pytest.fixture
def pooler(server: embedded.Server, accounts_database: str) -> Iterator[str]:
    """The connection string of the database through a PgBouncer in transaction mode."""
    folders = os.pathsep.join([*os.get_exec_path(), "/usr/local/sbin", "/usr/sbin"])
    program = shutil.which("pgbouncer", path=folders)
    if program is None:
        pytest.skip("no PgBouncer is installed")
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host={server.host} port={server.port} user=postgres\n"
            f"[pgbouncer]\nunix_socket_dir = {folder}\nlisten_port = 6432\n"
            "auth_type = any\npool_mode = transaction\n"
        )
        owner = os.stat(server.host)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        process = subprocess.Popen(
            [program, str(folder / "pgbouncer.ini")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=owner.st_uid if changes else None,
            group=owner.st_gid if changes else None,
            extra_groups=[] if changes else None,
        )
        try:
            until(lambda: (folder / ".s.PGSQL.6432").exists(), "the pooler listens")
            yield make_conninfo(accounts_database, host=str(folder), port=6432)
        finally:
            process.kill()
            process.wait()


def test_a_healthy_server_has_nothing_but_ok_and_skip(accounts_database: str) -> None:
    reached = walk(accounts_database, password=SECRET)

    assert {one.status for one in reached.findings} == {Status.OK, Status.SKIP}
    assert statuses(reached) == {
        "resolve": "SKIP",
        "tcp": "OK",
        "tls": "SKIP",
        "login": "OK",
        "pooler": "OK",
    }
    assert reached.cause is None
    assert reached.greeting is not None
    assert reached.greeting.role == "postgres"
    assert not reached.greeting.is_standby
    assert reached.greeting.ms > 0
    with Conninfo.of(reached.conninfo).connect() as connection:
        assert connection.info.dbname == reached.greeting.database


def test_the_embedded_server_is_started_and_walked_to(own_project: Path) -> None:
    (own_project / "raxol_sql.toml").write_text('[common]\nserver = "embedded"\n')
    config = Config.find(start=own_project)

    reached = reach(config)
    there = reach(Config.find(start=own_project, database="postgres"))

    assert "raxol-sql setup" in failing(reached, "login").remedy
    assert "the embedded server of" in failing(reached, "login").message
    assert there.cause is None
    running = embedded.status(own_project)
    assert running is not None
    assert running.host in by_name(there)["tcp"].message


def test_an_embedded_server_that_cannot_be_had_fails_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raxol_sql.toml").write_text('[common]\nserver = "embedded"\n')
    monkeypatch.setenv("RAXOL_SQL_PG_BIN", "/nowhere")

    one = failing(reach(Config.find(start=tmp_path)), "resolve")

    assert "/nowhere" in one.message


def test_a_pooler_in_between_is_recognised_and_its_remedy_given_where_it_matters(
    pooler: str,
) -> None:
    prepared, unprepared = walk(pooler), walk(pooler, prepare=False)

    one = by_name(prepared)["pooler"]
    assert one.status is Status.OK
    assert "through a pooler" in one.message
    assert "prepare = false" in one.remedy
    assert by_name(unprepared)["pooler"].remedy == ""
    assert prepared.greeting is not None
    assert prepared.greeting.is_pooled


def test_the_walk_leaves_no_session_behind(database: str) -> None:
    walk(database)

    def sessions() -> Any:
        row = connection.execute(
            "select count(*) from pg_stat_activity where datname = current_database()"
        ).fetchone()
        return row and row[0]

    with psycopg.connect(database, autocommit=True) as connection:
        until(lambda: sessions() == 1, "nobody else is connected")
        assert sessions() == 1
