"""The telemetry of one attempt of a transaction that may be retried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raxol_sql.telemetry.watch import OperationTimer


class Watching(Protocol):
    """What operations report to: the telemetry of a database, or of one attempt of it."""

    @property
    def listens(self) -> bool:
        """Return whether anything is measured."""
        ...

    def watch(self, name: str, operation: str, text: str = "") -> OperationTimer:
        """Return a timer for an operation that begins now."""
        ...

    @property
    def over(self) -> Callable[[OperationTimer], None]:
        """Return the function that receives each timer when its operation ends."""
        ...


class AttemptTelemetry:
    """
    Reports what succeeds at once, and holds back what fails until the attempt has ended.

    What failed in an attempt that is retried is a part of the transaction, which counts the retry:
    it failed nothing. In the last attempt it is reported as it is. As safe for threads as the
    telemetry of the database.
    """

    def __init__(self, outer: Watching) -> None:
        self._outer = outer
        self._held: list[OperationTimer] | None = []

    @property
    def listens(self) -> bool:
        """Return whether anything is measured."""
        return self._outer.listens

    def watch(self, name: str, operation: str, text: str = "") -> OperationTimer:
        """Return a timer for an operation that begins now."""
        return OperationTimer(self.over, name, operation, text)

    def over(self, watch: OperationTimer) -> None:
        """Report an operation that succeeded; hold back one that failed until the attempt ends."""
        held = self._held
        if watch.error is None or held is None:
            self._outer.over(watch)
            return
        watch.event()  # it ended now, whenever that is reported
        held.append(watch)

    def end(self, is_retried: bool) -> None:
        """Reports what was held back, unless the attempt ``is_retried``."""
        held, self._held = self._held, None
        if not is_retried:
            for watch in held or ():
                self._outer.over(watch)
