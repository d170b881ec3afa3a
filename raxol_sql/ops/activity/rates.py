"""What a server has done between two moments, by the second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import attrs

from raxol_sql.ops.activity.activity import Moment, moved
from raxol_sql.ops.activity.naming import Label

# What is told of only where it takes more than this part of the time; looking itself does it once.
_CONTROL = frozenset(["begin read only", "begin", "commit", "rollback"])
_LITTLE = 0.001


@attrs.frozen
class QueryRate:
    """
    What one query took of the time between two moments.

    ``share`` is its part of the time that all of them took, from 0 to 1. ``per_second`` and
    ``mean_ms`` are None where it was only sampled; then ``running`` is how many sessions were at
    it on average, and else None.
    """

    label: Label
    share: float
    per_second: float | None = None
    mean_ms: float | None = None
    running: float | None = None


@attrs.frozen
class Rates:
    """
    What a database has done in the ``seconds`` between two moments.

    ``cache_hit`` is the part of the blocks that were in memory, from 0 to 1, None where none was
    asked for. All figures are None, and there is no query, where the counters were reset in
    between: then they are unknown.
    """

    seconds: float
    commits: float | None = None
    rollbacks: float | None = None
    temp_bytes: float | None = None
    deadlocks: int | None = None
    cache_hit: float | None = None
    queries: tuple[QueryRate, ...] = ()


def rates(before: Moment, after: Moment, samples: Sequence[Sequence[Label]] = ()) -> Rates:
    """
    What happened from ``before`` to ``after``.

    ``samples`` are the statements that ran at several moments in between; they are counted where
    the server has no pg_stat_statements. What looking has cost itself, a transaction for each
    sample and each moment, is left out.
    """
    old, new = before.server, after.server
    seconds = (new.at - old.at).total_seconds()
    counted = [
        (getattr(old, name), getattr(new, name))
        for name in ("commits", "rollbacks", "blocks_hit", "blocks_read", "temp_bytes", "deadlocks")
    ]
    if (
        seconds <= 0
        or (old.started_at, old.database) != (new.started_at, new.database)
        or any(late < early for early, late in counted)
    ):
        return Rates(max(0.0, seconds))
    commits, rollbacks, hit, read, temp_bytes, deadlocks = (late - early for early, late in counted)
    is_counted = new.without_statements is None
    return Rates(
        seconds,
        commits=max(0, commits - 1 - len(samples)) / seconds,
        rollbacks=rollbacks / seconds,
        temp_bytes=temp_bytes / seconds,
        deadlocks=deadlocks,
        cache_hit=hit / (hit + read) if hit + read else None,
        queries=_counted(before, after, seconds) if is_counted else _sampled(after, samples),
    )


def _counted(before: Moment, after: Moment, seconds: float) -> tuple[QueryRate, ...]:
    calls: Counter[Label] = Counter()
    ms: dict[Label, float] = {}
    # Without what was counted before, all would seem to have happened just now.
    for one in moved(before.statements, after.statements) if before.statements else ():
        label = after.labels.get(one.id)
        if label is not None and not label.is_own:
            calls[label] += one.calls
            ms[label] = ms.get(label, 0.0) + one.ms
    total = sum(ms.values())
    for label in [label for label in calls if label.text.lower() in _CONTROL]:
        if calls[label] <= 1 or ms[label] < total * _LITTLE:
            del calls[label], ms[label]
    total = sum(ms.values())
    found = [
        QueryRate(
            label,
            share=ms[label] / total if total else 0.0,
            per_second=count / seconds,
            mean_ms=ms[label] / count,
        )
        for label, count in calls.items()
    ]
    return tuple(
        sorted(found, key=lambda one: (-one.share, -(one.per_second or 0), one.label.text))
    )


def _sampled(after: Moment, samples: Sequence[Sequence[Label]]) -> tuple[QueryRate, ...]:
    last = [one.query for one in after.sessions if one.is_running]
    seen = Counter(label for labels in [*samples, last] for label in labels if not label.is_own)
    total = seen.total()
    found = [
        QueryRate(label, share=count / total, running=count / (len(samples) + 1))
        for label, count in seen.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.share, one.label.text)))
