"""The pages on connections show what happens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.testing import FaultProxy, FaultServer

if TYPE_CHECKING:
    from tests.docs.conftest import Page

Url = Callable[..., str]
Program = Callable[..., dict[str, Any]]


def test_a_healthy_database_answers_to_ping(page: Page) -> None:
    page.shows("ping")


def test_a_diagnosis_counts_what_is_found_and_names_the_remedy(page: Page) -> None:
    page.change("drop index user_preferences_user_id_index")
    page.shows("diagnose")
    page.cures("diagnose")


def test_top_shows_who_works_and_who_waits(page: Page) -> None:
    with (
        page.session("billing") as holder,
        page.running("reports", "select pg_sleep(600)"),
    ):
        holder.execute("lock table users")
        with page.running("web", "select count(*) from users where active"):
            page.shows("top")


def test_nobody_listens(page: Page, url: Url) -> None:
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        url(port=kept.getsockname()[1])
        page.shows("refused")


def test_a_host_name_has_no_address(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop@db.example.invalid/shop")
    page.shows("no-name")


def test_a_server_says_nothing(page: Page, url: Url) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url(port=silent.getsockname()[1])
        page.shows("silent")


def test_there_is_no_such_database(page: Page, url: Url) -> None:
    url(dbname="shopp")
    page.shows("no-database")


@pytest.fixture(scope="module")
def guarded() -> Iterator[FaultServer]:
    """A server with few places, which asks the role ``shop`` for a password."""
    with FaultServer({"max_connections": 10}) as server:
        server.ask("create role shop login password 'right'")
        server.ask("create role reports login")
        server.ask("create database shop")
        ((file,),) = server.ask("show hba_file")
        rules = server.project / file
        rules.write_text(f"local all shop scram-sha-256\n{rules.read_text()}")
        server.ask("select pg_reload_conf()")
        yield server


@pytest.mark.faults
def test_a_password_is_wrong_or_missing_and_its_origin_is_told(
    page: Page, url: Url, guarded: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultProxy(guarded.conninfo()) as line:
        url(user="shop", port=line.port)
        monkeypatch.setenv("RAXOL_DB_PASS", "wrong")
        page.shows("password")
        page.shows("config")


@pytest.mark.faults
def test_a_server_has_no_place_left(page: Page, url: Url, guarded: FaultServer) -> None:
    with FaultProxy(guarded.conninfo()) as line:
        own = url(port=line.port, user="reports")
        with ExitStack() as held:
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(psycopg.connect(own))
            page.shows("server-full")


def test_a_server_without_tls_is_asked_for_it(page: Page, url: Url) -> None:
    url(sslmode="verify-full")
    page.shows("no-tls")


def test_pools_of_the_configured_size_do_not_fit(page: Page) -> None:
    with rx.Database.open(pool_size=4, pool_min_size=4):
        page.shows("pool-status")


CHECKOUT = """
def served(ask_the_bank):
    with db.transaction() as tx:
        tx.run(queries.users.count())
        ask_the_bank()
"""


def test_a_pool_has_no_connection_left_and_names_who_holds_them(
    page: Page, queries: rx.Queries, program: Program
) -> None:
    with rx.Database.open(pool_size=2, timeout=1000) as db:
        served = program("checkout.py", CHECKOUT, db=db, queries=queries)["served"]
        may_end = threading.Event()
        threads = [threading.Thread(target=served, args=[may_end.wait], name=name)
                   for name in ("request-1", "request-2")]  # fmt: skip
        for thread in threads:
            thread.start()
        try:
            page.until(lambda: db.pool_status().available == 0 and db.pool_status().size == 2)
            with pytest.raises(rx.PoolExhaustedError) as caught:
                db.run(queries.users.count())
        finally:
            may_end.set()
            for thread in threads:
                thread.join()
    page.shows("pool-exhausted", said=f"raxol_sql.errors.PoolExhaustedError: {caught.value}")
