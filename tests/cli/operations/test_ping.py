"""`raxol-sql ping`: what it says of healthy and of broken set-ups, and its exit codes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from raxol_sql.testing import FaultProxy

Run = Callable[..., Any]
SECRET = "canary-5c1d"


@pytest.fixture
def ping(raxol_sql: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``raxol-sql ping`` on a database, with a password that nothing may show."""
    monkeypatch.setenv("RAXOL_DB_PASS", SECRET)

    def run(conninfo: str, *words: str) -> Any:
        monkeypatch.setenv("DATABASE_URL", conninfo)
        ran = raxol_sql("ping", *words)
        assert SECRET not in ran.out + ran.err
        return ran

    return run


def findings(ran: Any) -> dict[str, dict[str, Any]]:
    (answer,) = json.loads(ran.out)
    return {one["check"]: one for one in answer["findings"]}


CHECKS = ["config", "resolve", "tcp", "tls", "login", "pooler", "database", "query", "migrations"]


def test_a_healthy_database_is_ok_or_skip_in_every_line(
    ping: Run, project: Path, accounts_database: str
) -> None:
    ran = ping(accounts_database, "--format", "json")

    found = findings(ran)
    assert ran.code == 0
    assert [*found] == CHECKS
    assert {one["status"] for one in found.values()} == {"OK", "SKIP"}
    assert found["migrations"]["message"] == "5 applied, 0 pending, 0 missing files"
    assert found["query"]["ms"] > 0


def test_for_people_each_step_is_a_line_and_the_server_is_named_first(
    ping: Run, project: Path, accounts_database: str
) -> None:
    ran = ping(accounts_database)

    lines = ran.out.splitlines()
    assert ran.code == 0
    assert lines[0].startswith("using ")
    assert all(any(check in line for line in lines) for check in CHECKS)
    assert "PostgreSQL" in ran.out
    assert ran.err == ""


def test_the_figures_that_are_asked_for_most_stand_by_themselves(
    ping: Run, project: Path, accounts_database: str
) -> None:
    (answer,) = json.loads(ping(accounts_database, "--format", "json").out)

    assert answer["server_version"][0].isdigit()
    assert answer["connect_ms"] > 0
    assert answer["query_ms"] > 0


@pytest.fixture
def broken(database: str, project: Path) -> dict[str, tuple[str, int, str, str]]:
    """Set-ups that are wrong: the connection string, the exit code, who fails, and a hint."""
    return {
        "no server": ("postgresql://a@127.0.0.1:1/x", 3, "tcp", "start the server"),
        "no name": ("postgresql://a@no-such.invalid/x", 3, "resolve", "host name"),
        "no role": (make_conninfo(database, user="nobody_here"), 3, "login", "create role"),
        "no database": (make_conninfo(database, dbname="nowhere"), 3, "login", "raxol-sql setup"),
        "no migrations": (database, 1, "migrations", "raxol-sql migrate"),
    }


def test_five_broken_set_ups_have_five_hints_and_their_exit_codes(
    ping: Run, broken: dict[str, tuple[str, int, str, str]]
) -> None:
    hints = set()
    for conninfo, code, check, hint in broken.values():
        ran = ping(conninfo, "--format", "json")
        found = findings(ran)
        failed = [one for one in found.values() if one["status"] == "FAIL"]
        after = [*found][[*found].index(check) + 1 :]
        after = [name for name in after if found[name]["group"] != "credentials"]
        assert ran.code == code
        assert [one["check"] for one in failed] == [check]
        assert hint in failed[0]["remedy"]
        assert {found[name]["status"] for name in after} <= {"SKIP"}
        hints.add(failed[0]["remedy"])
        if code == 3:
            assert "Could not connect to database" in ran.err
            assert failed[0]["remedy"] in ran.err
    assert len(hints) == 5


def test_a_wrong_configuration_is_the_first_line_and_exit_2(
    raxol_sql: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_PORT", "no port")

    ran = raxol_sql("ping", "--format", "json")

    found = findings(ran)
    assert ran.code == 2
    assert [*found] == CHECKS
    assert found.pop("config")["status"] == "FAIL"
    assert {one["status"] for one in found.values()} == {"SKIP"}
    assert "RAXOL_DB_PORT" in ran.err


def test_a_folder_of_migrations_that_is_not_there_is_skipped(
    ping: Run, project: Path, database: str
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nmigrations = "none"\n')

    ran = ping(database, "--format", "json")

    assert ran.code == 0
    assert findings(ran)["migrations"]["status"] == "SKIP"


@pytest.fixture
def own_migrations(project: Path, repository: Path) -> list[Path]:
    """The files of the project's migrations, copies that may be changed."""
    folder = project / "migrations"
    folder.mkdir()
    for file in (repository / "migrations").glob("*.sql"):
        (folder / file.name).write_bytes(file.read_bytes())
    (project / "raxol_sql.toml").write_text("")
    return sorted(file for file in folder.glob("*.sql") if ".rollback" not in file.name)


def test_migrations_without_their_files_are_findings(
    ping: Run, own_migrations: list[Path], accounts_database: str
) -> None:
    own_migrations[-1].unlink()
    own_migrations[-1].with_suffix(".rollback.sql").unlink(missing_ok=True)

    ran = ping(accounts_database, "--format", "json")

    one = findings(ran)["migrations"]
    assert (ran.code, one["status"]) == (1, "FAIL")
    assert one["message"] == f"{len(own_migrations) - 1} applied, 0 pending, 1 missing files"
    assert "raxol-sql migrations" in one["remedy"]


def test_migrations_that_were_edited_since_are_findings(
    ping: Run, own_migrations: list[Path], accounts_database: str
) -> None:
    own_migrations[0].write_text("select 1;\n")

    ran = ping(accounts_database, "--format", "json")

    one = findings(ran)["migrations"]
    assert (ran.code, one["status"]) == (1, "FAIL")
    assert one["message"].endswith("1 edited since")


def test_a_folder_whose_migrations_cannot_be_trusted_is_a_finding(
    ping: Run, own_migrations: list[Path], accounts_database: str
) -> None:
    (own_migrations[0].parent / "0001-twice.sql").write_text("select 1;\n")

    ran = ping(accounts_database, "--format", "json")

    assert ran.code == 1
    assert "0001-twice" in findings(ran)["migrations"]["message"]


def test_a_role_that_may_not_read_the_marks_is_told_so(
    ping: Run, project: Path, accounts_database: str
) -> None:
    with psycopg.connect(accounts_database, autocommit=True) as connection:
        connection.execute("drop role if exists blind; create role blind login")
        try:
            ran = ping(make_conninfo(accounts_database, user="blind"), "--format", "json")
        finally:
            connection.execute("drop role blind")

    assert ran.code == 1
    assert "permission denied" in findings(ran)["migrations"]["message"]


def test_wait_goes_on_until_the_server_lets_in(
    ping: Run, project: Path, accounts_database: str
) -> None:
    with FaultProxy(accounts_database) as proxy:
        proxy.refuse()
        healing = threading.Timer(0.6, proxy.heal)
        healing.start()
        since = time.monotonic()
        ran = ping(proxy.conninfo, "--wait", "20")
        healing.join()

    assert ran.code == 0
    assert 0.5 < time.monotonic() - since < 10
    assert ran.out.count("waiting for it, at most 20 s") == 1


def test_wait_ends_when_it_is_over(ping: Run, project: Path, watch: Any) -> None:
    with watch.at_most(3, at_least=0.4):
        ran = ping("postgresql://a@127.0.0.1:1/x", "--wait", "0.5")

        assert ran.code == 3


def test_wait_does_not_wait_for_what_never_gets_better(
    ping: Run, project: Path, database: str, watch: Any
) -> None:
    with watch.at_most(5):
        ran = ping(make_conninfo(database, dbname="nowhere"), "--wait", "60")

        assert ran.code == 3
    assert "waiting" not in ran.out


def test_a_refused_login_shows_where_name_and_password_come_from(
    ping: Run, project: Path, database: str
) -> None:
    ran = ping(make_conninfo(database, user="nobody_here"))

    assert ran.code == 3
    assert "nobody_here, from DATABASE_URL" in ran.out
    assert "from RAXOL_DB_PASS" in ran.out


def test_names_cannot_command_the_terminal(ping: Run, project: Path, database: str) -> None:
    ran = ping(make_conninfo(database, dbname="\x1b[2Jgone"))

    assert ran.code == 3
    assert "\x1b" not in ran.out
    assert "\\x1b[2Jgone" in ran.out
