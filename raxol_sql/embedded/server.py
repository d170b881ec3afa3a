"""Starting, stopping and finding the server of a project."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen
from psycopg.conninfo import make_conninfo

from raxol_sql.embedded import cluster
from raxol_sql.embedded.binaries import Binaries, find_binaries, readable_copy
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.ending import end
from raxol_sql.embedded.folder import PORT, Folder, find_folder, make_folder
from raxol_sql.embedded.lock import locked
from raxol_sql.embedded.processes import Data, Process, is_taken, look_up
from raxol_sql.errors import EmbeddedError

# The children of a server that has died notice it within 0.1 s. What they were doing is lost
# already, so one that is too busy to notice is not waited for long.
_ORPHANS_END = 1.0
# What a start that has failed is given to leave nothing behind, whatever time it had itself.
_CLEANING_UP = 10.0


@frozen
class Server:
    """
    A running server: ``host`` is the directory of its Unix socket, its one address.

    ``started`` is in UTC; ``log`` is the file that it logs to.
    """

    project: Path
    data: Path
    log: Path
    host: str
    port: int
    pid: int
    version: str
    started: datetime

    def parameters(self, database: str = "postgres") -> dict[str, str]:
        """The parameters by which libpq and psycopg connect to ``database`` as its superuser."""
        return {
            "host": self.host,
            "port": str(self.port),
            "user": "postgres",
            "dbname": database,
        }

    def conninfo(self, database: str = "postgres") -> str:
        """The same parameters as a connection string."""
        return make_conninfo(**self.parameters(database))


def start(project: Path, *, wait: float = 30.0) -> Server:
    """
    The running server of the directory ``project``: started, and made, if need be.

    It takes at most about ``wait`` seconds, plus what cleaning up after a failure takes. The
    server outlives this process; ``stop`` ends it. Everything of it is in ``project/.raxol``,
    except where PostgreSQL could not work there: as root, whose server runs as ``nobody``, data
    goes to a directory below /var/lib if ``nobody`` cannot reach the project (below /tmp if the
    project is there too); a socket whose path would be too long goes to one below /tmp.

    The server is for development and tests. It runs without fsync: killing it loses nothing that
    was committed, but a crash of the operating system can destroy its data. It listens on a Unix
    socket in a directory of mode 0700 only, so its account and root alone can connect, and need no
    password to do so.

    Any number of threads and processes may call this at once. Raises ``EmbeddedError`` if there
    are no binaries, the server does not come up, or the time is over.
    """
    running = status(project)
    if running is not None:
        return running
    deadline = Timer.after(wait)
    with locked(make_folder(project).lock, deadline):
        # Read again: the last holder of the lock may have changed what is remembered.
        folder = make_folder(project)
        running = _settled(folder, deadline)
        return running or _started(folder, deadline)


def stop(project: Path, *, wait: float = 30.0) -> bool:
    """
    End the server of the directory ``project``: True if there was one, False if not.

    Clients are disconnected and their transactions rolled back. A server that has not ended after
    half of ``wait`` seconds is ended without a checkpoint, and then killed; what was committed
    survives either. Afterwards none of its processes lives, and none but its own was touched.

    Any number of threads and processes may call this at once. Raises ``EmbeddedError`` if the
    time is over.
    """
    folder = find_folder(project)
    if folder is None:
        return False
    deadline = Timer.after(wait)
    with locked(folder.lock, deadline):
        # Read again: the last holder of the lock may have changed what is remembered.
        folder = find_folder(project)
        data = None if folder is None else Data.at(folder.data)
        if folder is None or data is None:
            return False
        ended = end(data, deadline)
        folder.without_sockets()
        return ended


def status(project: Path) -> Server | None:
    """
    The server of the directory ``project`` if it runs and takes connections, else None.

    It asks the system and not the server, so it takes no connection and about a millisecond.
    Safe to call from any thread. Raises ``EmbeddedError`` if ``project`` is not a directory, or its
    ``.raxol`` folder belongs to another user.
    """
    folder = find_folder(project)
    return None if folder is None else _running(folder)


def _running(folder: Folder) -> Server | None:
    data, file = Data.at(folder.data), cluster.read_pid_file(folder.data)
    if data is None or file is None or not file.ready:
        return None
    process = look_up(file.pid)
    if process is None or not data.owns(process):
        return None
    return Server(
        project=folder.project,
        data=folder.data,
        log=folder.log,
        host=str(folder.sockets),
        port=PORT,
        pid=file.pid,
        version=folder.state.version,
        started=datetime.fromtimestamp(file.started, UTC),
    )


def _settled(folder: Folder, deadline: Timer) -> Server | None:
    """The running server, or None once it is certain that none of its processes lives."""
    data = Data.at(folder.data)
    if data is None:
        return None
    family = data.living()
    if _head_is(family, cluster.read_pid_file(folder.data)):
        # Starting up on behalf of a caller that has died, recovering, or about to stop.
        deadline.wait_until(lambda: _running(folder) is not None or not data.living())
        running = _running(folder)
        if running is None and data.living():
            raise EmbeddedError(
                f"the server in {folder.data} runs, but does not take connections yet: "
                f"give it more time, see {folder.log}, or stop it"
            )
        if running is not None:
            return running
    elif not deadline.within(_ORPHANS_END).wait_until(lambda: not data.living()):
        end(data, deadline.within(2 * _ORPHANS_END))
    _check_not_elsewhere(folder)
    return None


def _head_is(family: frozenset[Process], file: cluster.PidFile | None) -> bool:
    return file is not None and any(process.pid == file.pid for process in family)


def _check_not_elsewhere(folder: Folder) -> None:
    """Raise ``EmbeddedError`` if a server that cannot be seen from here uses the data."""
    if not (folder.data / "postmaster.pid").exists():
        return
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(folder.socket))
        except OSError:
            return
    raise EmbeddedError(
        f"a server that cannot be seen from here, such as in another container, uses {folder.data}"
        ": stop it there, or use another copy of the project here"
    )


def _started(folder: Folder, deadline: Timer) -> Server:
    found = find_binaries()
    folder = folder.furnished(deadline).with_sockets()
    binaries = _usable(found, folder, deadline)
    version = binaries.version(folder.account, deadline)
    if not folder.data.is_dir():
        cluster.create(folder, binaries, version, deadline)
    cluster.check_major(folder, binaries, version)
    folder = folder.remember(evolve(folder.state, version=version))
    _remove_stale_locks(folder)
    logged = cluster.log_size(folder)
    pid = cluster.launch(folder, binaries, deadline)
    deadline.wait_until(lambda: _running(folder) is not None or look_up(pid) is None)
    running = _running(folder)
    if running is None:
        reason = "ended while it started" if look_up(pid) is None else "was not ready in time"
        data = Data.at(folder.data)
        if data is not None:
            end(data, Timer.after(_CLEANING_UP))
        folder.without_sockets()
        raise EmbeddedError(
            f"the server in {folder.data} {reason}; the end of {folder.log}:\n"
            f"{cluster.log_end(folder, logged)}\n"
            f"Remove the cause and start again; the binaries are {binaries.origin}, "
            f"PostgreSQL {version}"
        )
    return running


def _usable(binaries: Binaries, folder: Folder, deadline: Timer) -> Binaries:
    account = folder.account
    if account.is_current or account.can_use(binaries.directory / "postgres", deadline):
        return binaries
    return readable_copy(binaries, folder.base)


def _remove_stale_locks(folder: Folder) -> None:
    """Remove the pid files that would keep PostgreSQL from starting without a reason."""
    # It takes whatever has that pid for a server: a stranger after a reboot or in a copied project,
    # or the zombie of the server itself where nothing reaps. A free pid it handles well.
    data = Data.at(folder.data)
    of_socket = folder.socket.with_name(f"{folder.socket.name}.lock")
    for path in (folder.data / "postmaster.pid", of_socket):
        if data is None or not path.exists():
            continue
        written = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        pid = int(written) if written.isdigit() else 0
        process = look_up(pid)
        stranger = process is not None and data.disowns(process)
        if stranger or (process is None and is_taken(pid)):
            path.unlink()
