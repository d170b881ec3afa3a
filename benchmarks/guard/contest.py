"""Engines and ways in turn: who has a burst when, and whether all give the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from random import Random
from time import monotonic

import attrs

from benchmarks.burst import Sample
from benchmarks.contest import UnequalError
from benchmarks.figures import Outcome
from benchmarks.guard.engines import Engine, Worker, working

_Turn = tuple[str, Worker, str]


@attrs.frozen
class Length:
    """How long it takes: ``sittings`` of so many ``seconds``, and of ``least`` rounds or more."""

    sittings: int
    seconds: float
    least: int = 5


def label(way: str, engine: Engine) -> str:
    """What a way is called in an outcome."""
    return f"{way}, {engine.name}"


def measured(engines: Sequence[Engine], conninfo: str, length: Length) -> Outcome:
    """
    Return the samples of all ways through all engines.

    Each sitting has new processes with new connections, and each of its rounds runs a burst of
    all of them in a new random order. Raises `UnequalError` if their results differ, and
    `EngineError` if one fails.
    """
    samples: dict[str, list[list[Sample]]] = {}
    random = Random("guard")
    for _ in range(length.sittings):
        with ExitStack() as stack:
            turns = _turns(engines, conninfo, stack)
            for name, taken in _rounds(turns, length, random).items():
                samples.setdefault(name, []).append(taken)
    return Outcome("guard", "one row by primary key", next(iter(samples)), samples)


def check_equal(gives: Sequence[tuple[str, str]]) -> None:
    """Raises `UnequalError` unless all give what the first one does; names and what they give."""
    first_name, first = gives[0]
    for name, given in gives:
        if given != first:
            raise UnequalError(f"{name} gives {given}, and {first_name} {first}")


def _turns(engines: Sequence[Engine], conninfo: str, stack: ExitStack) -> list[_Turn]:
    turns: list[_Turn] = []
    gives: list[tuple[str, str]] = []
    for engine in engines:
        worker = stack.enter_context(working(engine, conninfo))
        turns += [(label(way, engine), worker, way) for way in worker.gives]
        gives += [(label(way, engine), given) for way, given in worker.gives.items()]
    check_equal(gives)
    return turns


def _rounds(turns: Sequence[_Turn], length: Length, random: Random) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {name: [] for name, _, _ in turns}
    end = monotonic() + length.seconds
    rounds = 0
    while rounds < length.least or monotonic() < end:
        for name, worker, way in random.sample(turns, len(turns)):
            samples[name].append(worker.burst(way))
        rounds += 1
    return samples
