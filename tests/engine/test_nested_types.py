"""Children as JSON are the children that preload gives, whatever their types, and are checked."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx


@attrs.frozen
class Part:
    """A value in a value."""

    a: int
    b: list[str]


@attrs.frozen
class Thing:
    """A value of each type that JSON writes otherwise."""

    owner_id: int
    n: int
    at: dt.datetime
    local: dt.datetime
    day: dt.date
    clock: dt.time
    amount: Decimal
    ratio: float
    data: bytes
    length: dt.timedelta
    key: uuid.UUID
    flags: list[bool]
    words: list[str] | None
    part: Part | None


@attrs.frozen
class Owner:
    """The parent of things."""

    id: int
    things: tuple[Thing, ...] = ()


SQL = """\
-- name: owners :many -> Owner
select id from unnest(:ids::bigint[]) as id;

-- name: reset :exec
truncate things;

-- name: make :exec
create table if not exists things (owner_id bigint, n int, at timestamptz, local timestamp,
    day date, clock time, amount numeric, ratio float8, data bytea, length interval, key uuid,
    flags bool[], words text[], part jsonb);

-- name: add :one -> Thing
insert into things (owner_id, n, at, local, day, clock, amount, ratio, data, length, key, flags,
    words, part)
values (:owner_id, :n, :at, :local, :day, :clock, :amount, :ratio, :data, :length, :key, :flags,
    :words, :part)
returning *;

-- name: by_owner_ids :many -> Thing
select * from things where owner_id = any(:owner_ids) order by n;

-- name: grouped :many -> Owner
-- @group id
select id, t.owner_id as "things.owner_id", t.n as "things.n", t.at as "things.at",
    t.local as "things.local", t.day as "things.day", t.clock as "things.clock",
    t.amount as "things.amount", t.ratio as "things.ratio", t.data as "things.data",
    t.length as "things.length", t.key as "things.key", t.flags as "things.flags",
    t.words as "things.words", t.part as "things.part"
from unnest(:ids::bigint[]) with ordinality as owners(id, place)
left join things as t on t.owner_id = id
order by place, t.n;

-- name: as_json :many -> Owner
select id, (
    select coalesce(json_agg(t order by n), '[]') from things as t where owner_id = id
) as things
from unnest(:ids::bigint[]) as id;

-- name: as_jsonb :many -> Owner
select id, (
    select coalesce(jsonb_agg(to_jsonb(t) order by n), '[]') from things as t where owner_id = id
) as things
from unnest(:ids::bigint[]) as id;

-- name: rename :many -> Owner
update users set name = :name returning id, '[{"n": "none"}]'::json as things;

-- name: names :many -> scalar
select name from users;

-- name: themes :many -> UserPreferences
select id, user_id, theme, notifications_enabled, inserted_at, updated_at
from user_preferences where user_id = any(:keys::bigint[]) and theme = :theme;
"""


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The queries above."""
    from raxol_sql.demo.accounts import UserPreferences

    folder = tmp_path_factory.mktemp("types")
    (folder / "q.sql").write_text(SQL)
    return rx.load(folder, records=[Owner, Thing, UserPreferences]).q


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """The database of these tests, open."""
    with rx.Database.open(accounts_database, pool_size=1) as database:
        yield database


years = {"min_value": dt.datetime(1900, 1, 1), "max_value": dt.datetime(2100, 1, 1)}
words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
things = st.builds(
    dict,
    owner_id=st.integers(1, 3),
    at=st.datetimes(**years, timezones=st.just(dt.UTC)),
    local=st.datetimes(**years),
    day=st.dates(),
    clock=st.times(),
    # What a double keeps of it: JSON's numbers are read as such.
    amount=st.decimals(-(10**9), 10**9, places=4),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    data=st.binary(max_size=4),
    length=st.timedeltas(dt.timedelta(days=-99), dt.timedelta(days=99)),
    key=st.uuids(),
    flags=st.lists(st.booleans(), max_size=2),
    words=st.none() | st.lists(words, max_size=2),
    part=st.none() | st.builds(dict, a=st.integers(-9, 9), b=st.lists(words, max_size=2)),
)


@settings(max_examples=25)
@given(
    rows=st.lists(things, max_size=4),
    ids=st.lists(st.integers(1, 4), unique=True, max_size=4),
    zone=st.sampled_from(["UTC", "Asia/Kolkata", "America/St_Johns"]),
)
def test_preload_and_a_join_and_json_give_the_same_values_of_every_type(
    engine_database: str, nested: Any, rows: list[Any], ids: list[int], zone: str
) -> None:
    url = f"{engine_database} options='-c TimeZone={zone}'"
    with rx.Database.open(url, pool_size=1) as db, db.transaction() as tx:
        tx.run(nested.make())
        tx.run(nested.reset())
        added = tx.run_many(nested.add, [{**row, "n": n} for n, row in enumerate(rows)])
        expected = [Owner(id, tuple(one for one in added if one.owner_id == id)) for id in ids]

        owners = tx.run(nested.owners(ids=ids))
        assert tx.preload(owners, nested.by_owner_ids, into="things") == expected
        assert tx.run(nested.grouped(ids=ids)) == expected
        assert tx.run(nested.as_json(ids=ids)) == expected
        assert tx.run(nested.as_jsonb(ids=ids)) == expected


@pytest.mark.parametrize("way", ["marker", "multi", "many"])
def test_json_that_makes_no_record_takes_back_what_was_done_with_it(
    db: rx.Database, queries: rx.Queries, nested: Any, way: str
) -> None:
    # A COMMIT that travels along would come too early.
    db.run(queries.users.create(email="a@b.de", name="before", age=None))
    bound = nested.rename(name="after")
    ways = {
        "marker": lambda: db.run(bound, commit_check="marker"),
        "multi": lambda: db.run(rx.Multi().add("a", bound)),
        "many": lambda: db.run_many(nested.rename, [{"name": "after"}]),
    }
    with pytest.raises(rx.errors.RecordError, match=r"\[0\] is an object without owner_id, at"):
        ways[way]()
    assert db.run(nested.names()) == ["before"]


def test_a_key_of_another_type_than_the_childs_field_is_told_and_loses_no_child(
    db: rx.Database, queries: rx.Queries, nested: Any
) -> None:
    @attrs.frozen
    class Person:
        id: str

    user = db.run(queries.users.create(email="a@b.de", name="a", age=None))
    db.run(queries.user_preferences.create(user_id=user.id, theme="t"))
    wanted = {"keys_parameter": "keys", "child_key": "user_id", "theme": "t"}

    with pytest.raises(rx.errors.RecordError, match="a user_id that is no id of the parents"):
        db.preload([Person(str(user.id))], nested.themes, **wanted)
    ((_, own),) = db.preload([user], nested.themes, **wanted)
    assert [one.user_id for one in own] == [user.id]


def test_a_name_that_is_not_there_is_told_without_parents_too(db: rx.Database, nested: Any) -> None:
    with pytest.raises(rx.errors.ParameterError, match="thene"):
        db.preload([], nested.themes, keys_parameter="keys", child_key="user_id", thene="t")


def test_a_statement_with_an_outcome_of_its_own_is_counted_and_is_a_write_on_its_own(
    db: rx.Database, queries: rx.Queries
) -> None:
    with db.watch_queries() as scope:
        for n in range(2):
            create = queries.users.create(email=f"{n}@b.de", name="N", age=None)
            db.run(create, commit_check="marker")
    assert scope.counts == {"users.create": 2}
    assert scope.lone_writes == ("users.create", "users.create")
