"""Password callables."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent import futures
from typing import Any

from psycopg.errors import ConnectionTimeout

from raxol_sql.config.conninfo import AskPassword, password_of
from raxol_sql.config.secret import Hidden, Secret
from raxol_sql.errors import ConfigError

_NOTE = "raised by the password callable, which is called for each new connection"
Ask = Callable[[AskPassword, float], Awaitable[Secret]]


async def ask_blocking(ask: AskPassword, longest: float) -> Secret:
    """
    Return the password from ``ask``, within ``longest`` seconds.

    ``ask`` runs in a separate thread, because a call that does not return cannot be interrupted.
    Raises what ``ask`` raises, with a note; ConnectionTimeout at the end of the time; `ConfigError`
    for a result that is not a str.
    """
    future = _in_thread(ask)
    futures.wait([future], longest)
    if not future.done():
        raise _late(longest)
    return _secret_in(future)


async def ask_asyncio(ask: AskPassword, longest: float) -> Secret:
    """
    Return the password from ``ask``, which may be a coroutine function.

    Any other function runs in a thread, so that it does not block the event loop.
    """
    until = asyncio.get_running_loop().time() + longest
    task: asyncio.Future[Any]
    if inspect.iscoroutinefunction(ask) or inspect.iscoroutinefunction(type(ask).__call__):
        task = asyncio.ensure_future(_awaited(ask()))
    else:
        task = asyncio.wrap_future(_in_thread(ask))
    await _ended(task, longest)
    if task.done() and _is_awaitable(task):
        task = asyncio.ensure_future(_awaited(task.result().reveal()[0]))
        await _ended(task, until - asyncio.get_running_loop().time())
    if not task.done() or (task.cancelled() and asyncio.get_running_loop().time() >= until):
        task.cancel()
        raise _late(longest)
    return _secret_in(task)


async def _ended(task: asyncio.Future[Any], longest: float) -> None:
    try:
        await asyncio.wait([task], timeout=max(0.0, longest))
    except BaseException:
        task.cancel()
        raise


def _is_awaitable(task: asyncio.Future[Any]) -> bool:
    failed = task.cancelled() or task.exception() is not None
    return not failed and inspect.isawaitable(task.result().reveal()[0])


async def _awaited(answer: Any) -> Hidden:
    # The repr of a future shows its result.
    return Hidden(await answer)


def _in_thread(ask: AskPassword) -> futures.Future[Any]:
    future: futures.Future[Any] = futures.Future()
    context = contextvars.copy_context()

    def run() -> None:
        future.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        try:
            future.set_result(Hidden(context.run(ask)))
        except BaseException as error:
            future.set_exception(error)

    # A daemon thread, for which the process does not wait at exit.
    threading.Thread(target=run, name="raxol_sql password", daemon=True).start()
    return future


def _secret_in(done: futures.Future[Any] | asyncio.Future[Any]) -> Secret:
    failure: BaseException | None
    failure = asyncio.CancelledError() if done.cancelled() else done.exception()
    if failure is None:
        return password_of(done.result().reveal()[0])
    if not isinstance(failure, Exception):
        # It would end a worker of the pool, or look as if the caller was cancelled.
        kind = type(failure).__name__
        raise ConfigError(f"the password callable raised {kind}") from failure
    if _NOTE not in getattr(failure, "__notes__", ()):
        failure.add_note(_NOTE)
    raise failure


def _late(longest: float) -> ConnectionTimeout:
    return ConnectionTimeout(f"the password callable did not return within {longest:.1f} s")
