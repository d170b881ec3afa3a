"""What goes on in the database: who works, who waits, and who only keeps others waiting."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from raxol_sql.ops.amounts import counted, some, span
from raxol_sql.ops.diagnosis.check import Check
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.hidden import grant_to
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.text.fingerprint import masked

GROUP = "load"
_LISTED = 10
# What the server says in place of a statement of another role's session.
_HIDDEN = "<insufficient privilege>"
_IN_TRANSACTION = "idle in transaction"


def of_sessions(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``load.sessions``."""
    seen = [row for row in rows if not row.is_hidden]
    hidden = len(rows) - len(seen)
    yield of_applications(rows)
    for finding in (
        *of_long_running(seen, subject.limits),
        *of_idle_in_transaction(seen, subject.limits),
    ):
        yield _of_those_shown(finding, len(seen), len(rows)) if hidden else finding
    if hidden:
        said = (
            f"the server does not show this role the activity of {counted(hidden, 'session')} of "
            "other roles: it lacks pg_read_all_stats"
        )
        yield Finding(GROUP, "other sessions", Status.SKIP, said, grant_to(subject.role))


def _of_those_shown(finding: Finding, shown: int, total: int) -> Finding:
    """A finding of no problem says of how many sessions it is, and is no OK for the others."""
    if finding.status is not Status.OK:
        return finding
    said = f"looked at {shown:,} of {counted(total, 'session')}: {finding.message}"
    return attrs.evolve(finding, status=Status.SKIP, message=said)


def of_applications(rows: Iterable[Any]) -> Finding:
    """Which applications have how many sessions."""
    by_name = Counter(row.application for row in rows)
    if not by_name:
        return Finding(GROUP, "sessions", Status.OK, "no other sessions")
    named = some([f"{name} {count:,}" for name, count in by_name.most_common()])
    total = counted(by_name.total(), "other session")
    return Finding(GROUP, "sessions", Status.OK, f"{total}: {named}")


def of_long_running(rows: Iterable[Any], limits: Limits) -> Iterator[Finding]:
    """The statements that run for longer than the limit, but for maintenance, which takes long."""
    limit = limits.long_running_s
    found = [
        row
        for row in rows
        if row.state == "active"
        # Who waits for a lock is reported as such, and does nothing else.
        and not (row.is_maintenance or row.is_waiting)
        and (row.query_age or 0) > limit
    ]
    for row in found[:_LISTED]:
        said = (
            f"{row.application} (pid {row.pid}) runs one statement for {span(row.query_age)}: "
            f"{masked(row.statement)}"
        )
        remedy = f"select pg_cancel_backend({row.pid});"
        yield Finding(GROUP, "long-running", Status.WARN, said, remedy)
    yield from _rest(found, "long-running", f"no statement runs for longer than {span(limit)}")


def of_idle_in_transaction(rows: Iterable[Any], limits: Limits) -> Iterator[Finding]:
    """The transactions that do nothing for longer than the limit, and keep what they have."""
    limit = limits.idle_in_transaction_s
    found = [
        row
        for row in rows
        if (row.state or "").startswith(_IN_TRANSACTION) and (row.state_age or 0) > limit
    ]
    for row in found[:_LISTED]:
        said = (
            f"{row.application} (pid {row.pid}) is in a transaction that does nothing for "
            f"{span(row.state_age)}, after: {masked(row.statement)}"
        )
        remedy = f"select pg_terminate_backend({row.pid});"
        yield Finding(GROUP, _IN_TRANSACTION, Status.WARN, said, remedy)
    fine = f"no transaction does nothing for longer than {span(limit)}"
    yield from _rest(found, _IN_TRANSACTION, fine)


def of_blocked(subject: Subject, rows: Sequence[Any]) -> Iterator[Finding]:
    """What is to be said of the rows of ``load.blocked``: each session that waits for others."""
    found = [[*group] for _, group in itertools.groupby(rows, key=lambda row: row.pid)]
    ahead = {group[0].pid: [one.blocker_pid for one in group if one.blocker_pid] for group in found}
    for group in found[:_LISTED]:
        yield _blocked(group, culprit(group[0].pid, ahead), subject.limits.blocked_fail_s)
    yield from _rest(found, "blocked", "no lock waits")


def culprit(pid: int, ahead: Mapping[int, Sequence[int]]) -> int | None:
    """
    The session at the root of a wait: one that waits for no other, if there is one on the way.

    ``ahead`` has the sessions that each waiting one waits for. To end one that waits itself would
    end a session that does no harm. None where no session is in the way.
    """
    seen = {pid}
    while ahead.get(pid):
        unseen = [one for one in ahead[pid] if one not in seen]
        if not unseen:
            return min(ahead[pid])
        pid = min(unseen, key=lambda one: (one in ahead, one))
        seen.add(pid)
    return pid if len(seen) > 1 else None


def _blocked(group: Sequence[Any], first: int | None, limit: float) -> Finding:
    row = group[0]
    waited = row.waited or 0
    long = "an unknown time" if row.waited is None else span(row.waited)
    place = f" on {row.relation}" if row.relation else ""
    kind = row.mode if row.kind == "relation" else f"{row.mode}, {row.kind}"
    said = (
        f"{row.application} (pid {row.pid}) waits for {long} for a lock ({kind}){place} "
        f"with: {_statement(row.statement)}; {'; '.join(_blocker(one) for one in group)}"
    )
    remedy = f"select pg_terminate_backend({first});" if first else "rollback prepared 'NAME';"
    status = Status.FAIL if waited > limit else Status.WARN
    return Finding(GROUP, "blocked", status, said, remedy)


def _blocker(row: Any) -> str:
    if not row.blocker_pid:
        return "blocked by a prepared transaction: see pg_prepared_xacts"
    who = f"blocked by {row.blocker_application} (pid {row.blocker_pid})"
    if row.blocker_state is None:
        return who
    age = "" if row.blocker_age is None else f", in a transaction for {span(row.blocker_age)}"
    return f"{who}, {row.blocker_state}{age}, with: {masked(row.blocker_statement or '')}"


def _statement(text: str) -> str:
    return "a statement that the server hides from this role" if text == _HIDDEN else masked(text)


def _rest(found: Sequence[object], check: str, fine: str) -> Iterator[Finding]:
    if not found:
        yield Finding(GROUP, check, Status.OK, fine)
    elif len(found) > _LISTED:
        said = f"and {len(found) - _LISTED:,} more"
        yield Finding(GROUP, check, Status.WARN, said)


_QUERIES = own_queries(__file__, "load")
CHECKS = (
    Check.asking(GROUP, "blocked", of_blocked, _QUERIES.blocked),
    Check.asking(GROUP, "sessions", of_sessions, _QUERIES.sessions),
)
