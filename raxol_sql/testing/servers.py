"""Servers of a test's own, which may be killed, frozen, restarted and promoted."""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from raxol_sql import embedded
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import make_folder
from raxol_sql.embedded.processes import Data, Process, lives, send
from raxol_sql.errors import EmbeddedError
from raxol_sql.testing.backup import back_up, drop_slot
from raxol_sql.testing.folders import temporary_project
from raxol_sql.testing.proxy import FaultProxy
from raxol_sql.testing.signals import freeze, kill, member_of, postmaster_of, thaw

Mode = Literal["smart", "fast", "immediate"]

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
# Seconds that one question to the server may take where it answers at all.
_ANSWERING = 5.0
_standby_numbers = itertools.count(1)


class FaultServer:
    """
    A PostgreSQL server in a separate folder, started and in the end removed by a ``with`` block.

    It is an embedded server (see `raxol_sql.embedded.start`): as root it runs as ``nobody``, it
    listens on a Unix socket that only its account and root can use, and it runs without fsync, so
    that killing it loses nothing that was committed, as on a machine that stays up. A
    `FaultProxy` before it gives it a TCP port.

    ``settings`` are set before the block begins, whatever they need for it. A ``project`` is a
    directory whose embedded server is used instead, with its data, and only stopped at the end:
    the second time it need not be made. Everything that waits does so for at most ``wait``
    seconds, unless it says otherwise, and raises `EmbeddedError` after that. Only processes of
    this server are ever signalled; those that are frozen at the end are thawed and ended.

    For Linux; raises `EmbeddedError` elsewhere. Methods may be called from any thread, one at a
    time.
    """

    def __init__(
        self,
        settings: Mapping[str, object] | None = None,
        *,
        project: Path | None = None,
        wait: float = 30.0,
    ) -> None:
        if sys.platform != "linux":
            raise EmbeddedError("a FaultServer needs Linux, whose /proc tells of its processes")
        self._settings = dict(settings or {})
        self._project = project
        self._wait = wait
        self._ending = ExitStack()
        self._server: embedded.Server | None = None
        self._frozen: set[Process] = set()

    def __enter__(self) -> Self:
        if self._server is None:
            with ExitStack() as undoing:
                undoing.callback(self.close)
                self._make()
                undoing.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the server, its standbys and its folder; again it does nothing."""
        self._ending.close()
        self._server = None

    @property
    def project(self) -> Path:
        """The project directory that the server belongs to."""
        return self._known().project

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self._known().log

    @property
    def pid(self) -> int:
        """The pid of the server's first process, the postmaster."""
        return postmaster_of(self._data).pid

    @property
    def is_running(self) -> bool:
        """Whether the server runs and takes connections, by its own word in its pid file."""
        return embedded.status(self.project) is not None

    def conninfo(self, database: str = "postgres") -> str:
        """The connection string of ``database``, as the superuser, through the Unix socket."""
        return self._known().conninfo(database)

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """
        The rows of one statement, on a separate connection, as the superuser, in autocommit.

        Raises the driver's errors.
        """
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            cursor = connection.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def set(self, **settings: object) -> None:
        """
        Sets settings of the server for good, and has it read them.

        Sessions notice a little later than new ones. What needs a restart waits for `restart`.
        """
        text = sql.SQL("alter system set {} = {}")
        with psycopg.connect(self.conninfo(), autocommit=True) as connection:
            for name, value in settings.items():
                connection.execute(text.format(sql.Identifier(name), sql.Literal(str(value))))
            read_before = connection.execute("select pg_conf_load_time()").fetchone()
            connection.execute("select pg_reload_conf()")
        self._await(
            "read its settings", lambda: self.ask("select pg_conf_load_time()") != [read_before]
        )

    def start(self) -> None:
        """Starts the server, after which it takes connections; one that runs stays as it is."""
        self._server = embedded.start(self.project, wait=self._wait)
        self.wait_until_ready()

    def stop(self, mode: Mode = "fast", *, wait: float | None = None) -> None:
        """
        Stops the server as pg_ctl does, after which none of its processes lives.

        "smart" waits for clients to leave, "fast" ends their sessions, "immediate" ends everything
        without a checkpoint, so that the next start is a recovery.
        """
        send(postmaster_of(self._data), _SIGNALS[mode])
        self._await(f"stopped ({mode})", lambda: not self._data.living(), wait)
        self._frozen.clear()

    def restart(self, mode: Mode = "fast") -> None:
        """Stops and starts the server."""
        self.stop(mode)
        self.start()

    def kill(self) -> None:
        """
        Kills the server (SIGKILL), and every process of it that this leaves.

        What was committed is there after `start`.
        """
        kill(self._data, Timer.after(self._wait))
        self._frozen.clear()

    def crash_backend(self, pid: int) -> None:
        """
        Kills the session ``pid`` (SIGKILL), and waits until the server takes connections again.

        The server ends all other sessions then, and recovers.
        """
        postmaster = postmaster_of(self._data)
        victim = self._child(pid)
        others = [one for one in self._data.living() if one != postmaster]
        send(victim, signal.SIGKILL)
        self._await("restarted after a crash", lambda: not any(map(lives, others)))
        self._frozen &= {postmaster}
        self.wait_until_ready()

    def freeze(self, pid: int | None = None) -> None:
        """Stops the process ``pid`` of the server (SIGSTOP), its postmaster without a pid."""
        process = member_of(self._data, self.pid if pid is None else pid)
        self._frozen.add(process)
        freeze(process, Timer.after(self._wait))

    def thaw(self) -> None:
        """Lets every process that was frozen go on (SIGCONT)."""
        for process in self._frozen:
            thaw(process)
        self._frozen.clear()

    @contextmanager
    def frozen(self, pid: int | None = None) -> Iterator[None]:
        """Freezes a process, as `freeze` does, for as long as the block lasts."""
        self.freeze(pid)
        try:
            yield
        finally:
            self.thaw()

    def backends(self, application_name: str | None = None) -> list[int]:
        """The pids of the sessions of clients, all or those with that ``application_name``."""
        rows = self.ask(
            "select pid from pg_stat_activity where backend_type = 'client backend' "
            "and pid <> pg_backend_pid() and coalesce(application_name = %s, true) order by pid",
            application_name,
        )
        return [pid for (pid,) in rows]

    def terminate_backends(self, application_name: str | None = None) -> int:
        """Ends such sessions as an administrator does; gives how many, once they are gone."""
        pids = self.backends(application_name)
        limit = int(self._wait * 1000)
        self.ask("select pg_terminate_backend(pid, %s) from unnest(%s::int[]) as pid", limit, pids)
        self._await("ended its sessions", lambda: not set(pids) & set(self.backends()))
        return len(pids)

    def wait_until_ready(self, wait: float | None = None) -> None:
        """Waits until the server answers to a query."""
        self._await("answered", self._answers, wait)

    def timeline(self) -> int:
        """The timeline that the server writes, or as a standby follows: each promotion has one."""
        # Not that of the last checkpoint, which is an old one for a while after a promotion.
        (row,) = self.ask(
            "select case when pg_is_in_recovery() "
            "then (select received_tli from pg_stat_wal_receiver) "
            "else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int end"
        )
        return int(row[0] or 0)

    def standby(self, *, synchronous: bool = False) -> Standby:
        """
        A standby of this server, started, and streaming.

        With ``synchronous``, each COMMIT here waits until the standby has it on its disk. It ends
        with this server at the latest, or at the end of the standby's ``with`` block.
        """
        standby = Standby(self)
        self._ending.enter_context(standby)
        standby.wait_until_streaming()
        if synchronous:
            self.set(synchronous_standby_names=f'"{standby.name}"')
            self._await(
                "taken its standby for synchronous", lambda: standby.replication_state() == "sync"
            )
        return standby

    @property
    def _data(self) -> Data:
        data = Data.at(self._known().data)
        if data is None:
            raise EmbeddedError(f"{self._known().data} is gone")
        return data

    def _known(self) -> embedded.Server:
        if self._server is None:
            raise EmbeddedError("this server runs only in its with block")
        return self._server

    def _child(self, pid: int) -> Process:
        process = member_of(self._data, pid)
        if process.parent != self.pid:
            raise EmbeddedError(f"{pid} is the postmaster: kill() ends that, with all the others")
        return process

    def _make(self) -> None:
        self._launch(self._project or self._ending.enter_context(temporary_project()))
        if self._settings:
            self.set(**self._settings)
            self.restart()

    def _launch(self, project: Path) -> None:
        self._ending.callback(embedded.stop, project, wait=self._wait)
        self._ending.callback(self._give_back, project)
        self._ending.callback(self.thaw)
        self._server = embedded.start(project, wait=self._wait)

    def _give_back(self, project: Path) -> None:
        """Gives back the system's shared memory, which a killed server has left behind."""
        if self._server is not None and (self._server.data / "postmaster.pid").exists():
            # The server finds it by what it has noted in its data, and no other program does.
            with suppress(EmbeddedError):
                embedded.start(project, wait=self._wait)

    def _answers(self) -> bool:
        try:
            with psycopg.connect(
                self.conninfo(), connect_timeout=int(_ANSWERING), autocommit=True
            ) as connection:
                return connection.execute("select 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False

    def _await(self, what: str, condition: Callable[[], bool], wait: float | None = None) -> None:
        seconds = self._wait if wait is None else wait
        if not Timer.after(seconds).wait_until(condition):
            raise EmbeddedError(
                f"the server in {self._known().data} has not {what} within {seconds:g} s; "
                f"see {self.log}"
            )


class Standby(FaultServer):
    """
    A server that follows another one, ``primary``, as `FaultServer.standby` makes it.

    It gets its WAL through ``line``, a `FaultProxy`: with ``line.black_hole()`` or
    ``line.refuse()`` and ``line.cut()``, nothing that is committed after that gets to it, so what
    is committed then is lost in a failover; ``line.heal()`` has it catch up. Its primary keeps the
    WAL that it has not got yet, in a replication slot of its ``name``.
    """

    def __init__(self, primary: FaultServer) -> None:
        super().__init__(wait=primary._wait)
        self.primary = primary
        self.name = f"standby_{next(_standby_numbers)}"
        self.line = FaultProxy(primary.conninfo(), lifetime=3600.0)

    def replication_state(self) -> str | None:
        """What the primary says: "async", "sync", or None if this standby is not connected."""
        rows = self.primary.ask(
            "select sync_state from pg_stat_replication where application_name = %s "
            "and state = 'streaming'",
            self.name,
        )
        return str(rows[0][0]) if rows else None

    def is_streaming(self) -> bool:
        """Whether both sides say that it streams; they need not notice at once that it does not."""
        mine = self.ask("select 1 from pg_stat_wal_receiver where status = 'streaming'")
        return bool(mine) and self.replication_state() is not None

    def wait_until_streaming(self, wait: float | None = None) -> None:
        """Waits until it streams."""
        self._await("streamed", self.is_streaming, wait)

    def lag(self) -> int:
        """How many bytes of the WAL that the primary has on its disk are not replayed here."""
        return self._missing(self._flushed())

    def catch_up(self, wait: float | None = None) -> None:
        """Waits until everything can be seen here that is committed on the primary by now."""
        position = self._flushed()
        self._await("caught up", lambda: self._missing(position) <= 0, wait)

    def pause_replay(self) -> None:
        """Goes on receiving, but shows nothing new, until `resume_replay`."""
        self.ask("select pg_wal_replay_pause()")
        self._await(
            "paused", lambda: self.ask("select pg_get_wal_replay_pause_state()") == [("paused",)]
        )

    def resume_replay(self) -> None:
        """Goes on replaying."""
        self.ask("select pg_wal_replay_resume()")

    def promote(self) -> None:
        """Make it a separate primary, on a new timeline; the old one is not told."""
        ((is_done,),) = self.ask("select pg_promote(true, %s::int)", max(1, int(self._wait)))
        if not is_done:
            raise EmbeddedError(f"{self.name} was not promoted in time; see {self.log}")

    def _flushed(self) -> str:
        ((position,),) = self.primary.ask("select pg_current_wal_flush_lsn()::text")
        return str(position)

    def _missing(self, position: str) -> int:
        ((missing,),) = self.ask(
            "select pg_wal_lsn_diff(%s::pg_lsn, pg_last_wal_replay_lsn())::bigint", position
        )
        return int(missing)

    def _make(self) -> None:
        project = self._ending.enter_context(temporary_project())
        self._ending.enter_context(self.line)
        deadline = Timer.after(self._wait)
        origin = make_conninfo(self.line.conninfo, application_name=self.name)
        self._ending.callback(drop_slot, self.primary.conninfo(), self.name)
        back_up(origin, make_folder(project).furnished(deadline), self.name, deadline)
        self._launch(project)
