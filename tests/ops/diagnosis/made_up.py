"""A subject of a diagnosis without a server, and short names for what is found."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace as Row
from typing import Any

import attrs

from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.finding import Finding, Status

MB = 1024 * 1024
LIMITS = Limits()
OK, WARN, FAIL, SKIP = Status.OK, Status.WARN, Status.FAIL, Status.SKIP


def subject(embedded: bool = False, hostname: str = "db.example", **limits: float) -> Any:
    return Row(
        limits=attrs.evolve(LIMITS, **limits),
        server_is_embedded=embedded,
        role="app",
        config=Row(hostname=hostname, username="app"),
    )


def statuses(findings: Iterable[Finding]) -> list[Status]:
    return [one.status for one in findings]
