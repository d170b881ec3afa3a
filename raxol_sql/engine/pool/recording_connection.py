"""A connection class that records why libpq failed to connect."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg import pq
from psycopg.pq import ConnStatus, PollingStatus, Trace
from psycopg.pq.abc import PGconn
from psycopg.waiting import Wait

from raxol_sql.config import Conninfo
from raxol_sql.engine.wire.handshake import Handshake
from raxol_sql.failures import REFUSED

_ERROR = re.compile(rb'\tErrorResponse\t S "[^"]*"(?: V "[A-Z]+")? C "([0-9A-Z]{5})"')
# The libpq connections that the attempt of this thread or task has begun.
begun_now: ContextVar[Begun | None] = ContextVar("begun", default=None)
# Connection parameters. The libpq string with the secrets is built where libpq takes it: psycopg
# would keep it in variables of its frames, which a traceback shows.
target_now: ContextVar[Conninfo] = ContextVar("target")
_ABANDONED = "the attempt was abandoned: no caller waits for a connection"
_ANY_MOVE = {PollingStatus.READING: Wait.R, PollingStatus.WRITING: Wait.W}


class Begun(list[PGconn]):
    """
    The connections of an attempt, one for each host that psycopg tried.

    ``is_unanswered``: one ended during the TLS negotiation. ``needs_password``: one asked for a
    password that is missing.
    """

    is_unanswered = needs_password = False


class SqlstateSniffer:
    """
    A reader of libpq's trace for the SQLSTATE of a connection error.

    libpq does not expose the code, but its trace contains it. The trace may contain secrets, so it
    stays in memory and is dropped at the end. Linux only; without a file for the trace, as in a
    process with too many open files, nothing is recorded.
    """

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._memory = -1

    def listen(self) -> None:
        """Start the trace; a second call does nothing."""
        if self._memory >= 0 or not hasattr(os, "memfd_create"):
            return
        try:
            self._memory = os.memfd_create("raxol_sql", os.MFD_CLOEXEC)
        except OSError:
            return
        self._pgconn.trace(self._memory)
        self._pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def last_sqlstate(self) -> str | None:
        """Return the SQLSTATE of the last error, if there was one."""
        if self._memory < 0:
            return None
        self._pgconn.untrace()
        os.lseek(self._memory, 0, os.SEEK_SET)
        told = _ERROR.findall(os.read(self._memory, 1 << 20))
        return told[-1].decode() if told else None

    def close(self) -> None:
        """Stop and discard the trace."""
        if self._memory >= 0:
            self._pgconn.untrace()
            os.close(self._memory)


def recording_class(connection: type[Any], is_over: Callable[[], bool]) -> type[Any]:
    """
    Return a class of connections that record the SQLSTATE of a connection error.

    It makes none once ``is_over``.
    """

    class RecordingConnection(connection):  # type: ignore[misc]
        # psycopg's own destructor is written in Python, and warns of connections that were not
        # closed, which the pool closes. An exception that a signal handler raises in a destructor
        # is lost, so this one runs no bytecode.
        __del__: Any = staticmethod(dict)

        @classmethod
        def _connect_gen(cls, conninfo: str = "") -> Generator[tuple[int, Wait], Any, Any]:
            # psycopg's own generator does the same, but offers no place to start the trace.
            pgconn = pq.PGconn.connect_start(target_now.get().revealed(conninfo).encode())
            if (begun := begun_now.get()) is not None:
                begun.append(pgconn)
            ear, handshake = SqlstateSniffer(pgconn), Handshake()
            try:
                status = before = ConnStatus(pgconn.status)
                while status != ConnStatus.BAD:
                    before = status
                    if status == ConnStatus.SSL_STARTUP:
                        handshake.look(pgconn.socket)
                    move = PollingStatus(pgconn.connect_poll())
                    if move == PollingStatus.OK:
                        pgconn.nonblocking = 1
                        return cls(pgconn)
                    status = ConnStatus(pgconn.status)
                    if move not in _ANY_MOVE:
                        break
                    if status != ConnStatus.STARTED:
                        # Not earlier: psycopg keeps some memory of each trace forever, and an
                        # unreachable server is tried for as long as the outage lasts.
                        ear.listen()
                    # psycopg returns without a result every tenth of a second.
                    while not (yield pgconn.socket, _ANY_MOVE[move]):
                        if is_over():
                            raise psycopg.OperationalError(
                                "the attempt was abandoned: no caller waits for a connection"
                            )
                raise _failed(pgconn, before, ear.last_sqlstate(), handshake)
            finally:
                ear.close()

    # The name in log lines and reprs.
    RecordingConnection.__name__ = RecordingConnection.__qualname__ = connection.__name__
    RecordingConnection.__module__ = connection.__module__
    return RecordingConnection


def _failed(
    pgconn: PGconn, before: ConnStatus, sqlstate: str | None, handshake: Handshake
) -> psycopg.OperationalError:
    """
    Return the error of an attempt.

    A missing password, and a server that refuses TLS or does not fit the parameters, are permanent
    refusals; a connection that ends before that is a transient failure.
    """
    name = "OperationalError"
    if (begun := begun_now.get()) is not None:
        begun.is_unanswered |= handshake.is_unanswered
        begun.needs_password |= bool(pgconn.needs_password)
    is_tls = before == ConnStatus.SSL_STARTUP and not handshake.is_unanswered
    refused = pgconn.needs_password or is_tls
    # psycopg may raise another error of the same class, so the class carries the SQLSTATE.
    kind = type(name, (psycopg.OperationalError,), {"sqlstate": sqlstate, REFUSED: refused})
    message = pgconn.get_error_message()
    pgconn.finish()
    error: psycopg.OperationalError = kind(f"connection failed: {message}")
    return error
