"""The integration without a SDK or without OpenTelemetry, before a provider, and closed."""

from __future__ import annotations

import re
import subprocess
import sys

import raxol_sql as rx
from raxol_sql.integrations.otel import OpenTelemetry
from tests.integrations.otel.conftest import Watching


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
from raxol_sql.integrations.otel import OpenTelemetry

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
    done = _python(
        "import sys; sys.modules['opentelemetry'] = None; import raxol_sql.integrations.otel"
    )

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
