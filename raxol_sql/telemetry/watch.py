"""The clock of one operation: where its time goes, and what is told of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic, time
from types import TracebackType
from typing import Self

from raxol_sql.failures import Phase, classify
from raxol_sql.telemetry.event import QueryEvent

_LONGEST_NAME = 255
# Where the time goes; what is spent in between by somebody else belongs to nobody.
QUEUE, QUERY, DECODE, PAUSE, ELSEWHERE = range(5)


class Watch:
    """
    Measures one operation, from when it is made until `end`, and tells of it then, once.

    It begins in the queue for a connection, and each `lap` says what comes next. For one thread or
    task at a time.
    """

    __slots__ = (
        "_at",
        "_mark",
        "_operation",
        "_spent",
        "_tell",
        "attempts",
        "idle",
        "name",
        "rows",
        "size",
        "text",
    )

    def __init__(
        self, tell: Callable[[QueryEvent], None], name: str, operation: str, text: str = ""
    ) -> None:
        self._tell = tell
        self.name = name
        self._operation = operation
        self.text = text
        self.size = self.attempts = 1
        self.idle = 0.0
        self.rows: int | None = None
        self._spent = [0.0, 0.0, 0.0, 0.0, 0.0]
        self._at = QUEUE
        self._mark = monotonic()

    def concerns(self, names: Iterable[str]) -> None:
        """Which queries it is about, where there are several."""
        named = [*names]
        self.size = len(named)
        # No longer than the summary of a query may be for OpenTelemetry.
        self.name = ", ".join(dict.fromkeys(named))[:_LONGEST_NAME]

    def lap(self, following: int) -> None:
        """What began last has ended, and ``following`` begins."""
        now = monotonic()
        self._spent[self._at] += now - self._mark
        self._at, self._mark = following, now

    def took(self, idle_since: float) -> None:
        """A connection was taken that had lain idle since a moment, and the query begins."""
        now = monotonic()
        self._spent[self._at] += now - self._mark
        # That moment is its last use by then, or this very one.
        self.idle = max(0.0, self._mark - idle_since)
        self._at, self._mark = QUERY, now

    def again(self) -> None:
        """Another attempt begins, with the wait for a connection."""
        self.attempts += 1
        self.lap(QUEUE)

    def end(self, error: BaseException | None = None) -> None:
        """Tells of it, with the error that ends it."""
        spent = self._spent
        spent[self._at] += monotonic() - self._mark
        queue, query, decode, paused, _ = spent
        told = category = None
        if error is not None:
            told = getattr(error, "sqlstate", None) or type(error).__name__
            category = classify(error, Phase.SENT).category.value
            self.rows = None
        # Every call makes one: this is half of what the class takes to do the same.
        event = tuple.__new__(
            QueryEvent,
            (
                self.name,
                self._operation,
                self.text,
                self.size,
                self.attempts,
                self.rows,
                self.idle * 1000,
                queue * 1000,
                query * 1000,
                decode * 1000,
                paused * 1000,
                time(),
                told,
                category,
            ),
        )
        self._tell(event)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Who closes a stream has had what he wanted of it.
        self.end(None if kind is GeneratorExit else error)
