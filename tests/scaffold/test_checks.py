"""A CHECK that is read is one that the record refuses by in just the same cases."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import psycopg
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raxol_sql.scaffold.checks import rules_of
from raxol_sql.schema import Constraint

KINDS = {"integer": "int", "bigint": "int", "numeric": "Decimal", "text": "str"}
NUMBERS = st.integers(-30, 30)
WORDS = st.text(st.sampled_from("ab' ,]é\\"), max_size=4)


@st.composite
def bounds(draw: st.DrawFn, kind: str) -> str:
    if kind == "numeric":
        number = draw(st.decimals(-30, 30, places=2).map(str))
    else:
        number = str(draw(NUMBERS))
    form = draw(st.sampled_from(["x {} {}", "{1} {0} x", "not (x {} {})"]))
    return form.format(draw(st.sampled_from(["<", "<=", ">", ">=", "<>", "="])), number)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def checks(draw: st.DrawFn) -> tuple[str, str]:
    """The type of a column ``x``, and a check of it."""
    kind = draw(st.sampled_from(sorted(KINDS)))
    if kind != "text":
        several = draw(st.lists(bounds(kind), min_size=1, max_size=3))
        joined = f" {draw(st.sampled_from(['and', 'and', 'or']))} ".join(several)
        between = f"x between {draw(NUMBERS)} and {draw(NUMBERS)}"
        return kind, draw(st.sampled_from([joined, between]))
    words = ", ".join(map(quoted, draw(st.lists(WORDS, min_size=1, max_size=3))))
    return kind, draw(
        st.sampled_from(
            [
                f"x in ({words})",
                f"x = any (array[{words}])",
                f"x not in ({words})",
                f"char_length(x) <= {draw(st.integers(0, 5))}",
                f"length(x) <= {draw(st.integers(0, 5))}",
                f"octet_length(x) <= {draw(st.integers(0, 5))}",
                f"length(x) < 3 and x > {quoted(draw(WORDS))}",
            ]
        )
    )


@pytest.fixture(scope="module")
def connection(conninfo: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(conninfo, autocommit=True) as opened:
        yield opened


def accepts(rules: list[Any], value: Any) -> bool:
    field = attrs.make_class("Row", {"x": attrs.field()}).__attrs_attrs__[0]
    for rule in rules:
        try:
            getattr(attrs.validators, rule.validator)(rule.value)(None, field, value)
        except ValueError:
            return False
    return True


@given(
    checks(),
    st.lists(NUMBERS, min_size=3, max_size=6),
    st.lists(WORDS, min_size=3, max_size=6),
)
@example(("integer", "x > 1.5"), [1, 2], [])
@example(("numeric", "x::integer < 2"), [1, 2], [])
@example(("bigint", "x > -5 and x <= 5"), [-5, -4, 5, 6], [])
@example(("text", "x in ('a', 'b''c', 'd, e', 'f]')"), [], ["a", "b", "b'c", "d", "d, e", "f]"])
def test_a_check_that_is_read_refuses_what_the_server_refuses(
    connection: psycopg.Connection[Any],
    check: tuple[str, str],
    numbers: list[int],
    words: list[str],
) -> None:
    kind, expression = check
    connection.execute("drop table if exists pg_temp.read")
    connection.execute(f"create temp table read (x {kind} check ({expression}))".encode())
    definition = connection.execute(
        "select pg_get_constraintdef(oid) from pg_constraint "
        "where conrelid = 'pg_temp.read'::regclass and contype = 'c'"
    ).fetchone()
    assert definition is not None
    rules = rules_of(Constraint("c", "check", ("x",), definition[0]), KINDS[kind])
    if rules is None:
        return
    values: list[Any] = list(words) if kind == "text" else list(numbers)
    if kind == "numeric":
        values = [Decimal(one) / 2 for one in numbers]
    for value in values:
        found = connection.execute(
            f"select coalesce({expression}, true) from (select %s::{kind} as x) as one".encode(),
            [value],
        ).fetchone()
        assert found is not None
        assert accepts(rules, value) == found[0], (definition[0], rules, value)


@pytest.mark.parametrize(
    ("definition", "kind", "read"),
    [
        ("CHECK ((x > 0))", "int", True),
        ("CHECK (((x >= 10) AND (x <= 20)))", "int", True),
        ("CHECK ((x >= '-5'::integer))", "int", True),
        ("CHECK ((VALUE > 0))", "int", True),
        ("CHECK (((x)::integer < 100))", "int", True),
        ("CHECK ((x >= (0)::numeric))", "Decimal", True),
        ("CHECK ((x >= (0)::double precision))", "float", True),
        ("CHECK ((char_length(x) <= 3))", "str", True),
        ("CHECK ((length((x)::text) <= 3))", "str", True),
        ("CHECK ((x = ANY (ARRAY['a'::text, 'b'::text])))", "str", True),
        ("CHECK (((x)::text = ANY ((ARRAY['a'::character varying])::text[])))", "str", True),
        ("CHECK ((x > 0)) NOT VALID", "int", True),
        ("CHECK (((x)::integer < 100))", "Decimal", False),
        ("CHECK (((x > 0) OR (x < 5)))", "int", False),
        ("CHECK ((y > 0))", "int", False),
        ("CHECK ((x > y))", "int", False),
        ("CHECK ((x > 1.5))", "int", False),
        ("CHECK ((abs(x) > 1))", "int", False),
        ("CHECK ((length(x) <= 3))", "bytes", False),
        ("CHECK ((x ~ '^a$'::text))", "str", False),
        ("CHECK ((x = ANY (ARRAY['a'::citext])))", "str", False),
        ("CHECK ((x > 0)) NOT ENFORCED", "int", False),
        ("CHECK ((x > '2024-01-01'::date))", "date", False),
    ],
)
def test_what_is_not_certain_is_not_read(definition: str, kind: str, read: bool) -> None:
    found = rules_of(Constraint("c", "check", ("x",), definition), kind)
    assert (found is not None) == read
