"""Calling a query checks the arguments at once, before anything is sent."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import BoundQuery, Query
from raxol_sql.text import Source, parse


def _query(body: str) -> Query[Any]:
    source = Source("sql/t.sql", f"-- name: q :many\n{body}")
    (definition,), errors = parse(source, ("t",))
    assert not errors
    return Query(definition)


def _problems(query: Query[Any], /, **arguments: object) -> tuple[str, ...]:
    with pytest.raises(rx.errors.ParameterError) as caught:
        query(**arguments)
    assert caught.value.query == "t.q"
    assert str(caught.value) == "t.q: " + "; ".join(caught.value.problems)
    return caught.value.problems


PLAIN = _query("select :x, :y, :x")
BLOCKS = _query(
    "select :limit /*? name */ , :name /*?*/ /*? low, high */ , :low, :high /*?*/"
    " /*? active */ , 1 /*?*/ order by /*= sort: newest: 1 desc | near: abs(2 - :point) */ 1 /*=*/"
)


def test_each_parameter_is_a_value_once_however_often_it_stands() -> None:
    bound = PLAIN(y=2, x=1)

    assert bound.statement.text == "select $1, $2, $1"
    assert bound.values == (1, 2)
    assert bound.arguments == {"x": 1, "y": 2}


def test_missing_and_unknown_arguments_are_said_together() -> None:
    assert _problems(PLAIN, z=1, yy=2) == (
        "x is missing",
        "y is missing",
        "yy is not an argument; did you mean 'y'?",
        "z is not an argument",
    )


def test_an_unknown_argument_comes_with_the_nearest() -> None:
    assert _problems(BLOCKS, limit=1, nane="x") == (
        "nane is not an argument; did you mean 'name'?",
    )


def test_arguments_go_by_name_only() -> None:
    with pytest.raises(rx.errors.ParameterError, match=r"give arguments by name: q\("):
        PLAIN(1, 2)


def test_none_is_a_value_and_leaving_out_is_not() -> None:
    given_none = BLOCKS(limit=None, name=None)
    left_out = BLOCKS(limit=None)

    assert given_none.arguments == {"limit": None, "name": None}
    assert left_out.arguments == {"limit": None}
    assert "$2" in given_none.statement.text
    assert "$2" not in left_out.statement.text
    assert _problems(PLAIN, x=None) == ("y is missing",)


def test_a_block_of_two_names_needs_both() -> None:
    assert BLOCKS(limit=1, low=2, high=3).values == (1, 2, 3)
    assert _problems(BLOCKS, limit=1, low=2) == ("low has no effect without high",)


def test_a_name_without_effect_says_what_it_waits_for() -> None:
    query = _query("select 1 /*? a */ , :a /*? b */ , :b /*?*/ /*?*/")

    assert _problems(query, b=1) == ("b has no effect without a",)
    far = _query("select 1 /*? a, b, c */ , :a, :b, :c /*?*/")
    assert _problems(far, b=1) == ("b has no effect without others",)


def test_what_a_block_needs_besides_its_name_is_missing() -> None:
    query = _query("select 1 /*? a */ , :a, :more /*?*/")

    assert query().values == ()
    assert _problems(query, a=1) == ("more is missing, which the other arguments need",)


@pytest.mark.parametrize("key", ["oldest", "", "NEWEST", None, 1, True, ["newest"], b"newest"])
def test_a_choice_takes_its_keys_only(key: object) -> None:
    assert _problems(BLOCKS, limit=1, sort=key) == ("sort is one of newest, near, or left out",)


def test_a_choice_is_the_default_where_it_is_left_out() -> None:
    assert BLOCKS(limit=1).statement.text.split()[-1] == "1"
    assert BLOCKS(limit=1, sort="newest").statement.text.endswith("1 desc")


def test_a_parameter_of_an_alternative_goes_with_its_key() -> None:
    bound = BLOCKS(limit=1, sort="near", point=5)

    assert bound.arguments == {"limit": 1, "point": 5}
    assert bound.statement.used == {"limit", "sort", "point"}
    assert _problems(BLOCKS, limit=1, sort="near") == (
        "point is missing, which the other arguments need",
    )
    assert _problems(BLOCKS, limit=1, sort="newest", point=5) == (
        "point has no effect without sort='near'",
    )


def test_a_switch_is_true_false_or_left_out() -> None:
    on, off = BLOCKS(limit=1, active=True), BLOCKS(limit=1, active=False)

    assert on.statement.text != off.statement.text
    assert off.statement is BLOCKS(limit=1).statement
    assert on.values == off.values == (1,)
    assert off == BLOCKS(limit=1)


@pytest.mark.parametrize("value", [None, 1, 0, "true", [True]])
def test_a_switch_takes_nothing_else(value: object) -> None:
    assert _problems(BLOCKS, limit=1, active=value) == (
        "active is a switch: give True, or False, or leave it out",
    )


def test_everything_wrong_is_said_at_once() -> None:
    problems = _problems(BLOCKS, active=None, sort="x", low=1, limt=2)

    assert [problem.split()[0] for problem in problems] == [
        *("active", "sort", "limit", "limt", "low")
    ]


def test_an_error_holds_no_value() -> None:
    with pytest.raises(rx.errors.ParameterError) as caught:
        BLOCKS(low="SECRET42", sort="SECRET42", active="SECRET42", unknown="SECRET42")

    assert "SECRET42" not in repr(caught.value) + str(caught.value)


def test_equal_calls_are_equal_values() -> None:
    assert PLAIN(x=1, y=2) == PLAIN(y=2, x=1)
    assert PLAIN(x=1, y=2) != PLAIN(x=2, y=1)
    assert hash(PLAIN(x=1, y=2)) == hash(PLAIN(x=1, y=2))
    assert BLOCKS(limit=1) != BLOCKS(limit=1, name="x")
    assert _query("select :x")(x=1) == _query("select :x")(x=1)
    assert _query("select :x")(x=1) != _query("select  :x")(x=1)


def test_a_bound_does_not_change() -> None:
    bound = PLAIN(x=1, y=2)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        bound.values = ()  # type: ignore[misc]
    bound.arguments["x"] = 7  # type: ignore[index]
    assert bound.arguments == {"x": 1, "y": 2}


def test_the_repr_names_the_arguments_and_what_was_chosen() -> None:
    bound = BLOCKS(limit=1, active=True, sort="newest")

    assert repr(bound) == "<Bound t.q(active=…, limit=…, sort=…)>"


@given(st.text(min_size=6))
def test_the_repr_shows_no_value(value: str) -> None:
    shown = repr(PLAIN(x=0, y=0))
    assume(value not in shown)

    for bound in (PLAIN(x=value, y=0), PLAIN(x=0, y=[value]), BLOCKS(limit=value, name=value)):
        assert value not in repr(bound)
        assert value not in repr(bound.query)
    assert repr(PLAIN(x=value, y=value)) == shown


def test_any_name_of_a_parameter_can_be_given() -> None:
    names = ["self", "query", "arguments", "positional", "name", "values", "statement"]
    query = _query("select " + ", ".join(f":{name}" for name in names))

    bound = query(**dict.fromkeys(names, 1))

    assert isinstance(bound, BoundQuery)
    assert bound.arguments == dict.fromkeys(names, 1)


def test_a_statement_is_written_once_for_each_variant() -> None:
    assert PLAIN(x=1, y=2).statement is PLAIN(x=3, y=4).statement
    assert BLOCKS(limit=1, name=1).statement is BLOCKS(limit=2, name=None).statement
