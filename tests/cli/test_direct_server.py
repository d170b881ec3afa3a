"""Commands for migrations find a pooler between them and the server, and go past it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from raxol_sql import embedded
from raxol_sql.errors import ConfigError
from raxol_sql.migrations import Migrations
from raxol_sql.migrations.pooler import find_pooler
from raxol_sql.migrations.session import open_session

Run = Callable[..., Any]

PORT = 6432
# A package puts it where the PATH of an account without rights may not lead.
FOLDERS = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin", *os.get_exec_path()]
PGBOUNCERS = sorted(
    {str(file.resolve()) for one in FOLDERS if (file := Path(one, "pgbouncer")).exists()}
)
PGPOOL_PROGRAM = shutil.which("pgpool", path=os.pathsep.join(FOLDERS)) or ""
PGBOUNCER = """\
[databases]
* = host={server.host} port={server.port} user=postgres
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = {mode}
server_reset_query =
"""
PGPOOL = """\
backend_clustering_mode = 'raw'
listen_addresses = ''
port = {port}
socket_dir = '{folder}'
pcp_listen_addresses = ''
pcp_port = 9898
pcp_socket_dir = '{folder}'
pid_file_name = '{folder}/pid'
logdir = '{folder}'
work_dir = '{folder}'
backend_hostname0 = '{server.host}'
backend_port0 = {server.port}
num_init_children = 4
max_pool = 1
enable_pool_hba = off
"""


@contextmanager
def running(program: str, text: str, server: embedded.Server) -> Iterator[Path]:
    """The folder of the socket of a pooler."""
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        folder = Path(name)
        configuration = folder / "pooler.conf"
        configuration.write_text(text.format(server=server, folder=folder, port=PORT))
        owner = os.stat(server.host)
        changes = owner.st_uid != os.geteuid()
        if changes:
            os.chown(folder, owner.st_uid, owner.st_gid)
        is_pgpool = program.endswith("pgpool")
        process = subprocess.Popen(
            [program, *(["-n", "-f"] if is_pgpool else []), str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=owner.st_uid if changes else None,
            group=owner.st_gid if changes else None,
            extra_groups=[] if changes else None,
        )
        try:
            until_connected(make_conninfo(host=name, port=PORT, user="postgres"), process)
            yield folder
        finally:
            process.send_signal(signal.SIGINT if is_pgpool else signal.SIGKILL)
            process.wait(20)


def until_connected(conninfo: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 20
    while True:
        with suppress(psycopg.OperationalError):
            psycopg.connect(conninfo, dbname="postgres").close()
            return
        assert process.poll() is None, "the pooler has ended"
        assert time.monotonic() < end, "the pooler does not answer"
        time.sleep(0.05)


@pytest.fixture
def pooled(server: embedded.Server, database: str) -> Iterator[Callable[..., str]]:
    """Gives the connection string of the database through a PgBouncer in a mode, or pgpool-II."""
    with ExitStack() as stack:

        def start(program: str, mode: str) -> str:
            text = PGPOOL if program.endswith("pgpool") else PGBOUNCER.replace("{mode}", mode)
            folder = stack.enter_context(running(program, text, server))
            return make_conninfo(database, host=str(folder), port=PORT)

        yield start


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001-a.sql").write_text("create table a (i int);")
    (folder / "0001-a.rollback.sql").write_text("drop table a;")
    (folder / "0002-b.sql").write_text(
        "-- transactional: false\ncreate index concurrently if not exists a_i on a (i);"
    )
    (folder / "0002-b.rollback.sql").write_text("drop index concurrently if exists a_i;")
    return folder


def settings(conninfo: str) -> list[Any]:
    """The limits of the pooler's connection to the server, and the locks that are held there."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(
            "select current_setting('lock_timeout'), current_setting('statement_timeout'), "
            "current_setting('idle_in_transaction_session_timeout'), "
            "(select count(*) from pg_locks where locktype = 'advisory' and database = "
            "(select oid from pg_database where datname = current_database()))"
        ).fetchall()


CLEAN = [("0", "0", "0", 0)]
NONE = pytest.param("", marks=pytest.mark.skip(reason="no PgBouncer is installed"))
each_pgbouncer = pytest.mark.parametrize("program", PGBOUNCERS or [NONE])


@each_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement", "session"])
def test_a_pooler_is_refused_in_every_mode_and_nothing_stays_on_its_connections(
    pooled: Callable[..., str], folder: Path, program: str, mode: str
) -> None:
    conninfo = pooled(program, mode)
    there = Migrations(conninfo, folder)

    for call in (there.apply, there.rollback, there.would_apply, there.would_roll_back):
        with pytest.raises(ConfigError, match="a connection pooler such as PgBouncer") as caught:
            call()
        assert "RAXOL_DB_MIGRATION_URL" in str(caught.value)
    assert settings(conninfo) == CLEAN
    assert [one.state for one in there.status().migrations] == ["pending", "pending"]
    assert settings(conninfo) == CLEAN


@each_pgbouncer
def test_a_pooler_in_session_mode_is_used_where_it_is_said_to_be_and_keeps_nothing(
    pooled: Callable[..., str], folder: Path, program: str
) -> None:
    conninfo = pooled(program, "session")
    there = Migrations(conninfo, folder, pooler_is_session_mode=True)

    assert [run.id for run in there.apply()] == ["0001-a", "0002-b"]
    assert [run.id for run in there.rollback(None)] == ["0002-b", "0001-a"]

    # This one resets nothing by itself.
    assert settings(conninfo) == CLEAN


@each_pgbouncer
def test_a_pooler_that_is_wrongly_said_to_be_in_session_mode_is_found_out(
    pooled: Callable[..., str], folder: Path, program: str
) -> None:
    conninfo = pooled(program, "transaction")

    with pytest.raises(ConfigError, match="the pooler is not in session mode"):
        Migrations(conninfo, folder, pooler_is_session_mode=True).apply()

    assert settings(conninfo) == CLEAN


@pytest.mark.skipif(not PGPOOL_PROGRAM, reason="no pgpool-II is installed")
def test_pgpool_is_found_although_it_passes_on_the_numbers_of_the_backends(
    pooled: Callable[..., str], folder: Path
) -> None:
    conninfo = pooled(PGPOOL_PROGRAM, "")

    with pytest.raises(ConfigError, match="pgpool-II"):
        Migrations(conninfo, folder).apply()


def test_the_server_itself_is_no_pooler(database: str) -> None:
    with closing(open_session(database, 5)) as session:
        assert find_pooler(session) == ""


@pytest.fixture
def behind(
    pooled: Callable[..., str], project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The configured database is behind a PgBouncer in transaction mode."""
    if not PGBOUNCERS:
        pytest.skip("no PgBouncer is installed")
    conninfo = pooled(PGBOUNCERS[0], "transaction")
    (project / "raxol_sql.toml").write_text("")
    monkeypatch.setenv("DATABASE_URL", conninfo)
    return conninfo


@pytest.mark.parametrize(
    "words",
    [
        *(["migrate"], ["migrate", "--dry-run"], ["rollback"], ["rollback", "--dry-run"]),
        *(["setup"], ["setup", "--reset", "--yes"], ["drift"], ["migrations", "--check"]),
    ],
)
def test_every_command_that_needs_the_server_ends_with_2_at_a_pooler(
    behind: str, raxol_sql: Run, words: list[str]
) -> None:
    ran = raxol_sql(*words)

    assert ran.code == 2
    assert "--direct-url" in ran.err
    assert "--pooler-is-session-mode" in ran.err
    assert settings(behind) == CLEAN


def test_the_url_for_migrations_leads_past_the_pooler_and_is_shown_without_its_password(
    behind: str, database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = conninfo_to_dict(database)
    url = (
        f"postgresql://postgres:s3cret@/{known['dbname']}?host={known['host']}&port={known['port']}"
    )
    monkeypatch.setenv("RAXOL_DB_MIGRATION_URL", url)

    assert raxol_sql("migrate").code == 0
    assert raxol_sql("migrations").code == 0
    assert raxol_sql("drift").code == 0
    shown = raxol_sql("config", "--format", "json")

    assert "s3cret" not in shown.out + shown.err
    (entry,) = [one for one in json.loads(shown.out) if one["key"] == "migration_url"]
    assert entry["origin"] == "RAXOL_DB_MIGRATION_URL"
    assert f"host={known['host']}" in entry["value"]


def test_the_option_stands_above_the_variable_and_parts_that_it_leaves_out_are_the_configured_ones(
    behind: str, database: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = conninfo_to_dict(database)
    monkeypatch.setenv("RAXOL_DB_MIGRATION_URL", "postgresql://127.0.0.1:1/nowhere")
    url = f"postgresql:///?host={known['host']}&port={known['port']}"

    assert raxol_sql("migrate").code == 3
    assert raxol_sql("migrate", "--direct-url", url).code == 0
    assert raxol_sql("rollback", "--all", "--yes", "--direct-url", url).code == 0


@pytest.mark.parametrize(
    "url", ["mysql://u:s3cret@h/db", "postgresql://u:s3@cret@h/db", "u:s3cret@h"]
)
def test_a_url_that_cannot_be_read_is_named_by_its_origin_and_not_shown(
    empty: str, project: Path, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    by_option = raxol_sql("migrate", "--direct-url", url)
    monkeypatch.setenv("RAXOL_DB_MIGRATION_URL", url)
    by_variable, shown = raxol_sql("migrate"), raxol_sql("config")

    assert (by_option.code, by_variable.code, shown.code) == (2, 2, 0)
    assert "--direct-url is not a PostgreSQL URL" in by_option.err
    assert "RAXOL_DB_MIGRATION_URL is not a PostgreSQL URL" in by_variable.err
    for ran in (by_option, by_variable, shown):
        assert "cret" not in ran.out + ran.err


def test_options_that_a_pooler_does_not_take_are_explained(
    behind: str, raxol_sql: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=5s")

    for words in (["drift"], ["migrate"]):
        ran = raxol_sql(*words)
        assert ran.code == 3
        assert "unsupported startup parameter" in ran.err
        assert "hint: a pooler such as PgBouncer answers" in ran.err


@each_pgbouncer
def test_drift_works_through_a_pooler_in_session_mode(
    pooled: Callable[..., str],
    project: Path,
    folder: Path,
    raxol_sql: Run,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
) -> None:
    (project / "raxol_sql.toml").write_text("")
    monkeypatch.setenv("DATABASE_URL", pooled(program, "session"))

    for command in ("setup", "drift"):
        ran = raxol_sql(command, "--pooler-is-session-mode")
        assert ran.code == 0, ran.err
