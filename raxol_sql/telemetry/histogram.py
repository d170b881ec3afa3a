"""How values are spread, counted in classes whose bounds are fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

# In milliseconds: from what a row costs on a socket to what no caller waits for.
BOUNDS_MS = (
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0),
    *(100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0),
)


@attrs.frozen
class Histogram:
    """
    How many values lay in each class.

    ``bounds`` are the upper bounds of the classes, which belong to them; ``counts`` has one more,
    for what lies above the last. ``sum`` is that of all values, and ``max`` the largest.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float
    max: float

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.counts)

    def quantile(self, share: float) -> float:
        """
        About the value below which a ``share``, from 0 to 1, of all values lies; 0.0 without any.

        As far as it can be told: somewhere in the class in which it lies, as if the values there
        were spread evenly.
        """
        wanted = share * self.count
        seen = 0
        lower = 0.0
        for upper, count in zip((*self.bounds, self.max), self.counts, strict=True):
            upper = min(upper, self.max)
            if count and seen + count >= wanted:
                return lower + (upper - lower) * (wanted - seen) / count
            seen += count
            lower = upper
        return self.max

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bound, infinity the last, with the number of values up to it."""
        seen = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            seen += count
            yield bound, seen


def empty_counts(bounds: Sequence[float]) -> list[int]:
    """A zero for each class."""
    return [0] * (len(bounds) + 1)
