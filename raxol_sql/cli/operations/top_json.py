"""A moment of a server as a document for programs."""

from __future__ import annotations

from typing import Any

import attrs

from raxol_sql.cli.operations.top_view import Frame, role, states_of
from raxol_sql.ops.activity.activity import Pool
from raxol_sql.ops.activity.naming import Label
from raxol_sql.ops.activity.rates import Rates


def document(frame: Frame) -> dict[str, Any]:
    """
    What a frame shows, with nothing left out for want of room.

    Names end with their units. What is not known is null; ``error`` is null unless there was no
    answer, and then the rest is of the last moment there was.
    """
    moment, server = frame.moment, frame.moment.server
    return {
        "at": server.at.isoformat(),
        "error": frame.trouble or None,
        "server": {
            "database": server.database,
            "version": server.version,
            "role": role(server),
            "started_at": server.started_at.isoformat(),
            "uptime_seconds": round((server.at - server.started_at).total_seconds()),
            "size_bytes": moment.size,
            "connections_used": server.connections,
            "connections_usable": server.usable,
            "deadlocks": server.deadlocks,
            "counted_since": server.counted_since and server.counted_since.isoformat(),
        },
        "rates": _rates(frame.rates),
        "sessions_by_state": states_of(moment.pools),
        "queries_from": "pg_stat_activity" if server.without_statements else "pg_stat_statements",
        "queries_note": server.without_statements,
        "queries": [
            {
                **_named(one.label),
                "share": _rounded(one.share),
                "calls_per_second": _rounded(one.per_second),
                "mean_ms": _rounded(one.mean_ms),
                "running": _rounded(one.running),
            }
            for one in (frame.rates or Rates(0.0)).queries
        ],
        "sessions": [
            {
                "pid": one.pid,
                "application": one.application,
                "user": one.username,
                "database": one.database,
                "state": one.state,
                "wait_event": one.wait,
                "transaction_seconds": _rounded(one.transaction_age),
                "state_seconds": _rounded(one.state_age),
                **_named(one.query),
            }
            for one in moment.sessions
        ],
        "waits": [
            {
                "pid": one.pid,
                "application": one.application,
                "blocked_by": list(one.blockers),
                "lock": one.kind,
                "mode": one.mode,
                "relation": one.relation,
                "seconds": _rounded(one.age),
                **_named(one.query),
            }
            for one in moment.waits
        ],
        "pools": [_pool(one) for one in moment.pools],
    }


def _pool(one: Pool) -> dict[str, Any]:
    states = ("active", "waiting", "in_transaction", "idle")
    return {**attrs.asdict(one), **{state: one.known(getattr(one, state)) for state in states}}


def _rates(found: Rates | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "seconds": _rounded(found.seconds),
        "commits_per_second": _rounded(found.commits),
        "rollbacks_per_second": _rounded(found.rollbacks),
        "temporary_bytes_per_second": _rounded(found.temp_bytes),
        "deadlocks": found.deadlocks,
        "cache_hit": _rounded(found.cache_hit),
    }


def _named(label: Label) -> dict[str, str | None]:
    """Either the name of a query or the text of a statement; neither where that is hidden."""
    return {
        "query": label.text if label.is_name else None,
        "statement": None if label.is_name or label.is_hidden else label.text,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
