"""A field has what its type says, or the query is refused: nothing that only looks like it."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import attrs
import pytest

import raxol_sql as rx
from tests.engine.typed.conftest import Addr, Line, Load, Mood

ONE = "-- name: one :one -> Row\n"


def row_of(hint: Any) -> type:
    return attrs.make_class("Row", {"v": attrs.field(type=hint)}, frozen=True)


class Pair(NamedTuple):
    """A composite's attributes in order."""

    street: str
    zip: str | None
    floor: int


class Number(enum.Enum):
    """Members with numbers."""

    ONE = 1


class Other(enum.Enum):
    """Members that no label is the value of."""

    A = "a"


class Right(enum.Flag):
    """Members that are put together."""

    READ = 1
    WRITE = 2


class Loose(enum.Enum):
    """Members that are found by more than their values."""

    OK = "ok"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        return cls.OK if value == "OK" else None


class Said(TypedDict, total=False):
    """A mapping whose names are known."""

    mood: Mood


@pytest.mark.parametrize(
    ("sql", "hint", "expected"),
    [
        ("'{sad,ok}'::mood[]", list[str], ["sad", "ok"]),
        ("'{sad,NULL}'::mood[]", list[Mood | None], [Mood.SAD, None]),
        ("'{{sad},{ok}}'::mood[]", list[list[Mood]], [[Mood.SAD], [Mood.FINE]]),
        ("'{sad,ok}'::mood[]", tuple[Mood, ...], (Mood.SAD, Mood.FINE)),
        ("'{sad}'::feeling[]", list[Mood], [Mood.SAD]),
        ("'{1,2}'::dint[]", list[int], [1, 2]),
        ("'{aB}'::citext[]", list[str], ["aB"]),
        ("'(1,2)'::point", str, "(1,2)"),
        ("'sad'", Mood, Mood.SAD),
        ("1", Number, Number.ONE),
        ("row('a', null, 1)::addr", Addr, Addr("a", None, 1)),
        ("row('a', null, 1)::addr", Pair, Pair("a", None, 1)),
        ("row('a', null, 1)::addr", tuple, ("a", None, 1)),
        ("row('a', null, 1)::addr", Any, ("a", None, 1)),
        ("array[row('a', 'b,c', 1)::addr, null]", list[Addr | None], [Addr("a", "b,c", 1), None]),
        ("'[1, \"2\"]'::jsonb", list[Decimal], [Decimal(1), Decimal(2)]),
        ("'\"ok\"'::jsonb", Mood, Mood.FINE),
        ('\'{"a": "ok"}\'::json', dict[str, Mood], {"a": Mood.FINE}),
    ],
)
def test_a_column_is_what_the_type_of_its_field_says(
    db: rx.Database, load: Load, sql: str, hint: Any, expected: Any
) -> None:
    queries = load(f"{ONE}select {sql} as v;", row_of(hint))

    assert db.run(queries.one()).v == expected
    assert db.run(queries.one()).v == expected


@pytest.mark.parametrize(
    ("sql", "hint", "problem"),
    [
        ("'{sad,ok}'::mood[]", str, "the column 'v' is mood[]: annotate it as list[str]"),
        ("'{1}'::int[]", list[str], "is integer[]: annotate it as int"),
        ("'{1}'::int[]", set[int], "annotate it as list[int]"),
        ("'ok'::mood", int, "is mood: annotate it as str, or as an Enum whose values are"),
        ("'ok'::mood", Other, "no member of Other has a label of the type as its value"),
        ("'ok'::mood", Number, "no member of Number has a label of the type as its value"),
        ("1", Mood, "no member of Mood has an int as its value"),
        ("row('a', null, 1)::addr", str, "an attrs class with the fields street, zip, floor"),
        ("row('a', null, 1)::addr", Line, "Line has no field street"),
        ("row('a', null, 1)::addr", tuple[str, str], "it has 3 attributes, and the field 2"),
        ("array[row('a', null, 1)::addr]", list[Line], "Line has no field street"),
        ("'a=>1'::text", dict[str, str], "is text: annotate it as str"),
        ("'(1,2)'::point", int, "its values come as text: annotate it as str"),
        ("'1.5'::numeric", float, "is numeric: annotate it as Decimal"),
        ("'ok'::text", UUID, "is text: annotate it as str"),
    ],
)
def test_a_field_that_a_column_can_never_fill_is_refused_before_the_first_row(
    db: rx.Database, load: Load, sql: str, hint: Any, problem: str
) -> None:
    queries = load(f"-- name: none :many -> Row\nselect {sql} as v where false;", row_of(hint))

    with pytest.raises(rx.errors.RecordError) as caught:
        db.run(queries.none())

    message = str(caught.value)
    assert problem in message
    assert message.startswith("q.none (")
    assert "the field v is" in message


@pytest.mark.parametrize(
    ("sql", "hint", "place"),
    [
        ('\'[{"a": 1}, {"a": ["x"]}]\'::jsonb', list[dict[str, int | list[int]]], "it"),
        (
            '\'{"lines": [{"name": "a", "price": "x", "mood": "ok"}]}\'::jsonb',
            attrs.make_class("Order", {"lines": attrs.field(type=list[Line])}),
            "lines[0].price is no Decimal",
        ),
        ("'{so,ok}'::text[]", list[Mood], "[0] is no value of a member of Mood"),
        ("'[1]'::jsonb", dict, "it is no object"),
        ("'{}'::jsonb", list[int], "it is no list"),
        ("'\"x\"'::jsonb", int, "it is no int"),
    ],
)
def test_a_value_that_its_field_cannot_have_is_an_error_with_its_place(
    db: rx.Database, load: Load, sql: str, hint: Any, place: str
) -> None:
    queries = load(f"{ONE}select {sql} as v;", row_of(hint))

    with pytest.raises(rx.errors.RecordError) as caught:
        db.run(queries.one())

    assert place in str(caught.value)
    assert "the column 'v' makes no" in str(caught.value)
