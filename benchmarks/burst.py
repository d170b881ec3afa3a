"""The timing of a few calls in a row: one after another, by threads, or by tasks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import attrs

_PER_SECOND = 1e6


@attrs.frozen
class Sample:
    """
    A burst of one contender, in microseconds a call: on the clock, and of CPU in this process.

    ``p50`` and ``p99`` are how long single calls took, where several were under way at a time;
    ``wall`` is then what is left of a call when all the time is shared out among the calls.
    """

    wall: float
    cpu: float
    p50: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, wall: float, cpu: float, calls: int, latencies: list[float]) -> Self:
        """From seconds of the whole burst and, if they were taken, of each of its calls."""
        ordered = sorted(latencies)
        return cls(
            wall * _PER_SECOND / calls,
            cpu * _PER_SECOND / calls,
            *(percentile(ordered, share) * _PER_SECOND for share in (50, 99) if ordered),
        )


def percentile(ordered: list[float], share: int) -> float:
    """The least of the ``ordered`` values that ``share`` of a hundred do not exceed."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def in_turn(call: Callable[[], Any], calls: int) -> Sample:
    """One call after another."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        call()
    return Sample.of(time.perf_counter() - wall, time.process_time() - cpu, calls, [])


def by_threads(call: Callable[[], Any], calls: int, threads: int) -> Sample:
    """As many ``calls`` by each of some threads."""

    def work() -> list[float]:
        return [_timed(call) for _ in range(calls)]

    with ThreadPoolExecutor(threads) as pool:
        wall, cpu = time.perf_counter(), time.process_time()
        futures = [pool.submit(work) for _ in range(threads)]
        latencies = [seconds for future in futures for seconds in future.result()]
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample.of(wall, cpu, calls * threads, latencies)


async def awaited_in_turn(call: Callable[[], Awaitable[Any]], calls: int) -> Sample:
    """One call after another, awaited."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(calls):
        await call()
    return Sample.of(time.perf_counter() - wall, time.process_time() - cpu, calls, [])


async def by_tasks(call: Callable[[], Awaitable[Any]], calls: int, tasks: int) -> Sample:
    """As many ``calls`` by each of some tasks."""
    latencies: list[float] = []

    async def work() -> None:
        for _ in range(calls):
            started = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - started)

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(tasks)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Sample.of(wall, cpu, calls * tasks, latencies)


def _timed(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
