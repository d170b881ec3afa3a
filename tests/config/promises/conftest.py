"""A project with queries of its own, commands in its folder, and its server's sessions."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from raxol_sql.cli import main

Write = Callable[[str], Path]
Environment = dict[str, str]
Run = Callable[..., Any]
Shown = Callable[[Environment], dict[str, tuple[str, str]]]

FILE = """
[project]
queries = "own.sql"
migrations = "{migrations}"
[common]
pool_size = 7
[test]
max_retries = 3
"""
QUERIES = """
-- name: me :one
select current_user as who, current_database() as place

-- name: pid :one -> scalar
select pg_backend_pid()

-- name: sleep :one
select pg_sleep(:s::float8)

-- name: conflict :one
select conflict()
"""


@pytest.fixture
def folder(project: Write, repository: Path) -> Path:
    """A project with queries of the test's own."""
    folder = project(FILE.format(migrations=repository / "migrations"))
    (folder / "own.sql").write_text(QUERIES)
    return folder


@pytest.fixture
def parts(database: str) -> Environment:
    """The test's database as ``RAXOL_DB_*``."""
    known = conninfo_to_dict(database)
    return {
        "RAXOL_DB_HOST": str(known["host"]),
        "RAXOL_DB_PORT": str(known["port"]),
        "RAXOL_DB_USER": str(known["user"]),
        "RAXOL_DB_NAME": str(known["dbname"]),
    }


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Callable[..., None]:
    """Sets variables of this process, whose working folder is the project's."""

    def environ(*sets: Mapping[str, str]) -> None:
        monkeypatch.chdir(folder)
        for name, value in [pair for given in sets for pair in given.items()]:
            monkeypatch.setenv(name, value)

    return environ


@pytest.fixture
def raxol_sql(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Run:
    """Runs ``raxol-sql`` in the project's folder, with variables of its own."""

    def run(environment: Environment, *words: str) -> Any:
        with monkeypatch.context() as changed:
            changed.chdir(folder)
            changed.setattr(sys, "argv", ["raxol-sql", *words])
            for name, value in environment.items():
                changed.setenv(name, value)
            capfd.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return SimpleNamespace(code=ended.value.code or 0, out=out, err=err)

    return run


@pytest.fixture
def shown(raxol_sql: Run) -> Callable[[Environment], dict[str, tuple[str, str]]]:
    """Gives each key with its value and its origin, as the command prints them."""

    def shown(environment: Environment) -> dict[str, tuple[str, str]]:
        ran = raxol_sql(environment, "config", "--format", "json")
        return {one["key"]: (one["value"], one["origin"]) for one in json.loads(ran.out)}

    return shown


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether something becomes true in so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def backends(database: str) -> Iterator[Callable[[str], int]]:
    """Counts the clients' other sessions of the test's database for which a condition is true."""
    with psycopg.connect(database, autocommit=True) as connection:

        def count(condition: str = "true") -> int:
            row = connection.execute(
                "select count(*) from pg_stat_activity where datname = current_database() "
                "and pid <> pg_backend_pid() and backend_type = 'client backend' "
                f"and {condition}".encode()
            ).fetchone()
            return int(row[0]) if row else 0

        yield count
