"""The page on slow queries shows what happens."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.docs.conftest import Page

Program = Callable[..., dict[str, Any]]
MANY_USERS = (
    "insert into users (email, name, age)"
    " select n || '@example.org', 'user ' || n, 18 + n % 60 from generate_series(1, {}) as n"
)


def test_a_statement_runs_for_long(page: Page) -> None:
    with page.running("reports", "select pg_sleep(600), 'secret'"):
        page.shows("long-running", "--limit", "long_running_s=0")
        page.cures("long-running")


def test_a_call_takes_longer_than_it_may(page: Page) -> None:
    with page.session("billing") as holder:
        holder.execute("lock table users")
        page.shows("deadline")


# What can be said of a busy processor without an account on its machine.
def test_a_query_takes_most_of_the_time_of_the_server(page: Page) -> None:
    page.change("create extension pg_stat_statements", "select pg_stat_statements_reset()")
    (page.folder / "sql" / "orders.sql").write_text(
        "-- name: total :one -> scalar\n-- What was sold.\nselect pg_sleep(:seconds);\n"
    )
    total = rx.load("sql/orders.sql").orders.total
    with rx.Database.open() as db:
        for _ in range(12):
            db.run(total(seconds=0.11))
    page.shows("outlier")


def test_a_plan_reads_a_table_whole(page: Page) -> None:
    page.change(MANY_USERS.format(20_000), "analyze users")
    (page.folder / "sql" / "users.sql").write_text(
        "-- name: by_name :many\n-- By name.\nselect id, email\nfrom users\nwhere name = :name;\n"
    )
    page.shows("missing-index")
    page.cures("missing-index")


def test_a_foreign_key_has_no_index(page: Page) -> None:
    page.change("drop index user_preferences_user_id_index")
    page.shows("foreign-key")
    page.cures("foreign-key")


def test_statistics_are_stale(page: Page) -> None:
    page.change(
        "alter table users set (autovacuum_enabled = off)",
        MANY_USERS.format(20_000),
        "analyze users",
        "update users set active = false where id > 10",
    )
    page.shows("stale-statistics")
    page.cures("stale-statistics")


GREETING = """
user = db.run(queries.users.get_by_email(email="ann@example.org"))
"""


def test_the_query_log_names_a_slow_query_and_its_plan(
    page: Page, queries: rx.Queries, program: Program
) -> None:
    page.change("insert into users (email, name) values ('ann@example.org', 'Ann')")
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("raxol_sql.queries")
    logger.addHandler(handler)
    try:
        with rx.Database.open() as db:
            db.enable_query_logging(slow_ms=0, explain=True)
            program("greeting.py", GREETING, db=db, queries=queries)
            db.disable_query_logging()
    finally:
        logger.removeHandler(handler)
    page.shows("query-log", said=written.getvalue().replace(str(page.folder), "/srv/shop"))


PAGE = """
with db.watch_queries():
    for user in db.run(queries.users.all()):
        db.run(queries.user_preferences.get_by_user_id(user_id=user.id))
"""


def test_one_query_runs_again_and_again(page: Page, queries: rx.Queries, program: Program) -> None:
    page.change(MANY_USERS.format(50))
    with rx.Database.open() as db, pytest.warns(rx.errors.RepeatedQueryWarning) as told:
        program("page.py", PAGE, db=db, queries=queries)
    page.shows("repeated", said=f"{told[0].category.__name__}: {told[0].message}")
