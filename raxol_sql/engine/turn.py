"""The turns that threads or tasks take on one session."""

from __future__ import annotations

from types import TracebackType

from raxol_sql.engine.colour import Colour
from raxol_sql.errors import TransactionError


class Turn:
    """
    A lock for ``async with`` that says so, instead of waiting for ever, to whoever has it already.

    That is a caller who runs a statement from inside of another one, as from the rows of a COPY.
    """

    def __init__(self, colour: Colour) -> None:
        self._lock = colour.lock()
        self._who = colour.who
        self._holder: object = None

    @property
    def is_mine(self) -> bool:
        """Whether the caller has it already."""
        return self._holder is not None and self._holder == self._who()

    async def __aenter__(self) -> None:
        me = self._who()
        if me is not None and self._holder == me:
            raise TransactionError(
                "this transaction is in the middle of another call: end that one first"
            )
        await self._lock.__aenter__()
        self._holder = me

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        me = self._holder
        await self._lock.__aexit__(kind, error, traceback)
        # In this order: a signal in between leaves a lock that is free, not one without a holder.
        if self._holder == me:
            self._holder = None
