"""What the samples of a contest come to: medians, and medians of ratios within a round."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

import attrs

from benchmarks.burst import Sample

Measure = Literal["wall", "cpu"]

# Half the width of a 95 % interval, in standard deviations of a normal distribution.
_WIDTH = statistics.NormalDist().inv_cdf(0.975)


@attrs.frozen
class Spread:
    """A median, and between what it lies with a certainty of 95 %."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """
        Of independent values, whatever their distribution.

        How many of n values lie below the true median is binomial, with a standard deviation of
        sqrt(n) / 2. Fewer than six values cannot be as certain: it is then all between the least
        and the greatest. Raises ValueError if there are none.
        """
        ordered = sorted(values)
        count = len(ordered)
        if not count:
            raise ValueError("there are no values to have a median")
        outside = max(0, math.floor((count - _WIDTH * math.sqrt(count)) / 2))
        return cls(statistics.median(ordered), ordered[outside], ordered[count - 1 - outside])

    @classmethod
    def of_sittings(cls, sittings: Sequence[Sequence[float]]) -> Self:
        """
        Of values of which those of one sitting have their luck in common.

        They count as one, their median; those of a single sitting are taken as they are.
        """
        return cls.of([*map(statistics.median, sittings)] if len(sittings) > 1 else sittings[0])


@attrs.frozen
class Outcome:
    """
    The samples of all who did a work, by name and by sitting.

    Those at the same place of the same sitting are of one round.
    """

    key: str
    title: str
    yardstick: str
    samples: dict[str, list[list[Sample]]]

    @property
    def rounds(self) -> int:
        """How many rounds there were, in all sittings."""
        return min((sum(map(len, own)) for own in self.samples.values()), default=0)

    def spread(self, name: str, measure: Measure) -> Spread:
        """Microseconds a call."""
        return Spread.of_sittings(self._read(name, _reader(measure)))

    def ratio(self, name: str, other: str, measure: Measure) -> Spread | None:
        """What one took in parts of what the other took in the same round; None without both."""
        if name not in self.samples or other not in self.samples:
            return None
        return Spread.of_sittings(
            [
                [
                    getattr(a, measure) / getattr(b, measure)
                    for a, b in zip(own, theirs, strict=True)
                ]
                for own, theirs in zip(self.samples[name], self.samples[other], strict=True)
            ]
        )

    def sum(self, weights: Mapping[str, int], measure: Measure) -> Spread:
        """Microseconds a call, of each name as many times as it weighs, within the same round."""
        taken = {name: self._read(name, _reader(measure)) for name in weights}
        return Spread.of_sittings(
            [
                [
                    math.fsum(weights[name] * value for name, value in zip(taken, row, strict=True))
                    for row in zip(*sitting, strict=True)
                ]
                for sitting in zip(*taken.values(), strict=True)
            ]
        )

    def sum_of_least(self, weights: Mapping[str, int], measure: Measure) -> Spread:
        """The same of the shortest burst that each has in a sitting, with bounds by sitting."""
        taken = {name: self._read(name, _reader(measure)) for name in weights}
        return Spread.of(
            [
                math.fsum(
                    weights[name] * min(own) for name, own in zip(taken, sitting, strict=True)
                )
                for sitting in zip(*taken.values(), strict=True)
            ]
        )

    def latency(self, name: str, share: Literal["p50", "p99"]) -> float | None:
        """The median of the rounds' percentiles, in microseconds; None if none were taken."""
        taken = self._read(name, lambda sample: getattr(sample, share))
        if any(value is None for sitting in taken for value in sitting):
            return None
        return Spread.of_sittings(taken).median

    def _read(self, name: str, read: Callable[[Sample], float]) -> list[list[float]]:
        return [[read(sample) for sample in sitting] for sitting in self.samples[name]]


def _reader(measure: Measure) -> Callable[[Sample], float]:
    return lambda sample: float(getattr(sample, measure))
