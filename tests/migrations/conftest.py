"""What the tests of migrations share: a folder beside the database, and other processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from raxol_sql.migrations import Migrations

REPOSITORY = Path(__file__).parents[2]

# The key of the advisory lock at which a migration of a test stops until it is let go.
GATE = 42


@attrs.frozen
class Project:
    """A folder with migrations, and the database they are meant for."""

    root: Path
    database: str

    @property
    def folder(self) -> Path:
        return self.root / "migrations"

    def migrations(self, **options: Any) -> Migrations:
        return Migrations(self.database, self.folder, **{"lock_wait": 20.0, **options})

    def write(self, name: str, up: str, down: str | None = None) -> Path:
        """Writes ``NNNN-name`` and, unless ``down`` is None, its rollback."""
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"{name}.sql"
        path.write_text(up, encoding="utf-8")
        if down is not None:
            (self.folder / f"{name}.rollback.sql").write_text(down, encoding="utf-8")
        return path

    def query(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        """The rows of ``statement``; the connection is gone afterwards."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def states(self) -> dict[str, str]:
        """The state of every migration by its number."""
        return {one.id[:4]: one.state.value for one in self.migrations().status().migrations}

    def tables(self) -> set[str]:
        """The tables that are neither yoyo's nor the ledger's."""
        rows = self.query("select tablename from pg_tables where schemaname = 'public'")
        return {name for (name,) in rows if not name.startswith(("_yoyo", "yoyo", "_raxol"))}

    def until(self, condition: str, expected: object = True) -> None:
        """Waits, for a minute at most, until ``select condition`` gives ``expected``."""
        deadline = time.monotonic() + 60
        with psycopg.connect(self.database, autocommit=True) as connection:
            while True:
                row = connection.execute(f"select {condition}".encode()).fetchone()
                if row == (expected,):
                    return
                assert time.monotonic() < deadline, f"{condition} gave {row}, not {expected}"
                time.sleep(0.02)

    def yoyo(self, *arguments: str) -> subprocess.Popen[str]:
        """Bare yoyo, with the repository's own configuration, in this project."""
        shutil.copy(REPOSITORY / "yoyo.ini", self.root)
        known = conninfo_to_dict(self.database)
        settings = {
            f"PG{name.upper().replace('DBNAME', 'DATABASE')}": str(known[name])
            for name in ("host", "port", "user", "password", "dbname")
            if known.get(name)
        }
        return start([sys.executable, "-m", "yoyo", *arguments], self.root, settings)

    def migrator(self) -> subprocess.Popen[str]:
        """Another process that applies everything and prints the ids of what it applied."""
        script = (
            "import sys, pathlib; from raxol_sql.migrations import Migrations\n"
            "migrations = Migrations(\n"
            "    sys.argv[1], pathlib.Path(sys.argv[2]), lock_wait=20, lock_timeout=60\n"
            ")\n"
            "print(*(run.id for run in migrations.apply()))\n"
        )
        command = [sys.executable, "-W", "error", "-c", script, self.database, str(self.folder)]
        return start(command, self.root, {})


def start(command: list[str], root: Path, settings: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=root,
        env={**os.environ, **settings},
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.fixture
def finish() -> Iterator[Callable[[subprocess.Popen[str]], str]]:
    """Waits for a process, wants it to have succeeded, and gives what it printed."""
    seen: list[subprocess.Popen[str]] = []

    def finish(process: subprocess.Popen[str]) -> str:
        seen.append(process)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        return out + err

    yield finish
    for process in seen:
        process.kill()
        process.communicate()


@pytest.fixture
def project(tmp_path: Path, database: str) -> Project:
    return Project(tmp_path, database)


@pytest.fixture
def seed(tmp_path: Path, database: str) -> Project:
    """The repository's own migrations, in a copy."""
    shutil.copytree(REPOSITORY / "migrations", tmp_path / "migrations")
    return Project(tmp_path, database)


@pytest.fixture
def gate(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that holds the gate; closing it lets the migration go on."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [GATE])
        yield connection
