"""`raxol-sql new record`, `new queries` and `new test`: what they print, and what they refuse."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

KINDS = ["record", "queries", "test"]
Run = Callable[..., Any]


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_starter_is_printed_and_nothing_is_written(
    raxol_sql: Run, project: Path, migrated: str, kind: str
) -> None:
    before = files(project)
    ran = raxol_sql("new", kind, "users")
    assert (ran.code, len(ran.err.splitlines())) == (0, 1)
    if kind == "queries":
        assert ran.out.startswith("-- The queries of the table users.\n")
    else:
        ast.parse(ran.out)
    assert ran.out.endswith("\n")
    assert not ran.out.endswith("\n\n")
    assert files(project) == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_is_called_as_it_is_told(
    raxol_sql: Run, project: Path, migrated: str, kind: str
) -> None:
    out = raxol_sql("new", kind, "user_preferences", "--name", "UserPreferences").out
    assert "UserPreferences" in out
    assert "UserPreference" not in out.replace("UserPreferences", "")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["user"], "there is no table user; did you mean 'users'"),
        (["pg_catalog.pg_tables"], "pg_catalog.pg_tables is no table"),
        (["users", "--name", "class"], "'class' is no name of a class: give one like User"),
        ([], "Missing argument 'TABLE'"),
    ],
)
def test_what_nothing_can_be_printed_for_is_an_error_of_usage(
    raxol_sql: Run, project: Path, migrated: str, kind: str, words: list[str], told: str
) -> None:
    ran = raxol_sql("new", kind, *words)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_a_test_needs_to_know_where_records_are(
    raxol_sql: Run, project: Path, migrated: str
) -> None:
    (project / "raxol_sql.toml").write_text("[project]\n")
    ran = raxol_sql("new", "test", "users")
    assert ran.code == 2
    assert 'say where records are: [project] records = "app.records"' in ran.err


def test_a_test_is_of_the_record_that_the_queries_of_the_table_create(
    raxol_sql: Run, project: Path, migrated: str
) -> None:
    out = raxol_sql("new", "test", "user_preferences").out
    assert "import raxol_sql.demo.accounts as records\n" in out
    assert "Record = records.UserPreferences\n" in out
    assert "repo.create(records.User, " in out


def test_a_test_is_printed_before_the_queries_load(
    raxol_sql: Run, project: Path, migrated: str
) -> None:
    (project / "raxol_sql.toml").write_text('[project]\nrecords = "no_such_module"\n')
    out = raxol_sql("new", "test", "user_preferences").out
    assert "Record = records.UserPreference\n" in out


def test_the_test_of_a_table_passes_with_a_record_and_queries_by_hand(
    raxol_sql: Run, project: Path, migrated: str
) -> None:
    for table in ("users", "user_preferences"):
        (project / f"test_{table}.py").write_text(raxol_sql("new", "test", table).out)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "."],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
