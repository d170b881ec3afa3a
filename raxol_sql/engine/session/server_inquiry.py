"""Queries for facts about the server, and the features that are limited without a privilege."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping, Set
from functools import partial
from time import monotonic
from typing import Any

import attrs
import psycopg
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.config import Conninfo
from raxol_sql.engine.wire.connection import STANDBY
from raxol_sql.engine.wire.pipeline import Pipeline
from raxol_sql.failures import Category, Phase, ServerEpoch, Verdict, classify, is_lost
from raxol_sql.telemetry import LostPromise

PRIMARY = "/*NO LOAD BALANCE*/ "
"""Before a select, and ``for update`` after it: pgpool-II and its like take that for a write."""

# Seconds, after which a new connection asks for everything again, because it may be granted now.
_LASTS = 60.0
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# Transient errors: the connection is tried again, and no feature is limited.
_PASSING = (Category.CONNECTION, Category.RESOURCE, Category.TIMEOUT, Category.CANCELLED)
_VARIABLES = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}
_log = logging.getLogger("raxol_sql.server")


@attrs.frozen(eq=False, repr=False)
class ServerFacts:
    """
    Facts that a new connection has queried about its server.

    ``is_pooled``: a pooler is in front of it. ``is_standby``: it was in recovery. ``incarnation``
    and ``first_xid`` are those of `Lives.note`, None if unknown. ``has_ids``: a transaction may
    query its ID. ``tells_ids``: the ID later reveals the outcome. ``has_markers``: the table of
    marker rows exists. ``sets_limits``: a statement may bring its own timeout. ``lost``: the
    limited features.
    """

    is_pooled: bool = False
    is_standby: bool = False
    incarnation: ServerEpoch | None = None
    first_xid: int | None = None
    has_ids: bool = True
    tells_ids: bool = True
    has_markers: bool = False
    sets_limits: bool = True
    lost: tuple[LostPromise, ...] = ()

    def commit_check_for(self, wanted: str) -> str:
        """Return the commit check to use for ``wanted``, as far as this server supports it."""
        if not wanted.startswith("xid") or self.tells_ids:
            return wanted
        return "marker" if self.has_markers else "none"


@attrs.frozen(eq=False, repr=False)
class _Piece:
    """A query for one fact, the privilege that it needs, and the feature that needs it."""

    name: str
    check: str
    privilege: str
    promise: str


# A branch that is never taken: the server checks the privilege without running the function.
_NEVER = "case when current_timestamp is null then {} end"
_POOLER, _ROLE_OF_SERVER = "detection of a pooler", "detection of a standby"
_OUTCOME = 'commit_check="xid"'
_ACROSS = 'commit_check="xid" across a restart of the server'
_LIMITS = "time limits on the server"
_INSTEAD = {
    _POOLER: "only an impossible process ID reveals a pooler",
    _ROLE_OF_SERVER: "the parameter in_hot_standby shows it from PostgreSQL 14 on",
    _ACROSS: "an outcome that is uncertain across a restart stays unknown",
    _LIMITS: "the client alone enforces @timeout and deadlines, and cancels the statement",
}
_SNAPSHOT = "pg_current_snapshot()"
_PIECES = (
    _Piece("pid", "pg_backend_pid()", "execute on function pg_backend_pid()", _POOLER),
    _Piece(
        "recovery",
        "pg_is_in_recovery()",
        "execute on function pg_is_in_recovery()",
        _ROLE_OF_SERVER,
    ),
    _Piece(
        "system",
        "(select system_identifier from pg_control_system())",
        "execute on function pg_control_system()",
        _OUTCOME,
    ),
    _Piece(
        "position",
        _NEVER.format("pg_current_wal_lsn()"),
        "execute on function pg_current_wal_lsn()",
        _OUTCOME,
    ),
    _Piece(
        "timeline",
        _NEVER.format("pg_walfile_name('0/1000000')"),
        "execute on function pg_walfile_name(pg_lsn)",
        _OUTCOME,
    ),
    _Piece(
        "start",
        "pg_postmaster_start_time()",
        "execute on function pg_postmaster_start_time()",
        _OUTCOME,
    ),
    _Piece(
        "statistics",
        "(select stats_reset from pg_stat_bgwriter)",
        "select on pg_stat_bgwriter",
        _OUTCOME,
    ),
    _Piece(
        "id",
        _NEVER.format("pg_current_xact_id()"),
        "execute on function pg_current_xact_id()",
        _OUTCOME,
    ),
    _Piece(
        "status",
        _NEVER.format("pg_xact_status('3')"),
        "execute on function pg_xact_status(xid8)",
        _OUTCOME,
    ),
    _Piece("snapshot", _SNAPSHOT, f"execute on function {_SNAPSHOT}", _OUTCOME),
    _Piece(
        "horizon",
        "pg_snapshot_xmax('1:1:')",
        "execute on function pg_snapshot_xmax(pg_snapshot)",
        _OUTCOME,
    ),
    _Piece(
        "checkpoint",
        "(select redo_lsn from pg_control_checkpoint())",
        "execute on function pg_control_checkpoint()",
        _ACROSS,
    ),
    _Piece(
        "setting",
        "current_setting('statement_timeout')",
        "execute on function current_setting(text)",
        _LIMITS,
    ),
    _Piece(
        "set",
        _NEVER.format("set_config('statement_timeout', '0', true)"),
        "execute on function set_config(text, text, boolean)",
        _LIMITS,
    ),
)
_IDS = {one.name for one in _PIECES if one.promise == _OUTCOME}
_LIFE = "pg_postmaster_start_time() || ' ' || (select stats_reset from pg_stat_bgwriter)"
_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
# The checkpoint that ends a recovery or a shutdown reveals the first transaction ID of a server
# epoch, as long as it is the last: only this one has its redo position equal to its own. Statistics
# are reset by a recovery, or manually.
_FIRST_XID = """(
    select case
        when checkpoint_lsn = redo_lsn and current_setting('wal_level') <> 'minimal'
        then split_part(next_xid, ':', 1)::bigint << 32 | split_part(next_xid, ':', 2)::bigint
    end
    from pg_control_checkpoint()
)"""
_PRIVILEGES = _NEVER.format(
    "pg_xact_status(pg_current_xact_id()) || pg_snapshot_xmax(pg_current_snapshot())::text "
    "|| set_config('statement_timeout', current_setting('statement_timeout'), true)"
)
# EXPLAIN checks the privileges that the statement would need.
_MARKERS = (
    b"explain insert into raxol_outcomes (key) select key from raxol_outcomes where is_tombstone"
)
# The largest process ID of Linux; poolers use 32 random bits.
_LARGEST_PID = 1 << 22


class ServerInquiry:
    """
    The server queries of the connections of one pool, and those that were refused.

    An ordinary server answers everything in one statement. If it refuses, each fact is queried
    separately, at most once a minute, and only the others between. Each set of limited features is
    logged once, if ``logged``. ``has_other_hosts`` says that a new connection may reach another
    server. For the workers of one pool.
    """

    def __init__(self, *, logged: bool = True) -> None:
        self.has_other_hosts = False
        self._logged = logged
        self._lost: dict[str, LostPromise] = {}
        self._has_markers = False
        self._until = 0.0
        self._warned: set[str] = set()

    def note_hosts(self, conninfo: Conninfo) -> None:
        """Record the hosts of the connection string: psycopg gives libpq one host at a time."""
        environment = {name: os.environ.get(variable) for name, variable in _VARIABLES.items()}
        given = {name: value for name, value in conninfo.parameters.items() if value}
        self.has_other_hosts = _has_several_hosts({**environment, **given})

    def begin_again(self) -> None:
        """Query everything on the next connection, as if nothing had been refused."""
        self._until = 0.0

    async def ask(self, wire: Pipeline) -> ServerFacts:
        """
        Return the facts of the server of ``wire``; raises the driver's errors except refusals.

        A refusal limits a feature and is logged.
        """
        self.has_other_hosts = self.has_other_hosts or _has_several_hosts(_in_use(wire.pgconn))
        is_known = monotonic() < self._until
        lost, has_markers = (self._lost, self._has_markers) if is_known else ({}, False)
        try:
            row = await _row(wire, _statement(lost.keys(), wire))
        except psycopg.Error as error:
            _check_refusal(error)
            lost = await _find_refused(wire)
            has_markers = bool(_IDS & lost.keys()) and await _is_allowed(wire, _MARKERS)
            row = await _row(wire, _statement(lost.keys(), wire))
        if lost:
            lost = _with_outcomes(lost, has_markers=has_markers)
            self._warn(wire, lost)
        if lost is not self._lost:
            self._lost, self._has_markers = lost, has_markers
            self._until = monotonic() + _LASTS if lost else 0.0
        return _facts(row, wire, lost, has_markers=has_markers)

    def _warn(self, wire: Pipeline, lost: dict[str, LostPromise]) -> None:
        if not self._logged or lost.keys() <= self._warned:
            return
        self._warned |= lost.keys()
        promises = ", ".join(dict.fromkeys(one.promise for one in lost.values()))
        _log.warning(
            "the role lacks privileges in database %s, so these features are limited there: %s\n%s",
            wire.pgconn.db.decode(errors="replace"),
            promises,
            "\n".join(f"- {one}" for one in lost.values()),
        )


def _in_use(pgconn: PGconn) -> dict[str, str]:
    return {one.keyword.decode(): (one.val or b"").decode(errors="replace") for one in pgconn.info}


def _has_several_hosts(given: Mapping[str, Any]) -> bool:
    """Return whether there are several hosts, or only a writable server is accepted."""
    commas = sum(str(given.get(name) or "").count(",") for name in ("host", "hostaddr"))
    return commas > 0 or given.get("target_session_attrs") in ("read-write", "primary")


def _statement(refused: Set[str], wire: Pipeline) -> bytes:
    """Return one statement for everything that is not refused; a refused part is null."""

    def unless(needed: set[str], text: str) -> str:
        return "null" if needed & refused else text

    recovery = "pg_is_in_recovery()"
    if "recovery" in refused:
        recovery = "true" if wire.is_on(STANDBY) else "false"
    columns = [
        unless({"pid"}, "pg_backend_pid()"),
        recovery,
        # A standby starts no timeline.
        f"case when not {recovery} then {unless({'system'}, _PIECES[2].check)} end",
        f"case when not {recovery} then {unless({'position', 'timeline'}, _TIMELINE)} end",
        unless({"start", "statistics"}, _LIFE),
        unless({"checkpoint", "setting"}, _FIRST_XID),
        "null" if refused else _PRIVILEGES,
    ]
    return f"{PRIMARY}select {', '.join(columns)} for update".encode()


async def _find_refused(wire: Pipeline) -> dict[str, LostPromise]:
    """Return the limited features, by the queries that the server refuses."""
    lost: dict[str, LostPromise] = {}
    for piece in _PIECES:
        try:
            await _row(wire, f"{PRIMARY}select {piece.check} for update".encode())
        except psycopg.Error as error:
            _check_refusal(error)
            lost[piece.name] = await _lost_promise(wire, piece, error)
    return lost


async def _lost_promise(wire: Pipeline, piece: _Piece, error: psycopg.Error) -> LostPromise:
    told = " ".join((error.diag.message_primary or str(error)).split())
    remedy = "use PostgreSQL 13 or newer: this server lacks the function"
    if error.sqlstate == "42501":
        (role, database) = await _row(wire, b"select current_user, current_catalog")
        remedy = (
            f"in database {_quote_name(database)}: grant {piece.privilege} to {_quote_name(role)}"
        )
    cause = f"{told} ({error.sqlstate})"
    return LostPromise(piece.promise, cause, _INSTEAD.get(piece.promise, ""), remedy)


def _quote_name(name: bytes | None) -> str:
    text = (name or b"").decode(errors="replace")
    return text if _PLAIN_NAME.fullmatch(text) else '"' + text.replace('"', '""') + '"'


def _with_outcomes(lost: dict[str, LostPromise], *, has_markers: bool) -> dict[str, LostPromise]:
    """Return the limited features, with the replacement for those of outcomes."""
    instead = (
        'commit_check="marker", whose table is there'
        if has_markers
        else 'commit_check="none": a COMMIT that '
        "is not "
        "answered "
        "stays "
        "unknown; "
        'commit_check="marker" '
        "needs its table, from raxol-sql new outcomes"
    )
    return {
        name: attrs.evolve(one, instead=instead) if one.promise == _OUTCOME else one
        for name, one in lost.items()
    }


def _facts(
    row: list[bytes | None], wire: Pipeline, lost: dict[str, LostPromise], *, has_markers: bool
) -> ServerFacts:
    pid, recovery, *history, first_xid, _ = row
    is_standby = recovery == b"t"
    own_pid = wire.pgconn.backend_pid
    is_pooled = not 0 < own_pid <= _LARGEST_PID if pid is None else pid != b"%d" % own_pid
    incarnation = None
    if None not in history:
        incarnation = ServerEpoch(*[(part or b"").decode() for part in history])
    return ServerFacts(
        is_pooled=is_pooled,
        is_standby=is_standby,
        incarnation=incarnation,
        first_xid=None if first_xid is None else int(first_xid),
        has_ids="id" not in lost,
        tells_ids=not _IDS & lost.keys() and (is_standby or incarnation is not None),
        has_markers=has_markers,
        sets_limits=not {"set", "setting"} & lost.keys(),
        lost=tuple(lost.values()),
    )


async def _is_allowed(wire: Pipeline, text: bytes) -> bool:
    try:
        await _row(wire, text)
    except psycopg.Error as error:
        _check_refusal(error)
        return False
    return True


async def _row(wire: Pipeline, text: bytes) -> list[bytes | None]:
    """Return the first row of a statement, as texts."""
    send: Callable[[], object] = partial(wire.pgconn.send_query, text)
    result: PGresult = await wire.ask(send)
    return [result.get_value(0, column) for column in range(result.nfields)]


def _check_refusal(error: psycopg.Error) -> None:
    """Raise an error that is not a refusal: a lost connection, or a transient one."""
    if error.sqlstate is None or is_lost(error):
        raise error
    failure = classify(error, Phase.IN_TRANSACTION)
    if failure.verdict is not Verdict.NEVER or failure.category in _PASSING:
        raise error
