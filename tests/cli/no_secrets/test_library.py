"""The library shows no secret either: not in a value, an error, a log, a span or a figure."""

from __future__ import annotations

import asyncio
import gc
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest
from psycopg import sql

import raxol_sql as rx
from raxol_sql import server
from raxol_sql.engine.explain import GenericExplainer
from raxol_sql.integrations.address import DatabaseAddress
from raxol_sql.integrations.otel import OpenTelemetry
from raxol_sql.integrations.prometheus import PrometheusCollector
from raxol_sql.migrations import Migrations
from raxol_sql.ops.connections.probing import probe
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.network.reaching import reach
from raxol_sql.ops.network.target import parameters_of, targets_of
from raxol_sql.testing import FaultServer
from tests.cli.no_secrets.conftest import (
    PASSWORDS,
    PLACES,
    QUOTED,
    SECRET,
    TURNED_AWAY,
    Address,
    leaks,
    write,
)

Told = Callable[[], str]

FIRST = """
-- name: first :one -> scalar
select 1;

-- name: wrong :one -> scalar
select 1 / n from (values (0)) as v (n);
"""


@pytest.fixture
def queries(folder: Path) -> Any:
    """A query that works, and one that fails."""
    (folder / "tried").mkdir()
    (folder / "tried" / "tried.sql").write_text(FIRST)
    return rx.load(folder / "tried").tried


def shown(*values: object) -> str:
    """All that is shown of values, by themselves and in others."""
    return "\n".join(f"{value} {value!r} {[value]} {value:}" for value in values)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error with all that came before it, whether that is told or not."""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one not in seen:
            seen.append(one)
            left += [one.__cause__, one.__context__]
    return iter(seen)


def told_of(error: BaseException) -> str:
    """All that is shown of an error."""
    parts = ["".join(traceback.format_exception(error))]
    for one in chain(error):
        parts += [shown(one), repr(one.args), *getattr(one, "__notes__", ())]
        if isinstance(one, psycopg.Error):
            parts.append(repr([getattr(one.diag, name) for name in dir(one.diag)]))
    return "\n".join(parts)


@pytest.mark.parametrize("place", PLACES)
def test_no_value_shows_a_password(
    place: str, there: Address, folder: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PLACES[place](there), folder, monkeypatch)
    config = rx.Config.find()
    conninfo = server.conninfo(config)
    reached = reach(config)
    assert reached.greeting is not None

    with rx.Database.open(pool_size=2) as db, db.connection() as connection:
        subject = Subject.of(db, config, conninfo, Limits(), lambda: rx.Queries([]))
        seen = shown(
            *(config, config.project, [*config.describe()], config.origins, db, db.config),
            *(db._pool, db._pool._dial, db.health(), db.pool_status(), db.metrics()),
            *(db.metrics().as_dict(), connection, connection.info, connection.pgconn, subject),
            *(Migrations(conninfo, folder / "migrations"), GenericExplainer(conninfo), reached),
            *(targets_of(parameters_of(conninfo)), DatabaseAddress.of(config)),
            *(probe(config, conninfo), rx.AsyncDatabase(config), server.describe(config)),
            Migrations(conninfo, folder / "migrations").status(),
        )

    assert there.host in seen
    assert not leaks(seen + told())


# What is wrong with a URL, or with the server, and what is raised then.
WRONG: dict[str, Callable[[Address, Address], str]] = {
    "turned away": lambda there, nowhere: attrs.evolve(there, user=TURNED_AWAY).url(),
    "no database": lambda there, nowhere: attrs.evolve(there, database="none").url(),
    "unreachable": lambda there, nowhere: nowhere.url(),
    "no name": lambda there, nowhere: attrs.evolve(nowhere, host="no-such.invalid").url(),
    "not quoted": lambda there, nowhere: nowhere.url(SECRET),
    "no host": lambda there, nowhere: f"postgresql://me:{QUOTED}",
    "no words": lambda there, nowhere: f"host={there.host} password={SECRET} '",
    "keys of SCRAM": lambda there, nowhere: there.url(scram_client_key=SECRET),
    "no number": lambda there, nowhere: there.url(port=SECRET),
    "an unknown word": lambda there, nowhere: there.url(passwrod=SECRET),
    "a slash not quoted": lambda there, nowhere: "postgresql://me:CANARY1/canary2@h/d",
    "no key of TLS": lambda there, nowhere: nowhere.url(
        sslpassword=SECRET, sslkey="/nowhere", sslmode="require"
    ),
}


@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
@pytest.mark.parametrize("wrong", WRONG)
def test_no_error_of_opening_shows_a_password(
    wrong: str,
    colour: str,
    there: Address,
    nowhere: Address,
    folder: Path,
    told: Told,
) -> None:
    url = WRONG[wrong](there, nowhere)
    options: dict[str, Any] = {"timeout": 2000, "show_sensitive_data_on_connection_error": True}

    async def open_async() -> None:
        await rx.AsyncDatabase.open(url, **options)

    ways: dict[str, Callable[[], object]] = {
        "blocking": lambda: rx.Database.open(url, **options),
        "asyncio": lambda: asyncio.run(open_async(), debug=True),
    }

    with pytest.raises((psycopg.Error, rx.errors.ConfigError)) as caught:
        ways[colour]()

    assert not leaks(told_of(caught.value) + told())


def test_no_error_of_migrating_shows_a_password(
    there: Address, nowhere: Address, folder: Path
) -> None:
    for wrong in WRONG.values():
        with pytest.raises((psycopg.Error, rx.errors.ConfigError)) as caught:
            Migrations(wrong(there, nowhere), folder / "migrations").status()
        assert not leaks(told_of(caught.value))


def test_a_password_that_was_changed_is_shown_by_no_error_and_no_log(
    gate: FaultServer, there: Address, folder: Path, queries: Any, told: Told
) -> None:
    at = attrs.evolve(there, user=TURNED_AWAY)
    _set_password(gate, SECRET)
    options: dict[str, Any] = {"timeout": 2000, "pool_min_size": 1}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            with rx.Database.open(at.url(), **options) as db:
                db.enable_query_logging("debug", slow_ms=0, explain=True)
                assert db.run(queries.first()) == 1
                _set_password(gate, PASSWORDS[TURNED_AWAY])
                gate.terminate_backends("raxol_sql")
                with pytest.raises(psycopg.OperationalError) as caught:
                    db.run(queries.first())
                health = db.health()
        finally:
            _set_password(gate, PASSWORDS[TURNED_AWAY])
        gc.collect()

    log = told()
    assert "28P01" in log
    assert health.error == "28P01"
    assert not leaks(told_of(caught.value) + log + shown(health, *warned))


def _set_password(gate: FaultServer, password: str) -> None:
    with psycopg.connect(gate.conninfo(), autocommit=True) as connection:
        # What the server logs of this is no statement of ours.
        connection.execute("set log_statement = 'none'")
        connection.execute(
            sql.SQL("alter role {} password {}").format(
                sql.Identifier(TURNED_AWAY), sql.Literal(password)
            )
        )


@pytest.mark.parametrize("colour", ["blocking", "asyncio"])
def test_no_event_no_span_and_no_figure_shows_a_password(
    colour: str, there: Address, folder: Path, queries: Any, told: Told
) -> None:
    spans, reader, registry = InMemorySpanExporter(), InMemoryMetricReader(), CollectorRegistry()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader])
    seen: list[object] = []

    def watch(db: Any) -> OpenTelemetry:
        db.subscribe(seen.append)
        db.enable_query_logging("debug", slow_ms=0, explain=True)
        PrometheusCollector(db, registry=registry)
        return OpenTelemetry(db, tracer_provider=tracers, meter_provider=meters)

    def collect(db: Any) -> None:
        seen.extend([db.metrics().as_dict(), generate_latest(registry).decode()])
        data = reader.get_metrics_data()
        seen.append(None if data is None else data.to_json())

    def blocking() -> None:
        with rx.Database.open(there.url()) as db, watch(db):
            db.run(queries.first())
            with pytest.raises(psycopg.Error):
                db.run(queries.wrong())
            collect(db)

    async def asynchronous() -> None:
        async with await rx.AsyncDatabase.open(there.url()) as db:
            with watch(db):
                await db.run(queries.first())
                with pytest.raises(psycopg.Error):
                    await db.run(queries.wrong())
                collect(db)

    if colour == "asyncio":
        asyncio.run(asynchronous(), debug=True)
    else:
        blocking()

    finished = [span.to_json() for span in spans.get_finished_spans()]
    log = told()
    assert len(finished) == 2
    assert "PLAN name=tried.first" in log
    assert not leaks(shown(*seen, *finished) + log)
