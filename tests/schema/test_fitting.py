"""A column of another type than the field is found, and no other one."""

from __future__ import annotations

import datetime
import enum
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, NewType
from uuid import UUID

import attrs
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raxol_sql import embedded
from raxol_sql.engine.types.column_types import column_type
from raxol_sql.records import ColumnType, TypeKind
from raxol_sql.schema.fitting import Target, misfit_of, target_of

VALUES = [
    "1::int2", "1::int4", "1::int8", "1::oid", "'a'::text", "'a'::varchar(3)", "'a'::char(2)",
    "'a'::name", "1.5::float4", "1.5::float8", "1.5::numeric", "true", "date '2024-01-02'",
    "time '01:02'", "timetz '01:02+00'", "timestamp '2024-01-02'", "timestamptz '2024-01-02'",
    "interval '1 day'", "gen_random_uuid()", "'a'::bytea", "array[1, 2]", "array['a']",
    "array[1.5]", "array[array[1]]", "'{}'::jsonb", "int4range(1, 2)", "inet '::1'",
    "point '(1, 2)'",
]  # fmt: skip
PLAIN = [
    int, str, float, bool, bytes, Decimal, UUID, datetime.date, datetime.time, datetime.datetime,
    datetime.timedelta,
]  # fmt: skip


class Mood(enum.Enum):
    CALM = "calm"


class Number(enum.Enum):
    ONE = 1


@pytest.fixture(scope="module")
def connection(server: embedded.Server) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        yield connection


def takes(target: Target, given: Any) -> bool:
    """Whether a field takes a column of a type, or of one whose values are of a class."""
    if isinstance(given, type):
        given = ColumnType(TypeKind.VALUE, given.__name__, (given,))
    return misfit_of(target, given) is None


def target(hint: Any, **more: Any) -> Target:
    record = attrs.make_class("R", {"x": attrs.field(type=hint, **more)}, frozen=True)
    found = target_of(record, "x")
    assert found is not None
    return found


def loaded(connection: psycopg.Connection[Any], value: str) -> tuple[Any, Any]:
    """The type that is said to be given, and the value that is."""
    cursor = connection.cursor(binary=True)
    row = cursor.execute(f"select {value}".encode()).fetchone()
    assert row is not None
    assert cursor.description is not None
    return column_type(connection.adapters, cursor.description[0].type_code), row[0]


@pytest.mark.parametrize("value", VALUES)
def test_a_plain_field_takes_a_column_if_and_only_if_it_can_hold_what_the_driver_gives(
    connection: psycopg.Connection[Any], value: str
) -> None:
    given, real = loaded(connection, value)
    for hint in PLAIN:
        may = isinstance(real, hint) or (hint is float and type(real) is int)
        for one in (hint, hint | None, Annotated[hint, "words"], NewType("New", hint)):
            # JSON may be anything, and a point is bytes for the cursor, and not for us.
            assert (
                given.kind in (TypeKind.JSON, TypeKind.TEXT) or takes(target(one), given) == may
            ), one


@pytest.mark.parametrize("value", ["array[1, 2]", "array['a']"])
def test_a_list_is_taken_by_a_list_of_its_items_only(
    connection: psycopg.Connection[Any], value: str
) -> None:
    given, real = loaded(connection, value)
    for item in PLAIN:
        may = isinstance(real[0], item) or (item is float and type(real[0]) is int)
        assert takes(target(list[item]), given) == may  # type: ignore[valid-type]
    assert takes(target(list), given)
    assert takes(target(tuple), given)
    for other in (dict, set[int], dict[str, int], tuple[int, int], Literal["a"]):
        assert not takes(target(other), given)


@given(st.recursive(st.sampled_from([*PLAIN, Any, object, None]), lambda inner: (
    st.lists(inner, min_size=1, max_size=3).map(lambda some: typing.Union[tuple(some)])  # noqa: UP007
    | inner.map(lambda one: list[one])  # type: ignore[valid-type]
    | inner.map(lambda one: Annotated[one, 1])
), max_leaves=5), st.sampled_from(PLAIN))  # fmt: skip
@settings(max_examples=100)
def test_a_field_takes_at_least_what_each_part_of_its_type_takes(hint: Any, given: type) -> None:
    assert takes(target(hint | given), given)
    assert takes(target(hint | Any), given)


@pytest.mark.parametrize(
    ("hint", "may"),
    [
        (Any, True),
        (object, True),
        ("Unknown", True),
        (Mood, True),
        (Number, False),
        (Literal["a", "b"], True),
        (Literal[1, 2], False),
        (typing.Sequence, True),
        (list[str], False),
        (dict[str, Any], False),
    ],
)
def test_a_type_that_says_nothing_plain_is_not_held_against_a_text(hint: Any, may: bool) -> None:
    assert takes(target(hint), str) == may


def test_what_a_converter_takes_is_its_own_affair() -> None:
    assert takes(target(int, converter=int), str)
    assert not takes(target(int), str)


def test_a_loader_of_the_program_s_own_gives_what_it_likes(
    connection: psycopg.Connection[Any],
) -> None:
    class Words(psycopg.adapt.Loader):
        format = psycopg.pq.Format.BINARY

        def load(self, data: Any) -> str:
            return str(data)

    numeric = connection.adapters.types["numeric"].oid
    cursor = connection.cursor()
    assert column_type(cursor.adapters, numeric).classes == (Decimal,)
    cursor.adapters.register_loader("numeric", Words)
    assert column_type(cursor.adapters, numeric).kind is TypeKind.OWN


def test_a_column_finds_its_field_in_the_record_that_is_inside() -> None:
    @attrs.frozen
    class Inner:
        _hidden: int

    @attrs.frozen
    class Outer:
        one: Inner | None
        many: list[Inner]
        plain: int

    # Made here, so that its names are in no module.
    attrs.resolve_types(Inner, localns=locals())
    attrs.resolve_types(Outer, localns=locals())

    assert str(target_of(Outer, "plain")) == "Outer.plain"
    assert str(target_of(Outer, "one.hidden")) == "Inner.hidden"
    assert str(target_of(Outer, "many.hidden")) == "Inner.hidden"
    for unknown in ("other", "plain.hidden", "one.other", "hidden"):
        assert target_of(Outer, unknown) is None
