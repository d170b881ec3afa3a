"""One way of doing a piece of work, and the mark that makes a method of a library's peer one."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, ClassVar, TypeVar

import attrs

from benchmarks.stage import Stage

MethodT = TypeVar("MethodT", bound=Callable[..., Any])

_MARKS = "__contends__"


@attrs.frozen
class Contender:
    """
    One way of doing some work: each ``call`` is the whole of it.

    ``read`` turns what a call gives into what the work is about, where the library itself leaves
    that undone: it is applied before results are compared, and not timed.
    """

    name: str
    call: Callable[[], Any]
    read: Callable[[Any], Any]
    is_async: bool


@attrs.frozen
class _Mark:
    name: str
    works: tuple[str, ...]
    given: tuple[Any, ...]


def contends(name: str, *works: str, given: tuple[Any, ...] = ()) -> Callable[[MethodT], MethodT]:
    """Marks a method of a `Peer` as the contender ``name`` in ``works``, called with ``given``."""

    def mark(method: MethodT) -> MethodT:
        vars(method).setdefault(_MARKS, []).append(_Mark(name, works, given))
        return method

    return mark


class Peer:
    """
    A library that does the work, in its best documented way, on its own connections.

    ``needs`` lists the modules that the peer requires.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def read(self, result: Any) -> Any:
        """What a call's result means; see `Contender`."""
        return result

    @classmethod
    def missing(cls) -> list[str]:
        """Those of the modules it needs that are not installed."""
        return [name for name in cls.needs if importlib.util.find_spec(name) is None]

    @classmethod
    def names(cls, work: str) -> list[str]:
        """The contenders that it has in a work."""
        return [mark.name for _, mark in cls._marked(work)]

    def contenders(self, work: str, size: int | None) -> Iterator[Contender]:
        """Its methods that are marked for ``work``; of a work with a size, each takes that."""
        for method_name, mark in self._marked(work):
            method = getattr(self, method_name)
            given = mark.given if size is None else (*mark.given, size)
            call = partial(method, *given) if given else method
            yield Contender(mark.name, call, self.read, iscoroutinefunction(method))

    @classmethod
    def _marked(cls, work: str) -> Iterator[tuple[str, _Mark]]:
        for method_name, method in vars(cls).items():
            for mark in getattr(method, _MARKS, ()):
                if work in mark.works:
                    yield method_name, mark


class BlockingPeer(Peer):
    """A peer whose calls block."""

    def open(self, stack: ExitStack) -> None:
        """Connects; ``stack`` closes everything again."""
        raise NotImplementedError


class AsyncioPeer(Peer):
    """A peer whose calls are awaited."""

    async def open(self, stack: AsyncExitStack) -> None:
        """Connects; ``stack`` closes everything again."""
        raise NotImplementedError


def contends_with(counts: Iterable[int], name: str, work: str) -> Callable[[MethodT], MethodT]:
    """Marks a method as a contender with each of ``counts``, for the ``{}`` in name or work."""

    def mark(method: MethodT) -> MethodT:
        for count in counts:
            contends(name.format(f"{count:,}"), work.format(count), given=(count,))(method)
        return method

    return mark


def library(name: str) -> Any:
    """A module that ships no types, or need not be installed where types are checked."""
    return importlib.import_module(name)
