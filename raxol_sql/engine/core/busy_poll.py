"""Whether to watch a connection for an answer, or to sleep until it comes."""

from __future__ import annotations

# Waits: those of a trial, and those from one trial to the next, more often while it is unclear.
_TRIAL = 8
_SHORTEST_PERIOD = 64
_LONGEST_PERIOD = 2048
_WEIGHT = 0.5
_WORTH_IT = 0.7
_LONGEST = 0.0002


class AdaptivePoller:
    """
    What was learnt of the waits for one statement, and what follows for the next.

    To wake up a process that sleeps takes a machine from a few to some fifty microseconds, which
    may be longer than the server needs for the answer. Looking for it again and again until it is
    there takes as long as the server does, and a processor. Which is the better way depends on
    the statement, the machine and the moment, so both are tried: now and then eight waits in a
    row go the other way than the rest, and the last four of these are timed, as are four of the
    others. A few in a row, because a machine that has just been woken up is quick for a while.
    Watching takes the processor, and is the usual way only after it saved a third of the time
    twice; an answer that does not come while it is watched for speaks against it at once. The
    kernel's haltpoll governor and adaptive mutexes do likewise.

    Times are in seconds. Not safe to share between threads; nothing breaks but the figures.
    """

    __slots__ = ("_period", "_slept", "_waits", "_watched", "_watches", "_wins", "is_timed")

    def __init__(self) -> None:
        self.is_timed = False
        self._waits = -1
        self._period = _SHORTEST_PERIOD
        self._wins = 0
        self._watches = False
        self._watched = self._slept = 0.0

    @property
    def is_watching(self) -> bool:
        """Whether to watch is the usual way."""
        return self._wins >= 2

    def choose(self) -> bool:
        """Whether to watch, this time; ``is_timed`` says then whether `learn` wants to know."""
        self._waits += 1
        if self._waits >= 2 * _TRIAL:
            self.is_timed = False
            if self._waits >= self._period:
                self._waits = -1
            return self._wins >= 2
        self.is_timed = self._waits % _TRIAL >= _TRIAL // 2
        self._watches = (self._wins >= 2) == (self._waits >= _TRIAL)
        return self._watches

    def miss(self) -> None:
        """An answer did not come while it was watched for."""
        self._wins = max(0, self._wins - 1)

    def learn(self, seconds: float) -> None:
        """Takes in how long it took, from sending to the answer, in the way that was chosen."""
        seconds = min(seconds, _LONGEST)  # one that stood at a lock says nothing of the others
        if self._watches:
            self._watched = _blend(self._watched, seconds)
        else:
            self._slept = _blend(self._slept, seconds)
        if self._waits == 2 * _TRIAL - 1:
            self._decide()

    def _decide(self) -> None:
        before = self._wins
        won = self._watched < self._slept * _WORTH_IT
        self._wins = min(4, before + 1) if won else max(0, before - 2)
        settled = self._wins in (0, 4) and self._wins == before
        self._period = min(2 * self._period, _LONGEST_PERIOD) if settled else _SHORTEST_PERIOD


def _blend(before: float, seconds: float) -> float:
    return before + (seconds - before) * _WEIGHT if before else seconds
