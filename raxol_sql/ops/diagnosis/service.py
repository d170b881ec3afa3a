"""The server: which one it is, how long it has been there, what it was told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from raxol_sql.ops.amounts import span
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.own_queries import own_queries

GROUP = "service"
_OLDEST = 13
_DURABLE = ("fsync", "full_page_writes")
_TIMEOUTS = (
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "transaction_timeout",
)


def read_server(subject: Subject) -> Iterable[Finding]:
    """Who answers, and whether its clock is ours."""
    with subject.database.transaction(read_only=True) as tx:
        # The transaction begins, and the query is prepared, before the time counts.
        tx.run(_QUERIES.server())
        before = datetime.now(UTC)
        server: Any = tx.run(_QUERIES.server())
        after = datetime.now(UTC)
    yield from of_server(server, after)
    yield of_clock(skew(before, server.now, after), subject.limits.clock_skew_s)


def of_server(server: Any, now: datetime) -> Iterator[Finding]:
    """What is to be said of a row of ``service.server`` at the time ``now``."""
    role = "a standby" if server.is_standby else "a primary"
    up = span((server.now - server.started_at).total_seconds())
    started = server.started_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    version = server.version.split()[0]
    said = f"PostgreSQL {version}, {role}, up for {up}, since {started}"
    yield Finding(GROUP, "server", Status.OK, said)
    yield of_version(server.version_num // 10_000, now.date())


def of_version(major: int, today: date) -> Finding:
    """Whether the PostgreSQL project still fixes this major version, and we work with it."""
    if major < _OLDEST:
        said = f"PostgreSQL {major} is older than {_OLDEST}, the oldest that raxol_sql works with"
    elif (end := end_of_life(major)) <= today:
        said = f"PostgreSQL {major} has had no fixes since {end:%Y-%m-%d}"
    else:
        said = f"PostgreSQL {major} is supported until {end_of_life(major):%Y-%m-%d}"
        return Finding(GROUP, "version", Status.OK, said)
    remedy = "upgrade to a supported major version: https://www.postgresql.org/support/versioning/"
    return Finding(GROUP, "version", Status.WARN, said, remedy)


def end_of_life(major: int) -> date:
    """The day of a major version's last fixes: five years on, the second Thursday of November."""
    first = date(2012 + major, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 7)


def skew(before: datetime, there: datetime, after: datetime) -> float:
    """
    Seconds that a clock is ahead of ours at least, or behind, which is negative.

    It was read some time between ``before`` and ``after``: anything in between is no difference.
    """
    if there > after:
        return (there - after).total_seconds()
    return min(0.0, (there - before).total_seconds())


def of_clock(seconds: float, limit: float) -> Finding:
    """Whether so much of a difference between the clocks matters."""
    if abs(seconds) <= limit:
        return Finding(GROUP, "clock", Status.OK, "the server's clock agrees with the one here")
    ahead = "ahead of" if seconds > 0 else "behind"
    said = f"the server's clock is {abs(seconds):.1f} s {ahead} the one here"
    remedy = "timedatectl status  # on both machines; start chrony or systemd-timesyncd"
    return Finding(GROUP, "clock", Status.WARN, said, remedy)


def of_settings(subject: Subject, rows: Iterable[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``service.settings``."""
    values = {row.name: row.value for row in rows}
    yield of_durability(values, is_embedded=subject.server_is_embedded)
    limits = ", ".join(f"{name} {values[name]}" for name in _TIMEOUTS if name in values)
    yield Finding(GROUP, "timeouts", Status.OK, limits)
    others = (name for name in values if name not in (*_DURABLE, *_TIMEOUTS))
    said = ", ".join(f"{name} {values[name]}" for name in others)
    yield Finding(GROUP, "settings", Status.OK, said)


def of_durability(values: dict[str, str], *, is_embedded: bool) -> Finding:
    """Whether what was committed survives a crash of the machine."""
    off = [name for name in _DURABLE if values.get(name) == "off"]
    if not off:
        return Finding(GROUP, "durability", Status.OK, "fsync and full_page_writes are on")
    said = f"{' and '.join(off)} {'is' if len(off) == 1 else 'are'} off"
    if is_embedded:
        said += ", on purpose: the embedded server is for development and tests"
        return Finding(GROUP, "durability", Status.OK, said)
    said += ": a crash of the machine can destroy the data"
    resets = " ".join(f"alter system reset {name};" for name in off)
    return Finding(GROUP, "durability", Status.WARN, said, f"{resets} select pg_reload_conf();")


_QUERIES = own_queries(__file__, "service")
CHECKS = (
    Check(GROUP, "server", read_server, (_QUERIES.server,)),
    Check.asking(GROUP, "settings", of_settings, _QUERIES.settings),
)
