"""Which tables and indexes are maintained, and the names that they are called by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.ops.maintenance.attendant import Attendant
from raxol_sql.ops.maintenance.maintenance import Result, analyze
from raxol_sql.ops.maintenance.relation import Relation, indexes, named, tables
from tests.ops.maintenance.conftest import Do

PARTS = """
    create table parts (a int primary key) partition by range (a);
    create table parts_1 partition of parts for values from (0) to (9);
    create table parts_2 partition of parts for values from (9) to (99);
    create table plain (a int); create materialized view seen as select 1 as one;
    create schema other; create table other.plain (a int); create table other.far (a int);
    create view looked as select 1; create temp table gone (a int);
"""


def test_all_tables_are_the_partitions_or_the_partitioned_ones_and_never_both(
    store: rx.Database, do: Do
) -> None:
    do(PARTS)
    rest = {"other.far", "other.plain", "plain", "seen"}
    assert {one.quoted for one in tables(store)} == {"parts", *rest}
    assert {one.quoted for one in tables(store, leaves=True)} == {"parts_1", "parts_2", *rest}
    chosen = tables(store, ["parts", "parts_2"], leaves=True)
    assert {one.quoted for one in chosen} == {"parts_1", "parts_2"}
    assert {one.quoted for one in indexes(store)} == {"parts_1_pkey", "parts_2_pkey"}
    assert indexes(store, ["parts_pkey"]) == indexes(store)
    with Attendant(store) as attendant:
        assert {analyze(attendant, one).result for one in tables(store)} == {Result.OK}


def test_a_name_without_a_table_is_told_with_those_most_like_it(store: rx.Database, do: Do) -> None:
    do(PARTS)
    wrong = ["plian", "far", "looked", "gone", "pg_class", "other.plane", 'a"b', "", "a.b.c"]
    with pytest.raises(LookupError) as caught:
        tables(store, ["plain", *wrong])
    lines = str(caught.value).splitlines()
    assert [line.partition("; ")[0] for line in lines] == [
        f"there is no table {name!r}" for name in wrong
    ]
    assert [line.partition("; ")[2] for line in lines if "; " in line] == [
        "did you mean 'plain'?",
        "did you mean 'other.far'?",
        "did you mean 'other.plain' or 'other.far'?",
    ]


NAMES = st.text(st.sampled_from('aB."\u00e9 '), min_size=1, max_size=4)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@given(st.lists(st.tuples(NAMES, NAMES, st.booleans()), min_size=1, unique_by=lambda one: one[:2]))
def test_every_table_is_found_by_its_name_in_quotes(found: list[tuple[str, str, bool]]) -> None:
    # A name of the search path is there once.
    seen: set[str] = set()
    known = []
    for number, (schema, name, is_visible) in enumerate(found):
        is_visible = is_visible and name not in seen
        seen |= {name} if is_visible else set()
        text = f"{quoted(schema)}.{quoted(name)}"
        known.append(Relation(number, schema, name, text, is_visible, False, False))
    for relation in known:
        assert named([relation.quoted, relation.quoted], known, "table") == [relation]
        if relation.is_visible:
            assert named([quoted(relation.name)], known, "table") == [relation]
