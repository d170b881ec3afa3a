"""OpenTelemetry's spans and metrics, of real databases and of events that are made up (M1, M4)."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating
from opentelemetry.semconv._incubating.metrics import db_metrics as pool_metrics
from opentelemetry.semconv.attributes import (
    db_attributes,
    error_attributes,
    server_attributes,
)
from opentelemetry.semconv.metrics import db_metrics
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import SpanKind, StatusCode
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.outlets import attributes, pools
from raxol_sql.outlets.otel import OpenTelemetry

ANN = {"email": "ann@example.org", "name": "Ann", "age": 34}


class Watching:
    """What OpenTelemetry was told, kept in memory."""

    def __init__(self, sampler: Sampler | None = None) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(sampler)
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])

    def over(self, db: Any, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(
            db, tracer_provider=self.tracers, meter_provider=self.meters, **options
        )

    def spans(self) -> list[ReadableSpan]:
        """Those since the last time."""
        spans = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return spans

    def points(self, name: str) -> list[Any]:
        data = self._reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]

    def levels(
        self, name: str, key: str = incubating.DB_CLIENT_CONNECTION_POOL_NAME
    ) -> dict[Any, int]:
        return {point.attributes[key]: point.value for point in self.points(name)}


@pytest.fixture
def watching() -> Iterator[Watching]:
    """OpenTelemetry's SDK, of the test's own."""
    watching = Watching()
    yield watching
    watching.tracers.shutdown()
    watching.meters.shutdown()


def test_a_query_is_one_client_span_named_after_it_with_its_text_and_place(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)

    db.run(queries.users.count())

    (span,) = watching.spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "users.count",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    found = dict(span.attributes or {})
    own = {name for name in found if name.startswith("raxol_sql.")}
    assert own == {"raxol_sql.queue_ms", "raxol_sql.query_ms", "raxol_sql.decode_ms"}
    assert {name: value for name, value in found.items() if name not in own} == {
        "db.system.name": "postgresql",
        "db.namespace": db.config.database,
        "db.query.summary": "users.count",
        "db.query.text": queries.users.count().statement.text,
        "server.address": db.config.hostname,
    }
    assert span.instrumentation_scope is not None
    assert span.instrumentation_scope.name == "raxol_sql"
    assert span.instrumentation_scope.schema_url == attributes.SCHEMA


def test_a_span_is_as_long_as_the_measured_duration_and_a_child_of_the_caller_s(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)

    with watching.tracers.get_tracer("app").start_as_current_span("request") as request:
        db.run(queries.users.count())

    span, parent = watching.spans()
    assert span.parent == request.get_span_context() == parent.context
    # The clocks of both are not the same one.
    near = 5_000_000
    at = [span.start_time or 0, span.end_time or 0, (parent.end_time or 0) + near]
    assert [(parent.start_time or 0) - near, *at] == sorted([(parent.start_time or 0) - near, *at])
    (point,) = watching.points("db.client.operation.duration")
    assert (point.count, point.sum) == (1, (at[1] - at[0]) / 1e9)
    assert point.explicit_bounds == (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
    assert point.attributes == {
        "db.system.name": "postgresql",
        "db.namespace": db.config.database,
        "db.query.summary": "users.count",
        "server.address": db.config.hostname,
    }
    assert [exemplar.span_id for exemplar in point.exemplars] == [span.context.span_id]


def test_no_value_gets_into_a_span_or_a_metric_even_of_a_failure_that_quotes_it(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)
    db.run(queries.users.create(**ANN))

    with pytest.raises(psycopg.errors.UniqueViolation, match=r"ann@example\.org"):
        db.run(queries.users.create(**ANN))

    well, failed = watching.spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description is None
    assert failed.events == ()
    found = dict(failed.attributes or {})
    assert (found["db.response.status_code"], found["error.type"]) == ("23505", "23505")
    assert found["raxol_sql.category"] == "constraint"
    assert "ann" not in f"{well.to_json()} {failed.to_json()}".lower()
    points = watching.points("db.client.operation.duration")
    assert sorted(str(point.attributes.get("error.type")) for point in points) == ["23505", "None"]
    assert "ann" not in str(points).lower()


def test_a_failure_without_a_code_of_the_server_is_named_by_its_class(
    db: rx.Database, watching: Watching, tmp_path: Path
) -> None:
    watching.over(db)
    (tmp_path / "own.sql").write_text("-- name: nothing :one\nselect 1 as n where false;\n")

    with pytest.raises(rx.NoRowsError):
        db.run(rx.load(tmp_path).own.nothing())

    (span,) = watching.spans()
    found = dict(span.attributes or {})
    assert found["error.type"] == "NoRowsError"
    assert "db.response.status_code" not in found


CLASHING = """
-- name: bump :affected
update users set age = age + 1;

-- name: oldest :one -> scalar
select max(age) from users;

-- name: waiting :one -> scalar
select count(*) from pg_locks where not granted;
"""


@pytest.fixture
def clashing(tmp_path: Path) -> Any:
    """Queries that two transactions cannot both run at the same time."""
    (tmp_path / "clashing.sql").write_text(CLASHING)
    return rx.load(tmp_path).clashing


def test_all_attempts_of_one_operation_are_one_span(
    accounts_database: str, clashing: Any, queries: rx.Queries, watching: Watching
) -> None:
    serializable = make_conninfo(
        accounts_database, options="-c default_transaction_isolation=serializable"
    )
    with rx.Database.open(serializable, retry_interval=10) as db:
        db.run(queries.users.create(**ANN))
        watching.over(db)
        with ThreadPoolExecutor(1) as thread, psycopg.connect(accounts_database) as other:
            other.execute("update users set age = age + 1")
            bumping = thread.submit(db.run, clashing.bump())
            # Only what waits for the row is refused when the other one commits.
            while other.execute(clashing.waiting().statement.text).fetchone() == (0,):
                assert not bumping.done()
            other.commit()
            assert bumping.result() == 1

    (span,) = watching.spans()
    assert (span.name, span.status.status_code) == ("clashing.bump", StatusCode.UNSET)
    assert (span.attributes or {})["raxol_sql.attempts"] == 2
    (point,) = watching.points("db.client.operation.duration")
    assert (point.count, "error.type" in point.attributes) == (1, False)


def test_a_transaction_that_is_done_again_shows_all_that_was_done(
    db: rx.Database, clashing: Any, queries: rx.Queries, watching: Watching
) -> None:
    db.run(queries.users.create(**ANN))
    tries = 0

    def meet(tx: rx.Transaction) -> None:
        nonlocal tries
        tries += 1
        tx.run(clashing.oldest())
        if tries == 1:
            db.run(clashing.bump())
        tx.run(clashing.bump())

    watching.over(db)
    db.transact(meet, isolation="serializable")

    assert tries == 2
    named = [(span.name, span.status.status_code) for span in watching.spans()]
    assert named.count(("clashing.bump", StatusCode.ERROR)) == 1
    assert named.count(("clashing.bump", StatusCode.UNSET)) == 2
    assert [name for name, _ in named if "." not in name] == [
        *("begin", "rollback"),
        *("begin", "commit"),
    ]


def test_an_operation_that_was_repeated_says_how_often_and_is_as_long_as_all_of_it(
    made_up: Any, watching: Watching
) -> None:
    watching.over(made_up)

    event = made_up.tell(attempts=3, paused_ms=250.0)

    (span,) = watching.spans()
    found = dict(span.attributes or {})
    assert (found["raxol_sql.attempts"], found["raxol_sql.paused_ms"]) == (3, 250.0)
    assert span.end_time == 1_800_000_000 * 10**9
    assert span.end_time - (span.start_time or 0) == event.total_ms * 1_000_000


def test_batches_say_their_size_and_a_single_statement_does_not(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)
    rows = [{**ANN, "email": f"{number}@x.org"} for number in range(3)]

    db.run_many(queries.users.create, rows)
    db.run_many(queries.users.create, [ANN])
    db.run_all([queries.users.count(), queries.users.ages()])
    db.run(rx.Multi().add("all", queries.users.all()).add("count", queries.users.count()))

    found = [
        (span.name, (span.attributes or {}).get("db.operation.batch.size"))
        for span in watching.spans()
    ]
    assert found == [
        ("BATCH users.create", 3),
        ("users.create", None),
        ("BATCH users.count, users.ages", 2),
        ("BATCH users.all, users.count", 2),
    ]


def test_a_summary_is_cut_between_names_before_it_is_too_long(
    made_up: Any, watching: Watching
) -> None:
    watching.over(made_up)
    name = ", ".join(f"reports.number_{number}" for number in range(20))[:255]

    made_up.tell(name=name, operation="multi", size=20, text="")
    made_up.tell(name="x" * 300)

    many, one = watching.spans()
    assert many.name == (many.attributes or {})["db.query.summary"]
    assert len(many.name) <= 255
    assert many.name.removeprefix("BATCH ") == name[: len(many.name) - 6]
    assert many.name[-1].isdigit()
    assert name[len(many.name) - 6] == ","
    assert "db.query.text" not in (many.attributes or {})
    assert one.name == "x" * 255


def test_the_ends_of_a_transaction_are_spans_beside_its_queries(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    watching.over(db)

    with db.transaction() as tx:
        tx.run(queries.users.count())

    assert [span.name for span in watching.spans()] == ["begin", "users.count", "commit"]


def test_tasks_of_a_loop_each_have_their_own_parent(
    open_async: Callable[[], rx.AsyncDatabase], queries: rx.Queries, watching: Watching
) -> None:
    tracer = watching.tracers.get_tracer("app")

    async def ask(db: rx.AsyncDatabase, number: int) -> None:
        with tracer.start_as_current_span(f"request {number}"):
            await db.run(queries.users.count())

    async def main() -> None:
        async with open_async() as db:
            with watching.over(db):
                await asyncio.gather(*(ask(db, number) for number in range(5)))

    asyncio.run(main())
    spans = watching.spans()
    parents = {span.context.span_id: span.name for span in spans if span.parent is None}
    calls = [span for span in spans if span.name == "users.count"]
    assert sorted(parents[span.parent.span_id] for span in calls if span.parent) == [
        f"request {number}" for number in range(5)
    ]


def test_a_sampler_is_told_what_the_query_is_when_it_decides(
    db: rx.Database, queries: rx.Queries
) -> None:
    class NoCounts(Sampler):
        def should_sample(self, *given: Any, **named: Any) -> SamplingResult:
            _, _, name, kind, told, *_ = given
            seen.append((name, kind, dict(told or {})))
            is_wanted = told["db.query.summary"] != "users.count"
            return SamplingResult(Decision.RECORD_AND_SAMPLE if is_wanted else Decision.DROP)

        def get_description(self) -> str:
            return "no counts"

    seen: list[Any] = []
    watching = Watching(NoCounts())
    watching.over(db)

    db.run(queries.users.count())
    db.run(queries.users.all())

    assert [span.name for span in watching.spans()] == ["users.all"]
    name, kind, told = seen[0]
    assert (name, kind) == ("users.count", SpanKind.CLIENT)
    assert told.keys() == {
        "db.system.name",
        "db.namespace",
        "db.query.summary",
        "db.query.text",
        "server.address",
    }
    # What is not sampled is measured all the same.
    assert len(watching.points("db.client.operation.duration")) == 2


def test_rows_are_told_where_somebody_asks_for_them(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    db.run_many(queries.users.create, [{**ANN, "email": f"{n}@x.org"} for n in range(3)])
    watching.over(db, returned_rows=True)

    db.run(queries.users.all())
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.run(queries.users.create(**{**ANN, "email": "0@x.org"}))

    well, failed = watching.spans()
    assert (well.attributes or {})["db.response.returned_rows"] == 3
    assert "db.response.returned_rows" not in (failed.attributes or {})


def test_a_closed_outlet_tells_nothing_more_and_leaves_others_alone(
    db: rx.Database, queries: rx.Queries, watching: Watching
) -> None:
    other = Watching()
    other.over(db)
    with watching.over(db):
        db.run(queries.users.count())
    watching.spans()
    before = [point.count for point in watching.points("db.client.operation.duration")]

    db.run(queries.users.count())

    assert watching.spans() == []
    assert [point.count for point in watching.points("db.client.operation.duration")] == before
    assert watching.points("db.client.connection.count") == []
    assert len(other.spans()) == 2


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
            except rx.PoolExhausted as error:
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
            outlet = watching.over(second, pool="second")
            assert watching.levels("db.client.connection.max") == {"first": 1, "second": 2}
        assert watching.levels("db.client.connection.max") == {"second": 2}
        outlet.close()
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


@pytest.mark.parametrize(
    ("url", "pool", "told"),
    [
        (
            "postgresql://db.example.org/shop",
            "db.example.org:5432/shop",
            {"db.namespace": "shop", "server.address": "db.example.org"},
        ),
        (
            "postgresql://db.example.org:6543/shop",
            "db.example.org:6543/shop",
            {"db.namespace": "shop", "server.address": "db.example.org", "server.port": 6543},
        ),
        (
            "postgresql:///shop?host=/var/run/postgresql",
            "/var/run/postgresql:5432/shop",
            {"db.namespace": "shop", "server.address": "/var/run/postgresql"},
        ),
        ("postgresql://a,b:6543/shop", "/shop", {"db.namespace": "shop"}),
        ("postgresql:///?service=shop", "/", {}),
    ],
)
def test_the_address_is_what_is_known_of_it_and_nothing_that_is_guessed(
    made_up_at: Callable[..., Any],
    watching: Watching,
    url: str,
    pool: str,
    told: dict[str, Any],
) -> None:
    source = made_up_at(url)
    watching.over(source)

    source.tell()

    (span,) = watching.spans()
    found = dict(span.attributes or {})
    place = ("db.namespace", "server.address", "server.port")
    assert {name: found[name] for name in place if name in found} == told
    assert watching.levels("db.client.connection.max") == {pool: 9}


def test_names_are_those_of_the_conventions() -> None:
    constants = {
        *_strings(db_attributes),
        *_strings(error_attributes),
        *_strings(server_attributes),
        *_strings(db_metrics),
        incubating.DB_RESPONSE_RETURNED_ROWS,
        incubating.DB_CLIENT_CONNECTION_POOL_NAME,
        incubating.DB_CLIENT_CONNECTION_STATE,
        *(
            value
            for name, value in vars(pool_metrics).items()
            if name.startswith("DB_CLIENT_CONNECTION_")
        ),
    }
    written = {
        word
        for module in (attributes, pools)
        for word in _words(Path(module.__file__ or "").read_text())
    }

    assert len(written) >= 15
    assert written - constants == set()
    assert attributes.SCHEMA in {schema.value for schema in Schemas}
    assert db_attributes.DbSystemNameValues.POSTGRESQL.value == "postgresql"


def test_without_a_sdk_nothing_happens_and_nothing_fails(
    db: rx.Database, queries: rx.Queries
) -> None:
    with OpenTelemetry(db):
        assert db.run(queries.users.count()) == 0


def test_a_provider_that_is_set_later_hears_of_all_databases(accounts_database: str) -> None:
    code = """
import sys
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
import raxol_sql as rx
from raxol_sql.outlets.otel import OpenTelemetry

with rx.Database.open(sys.argv[1]) as first, rx.Database.open(sys.argv[1]) as second:
    OpenTelemetry(first, pool="first")
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    OpenTelemetry(second, pool="second")
    for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            if metric.name == "db.client.connection.max":
                print(sorted(str(dict(point.attributes)) for point in metric.data.data_points))
"""
    done = _python(code, accounts_database)

    assert done.stderr == ""
    assert re.findall("pool.name': '([a-z]+)'", done.stdout) == ["first", "second"]


def test_without_opentelemetry_the_error_says_what_to_install() -> None:
    done = _python("import sys; sys.modules['opentelemetry'] = None; import raxol_sql.outlets.otel")

    assert done.returncode == 1
    assert 'ImportError: OpenTelemetry is not installed: pip install "raxol_sql[otel]"' in (
        done.stderr
    )


def _python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _strings(module: Any) -> set[str]:
    return {value for value in vars(module).values() if isinstance(value, str)}


def _words(text: str) -> set[str]:
    """The names in dots that are written in a module, but for our own."""
    return set(re.findall(r'"((?:db|error|server)\.[a-z_.]+)"', text))
