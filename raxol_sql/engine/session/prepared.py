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
from raxol_sql.engine.session.session_state import effects_of
from raxol_sql.engine.types.connection_types import ConnectionTypes
from raxol_sql.engine.types.parameters import Parameters
from raxol_sql.engine.types.row_loader import RowLoader
from raxol_sql.engine.types.type_trust import FOR_EVER, INFERRED, SCHEMA_AGE
from raxol_sql.engine.wire.pipeline import Request

# A plan takes some tens of kilobytes on the server for each connection.
LIMIT = 250
# libpq supports this since version 17.
_PLANNED = ("select", "insert", "update", "delete", "merge", "values", "with", "table", "")
_CAN_CLOSE = capabilities.has_send_close_prepared()


# The text, or the text and the search path if that has changed.
_Key = str | tuple[str, bytes]
# The OIDs of the parameters, and those of the columns.
Types = tuple[tuple[int, ...], tuple[int, ...]]


class Prepared:
    """
    A statement that the server has described, with its parameters and columns.

    ``name`` is its name on the server; an unnamed statement is not kept there, and its ``text`` is
    sent each time. ``format`` is the format of its results, if it does not depend on them. Without
    a plan, the server does not notice changed columns. ``age`` is the schema age, as this process
    knew it, when the server last described the statement.
    """

    __slots__ = (
        "_format",
        "_known",
        "_since",
        "age",
        "changes_schema",
        "columns",
        "first_word",
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
        effects = effects_of(text.decode())
        self.first_word = effects.first_word
        self.leaves_traces = effects.leaves_traces
        self.may_move = effects.may_move
        self.changes_schema = effects.changes_schema
        self.may_call = effects.may_call
        self.types = types_of(told)
        self._known = known
        self.parameters = Parameters(known.context, self.types[0])
        self._format = format
        self.columns = self._columns(told)
        self.patience = AdaptivePoller()
        self.confirm()

    def confirm(self) -> None:
        """Record that the server describes the statement as before."""
        self.age = SCHEMA_AGE.number
        self._since = monotonic()

    @property
    def is_due(self) -> bool:
        """Return whether the server must describe the statement again before it may be sent."""
        if self.age != SCHEMA_AGE.number:
            return True
        trust = self.parameters.writer.trust
        return trust != FOR_EVER and monotonic() - self._since >= trust

    def is_due_unless_described_after(self, moment: float) -> bool:
        """Return whether it `is_due`, if it was not described since a monotonic time either."""
        return self.is_due and not (self.age == SCHEMA_AGE.number and self._since >= moment)

    def columns_of(self, result: PGresult) -> RowLoader:
        """
        Return the columns of a result, which may differ from those that the server described.

        Raises `psycopg.DataError` for a column that cannot be read in the requested format.
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
        """Return the request that runs it with ``values``; raises `ParameterTypeMismatch`."""
        if not self.name:
            return self.inside(pgconn, b"", values)
        dumped, formats = self.parameters.dump(values)
        return partial(pgconn.send_query_prepared, self.name, dumped, formats, self.columns.format)

    def inside(self, pgconn: PGconn, before: bytes, values: Sequence[Any]) -> Request:
        """Return the request for its text with a prefix, as in ``declare c cursor for``."""
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
    The prepared statements of a connection, by text.

    If they are ``lasting``, the server keeps them under a name derived from the text, so that any
    other client behind the same pooler means the same statement by that name. The least recently
    used statement is closed when there are more than ``limit``.

    ``place`` identifies the search path of the connection; None is the initial one. Each search
    path has its own statements, because names in the same text refer to other tables there.
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
        """Return the statement with that text, if it is prepared, and mark it as used."""
        key = text if self.place is None else (text, self.place)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
        return known

    def forget(self, text: str) -> None:
        """
        Discard a statement whose description is outdated.

        It is sent with a fresh mark from now on: a pooler that identifies statements by text would
        otherwise return its outdated copy.
        """
        self._forget(self._key(text))

    def forget_those_with(self, names: Iterable[str]) -> None:
        """Discard the statements whose text contains one of these names."""
        lowered = [name.lower() for name in names]
        for key in list(self._known):
            written = (key if isinstance(key, str) else key[0]).lower()
            if any(name in written for name in lowered):
                self._forget(key)

    def forget_all(self) -> None:
        """Discard all statements, because what is known of their types is outdated."""
        for key in list(self._known):
            self._forget(key)

    def confirm(self, text: str, told: PGresult) -> bool:
        """
        Record another description of a statement; return whether it may be sent unchanged.

        A statement whose parameters or columns have changed types is discarded. The columns of one
        without a plan, such as FETCH, are ignored.
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
        """Record that the server has dropped all statements."""
        self._known.clear()
        self._leftover.clear()

    def prepare_requests(
        self, text: str, needed: Iterable[str] = ()
    ) -> tuple[list[Request], list[Request]]:
        """
        Return the requests that close surplus statements, and those that prepare and describe a
        text.

        `record` reads the last result. Statements that are ``needed`` at the same time are not
        closed. If there are several texts, all closes come first: pgpool-II answers a close at
        once, before the requests that were sent earlier.
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

    def reprepare(self, known: Prepared, values: Sequence[Any]) -> list[Request]:
        """
        Return the requests that prepare a known statement again and run it, in one round trip.

        Behind a pooler, each round trip may reach another server.
        """
        preparing = self._preparing(known.text, known.name, known.types[0])
        return [*preparing, known.request(self._pgconn, values)]

    def record(self, text: str, told: PGresult) -> Prepared:
        """Record the statement that the server has described, and return it."""
        sent, name = self._sent(text)
        # A statement that the server does not keep, or that has no plan, such as FETCH, may have
        # other columns when it runs; every column can be read as text.
        has_plan = effects_of(text).first_word in _PLANNED
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
        # Closing a missing statement is not an error, and frees the name.
        return [_closing(self._pgconn, name), prepare] if name and _CAN_CLOSE else [prepare]

    def _sent(self, text: str) -> tuple[bytes, bytes]:
        """Return the text and the name of the statement on the server."""
        key = self._key(text)
        sent = (text + self._marks.get(key, "")).encode()
        if self.place is not None:
            # A pooler identifies statements by text only.
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
    """Return the OIDs of the parameters and of the columns of a description."""
    parameters = [told.param_type(index) for index in range(told.nparams)]
    return tuple(parameters), tuple([told.ftype(index) for index in range(told.nfields)])


def oids_in(told: PGresult) -> list[int]:
    """Return the OIDs of the parameters and columns in a description."""
    return oids_of(types_of(told))


def oids_of(types: Types) -> list[int]:
    """Return the OIDs of the parameters and columns."""
    parameters, columns = types
    return [*parameters, *columns]
