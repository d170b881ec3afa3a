"""
OpenTelemetry: a span and a duration for each operation of a database, and metrics of its pool.

Needs the extra ``otel``. Follows the stable conventions for database clients only, and does not
read ``OTEL_SEMCONV_STABILITY_OPT_IN``.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Self

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ImportError(
        'OpenTelemetry is not installed: pip install "raxol_sql[otel]"', name=error.name
    ) from error

from raxol_sql.integrations.address import DatabaseAddress
from raxol_sql.integrations.attributes import (
    DURATION,
    DURATION_BOUNDS,
    SCHEMA,
    Attributes,
    at_start,
    of_failure,
    own_attributes,
    place,
    summary,
)
from raxol_sql.integrations.pools import pools_of
from raxol_sql.integrations.source import Source
from raxol_sql.telemetry import PoolStatus, QueryEvent

_SCOPE = "raxol_sql"
_FAILED = trace.Status(trace.StatusCode.ERROR)


class OpenTelemetry:
    """
    An exporter of a database's operations to OpenTelemetry, until it or the database is closed.

    One span of kind CLIENT for each operation with all its attempts, a child of the span that is
    current where the call is made, and its duration as ``db.client.operation.duration``; both are
    the same time. They are named after the query, and hold its SQL with placeholders and no value.
    The pool's metrics are read at each collection.

    ``db`` is a `Database` or an `AsyncDatabase`. Without providers it uses the global ones, which
    may be set later. ``pool`` is the name of the pool in its metrics, and is required if two pools
    of a process have the same server and database. ``returned_rows`` adds the number of rows to
    each span, by a convention that may change. A context manager; thread-safe.
    """

    def __init__(
        self,
        db: Source,
        *,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
        pool: str | None = None,
        returned_rows: bool = False,
    ) -> None:
        address = DatabaseAddress.of(db.config)
        self.name = str(address) if pool is None else pool
        self._db = db
        self._place = place(address)
        self._returned_rows = returned_rows
        self._is_open = True
        own = _version()
        meters = metrics.get_meter_provider() if meter_provider is None else meter_provider
        meter = meters.get_meter(_SCOPE, own, schema_url=SCHEMA)
        self._tracer = trace.get_tracer(_SCOPE, own, tracer_provider, SCHEMA)
        self._duration = meter.create_histogram(
            DURATION,
            "s",
            "Duration of database client operations",
            explicit_bucket_boundaries_advisory=DURATION_BOUNDS,
        )
        self._pools = pools_of(meters, meter)
        self._pools.add(self)
        self._unsubscribe = db.subscribe(self._tell)

    def close(self) -> None:
        """Stop reporting. The provider still exports the spans that have ended."""
        self._is_open = False
        self._unsubscribe()
        self._pools.remove(self)

    def status(self) -> PoolStatus | None:
        """Return the status of the pool; None after `close`."""
        return self._db.pool_status() if self._is_open else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, event: QueryEvent) -> None:
        took = round(event.total_ms * 1_000_000)
        ended = round(event.ended * 1_000_000_000)
        name, failure = summary(event), of_failure(event)
        span = self._tracer.start_span(
            name,
            kind=trace.SpanKind.CLIENT,
            attributes={**self._place, **at_start(event)},
            start_time=ended - took,
        )
        if span.is_recording():
            span.set_attributes({**failure, **own_attributes(event), **self._rows(event)})
            if failure:
                span.set_status(_FAILED)
        span.end(ended)
        measured = {**self._place, "db.query.summary": name, **failure}
        # An exemplar of this duration is to be this span.
        context = trace.set_span_in_context(span)
        self._duration.record(took / 1_000_000_000, measured, context)

    def _rows(self, event: QueryEvent) -> Attributes:
        if not self._returned_rows or event.rows is None:
            return {}
        return {"db.response.returned_rows": event.rows}


def _version() -> str | None:
    try:
        return version("raxol_sql")
    except PackageNotFoundError:
        return None
