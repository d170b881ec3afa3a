"""Differences, and the statements that end them."""

from __future__ import annotations

import pytest

from raxol_sql.ops.drift.comparing import Sort, compare
from raxol_sql.ops.drift.item import Kind
from raxol_sql.ops.drift.mending import make, mend, script
from tests.ops.drift.conftest import BEFORE, Schema, do

# What is found, by what is done by hand. All but what has no way back in place is mended.
FOUND: dict[tuple[Sort, Kind, str], list[str]] = {
    (Sort.EXTRA, Kind.SCHEMA, "other"): ["create schema other"],
    (Sort.EXTRA, Kind.EXTENSION, "hstore"): ["create extension hstore"],
    (Sort.CHANGED, Kind.EXTENSION, "citext"): ["alter extension citext set schema public"],
    (Sort.EXTRA, Kind.ENUM, "zoo.size"): ["create type zoo.size as enum ('s')"],
    (Sort.EXTRA, Kind.ATTRIBUTE, "zoo.pair.d"): ["alter type zoo.pair add attribute d int"],
    (Sort.MISSING, Kind.ATTRIBUTE, "zoo.pair.a"): ["alter type zoo.pair drop attribute a"],
    (Sort.CHANGED, Kind.ATTRIBUTE, "zoo.pair.a"): [
        "alter type zoo.pair alter attribute a type int8"
    ],
    (Sort.MISSING, Kind.RANGE, "zoo.span"): ["drop type zoo.span"],
    (Sort.CHANGED, Kind.DOMAIN, "zoo.legs"): [
        "alter domain zoo.legs set default 2",
        "alter domain zoo.legs drop default",
        "alter domain zoo.legs drop not null",
    ],
    (Sort.MISSING, Kind.DOMAIN_CONSTRAINT, "positive on zoo.legs"): [
        "alter domain zoo.legs drop constraint positive"
    ],
    (Sort.MISSING, Kind.SEQUENCE, "zoo.counter"): ["drop sequence zoo.counter"],
    (Sort.CHANGED, Kind.SEQUENCE, "zoo.counter"): ["alter sequence zoo.counter increment 7"],
    (Sort.MISSING, Kind.SEQUENCE_OWNER, "zoo.animal_id_seq"): [
        "alter sequence zoo.animal_id_seq owned by none"
    ],
    (Sort.MISSING, Kind.FUNCTION, "zoo.double(integer)"): ["drop function zoo.double"],
    (Sort.CHANGED, Kind.FUNCTION, "zoo.double(integer)"): [
        (
            "create or replace function zoo.double(n int default 2) returns int language sql as "
            "'select n * 3'"
        ),
        (
            "drop function zoo.double; "
            "create function zoo.double(m int) returns text language sql as 'select m::text'"
        ),
    ],
    (Sort.EXTRA, Kind.FUNCTION, "zoo.double(text)"): [
        "create function zoo.double(n text) returns int language sql as 'select 1'"
    ],
    (Sort.MISSING, Kind.PROCEDURE, "zoo.nothing(integer)"): ["drop procedure zoo.nothing"],
    (Sort.MISSING, Kind.AGGREGATE, "zoo.total(integer)"): ["drop aggregate zoo.total(int)"],
    (Sort.CHANGED, Kind.AGGREGATE, "zoo.total(integer)"): [
        "create or replace aggregate zoo.total(int) (sfunc = int4pl, stype = int, initcond = '1')"
    ],
    (Sort.EXTRA, Kind.TABLE, "zoo.plant"): ["create table zoo.plant (id serial primary key)"],
    (Sort.MISSING, Kind.TABLE, "zoo.cache"): ["drop table zoo.cache"],
    (Sort.CHANGED, Kind.TABLE, "zoo.cache"): ["alter table zoo.cache set logged"],
    (Sort.MISSING, Kind.PARTITION, "zoo.log_1"): ["drop table zoo.log_1"],
    (Sort.EXTRA, Kind.PARTITION, "zoo.log_2"): [
        "create table zoo.log_2 partition of zoo.log for values from ('2021-01-01') to (maxvalue)"
    ],
    (Sort.EXTRA, Kind.COLUMN, 'zoo.keeper."Nick"'): ['alter table zoo.keeper add "Nick" text'],
    (Sort.MISSING, Kind.COLUMN, 'zoo.keeper."Name"'): ['alter table zoo.keeper drop "Name"'],
    (Sort.CHANGED, Kind.COLUMN, 'zoo.keeper."Name"'): [
        'alter table zoo.keeper alter "Name" type varchar(9)',
        'alter table zoo.keeper alter "Name" type text collate "C"',
    ],
    (Sort.CHANGED, Kind.COLUMN, "zoo.cache.v"): [
        "alter table zoo.cache alter v drop default, alter v type text",
        "alter table zoo.cache alter v set default '1'",
        "alter table zoo.cache alter v set not null",
    ],
    (Sort.CHANGED, Kind.COLUMN, "zoo.animal.born"): [
        "alter table zoo.animal alter born set default '2021-01-01'",
        "alter table zoo.animal alter born drop default",
    ],
    (Sort.CHANGED, Kind.COLUMN, "zoo.log.what"): ["alter table zoo.log alter what set not null"],
    (Sort.CHANGED, Kind.COLUMN, "zoo.animal.number"): [
        "alter table zoo.animal alter number set generated always",
        "alter table zoo.animal alter number set generated always set increment by 3",
        "alter table zoo.animal alter number drop identity",
    ],
    (Sort.CHANGED, Kind.COLUMN, "zoo.keeper.id"): [
        "alter table zoo.keeper alter id add generated always as identity"
    ],
    (Sort.CHANGED, Kind.CONSTRAINT, "tall on zoo.animal"): [
        "alter table zoo.animal drop constraint tall, add constraint tall check (plain > 1)"
    ],
    (Sort.MISSING, Kind.CONSTRAINT, "animal_keeper_fkey on zoo.animal"): [
        "alter table zoo.animal drop constraint animal_keeper_fkey"
    ],
    (Sort.MISSING, Kind.CONSTRAINT, "cache_pkey on zoo.cache"): [
        "alter table zoo.cache drop constraint cache_pkey, alter k set not null"
    ],
    (Sort.EXTRA, Kind.CONSTRAINT, '"keeper_Name_key" on zoo.keeper'): [
        'alter table zoo.keeper add unique ("Name")'
    ],
    (Sort.MISSING, Kind.INDEX, "zoo.animal_mood"): ["drop index zoo.animal_mood"],
    (Sort.EXTRA, Kind.INDEX, 'zoo."keeper_id_Name_idx"'): [
        'create index on zoo.keeper (id, "Name")'
    ],
    (Sort.CHANGED, Kind.INDEX, "zoo.animal_mood"): [
        "drop index zoo.animal_mood; create index animal_mood on zoo.animal (mood, id)",
        "update pg_index set indisvalid = false where indexrelid = 'zoo.animal_mood'::regclass",
    ],
    (Sort.MISSING, Kind.INDEX, "zoo.log_at"): ["drop index zoo.log_at"],
    (Sort.MISSING, Kind.INDEX, "zoo.counts_n"): ["drop index zoo.counts_n"],
    (Sort.CHANGED, Kind.STORAGE_OPTION, "fillfactor on zoo.animal"): [
        "alter table zoo.animal set (fillfactor = 80)"
    ],
    (Sort.EXTRA, Kind.STORAGE_OPTION, "autovacuum_enabled on zoo.cache"): [
        "alter table zoo.cache set (autovacuum_enabled = off)"
    ],
    (Sort.MISSING, Kind.REPLICA_IDENTITY, "zoo.cache"): [
        "alter table zoo.cache replica identity default"
    ],
    (Sort.MISSING, Kind.STATISTICS, "zoo.st"): ["drop statistics zoo.st"],
    (Sort.MISSING, Kind.VIEW, "zoo.named"): ["drop view zoo.named"],
    (Sort.CHANGED, Kind.VIEW, "zoo.named"): [
        (
            "create or replace view zoo.named with (security_barrier) as "
            'select id, "Na""me" from zoo.animal where id > 1'
        ),
        (
            "create or replace view zoo.named with (security_barrier) as "
            'select id, "Na""me", plain from zoo.animal'
        ),
        "alter view zoo.named reset (security_barrier)",
    ],
    (Sort.MISSING, Kind.MATERIALIZED_VIEW, "zoo.counts"): ["drop materialized view zoo.counts"],
    (Sort.MISSING, Kind.RULE, "no_delete on zoo.cache"): ["drop rule no_delete on zoo.cache"],
    (Sort.CHANGED, Kind.RULE, "no_delete on zoo.cache"): [
        "create or replace rule no_delete as on delete to zoo.cache do also nothing"
    ],
    (Sort.MISSING, Kind.TRIGGER, "touched on zoo.animal"): ["drop trigger touched on zoo.animal"],
    (Sort.CHANGED, Kind.TRIGGER, "touched on zoo.animal"): [
        "alter table zoo.animal disable trigger touched"
    ],
    (Sort.CHANGED, Kind.TRIGGER, "off on zoo.animal"): [
        "alter table zoo.animal enable trigger off"
    ],
    (Sort.MISSING, Kind.ROW_LEVEL_SECURITY, "zoo.animal"): [
        "alter table zoo.animal disable row level security"
    ],
    (Sort.MISSING, Kind.FORCED_ROW_LEVEL_SECURITY, "zoo.animal"): [
        "alter table zoo.animal no force row level security"
    ],
    (Sort.CHANGED, Kind.POLICY, "own_rows on zoo.animal"): [
        "alter policy own_rows on zoo.animal using (keeper = 2)"
    ],
    (Sort.EXTRA, Kind.ROW_LEVEL_SECURITY, "zoo.cache"): [
        "alter table zoo.cache enable row level security"
    ],
}
CHANGES = [(change, *found) for found, changes in FOUND.items() for change in changes]


@pytest.mark.parametrize(
    ("change", "sort", "kind", "name"), CHANGES, ids=[change[0][:60] for change in CHANGES]
)
def test_what_is_done_by_hand_is_found_and_mended(
    zoo: str, change: str, sort: Sort, kind: Kind, name: str, schema: Schema
) -> None:
    before = schema(zoo)
    do(zoo, change)

    found = compare(before, schema(zoo))
    (difference,) = [one for one in found if one.item.kind is kind]
    statements = [statement for one in found for statement in mend(one)]
    do(zoo, script(statements))
    mended = schema(zoo)
    do(zoo, script(statements))

    assert difference.sort is sort
    assert difference.item.name == name
    assert compare(before, mended) == ()
    assert schema(zoo) == mended


@pytest.mark.parametrize("change", [change for change in CHANGES if change[1] is Sort.EXTRA])
def test_what_is_kept_can_be_made_where_it_is_and_where_it_is_not(
    zoo: str, change: tuple[str, Sort, Kind, str], schema: Schema
) -> None:
    before = schema(zoo)
    do(zoo, change[0])
    kept = schema(zoo)

    differences = compare(before, kept)
    text = script(statement for one in differences for statement in make(one.item, one.inside))
    do(zoo, text)
    with_it = schema(zoo)
    do(zoo, *(script(mend(one)) for one in differences))
    without_it = schema(zoo)
    do(zoo, text)

    assert compare(kept, with_it) == ()
    assert compare(before, without_it) == ()
    assert compare(kept, schema(zoo)) == ()


def test_a_whole_schema_is_made_again_by_what_mends_it(
    zoo: str, database: str, schema: Schema
) -> None:
    do(database, BEFORE)
    wanted = schema(zoo)
    differences = compare(wanted, schema(database))
    text = [script(mend(one)) for one in differences]

    do(database, *text)
    made = schema(database)
    # Where all of it is there already, nothing is an error and nothing changes.
    do(database, *text)

    assert {one.sort for one in differences} == {Sort.MISSING}
    assert compare(wanted, made) == ()
    assert schema(database) == made


def test_a_foreign_table_is_compared_and_made_again(database: str, schema: Schema) -> None:
    do(
        database,
        "create extension postgres_fdw",
        "create server far foreign data wrapper postgres_fdw",
    )
    without_it = schema(database)
    do(database, "create foreign table far_away (id int not null) server far")
    with_it = schema(database)
    do(database, "drop foreign table far_away")

    (missing,) = compare(with_it, schema(database))
    do(database, script(mend(missing)))

    assert missing.item.kind is Kind.FOREIGN_TABLE
    assert schema(database) == with_it != without_it


def test_labels_of_an_enum_are_added_beside_those_there_and_never_taken_away(
    zoo: str, schema: Schema
) -> None:
    before = schema(zoo)
    do(
        zoo,
        "alter type zoo.mood add value 'first' before 'sad'",
        "alter type zoo.mood add value 'great' after 'ok'",
        "alter type zoo.mood add value 'last'",
    )
    after = schema(zoo)

    (difference,) = compare(before, after)

    assert mend(difference) == []
    assert mend(difference.swapped()) == [
        "alter type zoo.mood add value if not exists 'first' before 'sad'",
        "alter type zoo.mood add value if not exists 'great' after 'ok'",
        "alter type zoo.mood add value if not exists 'last' after 'it''s'",
    ]


@pytest.mark.parametrize(
    "change",
    [
        "drop table zoo.log cascade; create table zoo.log (at date not null, what text)",
        "create domain zoo.l as text; drop domain zoo.legs cascade; create domain zoo.legs as text",
        "alter table zoo.animal alter twice drop expression; alter table zoo.animal drop twice, "
        "add twice int generated always as (id * 3) stored",
    ],
)
def test_what_no_statement_alters_in_place_is_left_to_the_reader(
    zoo: str, change: str, schema: Schema
) -> None:
    before = schema(zoo)
    do(zoo, change)

    changed = [one for one in compare(before, schema(zoo)) if one.sort is Sort.CHANGED]

    assert changed
    assert [mend(one) for one in changed] == [[]] * len(changed)
