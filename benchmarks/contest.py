"""A piece of work with everybody who does it, connected, compared and timed in turn."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from random import Random
from time import monotonic
from typing import Any

import attrs
import psycopg

from benchmarks import burst
from benchmarks.burst import Sample
from benchmarks.contender import AsyncioPeer, BlockingPeer, Contender, Peer, library
from benchmarks.figures import Outcome
from benchmarks.stage import Stage
from benchmarks.work import Work


class UnequalError(Exception):
    """A contender gives something else than the others, so that its time means nothing."""


@attrs.frozen
class Patience:
    """
    How long a contest goes on: for ``seconds``, but from ``least`` to ``most`` rounds.

    In at most so many ``sittings``.
    """

    seconds: float
    least: int
    most: int
    sittings: int = 1

    def parts(self, work: Work) -> list[Patience]:
        """What is left of it for each sitting of a work."""
        count = min(self.sittings, work.sittings, self.most)
        part = Patience(
            self.seconds * work.share / count, -(-self.least // count), -(-self.most // count)
        )
        return [part] * count


@attrs.frozen
class Contest:
    """
    A work, its connected contenders, and the event loop of those that are awaited.

    Made by `opened`. For one thread.
    """

    work: Work
    contenders: tuple[Contender, ...]
    _runner: asyncio.Runner
    _connection: psycopg.Connection[Any]

    def check(self) -> None:
        """Warms all up; raises `UnequalError` if they do not all come to the same."""
        first: tuple[Any, Any] | None = None
        for contender in self.contenders:
            for _ in range(self.work.warm_up):
                self._prepare()
                result = self.once(contender)
            found = self.work.comparable(contender.read(result)), self._state()
            if first is None:
                first = found
            elif found != first:
                raise UnequalError(
                    f"{self.work.title}: {contender.name} gives {_short(found)}, "
                    f"and {self.contenders[0].name} {_short(first)}"
                )

    def rounds(self, patience: Patience, random: Random) -> dict[str, list[Sample]]:
        """
        Return the samples of each contender, by name; their first samples are from one round.

        Each round runs all contenders in a new random order, so that none profits from always
        following the same one.
        """
        samples: dict[str, list[Sample]] = {one.name: [] for one in self.contenders}
        end = monotonic() + patience.seconds
        for number in range(patience.most):
            if number >= patience.least and monotonic() > end:
                break
            turns = list(self.contenders)
            random.shuffle(turns)
            for contender in turns:
                samples[contender.name].append(self.burst(contender))
        return samples

    def burst(self, contender: Contender) -> Sample:
        """Some calls of one contender."""
        self._prepare()
        work, call = self.work, contender.call
        if not contender.is_async:
            if work.threads:
                return burst.by_threads(call, work.calls, work.threads)
            return burst.in_turn(call, work.calls)
        if work.tasks:
            return self._runner.run(burst.by_tasks(call, work.calls, work.tasks))
        return self._runner.run(burst.awaited_in_turn(call, work.calls))

    def once(self, contender: Contender) -> Any:
        """What one call gives."""
        if contender.is_async:
            return self._runner.run(_awaited(contender))
        return contender.call()

    def _prepare(self) -> None:
        if self.work.before:
            self._connection.execute(self.work.before)

    def _state(self) -> Any:
        return self._connection.execute(self.work.state).fetchall() if self.work.state else None


async def _awaited(contender: Contender) -> Any:
    return await contender.call()


def _short(found: object) -> str:
    text = repr(found)
    return text if len(text) <= 300 else f"{text[:300]}..."


def measured(work: Work, stage: Stage, peers: Sequence[type[Peer]], patience: Patience) -> Outcome:
    """The outcome of a work: in each sitting all connect, are compared, and have their rounds."""
    samples: dict[str, list[list[Sample]]] = {}
    random = Random(work.key)
    for part in patience.parts(work):
        with opened(work, stage, peers) as contest:
            contest.check()
            for name, taken in contest.rounds(part, random).items():
                samples.setdefault(name, []).append(taken)
    return Outcome(work.key, work.title, work.yardstick, samples)


@contextmanager
def opened(
    work: Work, stage: Stage, peers: Iterable[type[Peer]], *, only: str | None = None
) -> Iterator[Contest]:
    """
    The contest of those of ``peers`` that take part in ``work`` and are installed.

    ``only`` one contender of them, if it is named.
    """
    stage = attrs.evolve(stage, connections=work.connections)
    contenders: list[Contender] = []
    with ExitStack() as stack:
        connection = stack.enter_context(psycopg.connect(stage.conninfo, autocommit=True))
        runner = stack.enter_context(asyncio.Runner(loop_factory=_loop_factory(work)))
        awaited = AsyncExitStack()
        stack.callback(lambda: runner.run(awaited.aclose()))
        for kind in peers:
            names = kind.names(work.key)
            if not names or kind.missing() or (only is not None and only not in names):
                continue
            peer = kind(stage)
            if isinstance(peer, AsyncioPeer):
                runner.run(peer.open(awaited))
            elif isinstance(peer, BlockingPeer):
                peer.open(stack)
            contenders += peer.contenders(work.key, work.size)
        if only is not None:
            contenders = [one for one in contenders if one.name == only]
        yield Contest(work, tuple(contenders), runner, connection)


def can_run(work: Work) -> bool:
    """Whether the event loop that a work asks for is installed."""
    return not work.uvloop or importlib.util.find_spec("uvloop") is not None


def _loop_factory(work: Work) -> Any:
    return library("uvloop").new_event_loop if work.uvloop else None
