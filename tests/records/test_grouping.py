"""Rows of a join with `@group`: each record once, made whole, with its children in row order."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.records import result_of, shape_of
from raxol_sql.text import Kind

Make = Callable[..., Query[Any]]


@attrs.frozen
class Tag:
    name: str | None
    rank: int | None = None


@attrs.frozen
class Place:
    city: str


@attrs.frozen
class Post:
    id: int | None
    title: str
    tags: list[Tag]
    place: Place | None = None


@attrs.frozen
class Private:
    id: int
    _tags: tuple[Tag, ...] | None


@attrs.frozen
class Checked:
    id: int
    tags: list[Tag] = attrs.field(validator=attrs.validators.min_len(2))


@attrs.frozen
class Counted:
    id: int
    tags: list[Tag]
    count: int = attrs.field(init=False)
    seen: list[int] = attrs.field(init=False, factory=list, eq=False)

    @count.default
    def _count(self) -> int:
        return len(self.tags)

    def __attrs_post_init__(self) -> None:
        self.seen.append(len(self.tags))


@attrs.frozen
class Converted:
    id: int
    tags: list[Tag] = attrs.field(converter=lambda tags: sorted(tags, key=lambda tag: tag.rank))


@attrs.define(slots=False)
class Plain:
    id: int
    tags: list[Tag] = attrs.field(factory=list)


@attrs.frozen
class Outer:
    id: int
    post: Post


@attrs.frozen
class Branch:
    id: int
    posts: list[Post]


@attrs.frozen
class Rows:
    """An answer of the server, for what makes records of it."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
    affected: int = 0

    @property
    def count(self) -> int:
        return len(self.rows)

    def build_for(self, query: Query[Any]) -> Any:
        return shape_of(query, self.columns)

    def one(self, build: Callable[[tuple[Any, ...]], Any]) -> Any:
        return build(self.rows[0])

    def all(self, build: Callable[[tuple[Any, ...]], Any]) -> list[Any]:
        return [build(row) for row in self.rows]


def grouped(query: Query[Any], columns: str, *rows: tuple[Any, ...]) -> Any:
    return result_of(query, Rows(tuple(columns.split()), rows))


def refused(query: Query[Any], columns: str, *rows: tuple[Any, ...]) -> str:
    with pytest.raises(rx.errors.RecordError) as caught:
        grouped(query, columns, *rows)
    return str(caught.value)


BY_ID = "-- @group id"

# A post is its id; its rows stand anywhere, and a row without a tag is what a left join gives.
joined = st.lists(st.tuples(st.integers(0, 4), st.none() | st.integers(0, 9)), max_size=20)


@given(joined)
def test_a_record_for_each_key_in_order_of_appearance_with_its_children_in_row_order(
    make: Make, rows: list[tuple[int, int | None]]
) -> None:
    found = grouped(
        make(record=Post, more=BY_ID),
        "tags.rank id title tags.name",
        *[(rank, key, f"post {key}", None if rank is None else "t") for key, rank in rows],
    )

    assert found == [
        Post(
            key,
            f"post {key}",
            [Tag("t", rank) for other, rank in rows if other == key and rank is not None],
        )
        for key in dict.fromkeys(key for key, _ in rows)
    ]


@given(joined)
def test_no_two_records_share_a_list(make: Make, rows: list[tuple[int, int | None]]) -> None:
    found = grouped(
        make(record=Plain, more=BY_ID),
        "id tags.rank tags.name",
        *[(key, rank, None) for key, rank in rows],
    )

    assert len({id(one.tags) for one in found}) == len(found)


def test_a_tuple_is_made_where_the_type_says_so_and_a_private_field_is_filled(make: Make) -> None:
    query = make(record=Private, more=BY_ID)

    assert grouped(query, "id tags.name", (1, "a"), (1, "b"), (2, None)) == [
        Private(1, (Tag("a"), Tag("b"))),
        Private(2, ()),
    ]


def test_several_columns_tell_records_apart_and_null_equals_null(make: Make) -> None:
    query = make(record=Post, more="-- @group title id")
    rows = [(None, "a", "x"), (None, "b", "x"), (1, "a", "x"), (None, "a", "y")]

    assert grouped(query, "id title tags.name", *rows) == [
        Post(None, "a", [Tag("x"), Tag("y")]),
        Post(None, "b", [Tag("x")]),
        Post(1, "a", [Tag("x")]),
    ]


def test_a_record_inside_is_made_once_and_its_columns_may_be_the_key(make: Make) -> None:
    query = make(record=Post, more="-- @group id place.city")
    rows = [(1, "a", "Bonn", "x"), (1, "a", "Bonn", "y"), (1, "a", None, "z")]

    assert grouped(query, "id title place.city tags.name", *rows) == [
        Post(1, "a", [Tag("x"), Tag("y")], Place("Bonn")),
        Post(1, "a", [Tag("z")], None),
    ]


def test_a_record_sees_the_whole_list_when_it_is_made(make: Make) -> None:
    rows = [(1, "a", 2), (1, "b", 1)]
    columns = "id tags.name tags.rank"

    (counted,) = grouped(make(record=Counted, more=BY_ID), columns, *rows)
    (converted,) = grouped(make(record=Converted, more=BY_ID), columns, *rows)
    (checked,) = grouped(make(record=Checked, more=BY_ID, validate=True), columns, *rows)

    assert (counted.count, counted.seen) == (2, [2])
    assert converted.tags == [Tag("b", 1), Tag("a", 2)]
    assert len(checked.tags) == 2
    with pytest.raises(ValueError, match="Length of 'tags' must be >= 2"):
        grouped(make(record=Checked, more=BY_ID, validate=True), columns, rows[0])


def test_records_are_counted_and_not_rows(make: Make) -> None:
    rows = [(1, "a"), (1, "b")]
    one, maybe = make(":one", Plain, more=BY_ID), make(":maybe", Plain, more=BY_ID)

    for query in (one, maybe):
        assert grouped(query, "id tags.name", *rows) == Plain(1, [Tag("a"), Tag("b")])
        with pytest.raises(rx.TooManyRowsError, match="got 2"):
            grouped(query, "id tags.name", *rows, *rows, (2, None))
    assert grouped(maybe, "id tags.name") is None
    with pytest.raises(rx.NoRowsError):
        grouped(one, "id tags.name")


def test_not_null_is_asked_of_every_record_and_of_the_children_that_there_are(make: Make) -> None:
    query = make(record=Post, more=f"{BY_ID}\n-- @not-null title tags.name")
    columns = "id title tags.name tags.rank"

    assert grouped(query, columns, (1, "a", None, None)) == [Post(1, "a", [])]
    assert "'tags.name' is NULL" in refused(query, columns, (1, "a", "x", 1), (1, "a", None, 1))
    assert "'title' is NULL" in refused(query, columns, (1, None, "x", 1))


def test_rows_of_one_record_that_differ_are_refused_and_no_row_is_picked_by_chance(
    make: Make,
) -> None:
    told = refused(make(record=Post, more="-- @group title"), "id title tags.name",
                   (1, "secret", "x"), (2, "secret", "y"))  # fmt: skip

    assert "rows of one record differ in 'id': name in @group what tells the records" in told
    assert "secret" not in told


class Odd:
    """A value as numpy has them, of which `==` gives no bool."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("ambiguous")

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "Odd()"


@pytest.mark.parametrize(
    "value", [lambda: float("nan"), lambda: [math.nan + 0, 1.0], lambda: {"a": [1]}, Odd]
)
def test_values_that_equal_nothing_and_those_without_a_hash_are_no_difference(
    make: Make, value: Callable[[], Any]
) -> None:
    rows = [(1, value(), "x"), (1, value(), "y")]

    (found,) = grouped(make(record=Post, more=BY_ID), "id title tags.name", *rows)

    assert found.tags == [Tag("x"), Tag("y")]


@pytest.mark.parametrize(
    ("record", "more", "columns", "told"),
    [
        (Post, "", "id title tags.name", "Post.tags is a list, and its rows have to be put tog"),
        (Post, BY_ID, "id title tags", "there are none for a field of Post that is a list"),
        (Post, "-- @group ids", "id title tags.name", "that are not there: 'ids'"),
        (Post, "-- @group tags.name", "id title tags.name", "of the list itself: 'tags.name'"),
        (Outer, BY_ID, "id post.id post.title post.tags.name", "Post.tags is a list, and lies too"),
        (Outer, "", "id post.id post.title post.tags.name", "Post.tags is a list, and lies too"),
        (Branch, BY_ID, "id posts.id posts.title posts.tags.name", "Post.tags is a list, and lies"),
        (None, BY_ID, "id tags.name", "name one in the header"),
    ],
)
def test_what_makes_no_one_list_is_refused_with_the_remedy_before_any_row(
    make: Make, record: type | None, more: str, columns: str, told: str
) -> None:
    assert told in refused(make(record=record, more=more), columns)


def test_a_scalar_and_a_copy_have_no_rows_to_group(make: Make) -> None:
    assert "name one in the header" in refused(make(scalar=True, more=BY_ID), "id", (1,))
    source = make(record=Post, more=BY_ID)
    copy = attrs.evolve(source, definition=attrs.evolve(source.definition, kind=Kind.COPY))
    assert "of :one, :maybe and :many together" in refused(copy, "id title tags.name")
