"""The prepared statements of one connection."""

from __future__ import annotations

import hashlib
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import partial
from time import monotonic
from typing import Any

import psycopg
from psycopg import capabilities
from psycopg.pq import Format
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.engine.core.busy_poll import AdaptivePoller
from raxol_sql.engine.core.concurrency import Connection
from raxol_sql.engine.session.session_state import changes_session_state, may_move
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.types.parameters import Parameters
from raxol_sql.engine.types.row_loader import RowLoader
from raxol_sql.engine.types.type_trust import FOR_EVER, INFERRED, SCHEMA_AGE, changes_schema
from raxol_sql.engine.wire.pipeline import Request
from raxol_sql.text import first_word_of

# A plan takes the server some tens of kilobytes in each connection.
LIMIT = 250
# libpq can do so since 17.
_PLANNED = ("select", "insert", "update", "delete", "merge", "values", "with", "table", "")
_CAN_CLOSE = capabilities.has_send_close_prepared()


# A text, or one at another place than its connection began at.
_Key = str | tuple[str, bytes]
# The OIDs of the parameters, and those of the columns.
Types = tuple[tuple[int, ...], tuple[int, ...]]


class Prepared:
    """
    A statement that the server has described: its parameters, and its columns.

    ``name`` is what it is called on the server; without one it is not kept there, and its
    ``text`` is sent each time. ``format`` is that of its results, if it does not depend on them.
    Without a plan the server does not notice that it has other columns than before. ``age`` is
    that of the schema, as far as this process noticed, when the server last described it.
    """

    __slots__ = (
        "_format",
        "_known",
        "_since",
        "age",
        "changes_schema",
        "columns",
        "has_plan",
        "leaves_traces",
        "may_call",
        "may_move",
        "name",
        "parameters",
        "patience",
        "text",
        "types",
    )

    def __init__(
        self,
        connection: Connection,
        known: ConnectionTypes,
        text: bytes,
        told: PGresult,
        name: bytes = b"",
        format: Format | None = None,
        *,
        has_plan: bool = True,
    ) -> None:
        self.text = text
        self.name = name
        self.has_plan = has_plan
        written = text.decode()
        self.leaves_traces = changes_session_state(written)
        self.may_move = may_move(written)
        self.changes_schema = changes_schema(written)
        # A read without a parenthesis calls no function in which something else could happen.
        self.may_call = "(" in written or first_word_of(written) != "select" or self.may_move
        self.types = types_of(told)
        self._known = known
        self.parameters = Parameters(known.context, self.types[0])
        self._format = format
        self.columns = self._columns(told)
        self.patience = AdaptivePoller()
        self.confirm()

    def confirm(self) -> None:
        """Takes in that the server describes it as before."""
        self.age = SCHEMA_AGE.number
        self._since = monotonic()

    @property
    def is_due(self) -> bool:
        """Whether the server has to describe it once more before it may be sent."""
        if self.age != SCHEMA_AGE.number:
            return True
        trust = self.parameters.writer.trust
        return trust != FOR_EVER and monotonic() - self._since >= trust

    def was_described_after(self, moment: float) -> bool:
        """Whether that was after a moment of the monotonic clock, and no schema changed since."""
        return self.age == SCHEMA_AGE.number and self._since >= moment

    def columns_of(self, result: PGresult) -> RowLoader:
        """
        The columns of a result, which may be others than the server once told of.

        Raises `psycopg.DataError` for one that cannot be read in the format that was asked for.
        """
        names, oids = _columns_in(result)
        if (names, oids) == (self.columns.names, self.columns.oids):
            return self.columns
        asked = self.columns.format
        self.columns = RowLoader(self._known.context, names, oids, self._format)
        if asked == self.columns.format:
            return self.columns
        if asked == Format.BINARY:
            raise psycopg.DataError("the result columns changed during the query: run it again")
        return RowLoader(self._known.context, names, oids, Format.TEXT)

    def request(self, pgconn: PGconn, values: Sequence[Any]) -> Request:
        """The sending of it with ``values``; raises `ParameterMisfit` for one of another type."""
        if not self.name:
            return self.inside(pgconn, b"", values)
        dumped, formats = self.parameters.dump(values)
        return partial(pgconn.send_query_prepared, self.name, dumped, formats, self.columns.format)

    def inside(self, pgconn: PGconn, before: bytes, values: Sequence[Any]) -> Request:
        """The sending of its text with another one before it, as in ``declare c cursor for``."""
        dumped, formats = self.parameters.dump(values)
        return partial(
            pgconn.send_query_params,
            before + self.text,
            dumped,
            [0 if oid in INFERRED else oid for oid in self.types[0]],
            formats,
            self.columns.format,
        )

    def _columns(self, told: PGresult) -> RowLoader:
        return RowLoader(self._known.context, *_columns_in(told), self._format)


class PreparedStatements:
    """
    The statements that a connection knows, by their texts.

    If they are ``lasting`` the server keeps them, under a name that is made of the text: whoever
    prepares it under that name means the same statement, be it another client behind the same
    pooler. The one whose use is longest ago goes when there are more than ``limit``.

    ``place`` tells apart the search paths of the connection; None is the one that it began with.
    Each has its own statements, as names in the same text stand for other tables there.
    """

    def __init__(
        self,
        connection: Connection,
        types: ConnectionTypes,
        *,
        lasting: bool,
        limit: int = LIMIT,
    ) -> None:
        self._connection = connection
        self._types = types
        self._pgconn = connection.pgconn
        self._lasting = lasting
        self._limit = limit
        self.place: bytes | None = None
        self._known: OrderedDict[_Key, Prepared] = OrderedDict()
        self._leftover: list[bytes] = []
        self._marks: dict[_Key, str] = {}

    def find(self, text: str) -> Prepared | None:
        """The statement of that text, if the connection knows it; this is a use of it."""
        key = text if self.place is None else (text, self.place)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def forget(self, text: str) -> None:
        """
        What was known of a statement does not hold any more.

        From now on it is sent with a mark that nobody has used: a pooler that keeps statements
        by their texts would take the same one for what it has already, outdated as that is.
        """
        self._forget(self._key(text))

    def forget_those_with(self, names: Iterable[str]) -> None:
        """What was known of statements in which one of these names occurs does not hold."""
        lowered = [name.lower() for name in names]
        for key in list(self._known):
            written = (key if isinstance(key, str) else key[0]).lower()
            if any(name in written for name in lowered):
                self._forget(key)

    def forget_all(self) -> None:
        """What was known of the types in them does not hold any more."""
        for key in list(self._known):
            self._forget(key)

    def confirm(self, text: str, told: PGresult) -> bool:
        """
        Takes in a further description of a statement; gives whether it may be sent as it is.

        One of which the parameters or the columns have other types than before is forgotten. The
        columns of one without a plan, such as a FETCH, say nothing.
        """
        known = self._known[self._key(text)]
        parameters, columns = types_of(told)
        if parameters == known.types[0] and (columns == known.types[1] or not known.has_plan):
            known.confirm()
            return True
        SCHEMA_AGE.increase()
        self.forget(text)
        return False

    def _key(self, text: str) -> _Key:
        return text if self.place is None else (text, self.place)

    def _forget(self, key: _Key) -> None:
        self._leave(key)
        if self._lasting:
            self._marks[key] = f"\n-- {secrets.token_hex(6)}"

    def _leave(self, key: _Key) -> None:
        known = self._known.pop(key, None)
        if known is not None and known.name:
            self._leftover.append(known.name)

    def clear(self) -> None:
        """The server has dropped all of them."""
        self._known.clear()
        self._leftover.clear()

    def questions(
        self, text: str, needed: Iterable[str] = ()
    ) -> tuple[list[Request], list[Request]]:
        """
        The requests that close what has to go, and those that prepare and describe a text.

        The last one is answered by `learn`. Those that are ``needed`` at the same time do not have
        to go. Of several texts all that closes goes first: pgpool-II answers that at once, and
        before what was sent earlier.
        """
        surplus = len(self._known) + 1 - self._limit
        if surplus > 0:
            kept = {self._key(one) for one in needed}
            unneeded = (one for one in self._known if one not in kept)
            for oldest in list(itertools.islice(unneeded, surplus)):
                self._leave(oldest)
        closing = [_closing(self._pgconn, name) for name in dict.fromkeys(self._leftover)]
        self._leftover.clear()
        sent, name = self._sent(text)
        describe = partial(self._pgconn.send_describe_prepared, name)
        *freeing, prepare = self._preparing(sent, name)
        return [*closing, *freeing], [prepare, describe]

    def anew(self, known: Prepared, values: Sequence[Any]) -> list[Request]:
        """
        The requests that prepare a known statement, and run it, in one round trip.

        Behind a pooler each round trip may meet another server.
        """
        preparing = self._preparing(known.text, known.name, known.types[0])
        return [*preparing, known.request(self._pgconn, values)]

    def learn(self, text: str, told: PGresult) -> Prepared:
        """The statement that the server has described."""
        sent, name = self._sent(text)
        # One that the server does not keep, or has no plan for, such as a FETCH, may have other
        # columns when it runs, and there is none that cannot be read as text.
        has_plan = first_word_of(text) in _PLANNED
        if name and not INFERRED.isdisjoint(types_of(told)[0]):
            self._leftover.append(name)
            name, has_plan = b"", False
        format = None if self._lasting and has_plan else Format.TEXT
        prepared = Prepared(
            self._connection, self._types, sent, told, name, format, has_plan=has_plan
        )
        self._known[self._key(text)] = prepared
        return prepared

    def _preparing(
        self, sent: bytes, name: bytes, types: Sequence[int] | None = None
    ) -> list[Request]:
        prepare = partial(self._pgconn.send_prepare, name, sent, types)
        # Nothing is lost by closing what is not there, and the name is free after it.
        return [_closing(self._pgconn, name), prepare] if name and _CAN_CLOSE else [prepare]

    def _sent(self, text: str) -> tuple[bytes, bytes]:
        """The text and the name that the server knows a statement by."""
        key = self._key(text)
        sent = (text + self._marks.get(key, "")).encode()
        if self.place is not None:
            # A pooler tells statements apart by their texts alone.
            sent += b"\n-- " + hashlib.blake2b(self.place, digest_size=6).hexdigest().encode()
        if not self._lasting:
            return sent, b""
        return sent, b"rx_" + hashlib.blake2b(sent, digest_size=16).hexdigest().encode()


def _closing(pgconn: PGconn, name: bytes) -> Request:
    if _CAN_CLOSE:
        return partial(pgconn.send_close_prepared, name)
    return partial(pgconn.send_query_params, b"deallocate " + name, None)


def _columns_in(result: PGresult) -> tuple[tuple[str, ...], tuple[int, ...]]:
    indexes = range(result.nfields)
    names = [(result.fname(index) or b"").decode() for index in indexes]
    return tuple(names), tuple([result.ftype(index) for index in indexes])


def types_of(told: PGresult) -> Types:
    """The OIDs of the parameters, and those of the columns, in a description."""
    parameters = [told.param_type(index) for index in range(told.nparams)]
    return tuple(parameters), tuple([told.ftype(index) for index in range(told.nfields)])


def oids_in(told: PGresult) -> list[int]:
    """The OIDs of the parameters and of the columns in a description."""
    return oids_of(types_of(told))


def oids_of(types: Types) -> list[int]:
    """The OIDs of the parameters and of the columns."""
    parameters, columns = types
    return [*parameters, *columns]
