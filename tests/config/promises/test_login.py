"""Which role logs in where, with which password, which is never printed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql import embedded
from tests.config.promises.conftest import Environment, Run, Shown, until

PASSWORD = "p@ss/%w:1"


def test_the_role_is_ours_then_libpq_s_then_postgres(
    shown: Shown, parts: Environment, environ: Callable[..., None]
) -> None:
    assert shown({"RAXOL_DB_USER": "ann", "PGUSER": "ben"})["username"] == (
        "ann",
        "RAXOL_DB_USER",
    )
    assert shown({"PGUSER": "ben"})["username"] == ("ben", "PGUSER")
    assert shown({})["username"] == ("postgres", "default")
    environ(parts)
    with rx.Database.open() as db:
        assert db.run(rx.load("own.sql").own.me()).who == parts["RAXOL_DB_USER"]


@pytest.mark.parametrize(
    "words",
    ["config", "ping", "migrations", "run own.me", "run own.sleep s=x", "explain own.me"],
)
@pytest.mark.parametrize("right", [True, False])
def test_a_password_is_printed_by_no_command_that_works_and_by_none_that_fails(
    raxol_sql: Run, parts: Environment, words: str, right: bool
) -> None:
    given = {**parts, "RAXOL_DB_PASS": "hush-7Qx"}
    if not right:
        given["RAXOL_DB_USER"] = "nobody_at_all"
    ran = raxol_sql(given, *words.split())

    assert ran.code in (0, 1, 3, 4)
    assert "hush-7Qx" not in ran.out + ran.err


def test_a_host_is_a_name_an_address_or_the_folder_of_a_socket(
    raxol_sql: Run, parts: Environment
) -> None:
    assert parts["RAXOL_DB_HOST"].startswith("/")
    assert raxol_sql(parts, "run", "own.me").code == 0
    for moved in (
        {"RAXOL_DB_HOST": "no-such.invalid"},
        {"RAXOL_DB_HOST": "127.0.0.1", "RAXOL_DB_PORT": "1"},
    ):
        ran = raxol_sql({**parts, **moved}, "run", "own.me")
        assert ran.code == 3
        assert moved["RAXOL_DB_HOST"] in ran.err


def test_a_database_that_does_not_exist_comes_with_the_way_to_make_it(
    raxol_sql: Run, parts: Environment
) -> None:
    ran = raxol_sql({**parts, "RAXOL_DB_NAME": "raxol_no_such"}, "run", "own.me")

    assert ran.code == 3
    assert "raxol-sql setup" in ran.err


def test_the_four_variables_are_honoured_by_every_way_in_whatever_a_password_has_in_it(
    raxol_sql: Run, parts: Environment, environ: Callable[..., None]
) -> None:
    given = {**parts, "RAXOL_DB_PASS": PASSWORD}
    environ(given)

    with rx.Database.open() as db:
        assert db.run(rx.load("own.sql").own.me()).place == parts["RAXOL_DB_NAME"]
    assert rx.Config.find().password == PASSWORD
    for words in (["setup"], ["migrate"], ["ping"], ["run", "own.me"]):
        ran = raxol_sql(given, *words)
        assert (words, ran.code, ran.err) == (words, 0, "")


@pytest.fixture
def asking(own_project: Path) -> str:
    """The conninfo of a role that a server lets in with its password and no other, without it."""
    server = embedded.start(own_project)
    conninfo = server.conninfo("postgres")
    asked = make_conninfo(conninfo, user="w", password="not this")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(f"create role w login password '{PASSWORD}'".encode())
        connection.execute("grant create on schema public to w")
        row = connection.execute("show hba_file").fetchone()
        rules = Path(row[0] if row else "")
        rules.write_text(f"local all w scram-sha-256\n{rules.read_text()}")
        connection.execute("select pg_reload_conf()")
    assert until(lambda: is_refused(asked), 10)
    return make_conninfo(conninfo, user="w")


def is_refused(conninfo: str) -> bool:
    try:
        psycopg.connect(conninfo).close()
    except psycopg.OperationalError:
        return True
    return False


def test_a_password_of_any_characters_logs_in_by_every_way_in(
    raxol_sql: Run, asking: str, folder: Path, repository: Path
) -> None:
    known = conninfo_to_dict(asking)
    host = str(known["host"])
    given = {
        "RAXOL_DB_HOST": host,
        "RAXOL_DB_PORT": str(known["port"]),
        "RAXOL_DB_USER": "w",
        "RAXOL_DB_NAME": "postgres",
        "RAXOL_DB_PASS": PASSWORD,
    }
    for words in (["setup"], ["migrate"], ["ping"], ["run", "own.me"]):
        ran = raxol_sql(given, *words)
        assert (words, ran.code, ran.err) == (words, 0, "")

    def yoyo(password: str) -> subprocess.CompletedProcess[str]:
        url = f"postgresql+psycopg://w:{password}@/postgres?host={quote(host)}"
        words = ["apply", "--batch", "--no-config-file", "--database", url]
        return subprocess.run(
            [sys.executable, "-m", "yoyo", *words, str(repository / "migrations")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # As docs/migrations.md says: in a URL of bare yoyo it has to be encoded.
    assert yoyo(quote(PASSWORD, safe="")).returncode == 0
    assert yoyo(PASSWORD).returncode != 0
