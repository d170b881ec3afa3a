"""The search path of one connection."""

from __future__ import annotations

from functools import partial

import psycopg
from psycopg.pq import TransactionStatus

from raxol_sql.engine.session.prepared import PreparedStatements
from raxol_sql.engine.session.session_state import PATH, ROLE, temporary_names
from raxol_sql.engine.types.type_trust import SCHEMA_AGE
from raxol_sql.engine.wire.pipeline import Pipeline

_REPORTED = b"search_path"
# Existing and usable schemas, in search order. The schema of temporary tables is left out: it
# appears with the first of these, which is found by name.
_ASKED = (
    b"select array(select name from unnest(current_schemas(true)) with ordinality as s (name, n) "
    rb"where name !~ '^pg_(toast_)?temp_' order by n)"
)


class SearchPath:
    """
    The search path of one connection, as far as it differs from the initial one.

    Since PostgreSQL 18 the server reports each change of the search path; before that, and for
    roles, the texts of statements show when it must be queried. Effects inside functions are not
    seen. ``is_watched`` says that the last statement may have changed it, so that the next one must
    check `has_moved`; ``has_altered`` that a statement changed the schema, which a rollback would
    undo. Belongs to the holder of the connection.
    """

    def __init__(self, wire: Pipeline, statements: PreparedStatements) -> None:
        self.is_watched = True
        self.has_altered = self._is_unsure = False
        self._wire = wire
        self._statements = statements
        self._home = self._reported = wire.pgconn.parameter_status(_REPORTED)
        self._is_of_role = False
        self._is_moved = False
        self._temporary: set[str] = set()

    @property
    def has_moved(self) -> bool:
        """Return whether the search path may have changed since the last statement."""
        if self._is_unsure:
            return True
        if not self.is_watched:
            return False
        self.is_watched = False
        try:
            if self._wire.pgconn.parameter_status(_REPORTED) != self._reported:
                self.doubt()
        except psycopg.OperationalError:
            pass  # a closed connection: the next request raises
        return self._is_unsure

    async def follow(self) -> None:
        """Select the prepared statements for the current search path."""
        if not self.has_moved:
            return
        if self._wire.status in (TransactionStatus.INERROR, TransactionStatus.UNKNOWN):
            return  # nothing runs before it ends, or at all
        reported = self._wire.pgconn.parameter_status(_REPORTED)
        if reported is not None and not self._is_of_role:
            self._settle(reported, None if reported == self._home else reported)
            return
        await self._wire.begin_now()
        result = await self._wire.ask(partial(self._wire.pgconn.send_query, _ASKED))
        self._settle(reported, result.get_value(0, 0))

    def doubt(self) -> None:
        """Query the search path before the next statement."""
        self.is_watched = self._is_unsure = True

    def note(self, text: str) -> None:
        """Record that a statement ran that ``may_move``."""
        is_of_role = ROLE.search(text) is not None
        if is_of_role or PATH.search(text):
            self.doubt()
            self._is_of_role = self._is_of_role or is_of_role
            self._is_moved = self._is_moved or self._wire.status != TransactionStatus.IDLE
        self._temporary |= temporary_names(text)
        self._forget_temporary()

    def end_transaction(self, *, whole: bool) -> None:
        """Record the end of a transaction or savepoint, which may have restored settings."""
        # The server reports the former value with the end of the transaction.
        self.is_watched = True
        if self._is_moved:
            self.doubt()
            self._is_moved = not whole
        if self.has_altered:
            self.has_altered = not whole
            SCHEMA_AGE.increase()
        self._forget_temporary()

    def reset(self) -> None:
        """Record that the session state is reset."""
        self._forget_temporary()
        self._temporary.clear()
        self._is_of_role = self._is_moved = False
        self._settle(self._home, None)
        self.is_watched = True

    def _settle(self, reported: bytes | None, place: bytes | None) -> None:
        self._reported = reported
        self._is_unsure = False
        self._statements.place = place

    def _forget_temporary(self) -> None:
        """Discard statements that name a temporary table, or a table that one hides."""
        if self._temporary:
            self._statements.forget_those_with(self._temporary)
