"""`raxol-sql pool-status`: the server's view, the probe, and a server that is full."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql.testing import FaultServer

Run = Callable[..., Any]
SECRET = "canary-77e0"


@pytest.fixture
def pool_status(raxol_sql: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``raxol-sql pool-status`` on a database, with a password that nothing may show."""
    monkeypatch.setenv("RAXOL_DB_PASS", SECRET)

    def run(conninfo: str, *words: str) -> Any:
        monkeypatch.setenv("DATABASE_URL", conninfo)
        ran = raxol_sql("pool-status", *words)
        assert SECRET not in ran.out + ran.err
        return ran

    return run


def statuses(ran: Any) -> dict[str, str]:
    return {one["check"]: one["status"] for one in json.loads(ran.out)["findings"]}


def test_a_service_that_holds_three_of_ten_is_seen_to(
    pool_status: Run, accounts_database: str, queries: rx.Queries
) -> None:
    service = make_conninfo(accounts_database, application_name="holding")
    with ExitStack() as held:
        db = held.enter_context(rx.Database.open(service, pool_size=10, pool_min_size=0))
        for _ in range(3):
            held.enter_context(db.transaction()).run(queries.users.count())
        ran = pool_status(service, "--format", "json")
        with psycopg.connect(accounts_database) as connection:
            counted = connection.execute(
                "select count(*) from pg_stat_activity where application_name = 'holding'"
            ).fetchone()

    shown = json.loads(ran.out)
    mine = [one for one in shown["sessions"] if one["application"] == "holding"]
    assert ran.code == 0
    assert shown["view"] == "server"
    assert [(one["state"], one["count"]) for one in mine] == [("idle in transaction", 3)]
    assert counted == (3,)
    assert (shown["application"], shown["processes"]) == ("holding", 1)
    assert mine[0]["database"] == conninfo_to_dict(accounts_database)["dbname"]


def test_for_people_it_says_whose_view_it_is(pool_status: Run, accounts_database: str) -> None:
    with psycopg.connect(make_conninfo(accounts_database, application_name="somebody")):
        ran = pool_status(accounts_database)

    assert ran.code == 0
    assert "the server's view: a pool lives inside its process" in ran.out
    assert "somebody" in ran.out
    assert "max_connections is 100" in ran.out


def test_a_pool_that_is_too_large_is_warned_of_and_not_probed(
    pool_status: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_POOL_SIZE", "500")

    ran = pool_status(database, "--probe", "--format", "json")

    assert ran.code == 0
    assert statuses(ran) == {"slots": "OK", "pool_size": "WARN", "probe": "SKIP"}
    assert json.loads(ran.out)["probe"] is None


def test_a_probe_shows_how_long_the_pool_takes_to_fill(
    pool_status: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_DB_POOL_SIZE", "3")

    ran, said = (
        pool_status(database, "--probe", "--format", "json"),
        pool_status(database, "--probe"),
    )

    shown = json.loads(ran.out)
    assert (ran.code, said.code) == (0, 0)
    assert (shown["probe"]["held"], shown["probe"]["backends"]) == (3, 3)
    assert 0 < shown["probe"]["first_ms"] <= shown["probe"]["full_ms"]
    assert (shown["pool"]["in_use"], shown["pool"]["max"]) == (3, 3)
    assert "3 sessions held at once, on 3 backends" in " ".join(said.out.split())
    assert "the view of this process" in said.out


def test_a_server_that_is_not_there_is_exit_3_with_the_steps(pool_status: Run) -> None:
    ran = pool_status("postgresql://a@127.0.0.1:1/x", "--format", "json")

    assert ran.code == 3
    assert ran.err.splitlines()[-2].startswith("Error: Could not connect to database x")
    assert statuses(ran)["tcp"] == "FAIL"


@pytest.fixture(scope="module")
def small() -> Iterator[FaultServer]:
    """A server with room for 5, 3 of which are a superuser's."""
    settings = {"max_connections": 5, "superuser_reserved_connections": 3}
    with FaultServer(settings) as server:
        server.ask("create role anybody login")
        yield server


@pytest.fixture
def crowded(small: FaultServer) -> Iterator[FaultServer]:
    """That server with every place taken that is not reserved."""
    conninfo = make_conninfo(small.conninfo(), user="anybody", application_name="crowd")
    with psycopg.connect(conninfo), psycopg.connect(conninfo):
        yield small


def test_a_full_server_fails_with_1_for_a_superuser_who_still_gets_in(
    pool_status: Run, crowded: FaultServer
) -> None:
    ran = pool_status(crowded.conninfo(), "--probe", "--format", "json")

    assert ran.code == 1
    assert statuses(ran) == {"slots": "FAIL", "pool_size": "WARN", "probe": "SKIP"}
    assert json.loads(ran.out)["slots"]["free"] == 0


def test_a_full_server_is_exit_3_for_whoever_is_not_let_in(
    pool_status: Run, crowded: FaultServer
) -> None:
    conninfo = make_conninfo(crowded.conninfo(), user="anybody")

    ran = pool_status(conninfo, "--format", "json")
    said = pool_status(conninfo)

    assert (ran.code, said.code) == (3, 3)
    assert statuses(ran) == {"slots": "FAIL"}
    assert "max_connections" in ran.err
    assert "max_connections" in said.out
