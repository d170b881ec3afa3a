"""Blocks of statements that happen whole or not at all: transactions, and savepoints in them."""

from __future__ import annotations

import itertools

import attrs
import psycopg

from raxol_sql.engine.session import Session
from raxol_sql.engine.sessions import PinnedSession, Sessions
from raxol_sql.errors import TransactionError

ISOLATION_LEVELS = ("read committed", "repeatable read", "serializable")
_savepoint_numbers = itertools.count(1)


@attrs.frozen
class TransactionOptions:
    """How a transaction begins; None leaves the choice to the server's settings."""

    isolation: str | None = attrs.field(default=None)
    read_only: bool | None = None
    deferrable: bool | None = None

    @isolation.validator
    def _check_isolation(self, attribute: object, value: str | None) -> None:
        if value is not None and value not in ISOLATION_LEVELS:
            raise ValueError(f"isolation is one of {', '.join(ISOLATION_LEVELS)}; not {value!r}")

    @property
    def statement(self) -> str:
        """The BEGIN with these options."""
        words = ["begin"]
        if self.isolation is not None:
            words.append(f"isolation level {self.isolation}")
        if self.read_only is not None:
            words.append("read only" if self.read_only else "read write")
        if self.deferrable is not None:
            words.append("deferrable" if self.deferrable else "not deferrable")
        return " ".join(words)


class Block:
    """
    One transaction, or one savepoint of a session that is in a transaction already.

    `enter` gives the source of sessions for what runs inside; `exit` commits, or rolls back if
    there was an error. Each is called once.
    """

    def __init__(self, outer: Sessions, options: TransactionOptions) -> None:
        self._outer = outer
        self._options = options
        self._session: Session | None = None
        self._savepoint: str | None = None
        self._pinned: PinnedSession | None = None

    async def enter(self) -> PinnedSession:
        """Begins; raises `TransactionError` when used twice, or for options on a savepoint."""
        if self._pinned is not None:
            raise TransactionError("a transaction is used once: ask for a new one")
        session = await self._outer.acquire()
        try:
            await self._begin(session)
        except BaseException:
            await self._outer.release(session)
            raise
        self._session = session
        self._pinned = PinnedSession(session)
        return self._pinned

    async def exit(self, error: BaseException | None) -> None:
        """
        Ends the block and gives the session back.

        Raises `TransactionError` where the server rolled back although the block ended well: a
        statement in it failed, and its error was caught inside.
        """
        session, pinned = self._session, self._pinned
        assert session is not None, "exit follows enter"
        assert pinned is not None, "exit follows enter"
        pinned.end()
        try:
            if error is None:
                await self._commit(session)
            else:
                await self._roll_back(session)
        finally:
            await self._outer.release(session)

    async def _begin(self, session: Session) -> None:
        if not session.in_transaction:
            await session.command(self._options.statement)
            return
        if self._options != TransactionOptions():
            raise TransactionError("the options of a transaction belong to the outermost block")
        self._savepoint = f"raxol_sql_{next(_savepoint_numbers)}"
        await session.command(f"savepoint {self._savepoint}")

    async def _commit(self, session: Session) -> None:
        if self._savepoint is not None:
            await session.command(f"release savepoint {self._savepoint}")
            return
        # A COMMIT after a failed statement is answered by a ROLLBACK, and by no error.
        tag = await session.command("commit")
        if tag != "COMMIT":
            raise TransactionError(
                "everything in this transaction was rolled back: a statement in it failed, and "
                "its error was caught inside; let it out, or put the statement into a nested "
                "transaction()"
            )

    async def _roll_back(self, session: Session) -> None:
        try:
            if self._savepoint is not None:
                await session.command(f"rollback to savepoint {self._savepoint}")
            elif session.in_transaction:
                await session.command("rollback")
        except psycopg.OperationalError:
            # The connection is lost, so the server has rolled back; the block's own error says why.
            pass
