"""Two schemas, read and compared."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.migrations import Migrations
from raxol_sql.ops.drift.comparing import Difference, Sort, compare, without
from raxol_sql.ops.drift.item import HOLDERS, Item, Kind
from tests.ops.drift.conftest import BEFORE, ZOO, Schema, Write, do

names = st.sampled_from(["a", "b", "c", "d"])
items = st.builds(
    Item,
    st.sampled_from([*Kind]),
    names,
    st.one_of(st.just(""), names),
    st.sampled_from("xy"),
    # Nothing is part of itself.
).filter(lambda item: item.kind not in HOLDERS or item.parent < item.own)
snapshots = st.lists(items, unique_by=lambda item: item.key, max_size=12).map(frozenset)


@given(snapshots)
def test_a_schema_is_no_other_than_itself(one: frozenset[Item]) -> None:
    assert compare(one, one) == ()


@given(snapshots, snapshots)
def test_comparing_the_other_way_round_gives_the_same_swapped(
    one: frozenset[Item], other: frozenset[Item]
) -> None:
    there = compare(one, other)

    assert compare(other, one) == tuple(difference.swapped() for difference in there)


@given(snapshots, snapshots)
def test_every_object_that_differs_is_in_one_difference(
    one: frozenset[Item], other: frozenset[Item]
) -> None:
    first, second = ({item.key: item.definition for item in items} for items in (one, other))
    differing = {key for key in first.keys() | second.keys() if first.get(key) != second.get(key)}
    there = [
        item.key
        for difference in compare(one, other)
        for item in (difference.item, *difference.inside)
    ]

    # One that is missing and one that is extra are never the same object.
    assert sorted(there) == sorted(differing)


@given(snapshots, names)
def test_what_is_ignored_is_not_compared(one: frozenset[Item], pattern: str) -> None:
    left = without(one, [pattern])

    assert left <= one
    assert all(pattern not in (item.own, item.parent) for item in left)
    assert compare(left, without(left, [])) == ()


def test_a_difference_is_one_of_its_object() -> None:
    item = Item(Kind.COLUMN, "a", "public.one", "a int")

    assert Difference(item, None).sort is Sort.MISSING
    assert Difference(item, None).swapped().sort is Sort.EXTRA
    assert item.name == "public.one.a"


def test_two_databases_made_alike_have_one_schema(zoo: str, database: str, schema: Schema) -> None:
    do(database, BEFORE, ZOO)

    assert compare(schema(zoo), schema(database)) == ()
    assert {item.kind for item in schema(zoo)} >= set(Kind) - {Kind.FOREIGN_TABLE}


def test_how_a_session_writes_values_is_no_difference(zoo: str, schema: Schema) -> None:
    before = schema(zoo)
    do(
        zoo,
        """do $$ begin
            execute format('alter database %I set timezone = ''Asia/Tokyo''', current_database());
            execute format('alter database %I set datestyle = ''German''', current_database());
            execute format('alter database %I set search_path = zoo', current_database());
            execute format('alter database %I set quote_all_identifiers = on', current_database());
        end $$""",
    )

    assert schema(zoo) == before


def test_what_an_extension_brings_and_where_migrations_are_booked_are_left_out(
    database: str, folder: Path, write: Write, schema: Schema
) -> None:
    before = schema(database)
    write("0001-fuzzy", "create extension citext;", "drop extension citext;")
    Migrations(database, folder).apply()

    (added,) = compare(before, schema(database))

    assert (added.item.kind, added.item.name, added.inside) == (Kind.EXTENSION, "citext", ())
