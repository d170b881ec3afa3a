"""A project with migrations of its own, and a look at its server."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

Run = Callable[..., Any]
Do = Callable[..., list[Any]]
MOODS = "create type mood as enum ('sad', 'ok');\n"


@pytest.fixture(autouse=True)
def own(migrated: str, project: Path, repository: Path) -> Path:
    """The folder of a project's own migrations: the repository's, all but the last applied."""
    folder = project / "migrations"
    shutil.copytree(repository / "migrations", folder)
    (project / "raxol_sql.toml").write_text("")
    write(folder, "0006-moods", MOODS, "drop type mood;")
    return folder


def write(folder: Path, name: str, up: str, down: str | None = None) -> None:
    (folder / f"{name}.sql").write_text(up)
    if down is not None:
        (folder / f"{name}.rollback.sql").write_text(down)


@pytest.fixture
def do(migrated: str) -> Do:
    """Runs a statement as the superuser; gives its rows."""

    def do(statement: str) -> list[Any]:
        with psycopg.connect(migrated, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    return do


@pytest.fixture
def scratches(do: Do) -> Callable[[], int]:
    """Counts the scratch databases of the server."""
    return lambda: int(
        do("select count(*) from pg_database where datname ~ '^raxol_(drift|check)_'")[0][0]
    )
