"""
The attributes of an event, by OpenTelemetry's semantic conventions for database clients.

Version 1.44.0 of them. Nothing here needs OpenTelemetry itself.
"""

from __future__ import annotations

import re

from raxol_sql.integrations.address import DatabaseAddress
from raxol_sql.telemetry import QueryEvent

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
DURATION = "db.client.operation.duration"
# In seconds, as the conventions advise.
DURATION_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)

Attributes = dict[str, str | int | float]

_STANDARD_PORT = 5432
_LONGEST_SUMMARY = 255
_BATCHES = ("multi", "run_all", "run_many")
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def place(address: DatabaseAddress) -> Attributes:
    """Return the attributes that all operations of a database share."""
    found: Attributes = {"db.system.name": "postgresql"}
    if address.database is not None:
        found["db.namespace"] = address.database
    if address.host is not None:
        found["server.address"] = address.host
        if address.port not in (None, _STANDARD_PORT):
            found["server.port"] = address.port
    return found


def summary(event: QueryEvent) -> str:
    """Return the query's name, up to 255 characters, with BATCH in front for several calls."""
    text = event.name
    if _is_batch(event) and event.size > 1:
        text = f"BATCH {text}"
    if len(text) <= _LONGEST_SUMMARY:
        return text
    # A truncated name could be that of another query.
    whole, comma, _ = text[: _LONGEST_SUMMARY + 1].rpartition(",")
    return whole if comma else text[:_LONGEST_SUMMARY]


def at_start(event: QueryEvent) -> Attributes:
    """Return the attributes at the start of a span, which a sampler can use."""
    found: Attributes = {"db.query.summary": summary(event)}
    if event.text:
        found["db.query.text"] = event.text
    # Of one statement it is never said.
    if _is_batch(event) and event.size != 1:
        found["db.operation.batch.size"] = event.size
    return found


def of_failure(event: QueryEvent) -> Attributes:
    """Return the attributes of a failure, without its message, which may contain values."""
    if event.error is None:
        return {}
    found: Attributes = {"error.type": event.error}
    if _SQLSTATE.fullmatch(event.error):
        found["db.response.status_code"] = event.error
    return found


def own_attributes(event: QueryEvent) -> Attributes:
    """Return the attributes that the conventions do not define, under names of our own."""
    found: Attributes = {
        "raxol_sql.queue_ms": event.queue_ms,
        "raxol_sql.query_ms": event.query_ms,
        "raxol_sql.decode_ms": event.decode_ms,
    }
    if event.attempts > 1:
        found["raxol_sql.attempts"] = event.attempts
        found["raxol_sql.paused_ms"] = event.paused_ms
    if event.category is not None:
        found["raxol_sql.category"] = event.category
    return found


def _is_batch(event: QueryEvent) -> bool:
    return event.operation in _BATCHES
