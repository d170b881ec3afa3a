"""
What a database tells of itself: events of its operations, figures of them, and lines in the log.

An `OperationTimer` measures one operation. At its end a `QueryEvent` goes to the listeners that
`Telemetry` knows: the `Recorder` of the `Metrics`, the `QueryLog`, and every other subscriber.
Nothing here knows the driver.
"""

from raxol_sql.telemetry.attempt import AttemptTelemetry, Watching
from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.health import Health, LostPromise
from raxol_sql.telemetry.histogram import Histogram
from raxol_sql.telemetry.metrics import Metrics, QueryMetrics, Recorder
from raxol_sql.telemetry.pool_status import PoolStatus
from raxol_sql.telemetry.query_log import LogOptions, QueryLog
from raxol_sql.telemetry.refusal import ExpectedRefusals
from raxol_sql.telemetry.telemetry import Telemetry
from raxol_sql.telemetry.watch import OperationTimer

__all__ = [
    "AttemptTelemetry",
    "ExpectedRefusals",
    "Health",
    "Histogram",
    "LogOptions",
    "LostPromise",
    "Metrics",
    "OperationTimer",
    "PoolStatus",
    "QueryEvent",
    "QueryLog",
    "QueryMetrics",
    "Recorder",
    "Telemetry",
    "Watching",
]
