"""The checklist for a new feature, run with the real commands on a new project."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

NOTES = """\
create table notes (
    id bigint generated always as identity primary key,
    title varchar(80) not null unique,
    body text not null check (char_length(body) <= 1000),
    pinned boolean not null default false,
    inserted_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
"""

APP = '''\
"""What the new feature is for, watched while it runs."""

import psycopg
import raxol_sql as rx
import records

queries = rx.load("sql", records=records)
with rx.Database.open() as db:
    repo = rx.Repo(db, queries)
    with db.watch_queries() as scope:
        repo.create(records.Note, {"title": "first", "body": "words"})
        assert [note.title for note in repo.all(records.Note)] == ["first"]
    assert scope.counts == {"notes.create": 1, "notes.all": 1}
    try:
        db.run(queries.notes.get(id="none"))
    except psycopg.Error as error:
        print(error.__notes__[0])
'''


@pytest.fixture
def raxol(tmp_path: Path, database: str) -> Callable[..., str]:
    """Runs a Python program or module in an empty project; gives what it prints."""
    (tmp_path / "raxol_sql.toml").write_text('[project]\nrecords = "records"\n')
    for folder in ("sql", "migrations", "tests"):
        (tmp_path / folder).mkdir()

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, "DATABASE_URL": database, "NO_COLOR": "1"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_checklist_for_a_new_feature_ends_green(
    raxol: Callable[..., str], tmp_path: Path, database: str
) -> None:
    tool = ("-m", "raxol_sql")
    # The migration, there and back and there again.
    raxol(*tool, "new", "migration", "create-notes")
    up, down = tmp_path / "migrations", tmp_path / "migrations"
    (up / "0001-create-notes.sql").write_text(NOTES)
    (down / "0001-create-notes.rollback.sql").write_text("drop table notes;\n")
    assert "applied 0001-create-notes" in raxol(*tool, "migrate")
    assert "rolled back 0001-create-notes" in raxol(*tool, "rollback")
    raxol(*tool, "migrate")
    # The record and its queries.
    (tmp_path / "records.py").write_text(raxol(*tool, "new", "record", "notes"))
    (tmp_path / "sql" / "notes.sql").write_text(raxol(*tool, "new", "queries", "notes"))
    assert "notes.create" in raxol(*tool, "list")
    assert "is invalid" not in raxol(*tool, "validate", "Note", '{"title": "t", "body": "b"}')
    # The test, which leaves nothing behind.
    (tmp_path / "tests" / "test_notes.py").write_text(raxol(*tool, "new", "test", "notes"))
    assert " passed in " in raxol("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from notes").fetchone() == (0,)
    # The proof that all of it fits, with nothing to warn of.
    number = (tmp_path / "sql" / "notes.sql").read_text().count("-- name: ")
    assert f"\n{number} queries fit the database\n" in raxol(*tool, "check", "--strict")
    # The documents.
    raxol(*tool, "docs", "--output", "docs/queries.md")
    raxol(*tool, "docs", "--output", "docs/queries.md", "--check")
    assert "### create(title, body, [pinned])" in (tmp_path / "docs" / "queries.md").read_text()
    # What runs is counted by name, and an error says which query it was.
    (tmp_path / "app.py").write_text(APP)
    assert raxol("app.py").startswith("in query notes.get (")
