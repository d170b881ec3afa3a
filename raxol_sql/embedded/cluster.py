"""Making a data directory, and launching the server on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from attrs import frozen

from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.binaries import VARIABLE, Binaries, major
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.folder import PORT, Folder
from raxol_sql.errors import EmbeddedError

_SHOWN_LINES = 15
# The shell's own child: it leaves no zombie once it ends, and holds none of our pipes. Paths
# are arguments, so that nothing in them is taken for shell.
_LAUNCH = 'log=$1; shift; : >>"$log"; exec "$@" </dev/null >>"$log" 2>&1 & echo $!'


@frozen
class PidFile:
    """What a server writes into its data directory: pid, start (epoch seconds), readiness."""

    pid: int
    started: int
    ready: bool


def parse_pid_file(text: str) -> PidFile | None:
    """What the text of a ``postmaster.pid`` says; None while it is still being written."""
    lines = text.splitlines()
    if len(lines) < 3 or not (lines[0].isdigit() and lines[2].isdigit()):
        return None
    # The eighth line is the server's own word on whether it takes connections.
    ready = len(lines) >= 8 and lines[7].strip() in ("ready", "standby")
    return PidFile(int(lines[0]), int(lines[2]), ready)


def read_pid_file(data: Path) -> PidFile | None:
    """The pid file of the data directory ``data``; None if there is none to be understood."""
    try:
        return parse_pid_file((data / "postmaster.pid").read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def create(folder: Folder, binaries: Binaries, version: str, deadline: Timer) -> None:
    """
    Make the data directory: afterwards it is complete, or absent if this was interrupted.

    Raises ``EmbeddedError`` with what initdb says.
    """
    for interrupted in folder.home.glob("new-*"):
        shutil.rmtree(interrupted, ignore_errors=True)
    # Never the same name twice: the initdb of a caller that was killed may still be writing.
    account, unborn = folder.account, Path(tempfile.mkdtemp(prefix="new-", dir=folder.home))
    account.give(unborn)
    run = account.run(
        [
            binaries.program("initdb"),
            f"--pgdata={unborn}",
            "--username=postgres",
            "--encoding=UTF8",
            "--auth-local=trust",
            "--auth-host=reject",
            "--no-sync",
            *_locale(int(major(version))),
        ],
        deadline=deadline,
        environment=binaries.environment,
    )
    if run.returncode != 0:
        raise EmbeddedError(
            f"initdb ({binaries.origin}) could not make {unborn}:\n"
            f"{_end(run.stdout + run.stderr)}\n"
            f"Remove the cause and start again, or name other binaries in {VARIABLE}"
        )
    _append(account, unborn / "postgresql.conf", _settings(binaries), deadline)
    unborn.rename(folder.data)


def check_major(folder: Folder, binaries: Binaries, version: str) -> None:
    """Raise ``EmbeddedError`` if the data was made by another major version of PostgreSQL."""
    made_by = (folder.data / "PG_VERSION").read_text(encoding="utf-8").strip()
    if made_by != major(version):
        raise EmbeddedError(
            f"{folder.data} was made by PostgreSQL {made_by}, and {binaries.directory} "
            f"({binaries.origin}) is PostgreSQL {version}: name the bin directory of a "
            f"PostgreSQL {made_by} in {VARIABLE}, or remove {folder.data} if its data may go"
        )


def launch(folder: Folder, binaries: Binaries, deadline: Timer) -> int:
    """Start the server without waiting for it, and give its pid."""
    run = folder.account.run(
        [
            *("/bin/sh", "-c", _LAUNCH, "sh", str(folder.log)),
            *(binaries.program("postgres"), "-D", str(folder.data)),
            # Where it listens is not for a configuration file to say: the project may be moved.
            *("-c", "listen_addresses=", "-c", f"port={PORT}"),
            *("-c", f"unix_socket_directories={folder.sockets}"),
        ],
        deadline=deadline,
        environment=binaries.environment,
    )
    if run.returncode != 0:
        raise EmbeddedError(f"{folder.log} cannot be written: {run.stderr.strip()}")
    return int(run.stdout)


def log_size(folder: Folder) -> int:
    """The length of the log in bytes, before which nothing concerns the next start."""
    return folder.log.stat().st_size if folder.log.exists() else 0


def log_end(folder: Folder, since: int) -> str:
    """The last lines that were logged after ``since`` bytes."""
    if not folder.log.exists():
        return ""
    with folder.log.open("rb") as file:
        file.seek(since)
        return _end(file.read().decode(errors="replace"))


def _end(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-_SHOWN_LINES:])


def _locale(release: int) -> list[str]:
    # C is the one locale that every system has; since 17 PostgreSQL brings a Unicode one along.
    if release < 17:
        return ["--locale=C"]
    return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]


def _settings(binaries: Binaries) -> str:
    lines = [
        "# By raxol_sql, for development and tests: without fsync a crash of the operating",
        "# system can destroy the data; a crash of the server loses nothing.",
        "fsync = off",
        "full_page_writes = off",
        "max_connections = 100",
        "timezone = 'UTC'",
        "log_timezone = 'UTC'",
        "log_checkpoints = off",
    ]
    if binaries.has_library("pg_stat_statements"):
        lines.append("shared_preload_libraries = 'pg_stat_statements'")
    return "\n".join(["", *lines, ""])


def _append(account: OsUser, path: Path, text: str, deadline: Timer) -> None:
    if account.is_current:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
        return
    # The account itself writes: root would follow a link that the account can plant.
    run = account.run(["tee", "-a", os.fspath(path)], deadline=deadline, text=text)
    if run.returncode != 0:
        raise EmbeddedError(f"{path} cannot be written: {run.stderr.strip()}")
