"""
The I/O backends, synchronous and asyncio.

Every control flow in `engine` is written once, as ``async def``. The methods of psycopg have the
same names for both backends, and return either a value or an awaitable; ``wait`` gets the value of
either. The synchronous backend never suspends, so `run_sync` needs no event loop.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import psycopg
import psycopg_pool

from raxol_sql.engine.core.mailbox import LoopMailbox, Mailbox, ThreadMailbox
from raxol_sql.engine.core.password_provider import Ask, ask_asyncio, ask_blocking
from raxol_sql.engine.core.session_lock import SessionLock, TaskSessionLock, ThreadSessionLock
from raxol_sql.engine.core.socket_wait import AsyncioWaiter, SocketWaiter, SyncWaiter

T = TypeVar("T")
_ENGINE = str(Path(__file__).parents[1])
# Code of frames that lose their caller when they return.
_CUT_OFF = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
# Whether a holder has a session, or waits for it with a claim.
Holds = Callable[[Any, object, object], bool | None]

Connection = psycopg.Connection[Any] | psycopg.AsyncConnection[Any]


@attrs.frozen(eq=False, repr=False)
class IOBackend:
    """
    An I/O backend: synchronous or asyncio.

    ``wait`` gets the result of a psycopg method, and ``finish`` runs a coroutine to completion even
    if its caller no longer waits. ``callback`` converts a coroutine function to a callback for
    psycopg's pool, ``waiting`` waits for the socket of a connection, ``lock`` makes a lock for
    ``async with`` and ``turn`` one with a deadline. ``who`` identifies the current thread or task,
    ``name_of`` names it, and ``holds`` says whether it is in a call that has a session or waits for
    it with a claim, None if unknown. ``ask_password`` calls a password callable. ``start`` runs a
    coroutine in a background thread or task that no caller interrupts, and returns a function that
    says whether it is running; ``mailbox`` makes its input. ``may_fork`` says whether a forked
    process can continue with a database of its parent.
    """

    wait: Callable[[Any], Awaitable[Any]]
    finish: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
    sleep: Callable[[float], Awaitable[None]]
    callback: Callable[[Callable[..., Coroutine[Any, Any, Any]]], Callable[..., Any]]
    waiting: type[SocketWaiter]
    lock: Callable[[], AbstractAsyncContextManager[Any]]
    turn: Callable[[], SessionLock]
    who: Callable[[], object]
    ask_password: Ask
    name_of: Callable[[Any], str]
    holds: Holds
    start: Callable[[Coroutine[Any, Any, Any]], Callable[[], bool]]
    mailbox: Callable[[], Mailbox]
    connection: type[Any]
    pool: type[Any]
    may_fork: bool


class _ThreadLock:
    """A lock between threads with the interface of an asyncio lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *error: object) -> None:
        self._lock.release()


async def _given(value: T) -> T:
    return value


async def _finished(value: Coroutine[Any, Any, T]) -> T:
    # The loop itself keeps no reference to the task.
    task = asyncio.ensure_future(value)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return await asyncio.shield(task)


_unfinished: set[asyncio.Task[Any]] = set()


def _ends_with_its_task(
    function: Callable[..., Coroutine[Any, Any, Any]],
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """
    Return the function as a callback after whose cancellation its task ends.

    A worker of psycopg_pool logs the cancellation of a connection attempt and continues, so the
    end of `asyncio.run`, which cancels all tasks, would wait for the worker forever. Another
    cancellation reaches the worker between its attempts, where it ends.
    """

    @functools.wraps(function)
    async def callback(*args: Any, **kwargs: Any) -> Any:
        try:
            return await function(*args, **kwargs)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None:
                asyncio.get_running_loop().call_soon(task.cancel)
            raise

    return callback


async def _slept(seconds: float) -> None:
    time.sleep(seconds)


def _name_of_thread(ident: int) -> str:
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    return f"thread {names.get(ident, ident)}"


def _name_of_task(task: asyncio.Task[Any] | None) -> str:
    return "no task" if task is None else f"task {task.get_name()}"


def _thread_holds(ident: int, session: object, claim: object) -> bool | None:
    """
    Return whether a thread is in a call that has this session or waits with this claim.

    None if it is in a call in which no frame refers to the session, directly or as ``_session``:
    the session may be on its way from one frame to the next.

    The thread keeps running during the check. A function keeps its caller after it has returned; a
    coroutine or generator does not. So a chain of frames that ends in one was cut off, and proves
    nothing.
    """
    frame, is_calling = sys._current_frames().get(ident), False
    # The frames of this check refer to the session, too.
    asking = (sys._getframe(1).f_globals, globals())
    while frame is not None:
        if frame.f_code is run_sync.__code__:
            is_calling = True
        elif frame.f_code.co_filename.startswith(_ENGINE) and not any(
            frame.f_globals is one for one in asking
        ):
            for value in [*frame.f_locals.values()]:
                if value is session or getattr(value, "_session", None) is session:
                    return True
                if claim is not None and getattr(value, "claim", None) is claim:
                    return True
        back = frame.f_back
        if back is None and frame.f_code.co_flags & _CUT_OFF:
            return None
        frame = back
    return None if is_calling else False


def _task_holds(task: asyncio.Task[Any] | None, session: object, claim: object) -> bool | None:
    """Return whether a task that has this session has not ended; None outside tasks."""
    return task is None or not task.done()


def _start_thread(work: Coroutine[Any, Any, Any]) -> Callable[[], bool]:
    # Not Thread.is_alive(): where an exception of a signal handler interrupts that, Python 3.11
    # takes the thread for one that has ended.
    ended: list[bool] = []

    def run() -> None:
        try:
            run_sync(work)
        finally:
            ended.append(True)

    threading.Thread(target=run, name="raxol_sql", daemon=True).start()
    return lambda: not ended


def _start_task(work: Coroutine[Any, Any, Any]) -> Callable[[], bool]:
    # The loop itself keeps no task alive.
    task = asyncio.ensure_future(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return lambda: not task.done()


async def _awaited(value: Awaitable[T]) -> T:
    return await value


def run_sync(work: Coroutine[Any, Any, T]) -> T:
    """
    Run a coroutine of the synchronous backend, which never suspends, and return its result.

    Works with and without a running event loop. Raises RuntimeError if the coroutine suspends: then
    it called code of the asyncio backend, which is a bug of this library.
    """
    try:
        work.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    # Raised before closing: a `finally` that awaits would replace this error.
    raise RuntimeError(f"{work!r} suspended in the synchronous backend")


def iterate_sync(lists: AsyncGenerator[list[T]]) -> Iterator[T]:
    """Yield the items of the lists that a generator of the synchronous backend yields."""
    try:
        while True:
            try:
                items = run_sync(lists.__anext__())
            except StopAsyncIteration:
                return
            yield from items
    finally:
        run_sync(lists.aclose())


BLOCKING = IOBackend(
    wait=_given,
    finish=_awaited,
    sleep=_slept,
    callback=lambda function: lambda *given, **named: run_sync(function(*given, **named)),
    waiting=SyncWaiter,
    lock=_ThreadLock,
    turn=ThreadSessionLock,
    who=threading.get_ident,
    ask_password=ask_blocking,
    name_of=_name_of_thread,
    holds=_thread_holds,
    start=_start_thread,
    mailbox=ThreadMailbox,
    connection=psycopg.Connection,
    pool=psycopg_pool.ConnectionPool,
    may_fork=True,
)
ASYNCIO = IOBackend(
    wait=_awaited,
    finish=_finished,
    sleep=asyncio.sleep,
    callback=_ends_with_its_task,
    waiting=AsyncioWaiter,
    lock=asyncio.Lock,
    turn=TaskSessionLock,
    who=asyncio.current_task,
    ask_password=ask_asyncio,
    name_of=_name_of_task,
    holds=_task_holds,
    start=_start_task,
    mailbox=LoopMailbox,
    connection=psycopg.AsyncConnection,
    pool=psycopg_pool.AsyncConnectionPool,
    may_fork=False,
)
