"""The pages on locks, disk, audits and monitoring show what happens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.docs.conftest import Page


def test_sessions_wait_for_one_that_does_nothing(page: Page) -> None:
    page.change("insert into users (email, name) values ('ann@example.org', 'Ann')")
    with page.session("billing") as holder:
        holder.execute("update users set age = 35 where email = 'ann@example.org'")
        with (
            page.running("web", "update users set name = 'Anna' where email = 'ann@example.org'"),
            page.running("cron", "lock table users"),
        ):
            page.shows("blocked")


def test_two_sessions_were_in_a_deadlock(page: Page) -> None:
    page.does("raxol-sql deadlocks --since /srv/shop/deadlocks.json")
    page.change("insert into users (email, name) values ('a@example.org', 'A'), ('b@b.org', 'B')")
    with page.session("web") as one, page.session("cron") as two:
        one.execute("update users set age = 1 where name = 'A'")
        two.execute("update users set age = 1 where name = 'B'")

        def cross() -> None:
            with suppress(psycopg.errors.DeadlockDetected):
                one.execute("update users set age = 2 where name = 'B'")

        thread = threading.Thread(target=cross)
        thread.start()
        with suppress(psycopg.errors.DeadlockDetected):
            two.execute("update users set age = 2 where name = 'A'")
        thread.join()
    # What a session has counted is told when it ends, and that is a moment after its client.
    page.until(lambda: page.ask(
        "select 1 from pg_stat_database where datname = 'shop' and deadlocks > 0"
    ))  # fmt: skip
    page.shows("deadlock")


def test_a_transaction_does_nothing(page: Page) -> None:
    with page.session("worker") as holder:
        holder.execute("update users set age = 35 where email = 'ann@example.org'")
        page.shows("idle-in-transaction", "--limit", "idle_in_transaction_s=0")
        page.cures("idle-in-transaction")


FILLED = (
    "alter table users set (autovacuum_enabled = off)",
    "insert into users (email, name) select n || '@example.org', repeat('x', 200)"
    " from generate_series(1, 60000) as n",
    "vacuum analyze users",
)


def test_a_table_is_full_of_dead_rows(page: Page) -> None:
    for statement in (*FILLED, "delete from users where id > 30000"):
        page.change(statement)
    page.until(lambda: page.ask("select 1 from pg_stat_user_tables where n_dead_tup > 20000"))
    page.shows("dead-rows")
    page.cures("dead-rows")


def test_a_table_takes_more_room_than_its_rows(page: Page) -> None:
    for statement in (*FILLED, "delete from users where id % 30 <> 0", "vacuum analyze users"):
        page.change(statement)
    page.shows("bloat")
    page.cures("bloat")


def test_an_index_is_invalid(page: Page) -> None:
    page.change("insert into users (email, name) values ('a@a.org', 'A'), ('b@b.org', 'A')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        page.change("create unique index concurrently users_name_key on users (name)")
    page.shows("invalid-index")
    page.cures("invalid-index")


@pytest.fixture
def owner(page: Page) -> Iterator[str]:
    """A role that owns the tables."""
    page.change("create role shop login", "alter table users owner to shop")
    yield "shop"
    page.change("reassign owned by shop to postgres", "drop owned by shop", "drop role shop")


def test_a_service_logs_in_as_the_owner_of_tables(
    page: Page, owner: str, url: Callable[..., str]
) -> None:
    page.change("grant create on schema public to public")
    url(user=owner)
    page.shows("security")


def test_the_server_s_figures(page: Page) -> None:
    page.shows("metrics")


def test_what_an_sqlstate_means(page: Page) -> None:
    page.shows("explain-error")


def test_a_sequence_comes_to_its_end(page: Page) -> None:
    page.change(
        "create table orders (id serial primary key, inserted_at timestamptz default now(),"
        " updated_at timestamptz default now())",
        "select setval('orders_id_seq', 2100000000)",
    )
    page.shows("sequence")
    page.cures("sequence")
