"""A moment by which something has to have happened, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen

# Between two looks at a condition: far below what a start costs (0.1 s), far above a look.
_PAUSE = 0.01


@frozen
class Timer:
    """A moment of the monotonic clock, in seconds; waiting past it is impossible."""

    moment: float

    @classmethod
    def after(cls, seconds: float) -> Timer:
        """The deadline that is ``seconds`` from now."""
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        """The seconds until the deadline; 0 once it has passed."""
        return max(0.0, self.moment - time.monotonic())

    def within(self, seconds: float) -> Timer:
        """This deadline, or the one ``seconds`` from now if that is earlier."""
        return Timer(min(self.moment, time.monotonic() + seconds))

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Look at ``condition`` until it holds; False if the deadline passes first."""
        while not condition():
            if self.left() == 0.0:
                return False
            time.sleep(min(_PAUSE, self.left()))
        return True
