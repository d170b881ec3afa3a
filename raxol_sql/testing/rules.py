"""What a proxy does to all that passes, and what waits for that to change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import attrs

from raxol_sql.testing.cuts import Cut, Direction
from raxol_sql.testing.messages import Message


class Change:
    """Something that tasks of one event loop wait for."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def happen(self) -> None:
        """Has everybody who waits look again."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool], seconds: float | None = None) -> bool:
        """Waits until ``condition`` holds, or the ``seconds`` are over; gives whether it holds."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self._event.wait()
        except TimeoutError:
            return False
        return True


@attrs.define(eq=False)
class Rules:
    """
    The faults that are in force, for every connection of a proxy; used in its event loop only.

    ``delay`` is in seconds; ``piece`` is the most bytes that go on at a time, 0 for any number.
    ``stopped`` are the directions in which nothing passes. While ``is_silent`` no client that
    connects is answered. ``cuts`` are armed; ``to_server`` and ``to_client`` count the kinds of
    messages.
    """

    delay: float = 0.0
    piece: int = 0
    stopped: frozenset[Direction] = frozenset()
    is_silent: bool = False
    cuts: list[Cut] = attrs.field(factory=list)
    to_server: Counter[bytes] = attrs.field(factory=Counter)
    to_client: Counter[bytes] = attrs.field(factory=Counter)
    change: Change = attrs.field(factory=Change)

    def heal(self) -> None:
        """Has everything pass again."""
        self.delay, self.piece = 0.0, 0
        self.stopped = frozenset()
        self.is_silent = False
        self.cuts.clear()
        self.change.happen()

    def cut_at(self, direction: Direction, message: Message) -> Cut | None:
        """The armed cut for which ``message`` is the one, which is not armed any more then."""
        for cut in [*self.cuts]:
            try:
                is_it = cut.takes(direction, message)
            except Exception as error:
                # It is the caller's ``where`` that failed, and it is the caller who waits.
                self.cuts.remove(cut)
                cut.fired.fail(error)
                continue
            if is_it:
                self.cuts.remove(cut)
                return cut
        return None
