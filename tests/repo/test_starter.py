"""What a repo prints for a query that is not written passes the product's own check."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.repo.starter import starter
from raxol_sql.repo.verbs import Action, name_of
from raxol_sql.schema import Level, prove

TABLES = """
create table stamped (
    id bigserial primary key,
    title text not null,
    inserted_at timestamp not null,
    updated_at timestamp not null
);
create table counted_times (
    id bigserial primary key, inserted_at bigint not null, updated_at bigint not null
);
create table lone (id bigserial primary key);
create table "order" (
    "user" bigint, "table" bigint, "select" text, "limit" integer, primary key ("user", "table")
);
"""


@attrs.frozen
class Stamped:
    id: int
    title: str
    inserted_at: datetime
    updated_at: datetime


@attrs.frozen
class CountedTimes:
    id: int
    inserted_at: int
    updated_at: int


@attrs.frozen
class Lone:
    id: int


@attrs.frozen
class Order:
    user: int
    table: int
    select: str | None
    limit: int | None


RECORDS = {
    "stamped": (Stamped, ["id"], ["title"]),
    "counted_times": (CountedTimes, ["id"], ["updated_at"]),
    "lone": (Lone, ["id"], ["id"]),
    "order": (Order, ["user", "table"], ["limit", "select"]),
}


@pytest.mark.parametrize("table", RECORDS)
def test_every_starter_passes_the_check_in_every_variant(
    database: str, tmp_path: Path, table: str
) -> None:
    record, key, conditions = RECORDS[table]
    texts = {
        name_of(verb, given): starter(record, table, verb, given, key)
        for verb in Action
        for given in ([], conditions)
        if not (given and verb in (Action.CREATE, Action.UPSERT, Action.UPDATE, Action.DELETE))
    }
    (tmp_path / "q.sql").write_text("\n".join(texts.values()))
    queries = rx.load(tmp_path, records=[record])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
        findings = prove(connection, queries).findings
    # That nothing says what a query is for is the reader's to write.
    assert [one for one in findings if one.level is not Level.NOTE] == []


def test_a_starter_sets_stamps_that_the_table_has_no_default_for(
    database: str, tmp_path: Path
) -> None:
    texts = [
        starter(Stamped, "stamped", verb, [], ["id"]) for verb in (Action.CREATE, Action.UPDATE)
    ]
    (tmp_path / "q.sql").write_text("\n".join(texts))
    queries = rx.load(tmp_path, records=[Stamped])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(TABLES)
    with rx.Database.open(database) as db:
        made = db.run(queries.q.create(title="a"))
        changed = db.run(queries.q.update(id=made.id, title="b"))
    assert (changed.title, changed.inserted_at) == ("b", made.inserted_at)
    assert changed.updated_at > made.updated_at
