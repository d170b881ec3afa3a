"""`raxol-sql new record`, `new queries` and `new test`: what they print, and what they refuse."""

from __future__ import annotations

import ast
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


def test_a_test_of_the_repository_s_records_is_printed_for_their_module(
    raxol_sql: Run, project: Path, migrated: str
) -> None:
    out = raxol_sql("new", "test", "users").out
    assert "import raxol_sql.accounts as records\n" in out
    assert "Record = records.User\n" in out
