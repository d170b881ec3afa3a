"""Prometheus' exposition says what the figures of a database say."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

import raxol_sql as rx
from raxol_sql.failures import Category
from raxol_sql.integrations.prometheus import PrometheusCollector
from raxol_sql.telemetry import Metrics

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(registry: CollectorRegistry) -> Samples:
    """Every sample by its name and labels, as a scraper reads them."""
    return _samples(text_string_to_metric_families(generate_latest(registry).decode()))


def _samples(families: Iterable[Any]) -> Samples:
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def expected(database: str, metrics: Metrics) -> Samples:
    """The samples that the figures of one database amount to."""
    found: Samples = {}

    def add(name: str, value: float, **labels: str) -> None:
        found[f"raxol_sql_{name}", frozenset({"database": database, **labels}.items())] = value

    for query, one in metrics.queries.items():
        add("calls_total", one.calls, query=query)
        add("rows_total", one.rows, query=query)
        add("retries_total", one.retries, query=query)
        add("queue_seconds_total", one.queue_ms / 1000, query=query)
        add("server_seconds_total", one.query_ms / 1000, query=query)
        add("decode_seconds_total", one.decode_ms / 1000, query=query)
        add("paused_seconds_total", one.paused_ms / 1000, query=query)
        for category, count in one.errors.items():
            add("errors_total", count, query=query, category=category)
        for bound, count in one.latency.cumulative():
            le = "+Inf" if bound == float("inf") else str(bound / 1000)
            add("query_seconds_bucket", count, query=query, le=le)
        add("query_seconds_count", one.calls, query=query)
        add("query_seconds_sum", one.latency.sum / 1000, query=query)
    pool = metrics.pool
    for name in ("min", "max", "size", "in_use", "available", "waiting"):
        add(f"pool_{name}", getattr(pool, name))
    for name in ("calls", "waits", "refused", "opened", "failed", "lost"):
        add(f"pool_{name}_total", getattr(pool, name))
    add("pool_wait_seconds_total", pool.wait_ms / 1000)
    add("pool_connect_seconds_total", pool.connect_ms / 1000)
    return found


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """A database whose pool opens nothing beside what a test does."""
    with rx.Database.open(accounts_database, pool_min_size=1) as database:
        yield database


def test_a_scrape_says_what_the_database_s_own_figures_say(
    db: rx.Database, queries: rx.Queries
) -> None:
    registry = CollectorRegistry()
    PrometheusCollector(db, registry=registry)
    ann = {"email": "ann@example.org", "name": "Ann", "age": 34}
    for _ in range(5):
        db.run(queries.users.count())
    db.run(queries.users.create(**ann))
    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            db.run(queries.users.create(**ann))

    found = scraped(registry)

    database = db.config.database
    assert found == expected(database, db.metrics())
    create = {("database", database), ("query", "users.create")}
    assert found["raxol_sql_calls_total", frozenset(create)] == 3
    failed = frozenset({*create, ("category", "constraint")})
    assert found["raxol_sql_errors_total", failed] == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    events=st.lists(
        st.fixed_dictionaries(
            {
                "name": st.sampled_from(["users.get", "users.all", 'a"b\\c\nd', "größe, ソ"]),
                "attempts": st.integers(1, 6),
                "rows": st.none() | st.integers(0, 10**6),
                "queue_ms": st.floats(0, 20_000),
                "query_ms": st.floats(0, 20_000),
                "decode_ms": st.floats(0, 20_000),
                "category": st.none() | st.sampled_from([one.value for one in Category]),
            }
        )
    )
)
def test_whatever_happened_the_text_says_what_the_figures_say_in_both_formats(
    made_up_at: Callable[[str], Any], events: list[dict[str, Any]]
) -> None:
    source = made_up_at("postgresql://db.example.org/shop")
    registry = CollectorRegistry()
    PrometheusCollector(source, registry=registry)
    for event in events:
        source.tell(**event, error=None if event["category"] is None else "XX000")

    found = scraped(registry)

    assert found == expected("shop", source.metrics())
    strict = generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]
    assert _samples(openmetrics_families(strict)) == found  # type: ignore[no-untyped-call]


def test_names_have_base_units_and_their_suffixes_and_each_is_explained(
    made_up_at: Callable[[str], Any],
) -> None:
    source = made_up_at("postgresql:///shop")
    source.tell(error="40001", category="conflict", attempts=2)
    registry = CollectorRegistry()
    PrometheusCollector(source, registry=registry)

    text = generate_latest(registry).decode()

    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        assert re.fullmatch(r"raxol_sql_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total"), name
        assert "_ms" not in name
        assert re.search(rf"^# HELP {name} \S.*\.$", text, re.MULTILINE), name
        assert re.search(rf"^{name}(_bucket)?\{{", text, re.MULTILINE), name
    # No text of a statement, and no value.
    assert "select" not in text


def test_several_databases_share_the_families_and_are_told_apart(
    accounts_database: str, queries: rx.Queries
) -> None:
    registry = CollectorRegistry()
    with (
        rx.Database.open(accounts_database, pool_min_size=1) as shop,
        rx.Database.open(accounts_database, pool_min_size=1, pool_size=2) as reports,
        PrometheusCollector({"shop": shop, "reports": reports}, registry=registry),
    ):
        shop.run(queries.users.count())
        reports.run(queries.users.all())

        found = scraped(registry)

        assert found == {
            **expected("shop", shop.metrics()),
            **expected("reports", reports.metrics()),
        }
        assert generate_latest(registry).count(b"# TYPE raxol_sql_calls_total") == 1


def test_a_second_collector_of_the_same_names_is_refused_and_one_of_others_is_not(
    made_up_at: Callable[[str], Any],
) -> None:
    source = made_up_at("postgresql:///shop")
    source.tell()
    registry = CollectorRegistry()
    PrometheusCollector(source, registry=registry)

    with pytest.raises(ValueError, match="raxol_sql_calls"):
        PrometheusCollector(source, registry=registry)
    PrometheusCollector(source, name="shop", registry=registry)

    labels = frozenset({("database", "shop"), ("query", "users.get")})
    found = scraped(registry)
    assert found["shop_calls_total", labels] == found["raxol_sql_calls_total", labels] == 1


def test_an_asyncio_database_is_read_in_the_same_way(
    accounts_database: str, queries: rx.Queries
) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with rx.AsyncDatabase.open(accounts_database, pool_min_size=1) as db:
            PrometheusCollector(db, registry=registry)
            await db.run(queries.users.count())
            assert scraped(registry) == expected(db.config.database, db.metrics())
            assert db.metrics().queries["users.count"].calls == 1

    asyncio.run(main())


def test_a_scrape_asks_the_server_nothing_and_goes_on_after_the_database_is_closed(
    db: rx.Database, queries: rx.Queries
) -> None:
    registry = CollectorRegistry()
    PrometheusCollector({"shop": db}, registry=registry)
    db.run(queries.users.count())
    before = scraped(registry)
    assert scraped(registry) == before

    db.close()

    gone = {name for name, _ in before} - {name for name, _ in scraped(registry)}
    levels = ("min", "max", "size", "in_use", "available", "waiting")
    assert gone == {f"raxol_sql_pool_{name}" for name in levels}
    assert scraped(registry) == {key: value for key, value in before.items() if key[0] not in gone}


def test_a_closed_collector_is_out_of_its_registry(made_up_at: Callable[[str], Any]) -> None:
    registry = CollectorRegistry()
    collector = PrometheusCollector(made_up_at("postgresql:///shop"), registry=registry)
    assert scraped(registry)

    collector.close()
    collector.close()

    assert scraped(registry) == {}


def test_without_prometheus_client_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import raxol_sql.integrations.prometheus"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 1
    assert 'pip install "raxol_sql[prometheus]"' in done.stderr.splitlines()[-1]
