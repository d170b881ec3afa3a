"""What a table of the live database is."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.schema import Column, Constraint, Table, describe

SQL = """
create type mood as enum ('calm', 'odd');
create domain short as varchar(5) check (value <> 'no');
create domain shorter as short not null;
create schema other;
create table other.parents (a int, b text, primary key (b, a));
create table "Odd Table" (
    id bigint generated always as identity primary key,
    gone text,
    "a word" varchar(9),
    short shorter,
    moods mood[] not null default '{}',
    twice numeric(6, 2) generated always as (1) stored,
    b text, a int,
    foreign key (b, a) references other.parents (b, a),
    constraint few check (a < 10 and b <> ''),
    unique nulls not distinct (a, b)
);
alter table "Odd Table" drop column gone;
create unique index live on "Odd Table" (b) include (a) where a > 1;
create unique index on "Odd Table" (lower(b));
create view seen as select * from "Odd Table";
"""


@pytest.fixture
def db(database: str) -> Iterator[rx.Database]:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SQL.encode())
    with rx.Database.open(database) as opened:
        yield opened


def test_a_table_has_its_columns_in_order_with_the_types_behind_their_domains(
    db: rx.Database,
) -> None:
    table = describe(db, '"Odd Table"')
    assert (table.name, table.quoted) == ("Odd Table", '"Odd Table"')
    assert table.columns == (
        Column("id", "id", "bigint", "int8", False, None, (), False, True, False),
        Column(
            *("a word", '"a word"', "character varying(9)", "varchar"),
            *(False, 9, (), True, False, True),
        ),
        Column("short", "short", "shorter", "varchar", False, 5, (), False, False, True),
        Column("moods", "moods", "mood[]", "mood", True, None, ("calm", "odd"), False, True, True),
        Column("twice", "twice", "numeric(6,2)", "numeric", False, None, (), True, True, False),
        Column("b", "b", "text", "text", False, None, (), True, False, True),
        Column("a", "a", "integer", "int4", False, None, (), True, False, True),
    )


def test_a_table_has_its_constraints_with_the_columns_that_each_is_on(db: rx.Database) -> None:
    table = describe(db, '"Odd Table"')
    found = [attr for attr in table.constraints if attr.kind != "foreign"]
    assert [(one.kind, one.name, {*one.columns}) for one in found] == [
        ("check", "few", {"a", "b"}),
        ("check", "short_check", {"short"}),
        ("partial", "live", {"b"}),
        ("primary", "Odd Table_pkey", {"id"}),
        ("unique", "Odd Table_a_b_key", {"a", "b"}),
    ]
    assert table.of_kind("foreign") == (
        Constraint(
            "Odd Table_b_a_fkey",
            "foreign",
            ("b", "a"),
            "FOREIGN KEY (b, a) REFERENCES other.parents(b, a)",
            "other.parents",
            ("b", "a"),
        ),
    )
    assert table.key == ("id",)


def test_a_key_has_its_own_order(db: rx.Database) -> None:
    assert describe(db, "other.parents").key == ("b", "a")


def test_a_table_is_found_where_the_server_would_find_it(db: rx.Database) -> None:
    def quoted(name: str) -> str:
        return describe(db, name).quoted

    assert quoted("OTHER.Parents") == "other.parents"
    with db.transaction() as tx:
        tables: list[Table] = [describe(tx, name) for name in ('public."Odd Table"', '"Odd Table"')]
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Odd Table", "there is no table Odd Table; did you mean '\"Odd Table\"'"),
        ("parents", 'there is no table parents; there are "Odd Table"'),
        ("seen", "seen is no table: rows come from the tables behind it"),
        ("other.", "there is no table other."),
        ("", "there is no table "),
    ],
)
def test_what_is_no_table_is_told_with_those_that_are(
    db: rx.Database, name: str, told: str
) -> None:
    with pytest.raises(LookupError) as caught:
        describe(db, name)
    assert told in str(caught.value)
