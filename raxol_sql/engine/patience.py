"""Whether to watch a connection for an answer, or to sleep until it comes."""

from __future__ import annotations

# A look costs about half a microsecond: together they take as long as a short statement does.
LOOKS = 100
_TRIAL = 64
_WEIGHT = 0.3
_WORTH_IT = 0.5
_LONGEST = 0.0002


class Patience:
    """
    What was learnt of the waits for one statement, and what follows for the next.

    To wake up a process that sleeps takes a machine from a few to some fifty microseconds, which
    may be longer than the server needs for the answer. Looking for it again and again until it is
    there takes as long as the server does, and a processor. Which is the better way depends on
    the statement, the machine and the moment, so both are tried: of sixty-four waits, one goes
    the other way than the rest, and one more is timed beside it. Watching takes the processor, and
    has to halve the wait to be the usual way. The kernel's haltpoll governor and adaptive mutexes
    do likewise.

    Times are in seconds. Not safe to share between threads; nothing breaks but the figures.
    """

    __slots__ = ("_slept", "_waits", "_watched", "is_timed", "watching")

    def __init__(self) -> None:
        self.watching = False
        self.is_timed = False
        self._waits = _TRIAL - 4
        self._watched: float | None = None
        self._slept: float | None = None

    def choose(self) -> bool:
        """Whether to watch, this time; ``is_timed`` says then whether `learn` wants to know."""
        self._waits += 1
        phase = self._waits % _TRIAL
        self.is_timed = phase < 2
        return self.watching if phase else not self.watching

    def learn(self, watched: bool, seconds: float) -> None:
        """Takes in how long a wait was, whichever way it went."""
        seconds = min(seconds, _LONGEST)  # one that stood at a lock says nothing of the others
        if watched:
            self._watched = _blend(self._watched, seconds)
        else:
            self._slept = _blend(self._slept, seconds)
        if self._watched is not None and self._slept is not None:
            self.watching = self._watched < self._slept * _WORTH_IT


def _blend(before: float | None, seconds: float) -> float:
    return seconds if before is None else before + (seconds - before) * _WEIGHT
