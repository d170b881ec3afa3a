"""OpenTelemetry's metrics of pools, of one database and of many."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating

import raxol_sql as rx
from tests.integrations.otel.conftest import Watching


def test_the_pool_is_read_when_somebody_collects(
    accounts_database: str, queries: rx.Queries, watching: Watching
) -> None:
    with rx.Database.open(accounts_database, pool_size=3, pool_min_size=2) as db:
        watching.over(db, pool="main")
        with db.transaction() as tx:
            tx.run(queries.users.count())
            state = incubating.DB_CLIENT_CONNECTION_STATE
            status = db.pool_status()
            assert watching.levels("db.client.connection.count", state) == {
                "idle": status.size - 1,
                "used": 1,
            }
        assert watching.levels("db.client.connection.count", state)["used"] == 0
        assert watching.levels("db.client.connection.max") == {"main": 3}
        assert watching.levels("db.client.connection.idle.min") == {"main": 2}
        assert watching.levels("db.client.connection.pending_requests") == {"main": 0}
        assert watching.levels("db.client.connection.timeouts") == {"main": 0}
    assert watching.points("db.client.connection.count") == []


def test_callers_who_wait_and_those_who_got_nothing_are_counted(
    accounts_database: str, queries: rx.Queries, watching: Watching
) -> None:
    with rx.Database.open(
        accounts_database, pool_size=1, pool_min_size=1, timeout=400, max_retries=0
    ) as db:
        watching.over(db, pool="main")
        refused: list[BaseException] = []

        def ask() -> None:
            try:
                db.run(queries.users.count())
            except rx.PoolExhaustedError as error:
                refused.append(error)

        asking = threading.Thread(target=ask)
        with db.transaction():
            asking.start()
            waiting = set()
            while asking.is_alive():
                waiting |= {*watching.levels("db.client.connection.pending_requests").values()}
            asking.join()
        assert len(refused) == 1
        assert waiting >= {1}
        assert watching.levels("db.client.connection.timeouts") == {"main": 1}


def test_many_databases_share_the_instruments_whenever_they_come_and_go(
    accounts_database: str, watching: Watching, caplog: pytest.LogCaptureFixture
) -> None:
    def opened(size: int) -> rx.Database:
        return rx.Database.open(accounts_database, pool_size=size, pool_min_size=1)

    with caplog.at_level(logging.WARNING), opened(2) as second:
        with opened(1) as first:
            watching.over(first, pool="first")
            integration = watching.over(second, pool="second")
            assert watching.levels("db.client.connection.max") == {"first": 1, "second": 2}
        assert watching.levels("db.client.connection.max") == {"second": 2}
        integration.close()
        assert watching.levels("db.client.connection.max") == {}
        watching.over(second, pool="again")
        assert watching.levels("db.client.connection.max") == {"again": 2}

    assert [record for record in caplog.records if "opentelemetry" in record.name] == []


def test_a_database_that_nobody_knows_any_more_is_not_kept(
    made_up_at: Callable[..., Any], watching: Watching
) -> None:
    watching.over(made_up_at("postgresql://db.example.org/a"))
    gc.collect()

    assert watching.points("db.client.connection.max") == []
