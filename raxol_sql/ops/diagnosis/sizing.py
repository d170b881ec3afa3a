"""Whether the pools of the configured size have room on the server."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import psycopg

from raxol_sql.ops.connections import pooling
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status

GROUP = "connections"


def read_sizing(subject: Subject) -> Iterable[Finding]:
    """The places of the server, and what pools of the configured size would take of them."""
    pool_size = subject.config.pool_size
    try:
        view = pooling.look(subject.conninfo, pool_size=pool_size, timeout=5000)
    except psycopg.OperationalError as error:
        said = f"cannot open another connection: {' '.join(str(error).split())}"
        return [attrs.evolve(pooling.full(), group=GROUP, message=said)]
    slots, size = pooling.judge(view, pool_size)
    slots = of_slots(slots, view.slots.share, subject.limits)
    return [attrs.evolve(one, group=GROUP) for one in (slots, size)]


def of_slots(finding: Finding, share: float, limits: Limits) -> Finding:
    """The finding about a server of which that ``share`` is taken, by these limits."""
    if share > limits.pool_fail_percent / 100:
        status = Status.FAIL
    elif share > limits.pool_warn_percent / 100:
        status = Status.WARN
    else:
        return attrs.evolve(finding, status=Status.OK, remedy="")
    return attrs.evolve(finding, status=status, remedy=finding.remedy or pooling.full().remedy)


CHECKS = (Check(GROUP, "slots", read_sizing, pooling.QUERIES),)
