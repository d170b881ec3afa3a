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

    Who sends the ``opening`` and the ``closing`` itself, with other statements, calls `reserve`
    instead of `enter`, `conclude` with the tag of the closing, and `free`.
    """

    def __init__(
        self, outer: Sessions, options: TransactionOptions | None = None, *, joins: bool = False
    ) -> None:
        self.inside = PinnedSession()
        self.opening: str | None = None
        self.closing: str | None = None
        self._outer = outer
        self._options = options or TransactionOptions()
        self._joins = joins
        self._session: Session | None = None
        self._savepoint: str | None = None

    async def reserve(self) -> Session:
        """
        A session that nobody else begins a transaction on, before anything is sent.

        Raises `TransactionError` when used twice, or for options on a savepoint.
        """
        if self._session is not None:
            raise TransactionError("a transaction is used once: ask for a new one")
        session = await self._outer.reserve()
        try:
            self._plan(session)
        except BaseException:
            await self._outer.free(session)
            raise
        self._session = session
        return session

    async def enter(self) -> Session:
        """Begins, and gives the session for what runs inside; raises as `reserve`."""
        session = await self.reserve()
        try:
            if self.opening is not None:
                async with session.turn:
                    await session.command(self.opening)
        except BaseException:
            await self.free()
            raise
        self.inside.begin(session)
        return session

    async def exit(self, error: BaseException | None) -> None:
        """
        Ends the block and gives the session back.

        Raises `TransactionError` where the server rolled back although the block ended well: a
        statement in it failed, and its error was caught inside.
        """
        session = self._held()
        self.inside.end()
        try:
            async with session.turn:
                if error is None:
                    await self.commit()
                else:
                    await self.roll_back()
        except BaseException:
            if session.is_busy:
                # This did not wait until another task was done with it: nobody can use it now.
                session.close()
            raise
        finally:
            await self.free()

    async def free(self) -> None:
        """Gives the session back."""
        await self._outer.free(self._held())

    async def commit(self) -> None:
        """Sends the closing; raises as `exit`."""
        session = self._held()
        if self._savepoint is not None and session.in_failed_transaction:
            await self.roll_back()
            raise TransactionError(_SWALLOWED)
        if self.closing is not None:
            self.conclude(await session.command(self.closing))

    def conclude(self, tag: str) -> None:
        """Raises as `exit`; a COMMIT after a failed statement is answered by ROLLBACK, no error."""
        if self.closing == "commit" and tag != "COMMIT":
            raise TransactionError(_SWALLOWED)

    async def roll_back(self) -> None:
        """Takes back what was done since the opening, which may not have been sent at all."""
        session = self._held()
        try:
            if self._savepoint is not None:
                await session.command(f"rollback to savepoint {self._savepoint}")
                # Going back does not end it, and the server keeps every savepoint that is open.
                await session.command(f"release savepoint {self._savepoint}")
            elif self.opening is not None and session.in_transaction:
                await session.command("rollback")
        except psycopg.OperationalError:
            # The connection is lost, so the server has rolled back; the block's own error says why.
            pass

    def _plan(self, session: Session) -> None:
        if not session.in_transaction:
            self.opening, self.closing = self._options.statement, "commit"
        elif not self._joins:
            if self._options != TransactionOptions():
                raise TransactionError("the options of a transaction belong to the outermost block")
            self._savepoint = f"raxol_sql_{next(_savepoint_numbers)}"
            self.opening = f"savepoint {self._savepoint}"
            self.closing = f"release savepoint {self._savepoint}"

    def _held(self) -> Session:
        assert self._session is not None, "it was reserved, or entered, before"
        return self._session


_SWALLOWED = (
    "everything in this transaction was rolled back: a statement in it failed, and its error was "
    "caught inside; let it out, or put the statement into a nested transaction()"
)
