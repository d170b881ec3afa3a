"""A project folder for the command line, and the command line itself in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from raxol_sql.cli import main


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: a project with the repository's queries, migrations and records."""
    (tmp_path / "raxol_sql.toml").write_text(
        f"""
        [project]
        queries = "{repository}/sql"
        migrations = "{repository}/migrations"
        records = "raxol_sql.demo.accounts"
        """
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def raxol_sql(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Runs ``raxol-sql`` with the given words."""

    def run(*words: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["raxol-sql", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Ran(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture
def migrated(accounts_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The repository's tables, as the configured database."""
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    return accounts_database


@pytest.fixture
def empty(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty database, as the configured one."""
    monkeypatch.setenv("DATABASE_URL", database)
    return database
