"""What the server tells of the columns of a COPY, which does not name their types itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from raxol_sql.engine.copy.columns import ColumnInfo

if TYPE_CHECKING:
    from tests.engine.copying.conftest import Copier

TABLES = """
create table other."Odd names" (
    id int8 generated always as identity,
    "a b" text,
    gone int,
    "Ü" varchar(3)[],
    twice int generated always as (1 + 1) stored,
    share half,
    at timestamptz
);
alter table other."Odd names" drop column gone;
create table same (id int);
create table other.same (id text);
create view seen as select id, 'x'::text as x from same;
create table nothing ();
"""
ODD = 'other."Odd names"'


@pytest.fixture(scope="module")
def tables(copier: Copier) -> Copier:
    copier.connection.execute(TABLES)
    return copier


def test_without_a_list_it_is_all_columns_that_a_copy_moves(tables: Copier) -> None:
    assert [(one.name, one.type) for one in tables.columns(ODD)] == [
        ("id", "bigint"),
        ("a b", "text"),
        ("Ü", "character varying[]"),
        ("share", "integer"),
        ("at", "timestamp with time zone"),
    ]


def test_listed_columns_come_in_the_order_of_the_list(tables: Copier) -> None:
    types = psycopg.postgres.types
    assert tables.columns(ODD, "share", "id", "a b") == [
        ColumnInfo("share", types["int4"].oid, "integer", is_textual=False),
        ColumnInfo("id", types["int8"].oid, "bigint", is_textual=False),
        ColumnInfo("a b", types["text"].oid, "text", is_textual=True),
    ]


def test_a_relation_is_found_as_the_copy_finds_it(tables: Copier) -> None:
    for relation, type in [
        ("same", "integer"),
        ("SAME", "integer"),
        ("other.same", "text"),
        ("public.same", "integer"),
        ('"other"."same"', "text"),
        ("seen", "integer"),
    ]:
        assert tables.columns(relation, "id")[0].type == type
    tables.connection.execute("set search_path = other, public")
    assert tables.columns("same", "id")[0].type == "text"
    tables.connection.execute("reset search_path")


def test_a_relation_that_is_not_there_is_the_error_that_the_copy_would_give(
    tables: Copier,
) -> None:
    for relation in ("users_not_there", 'other."odd names"'):
        with pytest.raises(psycopg.errors.UndefinedTable, match="does not exist"):
            tables.columns(relation)


def test_a_column_that_is_not_there_has_no_type(tables: Copier) -> None:
    for missing in ("gone", "A B", "ctid", ""):
        assert tables.columns(ODD, missing, "id")[0] == ColumnInfo(missing, 0, "unknown", False)


def test_a_table_without_columns_has_none(tables: Copier) -> None:
    assert tables.columns("nothing") == []


@pytest.mark.parametrize(
    ("type", "is_textual"),
    [
        *((type, True) for type in ("text", "varchar(9)", "char(3)", "name", "mood", "citext")),
        *((type, False) for type in ("int", "bytea", "json", "jsonb", "xml", "moods", "mood[]")),
    ],
)
def test_the_types_whose_binary_form_is_their_text_are_known(
    tables: Copier, type: str, is_textual: bool
) -> None:
    tables.connection.execute(f"create temp table typed (v {type})")  # type: ignore[call-overload]
    try:
        assert tables.columns("typed")[0].is_textual is is_textual
    finally:
        tables.connection.execute("drop table typed")
