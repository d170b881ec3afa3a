"""Row 2.6: lists in records, out of the rows of a join (`@group`) and out of JSON."""

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
class Theme:
    """A part of preferences."""

    id: int
    theme: str | None


@attrs.frozen
class Listed:
    """A user with a list."""

    id: int
    name: str
    themes: list[Theme]


@attrs.frozen
class Tupled:
    """A user with a tuple."""

    id: int
    name: str
    themes: tuple[Theme, ...] = ()


@attrs.frozen
class Twice:
    """A user with two lists."""

    id: int
    themes: list[Theme]
    others: list[Theme]


@attrs.frozen
class Everything:
    """A value of each type that JSON loses."""

    moment: dt.datetime
    day: dt.date
    amount: Decimal
    data: bytes
    length: dt.timedelta
    key: uuid.UUID
    inner: Theme | None


@attrs.frozen
class Holder:
    """Records as JSON, one and many."""

    one: Everything | None
    many: tuple[Everything, ...]


SQL = """\
-- name: joined :many -> Listed
-- @group id
select users.id, users.name, p.id as "themes.id", p.theme as "themes.theme"
from users left join user_preferences as p on p.user_id = users.id
order by p.id desc nulls first, users.id;

-- name: joined_tuple :many -> Tupled
-- @group id name
select users.id, users.name, p.id as "themes.id", p.theme as "themes.theme"
from users left join user_preferences as p on p.user_id = users.id
order by users.id, p.id;

-- name: one :maybe -> Listed
-- @group id
select users.id, users.name, p.id as "themes.id", p.theme as "themes.theme"
from users left join user_preferences as p on p.user_id = users.id
where users.id = any(:ids);

-- name: one_of :one -> Listed
-- @group id
select users.id, users.name, p.id as "themes.id", p.theme as "themes.theme"
from users left join user_preferences as p on p.user_id = users.id
where users.id = any(:ids);

-- name: as_json :many -> Tupled
select users.id, users.name, (
    select coalesce(json_agg(json_build_object('id', p.id, 'theme', p.theme) order by p.id), '[]')
    from user_preferences as p where p.user_id = users.id
) as themes
from users order by id;

-- name: of_user :many -> Theme
select id, theme from user_preferences where user_id = any(:user_ids) order by id;

-- name: without_group :many -> Listed
select 1::bigint as id, 'n' as name, 1::bigint as "themes.id", 't' as "themes.theme";

-- name: without_list :many -> Listed
-- @group id
select 1::bigint as id, 'n' as name, null::text as themes;

-- name: without_key :many -> Listed
-- @group nothing
select 1::bigint as id, 'n' as name, 1::bigint as "themes.id", 't' as "themes.theme";

-- name: without_record :many
-- @group id
select 1 as id, 2 as "a.b";

-- name: two_lists :many -> Twice
-- @group id
select
    1::bigint as id, 1 as "themes.id", 't' as "themes.theme",
    1 as "others.id", 't' as "others.theme";

-- name: by_array :many -> Listed
-- @group name
select 1::bigint as id, '{1}'::int[] as name, 1 as "themes.id", 't' as "themes.theme";

-- name: everything :one -> Holder
with x as (select
    timestamptz '2024-01-02 03:04:05.678901+02' as moment, date '2024-02-29' as day,
    1.10 as amount, '\\x00ff'::bytea as data, interval '2 days 03:04:05.5' as length,
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as key,
    json_build_object('id', 1, 'theme', null) as inner)
select
    row_to_json(x) as one,
    (select jsonb_agg(y) from (select x.* from x cross join generate_series(1, 2)) as y) as many
from x where :n = 1;

-- name: wrong_json :many -> Tupled
select 1::bigint as id, 'n' as name, '[{"id": 1, "them": "secret"}]'::json as themes;

-- name: long_number :many -> Holder
select json_build_object('moment', now(), 'day', current_date, 'amount', 12345678901234567.89,
    'data', ''::bytea, 'length', interval '1 day', 'key', gen_random_uuid(), 'inner', null) as one,
    '[]'::json as many;
"""


@pytest.fixture(scope="module")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The queries above."""
    folder = tmp_path_factory.mktemp("nested")
    (folder / "q.sql").write_text(SQL)
    return rx.load(folder, records=[Listed, Tupled, Twice, Theme, Holder]).q


@pytest.fixture
def db(accounts_database: str) -> Iterator[rx.Database]:
    """The database of these tests, open."""
    with rx.Database.open(accounts_database) as database:
        yield database


@settings(max_examples=25)
@given(children=st.lists(st.lists(st.none() | st.text("ab", max_size=2), max_size=3), max_size=5))
def test_a_join_and_json_and_attach_give_the_same_records(
    engine_database: str, queries: rx.Queries, nested: Any, children: list[list[str | None]]
) -> None:
    with rx.Database.open(engine_database, pool_size=1) as db:
        db.run(queries.users.clear())
        for n, themes in enumerate(children):
            user = db.run(queries.users.create(email=f"{n}@b.de", name=f"N{n}", age=None))
            for theme in themes:
                db.run(queries.user_preferences.create(user_id=user.id, theme=theme))
        users = db.run(queries.users.all())
        plain = [
            Tupled(user.id, user.name, tuple(db.run(nested.of_user(user_ids=[user.id]))))
            for user in users
        ]
        assert db.run(nested.joined_tuple()) == db.run(nested.as_json()) == plain
        joined = {one.id: one for one in db.run(nested.joined())}
        assert {one.id: sorted(one.themes, key=lambda t: t.id) for one in joined.values()} == {
            one.id: list(one.themes) for one in plain
        }
        assert all(type(one.themes) is list for one in joined.values())


def test_of_a_grouped_query_the_records_are_counted_and_not_the_rows(
    db: rx.Database, queries: rx.Queries, nested: Any
) -> None:
    users = [db.run(queries.users.create(email=f"{n}@b.de", name="N", age=None)) for n in range(2)]
    for _ in range(3):
        db.run(queries.user_preferences.create(user_id=users[0].id))
    for query in (nested.one, nested.one_of):
        found = db.run(query(ids=[users[0].id]))
        assert (found.id, len(found.themes)) == (users[0].id, 3)
        with pytest.raises(rx.TooManyRowsError, match="got 2"):
            db.run(query(ids=[user.id for user in users]))
    assert db.run(nested.one(ids=[users[1].id])).themes == []
    assert db.run(nested.one(ids=[])) is None
    with pytest.raises(rx.NoRowsError):
        db.run(nested.one_of(ids=[]))


def test_a_grouped_query_runs_in_a_multi_and_is_no_stream(
    play: Any, queries: rx.Queries, nested: Any
) -> None:
    async def story(db: Any) -> None:
        await db.run(queries.users.create(email="a@b.de", name="N", age=None))
        done = await db.run(rx.Multi().add("a", nested.joined()).add("b", nested.as_json()))
        assert [len(one) for one in done.values()] == [1, 1]
        with pytest.raises(rx.errors.QueryKindError, match="@group needs all rows"):
            async for _ in db.stream(nested.joined()):
                pass

    play(story)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("without_group", "Listed.themes is a list, and its rows have to be put together"),
        ("without_list", "there are none for a field of Listed that is a list of records"),
        ("without_key", "@group names columns that are not there: 'nothing'"),
        ("without_record", "@group makes a list in a record: name one in the header"),
        ("two_lists", "the lists 'themes', 'others' would multiply each other's rows"),
        ("by_array", "the field name is str, and the column 'name' is integer"),
    ],
)
def test_what_cannot_be_grouped_is_told_with_the_remedy(
    db: rx.Database, nested: Any, name: str, told: str
) -> None:
    with pytest.raises(rx.errors.RecordError, match=told):
        db.run(getattr(nested, name)())


def test_json_comes_back_as_the_types_of_the_fields_say(db: rx.Database, nested: Any) -> None:
    expected = Everything(
        dt.datetime(2024, 1, 2, 1, 4, 5, 678901, dt.UTC),
        dt.date(2024, 2, 29),
        Decimal("1.1"),
        b"\x00\xff",
        dt.timedelta(days=2, hours=3, minutes=4, seconds=5.5),
        uuid.UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        Theme(1, None),
    )
    holder = db.run(nested.everything(n=1))
    assert holder == Holder(expected, (expected, expected))
    assert type(holder.many) is tuple


def test_json_that_makes_no_record_says_where_and_shows_no_value(
    db: rx.Database, nested: Any
) -> None:
    with pytest.raises(
        rx.errors.RecordError, match="the JSON in the column 'themes' makes no"
    ) as caught:
        db.run(nested.wrong_json())
    assert "secret" not in str(caught.value)
    with pytest.raises(rx.errors.RecordError, match="more than 15 digits is exact only as text"):
        db.run(nested.long_number())
