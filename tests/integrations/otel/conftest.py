"""What OpenTelemetry was told, kept in memory, and an account to write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.semconv._incubating.attributes import db_attributes as incubating

from raxol_sql.integrations.otel import OpenTelemetry

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
