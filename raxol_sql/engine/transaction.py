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

    `inside` is the source of sessions for what runs between `enter` and `exit`, which commits, or
    rolls back if there was an error. Each is called once. A block that ``joins`` makes no
    savepoint: in a transaction it leaves everything to that one.
    """

    def __init__(
        self, outer: Sessions, options: TransactionOptions | None = None, *, joins: bool = False
    ) -> None:
        self.inside = PinnedSession()
        self._outer = outer
        self._options = options or TransactionOptions()
        self._joins = joins
        self._joined = False
        self._session: Session | None = None
        self._savepoint: str | None = None

    async def enter(self) -> Session:
        """
        Begins, and gives the session for what runs inside.

        Raises `TransactionError` when used twice, or for options on a savepoint.
        """
        if self._session is not None:
            raise TransactionError("a transaction is used once: ask for a new one")
        session = await self._outer.acquire()
        try:
            await self._begin(session)
        except BaseException:
            await self._outer.release(session)
            raise
        self._session = session
        self.inside.begin(session)
        return session

    async def exit(self, error: BaseException | None) -> None:
        """
        Ends the block and gives the session back.

        Raises `TransactionError` where the server rolled back although the block ended well: a
        statement in it failed, and its error was caught inside.
        """
        session = self._session
        assert session is not None, "exit follows enter"
        self.inside.end()
        try:
            if self._joined:
                return
            if error is None:
                await self._commit(session)
            else:
                await self._roll_back(session)
        finally:
            await self._outer.release(session)

    async def _begin(self, session: Session) -> None:
        self._joined = self._joins and session.in_transaction
        if self._joined:
            return
        if not session.in_transaction:
            await session.command(self._options.statement)
            return
        if self._options != TransactionOptions():
            raise TransactionError("the options of a transaction belong to the outermost block")
        self._savepoint = f"raxol_sql_{next(_savepoint_numbers)}"
        await session.command(f"savepoint {self._savepoint}")

    async def _commit(self, session: Session) -> None:
        if self._savepoint is None:
            # A COMMIT after a failed statement is answered by a ROLLBACK, and by no error.
            rolled_back = await session.command("commit") != "COMMIT"
        else:
            rolled_back = session.in_failed_transaction
            if rolled_back:
                await session.command(f"rollback to savepoint {self._savepoint}")
            await session.command(f"release savepoint {self._savepoint}")
        if rolled_back:
            raise TransactionError(
                "everything in this transaction was rolled back: a statement in it failed, and "
                "its error was caught inside; let it out, or put the statement into a nested "
                "transaction()"
            )

    async def _roll_back(self, session: Session) -> None:
        try:
            if self._savepoint is not None:
                await session.command(f"rollback to savepoint {self._savepoint}")
                # Going back does not end it, and the server keeps every savepoint that is open.
                await session.command(f"release savepoint {self._savepoint}")
            elif session.in_transaction:
                await session.command("rollback")
        except psycopg.OperationalError:
            # The connection is lost, so the server has rolled back; the block's own error says why.
            pass
