"""The files of a new project: configuration, a migration, queries, a record, a test, a CI step."""

from __future__ import annotations

import re

_CONFIGURATION = """\
# Environment variables override these values; `raxol-sql config` shows each with its origin.

[project]
queries = "sql"
migrations = "migrations"
records = "records"

# A PostgreSQL server of this project, in the folder .raxol, while no other one is configured.
[dev]
server = "embedded"
database = "{name}_dev"

[test]
server = "embedded"
database = "{name}_test"

# In production, set DATABASE_URL and RAXOL_ENV=prod.
[prod]
database = "{name}"
"""

_MIGRATION = """\
create table notes (
    id bigint generated always as identity primary key,
    title text not null,
    body text not null default '',
    inserted_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),

    constraint notes_title_present check (title <> '')
);

create index notes_inserted_at_index on notes (inserted_at);
"""

_ROLLBACK = """\
drop table notes;
"""

_QUERIES = """\
-- The queries of the table notes. psql runs this file as it is.

-- name: get :maybe -> Note
-- @idempotent
-- One note by primary key.
select id, title, body, inserted_at, updated_at
from notes
where id = :id;

-- name: recent :many -> Note
-- @idempotent
-- The latest notes; with `words`, those that have these words in their title.
select id, title, body, inserted_at, updated_at
from notes
where true
    /*? words */ and title ilike '%' || :words || '%' /*?*/
order by inserted_at desc, id desc
limit :limit;

-- name: create :one -> Note
-- Insert a note and return it.
insert into notes (title /*? body */, body /*?*/)
values (:title /*? body */, :body /*?*/)
returning id, title, body, inserted_at, updated_at;
"""

_RECORDS = '''\
"""The records of this project: attrs classes with one field for each column."""

from __future__ import annotations

from datetime import datetime

import attrs


@attrs.frozen
class Note:
    """A row of ``notes``."""

    id: int
    title: str
    body: str
    inserted_at: datetime
    updated_at: datetime
'''

_TEST = '''\
"""The queries of notes, on the test database, in transactions that are rolled back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import raxol_sql as rx
import records
from raxol_sql.testing import sandbox

os.environ.setdefault("RAXOL_ENV", "test")


@pytest.fixture(scope="module")
def queries() -> rx.Queries:
    """The queries of the project."""
    return rx.load(rx.Config.find().project.queries, records=records)


@pytest.fixture
def tx() -> Iterator[rx.Transaction]:
    """A transaction that is rolled back."""
    with rx.Database.open() as db, sandbox(db) as tx:
        yield tx


def test_a_note_is_created_and_read_back(tx: rx.Transaction, queries: rx.Queries) -> None:
    note = tx.run(queries.notes.create(title="Milk"))

    assert (note.title, note.body) == ("Milk", "")
    assert tx.run(queries.notes.get(id=note.id)) == note


def test_notes_are_found_by_words(tx: rx.Transaction, queries: rx.Queries) -> None:
    for title in ("Milk", "Bread"):
        tx.run(queries.notes.create(title=title))

    found = tx.run(queries.notes.recent(words="bre", limit=10))

    assert [note.title for note in found] == ["Bread"]
'''

_STEP = """\
#!/bin/sh
# A step of continuous integration: make the test database, check every query against it, and run
# the tests. Install the project with raxol_sql[binary,cli,embedded] and pytest before it.
set -eu
cd "$(dirname "$0")/.."
export RAXOL_ENV=test
raxol-sql setup
raxol-sql check
python -m pytest tests
"""

_LONGEST_NAME = 50


def database_name(folder: str) -> str:
    """Return a name for the databases of a project in a folder of that name."""
    plain = re.sub(r"[^a-z0-9]+", "_", folder.lower()).strip("_")
    return plain[:_LONGEST_NAME] or "app"


def project_files(folder: str) -> dict[str, str]:
    """Return the text of each file of a new project by its path in the folder of that name."""
    return {
        "raxol_sql.toml": _CONFIGURATION.format(name=database_name(folder)),
        "migrations/0001-create-notes.sql": _MIGRATION,
        "migrations/0001-create-notes.rollback.sql": _ROLLBACK,
        "sql/notes.sql": _QUERIES,
        "records.py": _RECORDS,
        "tests/test_notes.py": _TEST,
        "ci/database.sh": _STEP,
    }
