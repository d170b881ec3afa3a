"""Adaptive choice between polling a connection and sleeping until it is readable."""

from __future__ import annotations

# Number of waits in a trial, and between trials, which are more frequent while the result is
# unclear.
_TRIAL = 8
_SHORTEST_PERIOD = 64
_LONGEST_PERIOD = 2048
_WEIGHT = 0.5
_WORTH_IT = 0.7
_LONGEST = 0.0002


class AdaptivePoller:
    """
    The statistics of waits for one statement, and the choice for the next wait.

    Waking a sleeping process takes a few to some fifty microseconds, which may be longer than the
    server needs for its reply. Polling until the reply arrives takes as long as the server does,
    and uses the processor. The better choice depends on the statement, the machine and the load, so
    both are tried: now and then eight waits in a row use the other strategy, and the last four of
    these are timed, as are four of the others. A series, because a machine that has just woken up
    is faster for a while. Polling becomes the usual strategy only after it saved a third of the
    time twice; a reply that does not arrive during polling counts against it at once. The haltpoll
    governor of Linux and adaptive mutexes work similarly.

    Times are in seconds. Not thread-safe, but a race only distorts the statistics.
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
        """Return whether polling is the usual strategy."""
        return self._wins >= 2

    def choose(self) -> bool:
        """
        Return whether to poll this time; ``is_timed`` then says whether `learn` needs the time.
        """
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
        """Record that a reply did not arrive during polling."""
        self._wins = max(0, self._wins - 1)

    def learn(self, seconds: float) -> None:
        """Record the time from sending to the reply, with the chosen strategy."""
        seconds = min(seconds, _LONGEST)  # a wait for a lock says nothing about the others
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
