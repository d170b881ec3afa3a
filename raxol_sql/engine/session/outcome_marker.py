"""Outcome markers: the transaction ID, or a row that the transaction writes."""

from __future__ import annotations

import uuid
from functools import partial

import psycopg
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.engine.session.server_inquiry import PRIMARY, ServerFacts
from raxol_sql.engine.wire.pipeline import Request, check
from raxol_sql.errors import TransactionError
from raxol_sql.failures import Backend, OutcomeToken

COMMIT_CHECKS = ("xid", "marker", "none", "xid-first")
# Statements that take no snapshot, and must run before any that does.
_BEFORE_ANY_SNAPSHOT = ("lock", "set")
# This is often the first statement of a transaction, so no router may take it for a read.
XID = f"{PRIMARY}select pg_current_xact_id() for update"
_ROW = b"insert into raxol_outcomes (key) values ($1) returning "
_ROW_AND_ID = _ROW + b"pg_current_xact_id()"
_ROW_ALONE = _ROW + b"null"


def validate_commit_check(commit_check: str) -> None:
    """Raise ValueError for an unknown commit check."""
    if commit_check not in COMMIT_CHECKS:
        raise ValueError(
            f"commit_check must be one of {', '.join(COMMIT_CHECKS)}, not {commit_check!r}"
        )


class OutcomeMarker:
    """
    The outcome marker of one transaction.

    It is requested together with the first statement, so that it costs no round trip. It does not
    go with BEGIN, because ``lock table`` must run before the first snapshot. With a ``key`` it is
    also a row that the transaction writes, otherwise only the transaction ID. ``facts`` describe
    the server, and whether it assigns IDs at all; ``is_refused`` is set if the server no longer
    does. ``commit_check`` is one of `COMMIT_CHECKS` except "none", ``backend`` the server session
    of the transaction.
    """

    def __init__(
        self, facts: ServerFacts, commit_check: str, backend: Backend | None = None
    ) -> None:
        self.is_asked = self.is_refused = False
        self.key = uuid.uuid4() if commit_check == "marker" else None
        self._is_first = commit_check == "xid-first"
        self._facts = facts
        self._backend = backend
        self._xid: int | None = None

    @classmethod
    def of(
        cls, facts: ServerFacts, commit_check: str, backend: Backend | None = None
    ) -> OutcomeMarker | None:
        """Return the marker for a ``commit_check``, as far as the server supports it, or None."""
        commit_check = facts.commit_check_for(commit_check)
        return None if commit_check == "none" else cls(facts, commit_check, backend)

    def can_precede(self, first_word: str) -> bool:
        """Return whether the marker may be requested before a statement that starts like this."""
        return first_word not in _BEFORE_ANY_SNAPSHOT

    def request(self, pgconn: PGconn) -> Request:
        """Return the request whose result `learn` reads; it is sent once."""
        self.is_asked = True
        if self.key is None:
            return partial(pgconn.send_query_params, XID.encode(), None)
        text = _ROW_AND_ID if self._facts.has_ids else _ROW_ALONE
        return partial(pgconn.send_query_params, text, [self.key.hex.encode()])

    def learn(self, result: PGresult) -> None:
        """
        Record the result; raises the driver's error if it is one.

        Raises `TransactionError` if another process has resolved the outcome, so that this
        transaction cannot commit.
        """
        try:
            check(result)
        except psycopg.errors.UniqueViolation as error:
            raise TransactionError(
                "another process resolved the outcome of this transaction while it was open, so it "
                "was aborted"
            ) from error
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction):
            self.is_refused = True
            raise
        except psycopg.errors.UndefinedTable as error:
            error.add_note(
                "commit_check='marker' needs the table raxol_outcomes: run "
                "`raxol-sql new outcomes`, then `raxol-sql migrate`"
            )
            raise
        self.see(result)

    def see(self, result: PGresult) -> None:
        """Record a result that may be an error, or that arrived before the connection was lost."""
        xid = result.get_value(0, 0)
        if xid is not None:
            self._xid = int(xid)

    @property
    def is_unneeded(self) -> bool:
        """Return whether the transaction sent nothing that could have written anything."""
        return not self.is_asked

    @property
    def has_id(self) -> bool:
        """Return whether the transaction ID has arrived."""
        return self._xid is not None

    @property
    def is_awaited(self) -> bool:
        """Return whether COMMIT must wait until the transaction ID has arrived."""
        return self._is_first and self._xid is None

    @property
    def token(self) -> OutcomeToken | None:
        """Return the token of the outcome, or None if it cannot be resolved."""
        if self.key is None and (self._xid is None or self._facts.incarnation is None):
            return None
        return OutcomeToken(self._facts.incarnation, self._xid, self.key, backend=self._backend)
