"""The clock of one operation: where its time goes, and what is told of it at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic, time
from types import TracebackType
from typing import Self

from raxol_sql.failures import Phase, classify
from raxol_sql.telemetry.event import QueryEvent
from raxol_sql.telemetry.refusal import is_expected

_LONGEST_NAME = 255


class OperationTimer:
    """
    Measures one operation, from when it is made until `end`, and is handed on then, once.

    An attempt begins with the wait for a connection, which lasts until ``taken``, a moment of the
    monotonic clock that its owner sets, 0.0 while there is none; ``idle_since`` is when the
    connection was used before. What comes after that is the query's time, but for what is added to
    ``decode`` and ``apart``, the time of other code. All are in seconds. For one thread or task
    at a time.
    """

    # Every call makes one, so its owner sets what others would have methods for.
    __slots__ = (
        *(
            "_began",
            "_event",
            "_hand_on",
            "_paused_at",
            "_settled",
            "apart",
            "attempts",
            "category",
            "decode",
        ),
        *(
            "error",
            "idle_since",
            "name",
            "operation",
            "paused",
            "query",
            "queue",
            "rows",
            "size",
            "taken",
        ),
        "text",
    )

    def __init__(
        self, hand_on: Callable[[OperationTimer], None], name: str, operation: str, text: str = ""
    ) -> None:
        self._hand_on = hand_on
        self.name = name
        self.operation = operation
        self.text = text
        self.size = self.attempts = 1
        self.rows: int | None = None
        self.error: str | None = None
        self.category: str | None = None
        self.queue = self.query = self.decode = self.paused = self.apart = 0.0
        self.taken = self.idle_since = self._paused_at = self._settled = 0.0
        self._event: QueryEvent | None = None
        self._began = monotonic()

    def concerns(self, names: Iterable[str]) -> None:
        """Which queries it is about, where there are several."""
        named = [*names]
        self.size = len(named)
        # No longer than the summary of a query may be for OpenTelemetry.
        self.name = ", ".join(dict.fromkeys(named))[:_LONGEST_NAME]

    def took(self, idle_since: float) -> None:
        """
        A connection was taken, which had been used last at that moment.

        What takes it several times, as the fetches of a stream do, waits for it once.
        """
        if not self.taken:
            self.taken = monotonic()
            self.idle_since = idle_since

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """What goes on inside is the making of records."""
        since = monotonic()
        yield
        self.decode += monotonic() - since

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """What goes on inside is the time of other code."""
        since = monotonic()
        try:
            yield
        finally:
            self.apart += monotonic() - since

    def pause(self) -> None:
        """An attempt has failed, and a wait begins."""
        self._paused_at = monotonic()
        self._settle(self._paused_at)

    def again(self) -> None:
        """Another attempt begins, with the wait for a connection."""
        self._began = monotonic()
        self.paused += self._began - self._paused_at
        self.taken = self._paused_at = 0.0
        self.attempts += 1

    def end(self, error: BaseException | None = None) -> None:
        """Hands it on, with the error that ends it."""
        now = monotonic()
        if self._paused_at:
            self.paused += now - self._paused_at
        else:
            self._settle(now)
        if error is not None and not is_expected(error):
            self.error = getattr(error, "sqlstate", None) or type(error).__name__
            self.category = classify(error, Phase.SENT).category.value
            self.rows = None
        self._hand_on(self)

    def event(self) -> QueryEvent:
        """What is told of it, once it has ended: the same to everybody."""
        if self._event is not None:
            return self._event
        # Half of what the class takes to do the same.
        self._event = event = tuple.__new__(
            QueryEvent,
            (
                self.name,
                self.operation,
                self.text,
                self.size,
                self.attempts,
                self.rows,
                max(0.0, self._began - self.idle_since) * 1000 if self.taken else 0.0,
                self.queue * 1000,
                self.query * 1000,
                self.decode * 1000,
                self.paused * 1000,
                time(),
                self.error,
                self.category,
            ),
        )
        return event

    def _settle(self, now: float) -> None:
        """Adds up where the time of an attempt went."""
        taken = self.taken
        if taken:
            # Of the whole of these, only what came with this attempt is a part of its time.
            other = self.decode + self.apart
            self.queue += taken - self._began
            self.query += now - taken - (other - self._settled)
            self._settled = other
        else:
            self.queue += now - self._began

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
