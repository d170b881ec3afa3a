"""An operation is a span and a measured duration: what they tell, and what never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode

import raxol_sql as rx
from raxol_sql.integrations import attributes
from tests.integrations.otel.conftest import ANN, Watching


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
