"""What a server does now, and what it has done between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import attrs
from psycopg.errors import CharacterNotInRepertoire, QueryCanceled, UntranslatableCharacter

from raxol_sql.engine import Database, Transaction
from raxol_sql.ops.activity.naming import Label, Names
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.queries import Query

# Seconds after which the size of the database is asked for again.
_SIZE_LASTS = timedelta(seconds=60)


@attrs.frozen
class Server:
    """
    The server and one database of it, with the counters of that database, which only grow.

    ``behind`` is how many seconds a standby is, None for one that has all it was sent. ``usable``
    are the connections that are not reserved; ``connections`` those that are in use. ``sees_all``
    says whether the role is shown what others do.
    ``without_statements`` says why pg_stat_statements cannot be read, and is None where it can;
    ``statements_schema`` is where it is, if that is not on the search path.
    """

    at: datetime
    started_at: datetime
    version: str
    database: str
    is_standby: bool
    behind: float | None
    standbys: int
    connections: int
    usable: int
    application: str
    sees_all: bool
    longest_text: int
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    temp_bytes: int
    deadlocks: int
    counted_since: datetime | None
    statements_schema: str | None
    without_statements: str | None


@attrs.frozen
class Session:
    """
    A session that does something, or has a transaction open. Ages are in seconds.

    ``state`` is the server's own word, or waiting for one that waits for a lock; ``state_age`` is
    for how long, of a statement since it began.
    """

    pid: int
    application: str
    username: str
    database: str
    is_client: bool
    state: str
    wait: str | None
    transaction_age: float | None
    state_age: float | None
    query: Label

    @property
    def is_running(self) -> bool:
        """Whether a client's statement is under way in it."""
        return self.is_client and self.state in ("active", "waiting")


@attrs.frozen
class Wait:
    """
    A session that waits for a lock, with the sessions that it waits for.

    ``relation`` is known for a lock on a table or on a row of one in this database. Among
    ``blockers`` 0 is a prepared transaction, which has no session. ``age`` is in seconds.
    """

    pid: int
    application: str
    blockers: tuple[int, ...]
    kind: str
    mode: str
    relation: str | None
    age: float | None
    query: Label


@attrs.frozen
class Pool:
    """
    How many sessions one application has, in all and by what they do.

    What ``hidden`` of them do the server does not show to this role.
    """

    application: str
    total: int
    active: int
    waiting: int
    in_transaction: int
    idle: int
    hidden: int = 0

    def known(self, count: int) -> int | None:
        """One of the counts by state; None where hidden sessions may belong to it."""
        return None if self.hidden else count


@attrs.frozen
class Counted:
    """What a statement has cost since the server counts: calls, and milliseconds in all."""

    id: int
    calls: int
    ms: float


@attrs.frozen
class Moment:
    """
    A server as it is at one moment; the session that looks is in none of it but the connections.

    ``size`` is in bytes, as at ``sized_at``, and None where finding out takes too long.
    ``statements`` are counters by the server's id, empty without pg_stat_statements; ``labels``
    has what those are called that moved during the look.
    """

    server: Server
    size: int | None
    sized_at: datetime
    sessions: tuple[Session, ...]
    waits: tuple[Wait, ...]
    pools: tuple[Pool, ...]
    statements: Mapping[int, Counted] = attrs.field(factory=dict, repr=False)
    labels: Mapping[int, Label] = attrs.field(factory=dict, repr=False)


_RECORDS = [Server, Pool, Counted]
_UNREADABLE = Label("(a text that cannot be read: select pg_stat_statements_reset())")
_queries = own_queries(__file__, "activity", *_RECORDS)
OWN: tuple[Query[Any], ...] = tuple(_queries[name] for name in _queries)


def look(database: Database, names: Names, before: Moment | None = None) -> Moment:
    """
    The server as it is now.

    ``before`` is the last moment that was looked at, so that what does not change need not be
    asked for again. Reads only, in one transaction. Raises the driver's errors.
    """
    try:
        return _look(database, names, before, reads_texts=True)
    except (CharacterNotInRepertoire, UntranslatableCharacter):
        # A database without an encoding may have put anything there, and the server reads all.
        return _look(database, names, before, reads_texts=False)


def _look(database: Database, names: Names, before: Moment | None, *, reads_texts: bool) -> Moment:
    with database.transaction(read_only=True) as tx:
        server: Server = tx.run(_queries.server())
        cut = server.longest_text
        sessions = tuple(_session(row, names, cut) for row in tx.run(_queries.sessions()))
        waits = tuple(_wait(row, names, cut) for row in tx.run(_queries.waits()))
        pools = tuple(tx.run(_queries.pools()))
        statements: dict[int, Counted] = {}
        labels: dict[int, Label] = {}
        if server.without_statements is None:
            if server.statements_schema is not None:
                tx.run(_queries.search_in(schema=server.statements_schema))
            statements = {one.id: one for one in tx.run(_queries.statements())}
            labels = _labels(tx if reads_texts else None, names, statements, before)
    size, sized_at = _size(database, server.at, before)
    return Moment(server, size, sized_at, sessions, waits, pools, statements, labels)


def sample(database: Database, names: Names) -> tuple[Label, ...]:
    """What the statements are called that run in this moment; raises as `look`."""
    return tuple(names.label(text) for text in database.run(_queries.sample()))


def _session(row: Any, names: Names, cut: int) -> Session:
    return Session(
        pid=row.pid,
        application=row.application,
        username=row.username,
        database=row.database,
        is_client=row.is_client,
        state=row.state,
        wait=row.wait_type and f"{row.wait_type}:{row.wait_event}",
        transaction_age=row.transaction_age,
        state_age=row.state_age,
        query=_label(row, names, cut),
    )


def _wait(row: Any, names: Names, cut: int) -> Wait:
    return Wait(
        pid=row.pid,
        application=row.application,
        blockers=tuple(row.blockers),
        kind=row.kind,
        mode=row.mode,
        relation=row.relation,
        age=row.age,
        query=_label(row, names, cut),
    )


def _label(row: Any, names: Names, cut: int) -> Label:
    # What a worker of the server does it says in words, and without values.
    # Of a hidden session the server does not say whether it is a client's.
    return Label(row.query) if row.is_client is False else names.label(row.query, cut)


def _labels(
    tx: Transaction | None, names: Names, statements: Mapping[int, Counted], before: Moment | None
) -> dict[int, Label]:
    """
    The labels of what was called since ``before``, and those that were known then.

    Without a transaction the texts of what is new are missing.
    """
    if before is None:
        return {}
    labels = {id: label for id, label in before.labels.items() if id in statements}
    new = [one.id for one in moved(before.statements, statements) if one.id not in labels]
    if tx is None:
        labels |= dict.fromkeys(new, _UNREADABLE)
    elif new:
        labels |= {row.id: names.label(row.text) for row in tx.run(_queries.texts(ids=new))}
    return labels


def moved(before: Mapping[int, Counted], after: Mapping[int, Counted]) -> Iterable[Counted]:
    """The statements that were called in between, with the calls and the time of only that."""
    for one in after.values():
        old = before.get(one.id)
        if old is None or one.calls < old.calls:
            yield one  # it is new, or everything was reset
        elif one.calls > old.calls:
            yield Counted(one.id, one.calls - old.calls, max(0.0, one.ms - old.ms))


def _size(database: Database, now: datetime, before: Moment | None) -> tuple[int | None, datetime]:
    if before is not None and (before.size is None or now - before.sized_at < _SIZE_LASTS):
        return before.size, before.sized_at
    try:
        return database.run(_queries.size()), now
    except QueryCanceled:
        return None, now
